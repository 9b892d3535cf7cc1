"""Every setting of every tap: missing, empty, of a wrong type, out of range, with blanks around it.

The cases are derived from the schemas of the settings.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.bad_input.support import TAPS, on_one_tap, run_cli

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk import Stream

    from commerce_taps.stream import HTTPStream
    from tests.bad_input.support import Result, TapRunner, TapUnderTest
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
"""Settings of the SDK that are only checked together with others."""


@dataclass(frozen=True)
class Case:
    """A value of a setting.

    Attributes:
        name: The setting.
        given: The value; `...` if the setting is missing.
        taken: The value that the tap uses, `...` for none; anything else is rejected.
    """

    name: str
    given: Any
    taken: tuple[Any, ...] = ()


def kind_of(schema: Record) -> str:
    (kind,) = [one for one in schema["type"] if one != "null"]
    return str(kind)


def default_of(schema: Record) -> Any:  # noqa: ANN401 (JSON)
    return schema.get("default", ...)


def good_of(tested: TapUnderTest, name: str) -> Any:  # noqa: ANN401 (JSON)
    """Return a valid value of a setting."""
    schema = tested.schemas[name]
    if name in tested.examples:
        return tested.examples[name]
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


def settings() -> Iterator[tuple[TapUnderTest, str]]:
    """List the settings of all taps; a setting that several share is tested on the first."""
    seen = set()
    for tested in TAPS:
        for name, schema in tested.schemas.items():
            if (known := (name, json.dumps(schema))) not in seen:
                seen.add(known)
                yield tested, name


def cases(tested: TapUnderTest, name: str) -> Iterator[Case]:
    """List the cases of one setting."""
    schema = tested.schemas[name]
    for value in (*WRONG[kind_of(schema)], *beyond(schema)):
        yield Case(name, value)
    for value in (..., *UNSET):
        yield Case(name, value, (default_of(schema),))
    for value, taken in allowed(tested, name):
        yield Case(name, value, (taken,))


def allowed(tested: TapUnderTest, name: str) -> Iterator[tuple[Any, Any]]:
    """List valid values of a setting, and the values that the tap uses."""
    schema = tested.schemas[name]
    kind, good = kind_of(schema), good_of(tested, name)
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
    """List values just outside the range of a setting, and far outside."""
    if "minimum" in schema:
        yield from (schema["minimum"] - 1, -(10**40))
    if "maximum" in schema:
        yield from (schema["maximum"] + 1, 10**40, 10.0**40)
    if "enum" in schema:
        yield from ("other", schema["enum"][0].upper())
    if schema.get("format") == "date-time":
        yield from ("yesterday", "2024-02-30", "31.01.2024", "2024-01-31T25:00:00Z", "x" * 10_000)


SETTINGS = list(settings())
CASES = [(tested, case) for tested, name in SETTINGS for case in cases(tested, name)]


def name_of(value: object) -> str:
    if isinstance(value, Case):
        given = "missing" if value.given is ... else repr(value.given)
        return f"{value.name}={given[:40]}"
    return str(value)


def effect(
    run: TapRunner, config: Record, *, env: bool = False, **variables: str
) -> tuple[Result, Any]:
    """Run a tap that makes no requests. Returns the result and the accepted settings, if any."""
    path = run.folder / "config.json"
    path.write_text(json.dumps(config))
    arguments = [f"--config={path}", *(["--config=ENV"] if env else []), "--test=schema"]
    taken: list[Record] = []

    class Watched(run.tested.tap):  # type: ignore[name-defined,misc]
        def discover_streams(self) -> list[Stream]:
            found = super().discover_streams()
            return [stream for stream in found if stream.name == run.tested.stream]

        def setup_mapper(self) -> None:
            super().setup_mapper()
            taken.append(dict(self.config))

    end = run_cli(Watched, arguments, variables=variables)
    return end, taken[0] if taken else None


def given(run: TapRunner, name: str, value: Any) -> Record:  # noqa: ANN401 (JSON)
    """Return valid settings, except one."""
    unset = value is ... or value is None or (isinstance(value, str) and not value.strip())
    away = {name} if unset else {name, run.tested.instead.get(name)}
    rest = {key: one for key, one in run.config.items() if key not in away}
    return rest | NEEDS.get(name, {}) | ({} if value is ... else {name: value})


@pytest.mark.parametrize(("run", "case"), CASES, indirect=["run"], ids=name_of)
def test_setting_is_accepted_or_rejected(run: TapRunner, case: Case) -> None:
    """Either one message that names the setting, or the accepted settings and the schemas."""
    end, config = effect(run, given(run, case.name, case.given))
    needed = case.taken == (...,) and case.name in run.config
    if not case.taken or (needed and end.code):
        assert f"Setting `{case.name}" in end.error
        assert len(end.error) < 300
    else:
        assert config is not None, end.log
        assert config.get(case.name, ...) in case.taken
        assert end.stdout.startswith(b'{"type":"SCHEMA"')
        assert not end.at(logging.ERROR)


@pytest.mark.parametrize("tested", TAPS, ids=str)
def test_discovery_rejects_wrong_but_not_missing_settings(
    tested: TapUnderTest,
) -> None:
    """A setting that is present must be valid, even where it is not needed."""
    for name, schema in tested.schemas.items():
        variables = {
            f"{tested.prefix}API": tested.api,
            f"{tested.prefix}{name.upper()}": {"array": "[{}]", "string": " "}.get(
                kind_of(schema), "{wrong"
            ),
        }
        end = run_cli(tested.tap, ["--about"], variables=variables)
        assert end.code == 0, end.log
        end = run_cli(tested.tap, ["--discover"], variables=variables)
        if kind_of(schema) == "string":
            assert end.code == 0, end.log
        else:
            assert f"Setting `{name}" in end.error


@pytest.mark.parametrize(("run", "name"), SETTINGS, indirect=["run"], ids=name_of)
def test_environment_setting_is_accepted_or_rejected(run: TapRunner, name: str) -> None:
    schema = run.tested.schemas[name]
    good, variable = good_of(run.tested, name), f"{run.tested.prefix}{name.upper()}"
    text = good if isinstance(good, str) else json.dumps(good)
    if name in run.config:
        good = text = run.config[name]
    full = given(run, name, text)
    full.pop(name)
    end, config = effect(run, full, env=True, **{variable: f" {text}\n"})
    assert config is not None, end.log
    assert config[name] == good
    for text, good in allowed(run.tested, name) if name not in run.config else ():
        if isinstance(text, str):
            end, config = effect(run, full, env=True, **{variable: text})
            assert (config or {}).get(name) == good, end.log
    rest = given(run, name, ...)
    for empty in ("", " \n"):
        end, config = effect(run, rest, env=True, **{variable: empty})
        if config is None:
            assert name in run.config
            assert f"Setting `{name}" in end.error
        else:
            assert config.get(name, ...) == default_of(schema)
    if kind_of(schema) not in ("string", "array"):
        end, config = effect(run, rest, env=True, **{variable: "{not json"})
        assert f"Setting `{name}" in end.error


@pytest.mark.parametrize(
    "value", [CANARY, [CANARY], {"a": CANARY}, f"{CANARY}\n{CANARY}", f"{CANARY}ü", [[CANARY] * 9]]
)
def test_message_never_quotes_a_secret(run: TapRunner, value: object) -> None:
    properties = run.tested.schemas
    for name in (name for name, schema in properties.items() if schema.get("secret")):
        for other in properties:
            # The same value elsewhere, as when it was put on the wrong line.
            config = given(run, name, value) | {other: value}
            end, _ = effect(run, config)
            assert CANARY not in end.log
            assert CANARY.encode() not in end.stdout


def test_blanks_around_settings_are_removed(run: TapRunner) -> None:
    blank = {k: f"\t {v}\r\n" if isinstance(v, str) else v for k, v in run.config.items()}
    assert run.plain.counts[run.tested.stream]
    assert run(blank).output.timeless() == run.plain.timeless()


ADDRESSES = [
    "localhost", "https://", "https:/host", "ftp://host", "//host", "https://host:port",
    "https://host:99999", "https://[::1", "https://ho st", "https://host/?a=b", "https://host#a",
    "https://user:Canary-9@host", "https://ho\nst", "http://example.com", "javascript:x",
]  # fmt: skip


@pytest.mark.parametrize("address", ADDRESSES)
def test_invalid_address_is_rejected(run: TapRunner, address: str) -> None:
    (name,) = (one for one in run.config if one.endswith("_url"))
    end, _ = effect(run, given(run, name, address))
    assert f"Setting `{name}`" in end.error
    assert "Canary-9" not in end.log


@on_one_tap
@pytest.mark.parametrize("agent", ["a\nb", "ü", "a\x00b", "a\x7f"])
def test_unsendable_user_agent_is_rejected(run: TapRunner, agent: str) -> None:
    end, _ = effect(run, given(run, "user_agent", agent))
    assert "Setting `user_agent`" in end.error


@on_one_tap
def test_future_start_date_is_warned_about(run: TapRunner) -> None:
    end, _ = effect(run, given(run, "start_date", "2999-01-01"))
    assert end.code == 0
    assert "Setting `start_date` is in the future" in end.log


def test_early_start_date_reads_all_rows(run: TapRunner) -> None:
    everything = {"streams": run.tested.streams}
    plain = run(catalog=everything)
    early = run(given(run, "start_date", "0001-01-01"), catalog=everything)
    assert early.code == 0
    assert {*records_of(early)} == {*records_of(plain)}


def test_largest_numbers_of_settings_work(run: TapRunner) -> None:
    """Above all a look-back, which may reach beyond the first day of the calendar."""
    numbers = {
        name: schema.get("maximum", 10**15)
        for name, schema in run.tested.schemas.items()
        if kind_of(schema) in ("integer", "number") and not name.startswith("flattening_")
    }
    end = run(run.config | numbers, state=run.plain.state)
    assert end.code == 0, end.log
    assert end.output.states


@pytest.mark.parametrize("number", [0, -1, 1e308, -1e308, 10**400, -(10**400), 0.1, float("nan")])
def test_number_of_any_size_is_accepted_or_rejected(run: TapRunner, number: float) -> None:
    for name, schema in run.tested.schemas.items():
        if kind_of(schema) not in ("integer", "number"):
            continue
        config = given(run, name, number)
        if {"minimum", "maximum"} <= schema.keys():
            end, taken = effect(run, config)
            assert (taken is not None) == (schema["minimum"] <= number <= schema["maximum"]) or (
                kind_of(schema) == "integer" and number % 1
            )
        else:  # the SDK's own
            end = run(config)
        assert "Traceback" not in end.log
        if end.code:
            assert f"Setting `{name}" in end.error
            assert len(end.error) < 300


def records_of(end: Result) -> Iterator[tuple[str, str]]:
    """List the records, each with its stream, with sorted columns."""
    for line in end.stdout.splitlines():
        if line.startswith(b'{"type":"RECORD"'):
            message = json.loads(line, parse_float=str)
            yield message["stream"], json.dumps(message["record"], sort_keys=True)


@on_one_tap
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
def test_stream_map_is_accepted_or_rejected(run: TapRunner, name: str, value: Record) -> None:
    value = {key.replace("{}", run.tested.stream): one for key, one in value.items()}
    end = run(given(run, name, value))
    assert "Traceback" not in end.log
    if end.code:
        # It may be a fault of the map, or one that it has with each record.
        assert f"`{name}" in end.at(logging.ERROR)[0]


def test_included_secret_must_name_a_column(run: TapRunner) -> None:
    tap = run.tested.tap(config=run.config, validate_config=False, setup_mapper=False)
    streams = cast("list[HTTPStream]", tap.discover_streams())
    known = [f"{stream.name}.{column}" for stream in streams for column in stream.secret_columns]
    for given_ in (known, known[:1], ",".join(known), json.dumps(known)) if known else ([],):
        end = run(run.config | {"include_secrets": given_})
        assert end.code == 0, end.log
    for wrong in ("7", 7, ["orders"], [f"{name}x" for name in known[:1]] or ["x.y"]):
        end = run(run.config | {"include_secrets": wrong})
        assert "Setting `include_secrets`" in end.error
        assert "is no column with a secret" in end.error


# --- files --------------------------------------------------------------------------------------

REJECTED = {
    "empty": b"",
    "blank": b" \n",
    "truncated": b'{"api_key": "x',
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


@on_one_tap
@pytest.mark.parametrize("content", REJECTED.values(), ids=REJECTED)
@pytest.mark.parametrize("option", ["config", "state", "catalog"])
def test_settings_file_without_object_is_rejected(
    run: TapRunner, option: str, content: bytes
) -> None:
    path = run.folder / "file"
    path.write_bytes(content)
    (run.folder / "config.json").write_text(json.dumps(run.config))
    arguments = [f"--config={run.folder / 'config.json'}", f"--{option}={path}"]
    assert f"--{option}: " in run_cli(run.tested.tap, arguments).error


@on_one_tap
@pytest.mark.parametrize("option", ["config", "state", "catalog"])
def test_missing_settings_file_is_rejected(run: TapRunner, option: str) -> None:
    for path in (run.folder / "nothing.json", run.folder):
        end = run_cli(run.tested.tap, [f"--{option}={path}"])
        assert f"--{option}" in end.error


@on_one_tap
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_settings_file_may_have_any_encoding(run: TapRunner, encoding: str) -> None:
    contents = {"config": run.config, "state": {}, "catalog": run.catalog()}
    for option, content in contents.items():
        (run.folder / option).write_bytes(json.dumps(content).encode(encoding))
    arguments = [f"--{option}={run.folder / option}" for option in contents]
    other = run_cli(run.tested.tap, arguments)
    assert other.output.timeless() == run.plain.timeless()
