"""The error table: which rule applies, and what the user reads."""

from __future__ import annotations

import pytest

from commerce_taps.errors import (
    NOT_IN_API_FORM,
    Action,
    ErrorTable,
    FilterNotSupported,
    Message,
    PartitionFailed,
    PartitionForbidden,
    PartitionRefused,
    RequestTooLarge,
    Rule,
    TapError,
    TapStopped,
    UnexpectedError,
)

OWN = Rule((404,), Action.SKIP, "nothing to read ({message})", "deselect the stream")
TABLE = ErrorTable(
    OWN,
    Rule((500,), Action.STOP, "the API is closed", body=b"closed"),
    form=("status", "error"),
)


@pytest.mark.parametrize(
    ("status", "on_exhausted"),
    [
        *((status, Action.FAIL) for status in (300, 302, 399)),
        *((status, Action.REDUCE) for status in (408, 500, 501, 502, 504, 505, 599)),
        (503, Action.STOP),
    ],
)
def test_common_rule_retries_what_no_own_rule_decides(status: int, on_exhausted: Action) -> None:
    rule = ErrorTable().classify(status, b"")
    assert (rule.action, rule.on_exhausted) == (Action.RETRY, on_exhausted)
    assert rule.remedy


@pytest.mark.parametrize(("body", "action"), [(b"closed", Action.STOP), (b"", Action.RETRY)])
def test_own_rule_precedes_common_rule(body: bytes, action: Action) -> None:
    assert TABLE.classify(500, body).action is action


@pytest.mark.parametrize("status", [204, 400, 418, 499, 600])
def test_unexpected_status_fails_partition(status: int) -> None:
    error = TABLE.classify(status, b"").error("orders", Message("tea"))
    assert isinstance(error, PartitionFailed)
    assert error.reason == f"unexpected response HTTP {status} (tea)."


def test_rule_that_skips_needs_api_form() -> None:
    assert TABLE.classify(404, b"") is OWN
    foreign = TABLE.classify(404, b"", in_api_form=False)
    assert foreign == NOT_IN_API_FORM.for_status(404)
    assert foreign.message.startswith("HTTP 404 in a form")


@pytest.mark.parametrize(
    ("action", "error"),
    [
        (Action.SKIP, PartitionRefused),
        (Action.FORBIDDEN, PartitionForbidden),
        (Action.FAIL, PartitionFailed),
        (Action.STOP, TapStopped),
        (Action.DROP_FILTER, FilterNotSupported),
        (Action.REDUCE, RequestTooLarge),
    ],
)
def test_action_raises_its_error_at_once_or_after_retries(
    action: Action, error: type[TapError]
) -> None:
    at_once = Rule((400,), action, "no")
    exhausted = Rule((400,), Action.RETRY, "no", on_exhausted=action)
    for rule in (at_once, exhausted):
        assert type(rule.error("orders", Message(""))) is error


@pytest.mark.parametrize(
    ("remedy", "message", "attempts", "text"),
    [
        ("", "", 1, "orders: rejected (no details given)."),
        ("run again", "No.", 1, "orders: rejected (No): run again."),
        ("run again", "No {0}", 3, "orders: rejected (No {0}): run again (after 3 tries, id 7)."),
    ],
    ids=["alone", "with remedy", "with note"],
)
def test_error_shows_message_remedy_and_note(
    remedy: str, message: str, attempts: int, text: str
) -> None:
    rule = Rule((400,), Action.FAIL, "rejected ({message})", remedy)
    reference = "id 7" if attempts > 1 else ""
    error = rule.error("orders", Message(message, reference), attempts=attempts)
    assert str(error) == text


def test_unexpected_error_names_place_without_data() -> None:
    empty: dict[str, str] = {}
    with pytest.raises(KeyError) as raised:
        empty["a secret"]
    text = str(UnexpectedError(raised.value, "orders"))
    assert "(KeyError in test_errors.py:" in text
    assert "a secret" not in text
