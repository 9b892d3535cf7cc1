"""Errors of requests, and the table that decides what the run does about each of them.

Every error response passes the tap's `ErrorTable`. Its `Rule` for the response has an `Action`, and
the message and the remedy that the log shows::

    TapError                    has a message for the user
    ├── TapStopped              ends the run: wrong credential, quota used up; the state is written
    ├── PartitionSkipped        is ordinary: the partition has nothing to read
    │   ├── PartitionRefused    by the API; a failure if it refuses all partitions of a stream
    │   └── PartitionForbidden  the credential may not read the partition
    ├── PartitionFailed         the partition was not read; the others are, and the run exits with 1
    │   ├── RequestTooLarge     readers request fewer rows; at a single row, its partition fails
    │   └── UnexpectedError     a bug in the tap
    ├── RecordFailed            the record cannot be written; its partition fails after all others
    ├── FilterNotSupported      the stream reads the list without a filter instead
    └── InvalidResponse         cut short, not JSON, or contradictory; the client retries
        └── OversizedResponse   larger than `max_response_mb`

`ErrorResponse` is none of them: a parser raises it for an error in a response with status 200, and
the client looks the response up in the table.
"""

from __future__ import annotations

import dataclasses
import enum
import traceback
import typing as t
from pathlib import Path

if t.TYPE_CHECKING:
    from collections.abc import Collection, Sequence


class TapError(Exception):
    """An error whose text is for the user: no secrets, no traceback.

    Attributes:
        reason: What happened.
        where: The stream and partition it happened on, if any.
        note: Details of this occurrence, such as a correlation id.
        remedy: What the user can do, as an imperative.
        body: The response that caused it, for the tap to parse; never shown.
    """

    def __init__(self, reason: str, where: str = "", note: str = "", *, remedy: str = "") -> None:
        text = f"{where}: {reason}" if where else reason
        if remedy:
            text = f"{text.rstrip('.')}: {remedy.rstrip('.')}."
        if note:
            text = f"{text.rstrip('.')} ({note})."
        super().__init__(text)
        self.reason = reason
        self.where = where
        self.note = note
        self.remedy = remedy
        self.body = b""


class TapStopped(TapError):
    """The run ends: no other request would succeed."""


class PartitionSkipped(TapError):
    """The partition has nothing to read, which is ordinary."""


class PartitionRefused(PartitionSkipped):
    """The API reports that the partition has nothing to read.

    This is ordinary for one partition. A stream fails if every partition of it is refused, unless
    the stream is `optional`.
    """


class PartitionForbidden(PartitionSkipped):
    """The credential may not read the partition; its owner decides about that."""


class PartitionFailed(TapError):
    """The partition could not be read."""


class UnexpectedError(PartitionFailed):
    """A bug in the tap. It fails one partition, so that the run reads all others.

    The message contains the place in the code, and none of the data.
    """

    def __init__(self, error: Exception, where: str = "") -> None:
        frames = traceback.extract_tb(error.__traceback__)
        place = f" in {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
        super().__init__(
            f"unexpected error in the tap ({type(error).__name__}{place})",
            where,
            remedy="please report it, with the log at level DEBUG",
        )
        self.__cause__ = error


class RecordFailed(TapError):
    """The record cannot be written. Its partition fails once all other records are written."""


class FilterNotSupported(TapError):
    """The API cannot filter or sort by the field in the request."""


class RequestTooLarge(PartitionFailed):
    """The API may accept a smaller request: one for fewer rows, or for fewer fields."""


class InvalidResponse(TapError):
    """The response is cut short, is not the expected JSON, or contradicts itself."""


class OversizedResponse(InvalidResponse):
    """The response is larger than `max_response_mb`."""


class ErrorResponse(Exception):
    """Raised by a parser: the body is an error although the status is 200."""


class Message(t.NamedTuple):
    """What an API sends along with an error.

    Attributes:
        text: Its description of the error.
        reference: What the vendor's support needs, such as a correlation id.
    """

    text: str
    reference: str = ""


class Action(enum.Enum):
    """What to do about an error response. The value completes "The tap …"."""

    RETRY = "retries"
    SKIP = "skips the partition"
    FORBIDDEN = "skips the partition, as the credential may not read it"
    FAIL = "fails the partition"
    STOP = "stops"
    DROP_FILTER = "reads the list without a filter"
    REDUCE = "requests fewer rows"


_RAISED = {
    Action.SKIP: PartitionRefused,
    Action.FORBIDDEN: PartitionForbidden,
    Action.FAIL: PartitionFailed,
    Action.STOP: TapStopped,
    Action.DROP_FILTER: FilterNotSupported,
    Action.REDUCE: RequestTooLarge,
}


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """One row of an error table. The documentation of messages is generated from these.

    Attributes:
        statuses: HTTP statuses the rule is for.
        action: What to do.
        message: What happened. `{message}` stands for the API's own description.
        remedy: What the user can do, as an imperative in lower case without a full stop.
        body: The rule applies only if the response's body contains this text.
        in_api_form: Whether the rule applies only to errors in the API's own form
            (`ErrorTable.form`). The default is true for rules that skip a partition: a web server's
            page, an empty body or the JSON of a gateway does not prove that the API has no data.
        on_exhausted: For `Action.RETRY`: what to do after the last retry. With `Action.REDUCE`, a
            divisible request is repeated `divisible_retries` times only: a smaller one may succeed.
        recheck: For all other actions: how often the request is repeated nevertheless, once the
            API has accepted another one, since a valid key may be rejected by mistake. At most
            `max_retries`.
        divisible_retries: See `on_exhausted`; at most `max_retries`.
    """

    statuses: Sequence[int]
    action: Action
    message: str
    remedy: str = ""
    body: bytes = b""
    in_api_form: bool | None = None
    on_exhausted: Action = Action.FAIL
    recheck: int = 0
    divisible_retries: int = 1

    @property
    def needs_api_form(self) -> bool:
        """Whether the rule applies only to errors in the API's own form."""
        skips = self.action in {Action.SKIP, Action.FORBIDDEN}
        return skips if self.in_api_form is None else self.in_api_form

    def error(self, where: str, message: Message, *, attempts: int = 1) -> TapError:
        """Create the exception to raise once there are no retries left.

        Args:
            where: The stream and partition.
            message: What the API sent along.
            attempts: How often the request was sent.
        """
        action = self.on_exhausted if self.action is Action.RETRY else self.action
        notes = [f"after {attempts} tries"] if attempts > 1 else []
        if message.reference and action is not Action.SKIP:
            notes.append(message.reference)
        reason = f"{self.describe(message)}."
        return _RAISED[action](reason, where, ", ".join(notes), remedy=self.remedy)

    def describe(self, message: Message) -> str:
        """Fill in the message, without a full stop."""
        text = message.text.rstrip(".") or "no details given"
        return self.message.format(message=text).rstrip(".")

    def for_status(self, status: int) -> Rule:
        """Fill in `{status}` in the message."""
        return dataclasses.replace(
            self, statuses=(status,), message=self.message.replace("{status}", str(status))
        )


NO_RESPONSE: t.Final = Rule(
    (),
    Action.RETRY,
    "no response ({message})",
    "check the network, the proxy, and the address in the settings",
)
"""The connection was refused or broke."""

TIMEOUT: t.Final = Rule(
    (),
    Action.RETRY,
    "no response within `request_timeout` ({message})",
    "raise `request_timeout`, or lower `page_size`",
    on_exhausted=Action.REDUCE,
)

INVALID_RESPONSE: t.Final = Rule((), Action.RETRY, "{message}")
"""The response has status 200 and cannot be parsed. The parser's error is the message."""

OVERSIZED: t.Final = Rule(
    (),
    Action.RETRY,
    "the response is larger than `max_response_mb` ({message})",
    "lower `page_size`, or raise `max_response_mb`",
    on_exhausted=Action.REDUCE,
)

NOT_IN_API_FORM: t.Final = Rule(
    (),
    Action.RETRY,
    "HTTP {status} in a form that is not the API's own ({message})",
    "check the address in the settings: a web server, firewall or gateway replied in place of the "
    "API",
)

UNEXPECTED_STATUS: t.Final = Rule(
    (),
    Action.FAIL,
    "unexpected response HTTP {status} ({message})",
    "check whether a proxy replied in place of the API, which does not document this status",
)

COMMON_RULES: t.Final = (
    Rule(
        range(300, 400),
        Action.RETRY,
        "the server redirects to another address, where the tap does not send the credential",
        "check the address in the settings: it has a typing error, or a proxy is in between",
    ),
    Rule(
        (408, 504),
        Action.RETRY,
        "the server took too long",
        "lower `page_size`, or run again later",
        on_exhausted=Action.REDUCE,
    ),
    Rule(
        (503,),
        Action.RETRY,
        "the API is down for maintenance ({message})",
        "run again later",
        on_exhausted=Action.STOP,
    ),
    Rule(
        (500, 501, 502, *range(505, 600)),
        Action.RETRY,
        "the API has an internal error ({message})",
        "run again later; if it fails again, report it to the vendor's support",
        on_exhausted=Action.REDUCE,
    ),
)
"""Rules that every table ends with."""


class ErrorTable:
    """The rules of one API; the first match wins.

    Attributes:
        rules: The API's own rules, before the `COMMON_RULES`.
        form: Fields that the API's own error objects have.
    """

    def __init__(self, *rules: Rule, form: Collection[str] = ()) -> None:
        self.rules = rules
        self.form = form

    def classify(self, status: int, body: bytes, *, in_api_form: bool = True) -> Rule:
        """Find the rule for an error response.

        Args:
            status: The HTTP status; 200 for an error that only the body reports.
            body: The response's body.
            in_api_form: Whether the body has the API's own form.

        Returns:
            The first rule that matches; `NOT_IN_API_FORM` if only its form is wrong, and
            `UNEXPECTED_STATUS` if there is no rule for it.
        """
        rules = (*self.rules, *COMMON_RULES)
        matches = [rule for rule in rules if status in rule.statuses and rule.body in body]
        for rule in matches:
            if in_api_form or not rule.needs_api_form:
                return rule
        return (NOT_IN_API_FORM if matches else UNEXPECTED_STATUS).for_status(status)
