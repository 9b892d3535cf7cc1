"""The errors of a load. Each message is for the user, and quotes no value."""

from __future__ import annotations

from singer_sdk.exceptions import MissingKeyPropertiesError, RecordsWithoutSchemaException

from commerce_taps.errors import TapError


class LoadError(TapError):
    """The load cannot continue. Committed rows stay."""


class BadLine(LoadError):
    """A line of the input is not a message. All messages before it are complete."""


class RecordBeforeSchema(BadLine, RecordsWithoutSchemaException):
    """A record came before the SCHEMA of its stream."""


class MissingKey(LoadError, MissingKeyPropertiesError):
    """A record has no value for its key."""


class InvalidValue(Exception):
    """A value does not fit its column.

    Attributes:
        index: The position of the value among those converted together.
        reason: What the value is, without the value itself.
    """

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(reason)
        self.index = index
        self.reason = reason
