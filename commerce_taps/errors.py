"""What can go wrong with a request, and what the run does about it.

Every failed answer passes one table, the tap's `ErrorTable`, which names an `Action` and the
sentence the user reads::

    TapError                what the user reads; every error below is one
    ├── TapStopped          nothing more can be read (wrong key, quota spent): state is flushed
    ├── PartitionSkipped    there is nothing to read here, as is known (unchanged, not supported)
    │   ├── PartitionRefused  the server says so; of every partition of a stream, it is a failure
    │   └── PartitionForbidden   what is here may not be read with this credential
    ├── PartitionFailed     this partition could not be read; the others go on, the run exits 1
    │   ├── RequestTooLarge    the server answers less: fewer rows at once, or fewer fields
    │   └── UnexpectedError      the tap itself failed on it, as nobody foresaw
    ├── RecordFailed        this record cannot be written; its partition fails once all others are
    ├── FilterNotSupported       the server cannot filter by the replication key: read unfiltered
    ├── InvalidResponse     an answer that is cut short, not JSON, or contradicts itself: retried
    │   └── OversizedResponse it is larger than `max_response_mb`
    └── ErrorResponse             an answer that is to be looked up in the table
"""

from __future__ import annotations

import enum
import traceback
import typing as t
from dataclasses import dataclass
from pathlib import Path

if t.TYPE_CHECKING:
    from collections.abc import Collection, Sequence


class TapError(Exception):
    """An error whose text is one sentence for the user, without secrets or traceback.

    Attributes:
        reason: What happened and what to do.
        where: The stream and partition it happened on, if it belongs to one.
        note: What is particular to this one time.
        body: The answer it was made of, for the tap to look into; never to be shown.
    """

    def __init__(self, reason: str, where: str = "", note: str = "") -> None:
        """Keep the text.

        Args:
            reason: What happened and what to do.
            where: The stream and partition it happened on.
            note: What is particular to this one time, such as a correlation id.
        """
        text = f"{where}: {reason}" if where else reason
        super().__init__(f"{text.rstrip('.')} ({note})." if note else text)
        self.reason = reason
        self.where = where
        self.note = note
        self.body = b""


class TapStopped(TapError):
    """Nothing more can be read in this run."""


class PartitionSkipped(TapError):
    """The partition holds nothing to read, and that is ordinary."""


class PartitionRefused(PartitionSkipped):
    """The server says that the partition holds nothing to read.

    That is ordinary for one partition. A stream that it is said of everywhere has failed, unless it
    is `optional`.
    """


class PartitionForbidden(PartitionSkipped):
    """The credential does not open the partition, and that is for its owner to decide."""


class PartitionFailed(TapError):
    """The partition should have been read and could not be."""


class UnexpectedError(PartitionFailed):
    """The tap itself failed on what a server sent: the last resort, so that all else is read."""

    def __init__(self, error: Exception, where: str = "") -> None:
        """Name the place in the code, and nothing of the data.

        Args:
            error: What was raised.
            where: The stream and partition it happened on.
        """
        frames = traceback.extract_tb(error.__traceback__)
        place = f" in {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
        super().__init__(
            f"the tap has a fault ({type(error).__name__}{place}): please report it with what the "
            "log tells at level DEBUG",
            where,
        )
        self.__cause__ = error


class RecordFailed(TapError):
    """A record cannot be written: all others are, and then its partition has failed."""


class FilterNotSupported(TapError):
    """The server does not know the field it was asked to filter or sort by."""


class RequestTooLarge(PartitionFailed):
    """The server answers a smaller question only: fewer rows at once, or fewer fields."""


class InvalidResponse(TapError):
    """The answer is cut short, is not the JSON it should be, or contradicts itself."""


class OversizedResponse(InvalidResponse):
    """The answer is larger than may be."""


class ErrorResponse(TapError):
    """The request was refused, as the answer's status says, or its body in spite of a 200."""

    def __init__(self) -> None:
        """Keep nothing: status and body are in the hands of who asked."""
        super().__init__("the answer is a refusal")


class Message(t.NamedTuple):
    """What an API said along with a failure.

    Attributes:
        text: Its own words.
        reference: What its support asks for, such as a correlation id.
    """

    text: str
    reference: str = ""


class Action(enum.Enum):
    """What to do about a failed request."""

    RETRY = "retry"
    SKIP = "skip"
    FORBIDDEN = "deny"
    FAIL = "fail"
    STOP = "stop"
    DROP_FILTER = "unfilter"
    REDUCE = "lessen"


_RAISED = {
    Action.SKIP: PartitionRefused,
    Action.FORBIDDEN: PartitionForbidden,
    Action.FAIL: PartitionFailed,
    Action.STOP: TapStopped,
    Action.DROP_FILTER: FilterNotSupported,
    Action.REDUCE: RequestTooLarge,
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of an error table.

    Attributes:
        statuses: HTTP statuses the row is for.
        action: What to do.
        message: What happened and what to do, for the user. `{message}` is replaced by the
            message the API sent along.
        body: The row applies only when this text is in the answer's body.
        in_api_form: Whether the row applies only to answers in the API's own form
            (`ErrorTable.form`). By default those do that take an answer for ordinary: a web
            server's page, an empty body or the JSON of a gateway says nothing of what the API has.
        on_exhausted: For `Action.RETRY`: what to do once the retries are used up. With
            `Action.REDUCE`, a divisible request is repeated only `divisible_retries` times: a
            smaller one may succeed.
        recheck: How often the request is repeated all the same, once the API has answered others:
            a key that was good a moment ago may be refused by mistake. Never more often than any
            request is repeated.
        divisible_retries: See `on_exhausted`; never more than `max_retries`.
    """

    statuses: Sequence[int]
    action: Action
    message: str
    body: bytes = b""
    in_api_form: bool | None = None
    on_exhausted: Action = Action.FAIL
    recheck: int = 0
    divisible_retries: int = 1

    @property
    def needs_api_form(self) -> bool:
        """Whether the row applies only to answers in the API's own form."""
        ordinary = self.action in {Action.SKIP, Action.FORBIDDEN}
        return ordinary if self.in_api_form is None else self.in_api_form

    def error(self, where: str, message: Message, *, tries: int = 1) -> TapError:
        """Build the exception for this row.

        Args:
            where: The stream and partition, as the user knows them.
            message: What the API said.
            tries: How often the request was made.

        Returns:
            The exception to raise once there is nothing left to retry.
        """
        action = self.on_exhausted if self.action is Action.RETRY else self.action
        notes = [f"after {tries} tries"] if tries > 1 else []
        if message.reference and action is not Action.SKIP:
            notes.append(message.reference)
        return _RAISED[action](f"{self.describe(message)}.", where, ", ".join(notes))

    def describe(self, message: Message) -> str:
        """Fill in the sentence.

        Args:
            message: What the API said.

        Returns:
            The sentence without its full stop.
        """
        return self.message.format(message=message.text or "no details given").rstrip(".")


NO_RESPONSE = Rule(
    (), Action.RETRY, "no answer ({message}): look at the network and at the address of the API"
)
TIMEOUT = Rule(
    (), Action.RETRY, "no answer within `request_timeout` ({message})", on_exhausted=Action.REDUCE
)
INVALID_RESPONSE = Rule((), Action.RETRY, "{message}")
OVERSIZED = Rule((), Action.RETRY, "{message}", on_exhausted=Action.REDUCE)


class ErrorTable:
    """The rows of one API, first match wins."""

    def __init__(
        self,
        *rules: Rule,
        form: Collection[str] = (),
        no_response: Rule = NO_RESPONSE,
        timeout: Rule = TIMEOUT,
        invalid_response: Rule = INVALID_RESPONSE,
    ) -> None:
        """Keep the rows.

        Args:
            rules: The rows for answers with a failing status.
            form: Fields that the JSON object has which the API sends with a failure.
            no_response: The row for a connection that broke or was refused.
            timeout: The row for an answer that did not come in time.
            invalid_response: The row for an answer that cannot be read although its status is 200.
        """
        self._rules = rules
        self.form = form
        self.no_response = no_response
        self.timeout = timeout
        self.invalid_response = invalid_response
        self.oversized = OVERSIZED

    def classify(self, status: int, body: bytes, *, in_api_form: bool = True) -> Rule:
        """Find the row for an answer.

        Args:
            status: The HTTP status; 200 for a refusal that only the body tells.
            body: The answer's body.
            in_api_form: Whether the body has the API's own form.

        Returns:
            The first row that matches; for a status nobody foresaw, one that fails the partition;
            for an answer that is not the API's, one that tries again before.
        """
        rules = [one for one in self._rules if status in one.statuses and one.body in body]
        for rule in rules:
            if in_api_form or not rule.needs_api_form:
                return rule
        if rules:
            sentence = f"HTTP {status} in a form that is not the API's own: {{message}}"
            return Rule((status,), Action.RETRY, sentence)
        return Rule((status,), Action.FAIL, f"unexpected answer HTTP {status}: {{message}}")
