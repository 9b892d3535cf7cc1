"""What can go wrong with a load. Every text is a sentence for the user, and quotes no value."""

from __future__ import annotations

from singer_sdk.exceptions import MissingKeyPropertiesError, RecordsWithoutSchemaException

from commerce_taps.errors import TapError


class LoadError(TapError):
    """The load cannot go on. What was committed stays."""


class BadLine(LoadError):
    """A line of the input is no message. What came before it is whole."""


class RecordBeforeSchema(BadLine, RecordsWithoutSchemaException):
    """A record came before the SCHEMA of its stream."""


class MissingKey(LoadError, MissingKeyPropertiesError):
    """A record has no value for its key."""


class Misfit(Exception):
    """A value does not fit its column.

    Attributes:
        index: The number of the value among those that were converted together.
        reason: What it is and what the column holds, without the value.
    """

    def __init__(self, index: int, reason: str) -> None:
        """Keep both.

        Args:
            index: The number of the value among those that were converted together.
            reason: What it is and what the column holds, without the value.
        """
        super().__init__(reason)
        self.index = index
        self.reason = reason
