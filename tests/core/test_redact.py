"""No form of any secret in anything that logging prints."""

from __future__ import annotations

import base64
import io
import json
import logging
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from singer_sdk.logging import ConsoleFormatter, StructuredFormatter
from singer_sdk.metrics import Metric, Point, log

from commerce_taps import redact as redaction
from commerce_taps.redact import FIRST_WORDS, MASK, Redactor, first_words, install, redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FORMATTERS = {"console": ConsoleFormatter(), "structured": StructuredFormatter()}

each_formatter = pytest.mark.parametrize("formatter", FORMATTERS)
# Four letters that nothing else prints, among all that needs escaping somewhere.
around = st.text(
    st.sampled_from("%/+=&?#\"'\\ \n\té日\U0001f511")
    | st.characters(codec="utf-8", exclude_characters="*"),
    max_size=6,
)
secrets = st.tuples(around, around).map("QZJX".join)


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    factory = logging.getLogRecordFactory()
    monkeypatch.setattr(redact, "_forms", [])
    logging.setLogRecordFactory(logging.LogRecord)
    install()
    yield
    logging.setLogRecordFactory(factory)


def printed(formatter: str, write: Callable[[logging.Logger], None]) -> str:
    """Print a log call as a process does that was set up before or after `install`."""
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(FORMATTERS[formatter])
    logger = logging.Logger("tap-test", logging.DEBUG)  # noqa: LOG001 - no other test uses it
    logger.addHandler(handler)
    write(logger)
    return out.getvalue()


def forms(secret: str) -> set[str]:
    """List how a secret may be spelled; written on its own, not taken from the code."""
    encoded = base64.b64encode(secret.encode()).decode()
    return {
        secret,
        secret.strip(),
        encoded,
        encoded.rstrip("="),
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        repr(secret)[1:-1],
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
    }


def failing(text: str) -> None:
    raise ValueError(text)


def with_traceback(logger: logging.Logger, text: str) -> None:
    try:
        try:
            failing(text)
        except ValueError as error:
            msg = f"while requesting with {text}"
            raise RuntimeError(msg) from error
    except RuntimeError:
        logger.exception("an error with %s", text)


AS_TEXT: dict[str, Callable[[logging.Logger, str], None]] = {
    "message": lambda logger, text: logger.info(text),
    "argument": lambda logger, text: logger.debug("GET %s", text),
    "arguments": lambda logger, text: logger.warning("%d %s %s", 7, text, text),
    "mapping": lambda logger, text: logger.error("%(a)s %(b)s", {"a": 1, "b": text}),
    "exception": lambda logger, text: logger.error(ValueError(text)),
    "traceback": with_traceback,
    "stack": lambda logger, text: logger.info(text, stack_info=True),
}
AS_SHOWN: dict[str, Callable[[logging.Logger, str], None]] = {
    "argument": lambda logger, text: logger.debug("GET %r", text),
    "mapping": lambda logger, text: logger.error("%(a)r", {"a": {"key": [text]}}),
    "object": lambda logger, text: logger.info({"key": [text]}),
    "exception": lambda logger, text: logger.error("%r", ValueError(text)),
    "metric": lambda logger, text: log(logger, Point("counter", Metric.RECORD_COUNT, text)),
    "wrong arguments": lambda logger, text: logger.info("%d", text),
    "too many arguments": lambda logger, text: logger.info("%s", *[text] * 2),
}
EVERY_WAY = [("text", way) for way in AS_TEXT] + [("shown", way) for way in AS_SHOWN]


@each_formatter
@pytest.mark.parametrize(("how", "way"), EVERY_WAY)
@settings(
    max_examples=settings().max_examples // 4,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(secrets)
def test_no_form_of_secret_is_printed(formatter: str, how: str, way: str, secret: str) -> None:
    redact._forms = []
    redact.add([secret])
    write = AS_TEXT[way] if how == "text" else AS_SHOWN[way]
    # What Python shows of a form that is escaped already is escaped twice, which no code prints.
    for form in forms(secret) if how == "text" else [secret]:
        text = printed(formatter, lambda logger, form=form: write(logger, f"<{form}>"))  # type: ignore[misc]
        assert text, "the line itself is still printed"
        for leaked in forms(secret):
            assert leaked not in text
            assert json.dumps(leaked)[1:-1] not in text


@each_formatter
def test_text_without_secret_is_printed_unchanged(formatter: str) -> None:
    redact.add(["XQZJ-secret"])

    def write(logger: logging.Logger) -> None:
        logger.info("plain %s %d%%", "words", 7)
        log(logger, Point("counter", Metric.RECORD_COUNT, 3))

    with_it = printed(formatter, write)
    logging.setLogRecordFactory(logging.LogRecord)
    without = printed(formatter, write)
    if formatter == "console":
        assert [line[23:] for line in with_it.splitlines()] == [
            line[23:] for line in without.splitlines()
        ]
    else:
        for mine, theirs in zip(with_it.splitlines(), without.splitlines(), strict=True):
            assert {**json.loads(mine), "ts": 0} == {**json.loads(theirs), "ts": 0}


@each_formatter
def test_traceback_is_logged_with_secret_masked(formatter: str) -> None:
    redact.add(["XQZJ-secret"])
    text = printed(formatter, lambda logger: with_traceback(logger, "XQZJ-secret"))
    assert "RuntimeError" in text
    assert "direct cause" in text
    assert f"while requesting with {MASK}" in text


def test_secret_within_secret_is_masked_completely() -> None:
    for order in (["QZJX", "QZJX-longer"], ["QZJX-longer", "QZJX"]):
        redactor = Redactor()
        redactor.add(order)
        assert redactor("<QZJX-longer> <QZJX>") == f"<{MASK}> <{MASK}>"


@given(st.recursive(secrets, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_secrets_in_lists_and_objects_are_masked(value: Any) -> None:  # noqa: ANN401
    def texts(value: Any) -> Iterator[str]:  # noqa: ANN401
        if isinstance(value, str):
            yield value
        else:
            for item in value.values() if isinstance(value, dict) else value:
                yield from texts(item)

    redactor = Redactor()
    redactor.add([value])
    every = list(texts(value))
    cleaned = redactor(" | ".join(every))
    assert not any(text in cleaned for text in every)


@pytest.mark.parametrize("given_", ["Basic QZJXqzjx", "basic  QZJXqzjx ", " BASIC QZJXqzjx"])
def test_credential_in_header_value_is_masked_alone(given_: str) -> None:
    redactor = Redactor()
    redactor.add([given_])
    assert redactor("key QZJXqzjx.") == f"key {MASK}."


@pytest.mark.parametrize("value", ["", " ", "abc", "Basic ", "Basic   ", None, True, False, [], {}])
def test_short_value_is_not_masked(value: object) -> None:
    redactor = Redactor()
    redactor.add([value])
    words = "abc, True, None and False stay."
    assert redactor(words) == words


def test_secret_in_stack_is_masked() -> None:
    redact.add(["test_secret_in_stack_is_masked"])  # the name of a frame is in it
    text = printed("console", lambda logger: logger.info("here", stack_info=True))
    assert f"in {MASK}\n" in text
    assert "test_secret_in_stack_is_masked" not in text


def test_second_install_changes_nothing() -> None:
    factory = logging.getLogRecordFactory()
    install()
    assert logging.getLogRecordFactory() is factory
    redact.add(["XQZJ-secret"])
    text = printed("console", lambda logger: logger.info("a XQZJ-secret"))
    assert text.count(MASK) == 1


def test_other_record_factory_is_kept() -> None:
    class Record(logging.LogRecord): ...

    logging.setLogRecordFactory(Record)
    install()
    made: list[logging.LogRecord] = []
    logger = logging.Logger("tap-test")  # noqa: LOG001 - no other test uses it
    handler = logging.Handler()
    handler.emit = made.append  # type: ignore[method-assign, assignment]
    logger.addHandler(handler)
    logger.info("x")
    assert type(made[0]) is Record


def test_broken_log_call_raises_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    redact.add(["XQZJ-secret"])
    text = printed("console", lambda logger: logger.info("%d of %d", *["XQZJ-secret"]))
    assert f"%d of %d ('{MASK}',)" in text
    assert capsys.readouterr() == ("", "")


def test_uncaught_error_is_logged_with_secret_masked(capsys: pytest.CaptureFixture[str]) -> None:
    """The SDK's hook for uncaught errors logs them, so they pass the factory."""
    from singer_sdk.plugin_base import SingerCommand  # noqa: PLC0415

    redact.add(["XQZJ-secret"])
    logger = logging.Logger("tap-test")  # noqa: LOG001 - no other test uses it
    handler = logging.StreamHandler(sys.stderr)
    logger.addHandler(handler)
    command = SingerCommand(name="tap-test", logger=logger)
    try:
        failing("XQZJ-secret")
    except ValueError as error:
        command.excepthook(type(error), error, error.__traceback__)
    logged = capsys.readouterr().err
    assert "ValueError" in logged
    assert "XQZJ-secret" not in logged
    assert redaction.redact is redact


@pytest.mark.parametrize("tags", [True, False])
def test_first_words_mask_secret_before_tags_go(*, tags: bool) -> None:
    redact.add(["QZJX<b>secret"])
    page = b"<html><style>p {}</style><p>Key QZJX<b>secret</b> is wrong</p>" + b" and" * 100
    text = first_words(page, tags=tags)
    assert MASK in text
    assert "QZJX" not in text
    assert len(text) <= FIRST_WORDS
    assert text.startswith("<html>" if tags else f"Key {MASK} is wrong and")
