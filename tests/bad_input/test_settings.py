"""Every setting of every tap: missing, empty, of a wrong type, out of range, with blanks around it.

The table is made from the settings' schemas.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.bad_input.conftest import SUBJECTS, end_of, of_one_tap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk import Stream

    from commerce_taps.stream import HTTPStream
    from tests.bad_input.conftest import End, Subject, Trial
    from tests.contract import Record

CANARY = "Canary/key+9? & more=%"
WRONG: dict[str, list[Any]] = {
    "string": [True, ["a"], {"a": 1}, float("nan")],
    "integer": ["many", "1.5", "true", "1,000", "1e400", "[1]", True, 1.5, [1], {}],
    "number": [
        "many",
        "NaN",
        "-Infinity",
        "1e400",
        True,
        [1],
        {"a": 1},
        float("nan"),
        -float("inf"),
    ],
    "boolean": ["perhaps", "2", 2, 0.5, [True], {"a": 1}],
    "array": ["[", '["a"', "[null]", True, {"a": 1}, [None], [["a"]], [True]],
    "object": ["x", "[]", "5", 5, True, [], ["a"]],
}
UNSET = (None, "", "\t \r\n")
NEEDS = {"flattening_enabled": {"flattening_max_depth": 1}}
"""Settings of the SDK that have an effect, or a fault, only along with others."""


@dataclass(frozen=True)
class Case:
    """A value of a setting.

    Attributes:
        name: The setting.
        given: The value; a setting that is not given is `...`.
        taken: What the tap makes of it: `...` for nothing. It is refused if none of these.
    """

    name: str
    given: Any
    taken: tuple[Any, ...] = ()


def kind_of(schema: Record) -> str:
    (kind,) = [one for one in schema["type"] if one != "null"]
    return str(kind)


def default_of(schema: Record) -> Any:  # noqa: ANN401 (JSON)
    return schema.get("default", ...)


def good_of(subject: Subject, name: str) -> Any:  # noqa: ANN401 (JSON)
    """Give a value a setting takes, whatever it is for."""
    schema = subject.schemas[name]
    if name in subject.examples:
        return subject.examples[name]
    if name.endswith("_url"):
        return "https://localhost"
    if "default" in schema:
        return schema["default"]
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("format") == "date-time":
        return "2024-01-31"
    examples = {"string": "good", "integer": 7, "boolean": True, "array": ["7"], "object": {}}
    return examples[kind_of(schema)]


def settings() -> Iterator[tuple[Subject, str]]:
    """List the settings of all taps; one that several have alike is tried on the first of them."""
    seen = set()
    for subject in SUBJECTS:
        for name, schema in subject.schemas.items():
            if (known := (name, json.dumps(schema))) not in seen:
                seen.add(known)
                yield subject, name


def cases(subject: Subject, name: str) -> Iterator[Case]:
    """Make the table for one setting."""
    schema = subject.schemas[name]
    for value in (*WRONG[kind_of(schema)], *beyond(schema)):
        yield Case(name, value)
    for value in (..., *UNSET):
        yield Case(name, value, (default_of(schema),))
    for value, taken in allowed(subject, name):
        yield Case(name, value, (taken,))


def allowed(subject: Subject, name: str) -> Iterator[tuple[Any, Any]]:
    """Give values a setting takes, and what becomes of them."""
    schema = subject.schemas[name]
    kind, good = kind_of(schema), good_of(subject, name)
    if kind == "string":
        yield f"\t {good} \r\n", good
        if good == "good":  # anything will do
            yield from ((5, "5"), (0.5, "0.5"), (2.0, "2.0"), ("true", "true"), ("[1]", "[1]"))
    if kind == "array" and name != "include_secrets":  # it takes names of columns only
        one = 7 if "integer" in schema["items"]["type"] else "7"
        yield from (([" 7\n", "\t8 "], ["7", "8"]), (" 7 ,8,", ["7", "8"]), ("7", ["7"]))
        yield from ((7, [one]), (7.0, [one]), ([7, 7.0], [one, one]), ("[7.0]", [one]))
        yield '["7", "8"]', ["7", "8"]
    if kind in ("integer", "number"):
        yield from ((float(good), good), (f" {good}\n", good), (f"{good}.0", good))
    if kind == "boolean":
        yield from ((word, True) for word in ("true", " True", "1", "yes", "ON", 1, 1.0))
        yield from ((word, False) for word in ("false", "FALSE ", "0", "no", "off", 0))
    if kind == "object":
        yield json.dumps(good), good
    for bound in ("minimum", "maximum"):
        if bound in schema:
            yield schema[bound], schema[bound]


def beyond(schema: Record) -> Iterator[Any]:
    """Give values just beyond what a setting takes, and far beyond it."""
    if "minimum" in schema:
        yield from (schema["minimum"] - 1, -(10**40))
    if "maximum" in schema:
        yield from (schema["maximum"] + 1, 10**40, 10.0**40)
    if "enum" in schema:
        yield from ("other", schema["enum"][0].upper())
    if schema.get("format") == "date-time":
        yield from ("yesterday", "2024-02-30", "31.01.2024", "2024-01-31T25:00:00Z", "x" * 10_000)


SETTINGS = list(settings())
CASES = [(subject, case) for subject, name in SETTINGS for case in cases(subject, name)]


def name_of(value: object) -> str:
    if isinstance(value, Case):
        given = "missing" if value.given is ... else repr(value.given)
        return f"{value.name}={given[:40]}"
    return str(value)


def effect(trial: Trial, config: Record, *, env: bool = False, **variables: str) -> tuple[End, Any]:
    """Run a tap that asks nobody, and give how it ended and what settings it took, if any."""
    path = trial.folder / "config.json"
    path.write_text(json.dumps(config))
    arguments = [f"--config={path}", *(["--config=ENV"] if env else []), "--test=schema"]
    taken: list[Record] = []

    class Watched(trial.subject.tap):  # type: ignore[name-defined,misc]
        def discover_streams(self) -> list[Stream]:
            found = super().discover_streams()
            return [stream for stream in found if stream.name == trial.subject.stream]

        def setup_mapper(self) -> None:
            super().setup_mapper()
            taken.append(dict(self.config))

    end = end_of(Watched, arguments, variables=variables)
    return end, taken[0] if taken else None


def given(trial: Trial, name: str, value: Any) -> Record:  # noqa: ANN401 (JSON)
    """Give settings that work, but for one."""
    unset = value is ... or value is None or (isinstance(value, str) and not value.strip())
    away = {name} if unset else {name, trial.subject.instead.get(name)}
    rest = {key: one for key, one in trial.config.items() if key not in away}
    return rest | NEEDS.get(name, {}) | ({} if value is ... else {name: value})


@pytest.mark.parametrize(("trial", "case"), CASES, indirect=["trial"], ids=name_of)
def test_setting_is_accepted_or_rejected(trial: Trial, case: Case) -> None:
    """Either one sentence that names the setting, or what the tap takes, and its schemas."""
    end, config = effect(trial, given(trial, case.name, case.given))
    needed = case.taken == (...,) and case.name in trial.config
    if not case.taken or (needed and end.code):
        assert f"Setting `{case.name}" in end.sentence
        assert len(end.sentence) < 300
    else:
        assert config is not None, end.log
        assert config.get(case.name, ...) in case.taken
        assert end.stdout.startswith(b'{"type":"SCHEMA"')
        assert not end.at(logging.ERROR)


@pytest.mark.parametrize("subject", SUBJECTS, ids=str)
def test_discovery_rejects_wrong_but_not_missing_settings(
    subject: Subject,
) -> None:
    """A setting that is given has to be right even where it is not needed."""
    for name, schema in subject.schemas.items():
        variables = {
            f"{subject.prefix}API": subject.api,
            f"{subject.prefix}{name.upper()}": {"array": "[{}]", "string": " "}.get(
                kind_of(schema), "{wrong"
            ),
        }
        end = end_of(subject.tap, ["--about"], variables=variables)
        assert end.code == 0, end.log
        end = end_of(subject.tap, ["--discover"], variables=variables)
        if kind_of(schema) == "string":
            assert end.code == 0, end.log
        else:
            assert f"Setting `{name}" in end.sentence


@pytest.mark.parametrize(("trial", "name"), SETTINGS, indirect=["trial"], ids=name_of)
def test_environment_setting_is_accepted_or_rejected(trial: Trial, name: str) -> None:
    schema = trial.subject.schemas[name]
    good, variable = good_of(trial.subject, name), f"{trial.subject.prefix}{name.upper()}"
    text = good if isinstance(good, str) else json.dumps(good)
    if name in trial.config:
        good = text = trial.config[name]
    full = given(trial, name, text)
    full.pop(name)
    end, config = effect(trial, full, env=True, **{variable: f" {text}\n"})
    assert config is not None, end.log
    assert config[name] == good
    for text, good in allowed(trial.subject, name) if name not in trial.config else ():
        if isinstance(text, str):
            end, config = effect(trial, full, env=True, **{variable: text})
            assert (config or {}).get(name) == good, end.log
    rest = given(trial, name, ...)
    for empty in ("", " \n"):
        end, config = effect(trial, rest, env=True, **{variable: empty})
        if config is None:
            assert name in trial.config
            assert f"Setting `{name}" in end.sentence
        else:
            assert config.get(name, ...) == default_of(schema)
    if kind_of(schema) not in ("string", "array"):
        end, config = effect(trial, rest, env=True, **{variable: "{not json"})
        assert f"Setting `{name}" in end.sentence


@pytest.mark.parametrize(
    "value", [CANARY, [CANARY], {"a": CANARY}, f"{CANARY}\n{CANARY}", f"{CANARY}ü", [[CANARY] * 9]]
)
def test_message_never_quotes_a_secret(trial: Trial, value: object) -> None:
    properties = trial.subject.schemas
    for name in (name for name, schema in properties.items() if schema.get("secret")):
        for other in properties:
            # The same value elsewhere, as when it was put on the wrong line.
            config = given(trial, name, value) | {other: value}
            end, _ = effect(trial, config)
            assert CANARY not in end.log
            assert CANARY.encode() not in end.stdout


def test_blanks_around_settings_are_removed(trial: Trial) -> None:
    blank = {k: f"\t {v}\r\n" if isinstance(v, str) else v for k, v in trial.config.items()}
    assert trial.plain.counts[trial.subject.stream]
    assert trial(blank).output.timeless() == trial.plain.timeless()


ADDRESSES = [
    "localhost", "https://", "https:/host", "ftp://host", "//host", "https://host:port",
    "https://host:99999", "https://[::1", "https://ho st", "https://host/?a=b", "https://host#a",
    "https://user:Canary-9@host", "https://ho\nst", "http://example.com", "javascript:x",
]  # fmt: skip


@pytest.mark.parametrize("address", ADDRESSES)
def test_invalid_address_is_rejected(trial: Trial, address: str) -> None:
    (name,) = (one for one in trial.config if one.endswith("_url"))
    end, _ = effect(trial, given(trial, name, address))
    assert f"Setting `{name}`" in end.sentence
    assert "Canary-9" not in end.log


@of_one_tap
@pytest.mark.parametrize("agent", ["a\nb", "ü", "a\x00b", "a\x7f"])
def test_unsendable_user_agent_is_rejected(trial: Trial, agent: str) -> None:
    end, _ = effect(trial, given(trial, "user_agent", agent))
    assert "Setting `user_agent`" in end.sentence


@of_one_tap
def test_future_start_date_is_warned_about(trial: Trial) -> None:
    end, _ = effect(trial, given(trial, "start_date", "2999-01-01"))
    assert end.code == 0
    assert "Setting `start_date` is in the future" in end.log


def test_early_start_date_reads_all_rows(trial: Trial) -> None:
    everything = {"streams": trial.subject.streams}
    plain = trial(catalog=everything)
    early = trial(given(trial, "start_date", "0001-01-01"), catalog=everything)
    assert early.code == 0
    assert {*records_of(early)} == {*records_of(plain)}


def test_largest_numbers_of_settings_work(trial: Trial) -> None:
    """Above all a time to go back, which may lead to before the calendar's first day."""
    numbers = {
        name: schema.get("maximum", 10**15)
        for name, schema in trial.subject.schemas.items()
        if kind_of(schema) in ("integer", "number") and not name.startswith("flattening_")
    }
    end = trial(trial.config | numbers, state=trial.plain.state)
    assert end.code == 0, end.log
    assert end.output.states


@pytest.mark.parametrize("number", [0, -1, 1e308, -1e308, 10**400, -(10**400), 0.1, float("nan")])
def test_number_of_any_size_is_accepted_or_rejected(trial: Trial, number: float) -> None:
    for name, schema in trial.subject.schemas.items():
        if kind_of(schema) not in ("integer", "number"):
            continue
        config = given(trial, name, number)
        if {"minimum", "maximum"} <= schema.keys():
            end, taken = effect(trial, config)
            assert (taken is not None) == (schema["minimum"] <= number <= schema["maximum"]) or (
                kind_of(schema) == "integer" and number % 1
            )
        else:  # the SDK's own
            end = trial(config)
        assert "Traceback" not in end.log
        if end.code:
            assert f"Setting `{name}" in end.sentence
            assert len(end.sentence) < 300


def records_of(end: End) -> Iterator[tuple[str, str]]:
    """Give the records, each with its stream; the order of columns has no meaning."""
    for line in end.stdout.splitlines():
        if line.startswith(b'{"type":"RECORD"'):
            message = json.loads(line, parse_float=str)
            yield message["stream"], json.dumps(message["record"], sort_keys=True)


@of_one_tap
@pytest.mark.parametrize("name", ["stream_maps", "faker_config"])
@pytest.mark.parametrize(
    "value",
    [
        {"__else__": "x"}, {"__else__": {}}, {"{}": "x"}, {"{}": 5}, {"{}": {"id": 5}},
        {"{}": {"id": "id +"}}, {"{}": {"__filter__": "("}}, {"{}": {"__alias__": "("}},
        {"{}": {"__key_properties__": "id"}}, {"{}": {"__key_properties__": ["nothing"]}},
        {"{}": {"__else__": "x"}}, {"{}": {"new": "nothing"}}, {"__x__": {}},
        {"{}": {"__source__": "nothing"}}, {"seed": []}, {"locale": "nowhere"}, {"locale": [5]},
        {"{}": {"new": "1 / 0"}}, {"{}": {"new": "None + 1"}},
    ],
)  # fmt: skip
def test_stream_map_is_accepted_or_rejected(trial: Trial, name: str, value: Record) -> None:
    value = {key.replace("{}", trial.subject.stream): one for key, one in value.items()}
    end = trial(given(trial, name, value))
    assert "Traceback" not in end.log
    if end.code:
        # It may be a fault of the map, or one that it has with each record.
        assert f"`{name}" in end.at(logging.ERROR)[0]


def test_included_secret_must_name_a_column(trial: Trial) -> None:
    tap = trial.subject.tap(config=trial.config, validate_config=False, setup_mapper=False)
    streams = cast("list[HTTPStream]", tap.discover_streams())
    known = [f"{stream.name}.{column}" for stream in streams for column in stream.secret_columns]
    for given_ in (known, known[:1], ",".join(known), json.dumps(known)) if known else ([],):
        end = trial(trial.config | {"include_secrets": given_})
        assert end.code == 0, end.log
    for wrong in ("7", 7, ["orders"], [f"{name}x" for name in known[:1]] or ["x.y"]):
        end = trial(trial.config | {"include_secrets": wrong})
        assert "Setting `include_secrets`" in end.sentence
        assert "is no column with a secret" in end.sentence


# --- files --------------------------------------------------------------------------------------

REFUSED = {
    "empty": b"",
    "blank": b" \n",
    "cut short": b'{"api_key": "x',
    "yaml": b"api_key: x",
    "list": b"[]",
    "null": b"null",
    "number": b"3",
    "not text": b"\xff\x00\xfe\x01\x80",
    "deep": b"[" * 100_000,
    "half a character": rb'{"bookmarks": {"\ud800": {}}, "streams": [], "api_key": "\udc00"}',
    "a name twice": b'{"api_key": "x", "streams": [], "bookmarks": {}, "api_key": "y"}',
    "a long number": b'{"page_size": ' + b"9" * 5000 + b"}",
}


@of_one_tap
@pytest.mark.parametrize("content", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("option", ["config", "state", "catalog"])
def test_settings_file_without_object_is_rejected(
    trial: Trial, option: str, content: bytes
) -> None:
    path = trial.folder / "file"
    path.write_bytes(content)
    (trial.folder / "config.json").write_text(json.dumps(trial.config))
    arguments = [f"--config={trial.folder / 'config.json'}", f"--{option}={path}"]
    assert f"--{option}: " in end_of(trial.subject.tap, arguments).sentence


@of_one_tap
@pytest.mark.parametrize("option", ["config", "state", "catalog"])
def test_missing_settings_file_is_rejected(trial: Trial, option: str) -> None:
    for path in (trial.folder / "nothing.json", trial.folder):
        end = end_of(trial.subject.tap, [f"--{option}={path}"])
        assert f"--{option}" in end.sentence


@of_one_tap
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_settings_file_may_have_any_encoding(trial: Trial, encoding: str) -> None:
    contents = {"config": trial.config, "state": {}, "catalog": trial.catalog()}
    for option, content in contents.items():
        (trial.folder / option).write_bytes(json.dumps(content).encode(encoding))
    arguments = [f"--{option}={trial.folder / option}" for option in contents]
    other = end_of(trial.subject.tap, arguments)
    assert other.output.timeless() == trial.plain.timeless()
