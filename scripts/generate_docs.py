"""Generate the parts of the documentation and of meltano.yml that describe the taps.

    python scripts/generate_docs.py [--check]

`make docs` runs it. Each part is between two marker lines, which are comments of its file:

    <!-- Generated from the tap: settings of tap-codat -->
    <!-- End of what is generated -->

With `--check` the program writes nothing, and exits with 1 if a part is out of date. To document a
tap, add it to `TAPS` and its markers to the files in `parts`.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from commerce_taps import errors
from commerce_taps.errors import Action, Rule
from tap_centra.integration.api import ERRORS as CENTRA_ERRORS
from tap_centra.order.api import ERRORS as CENTRA_ORDER_ERRORS
from tap_centra.tap import TapCentra
from tap_codat.api import ERRORS as CODAT_ERRORS
from tap_codat.tap import TapCodat
from tap_cscart.api import ERRORS as CSCART_ERRORS
from tap_cscart.tap import TapCSCart
from target_duckdb.target import TargetDuckDB

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from commerce_taps.stream import HTTPStream
    from commerce_taps.tap import HTTPTap

TAPS: Final[tuple[type[HTTPTap], ...]] = (TapCentra, TapCodat, TapCSCart)

# Settings that select another catalog, by the name of their plugin in meltano.yml.
OTHER_CATALOGS: Final = {"tap-centra": {"tap-centra-order": {"api": "order"}}}

# The rules of each table of messages, by the page it is on and what its markers call it.
MESSAGES: Final[dict[tuple[str, str], Sequence[Rule]]] = {
    ("troubleshooting", "messages of every tap"): (
        errors.NO_RESPONSE,
        errors.TIMEOUT,
        errors.OVERSIZED,
        *errors.COMMON_RULES,
        errors.NOT_IN_API_FORM,
        errors.UNEXPECTED_STATUS,
    ),
    ("tap-centra", "messages of tap-centra"): CENTRA_ERRORS.rules,
    ("tap-centra", "messages of tap-centra-order"): CENTRA_ORDER_ERRORS.rules,
    ("tap-codat", "messages of tap-codat"): CODAT_ERRORS.rules,
    ("tap-cscart", "messages of tap-cscart"): CSCART_ERRORS.rules,
}

# A rule with more statuses than these is shown as their class, such as `5xx`.
LISTED_STATUSES: Final = 10

ROOT: Final = Path(__file__).resolve().parent.parent

# A setting of the SDK that has no effect without a package that no tap installs.
WITHOUT_EFFECT: Final = frozenset({"faker_config"})

# Meltano's names for JSON types. `decimal` is unusable: Meltano writes settings as JSON and fails
# on a Decimal.
KINDS: Final = {"number": "integer"}


@dataclass(frozen=True)
class Part:
    """A generated part of a file.

    Attributes:
        file: Path of the file, relative to the root of the project.
        title: Title of the part, in its first marker.
        lines: The lines between the markers.
    """

    file: str
    title: str
    lines: Sequence[str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the parts.

    Args:
        arguments: The arguments; by default those of the process.

    Returns:
        The exit code: 1 if `--check` found a part that is out of date.
    """
    parser = argparse.ArgumentParser(description="Generate the parts that describe the taps.")
    parser.add_argument("--check", action="store_true", help="write nothing, fail on a difference")
    parser.add_argument("--root", type=Path, default=ROOT, help="the folder of the documents")
    options = parser.parse_args(arguments)

    changed = []
    for part in [
        Part("README.md", "the taps", taps_in_short()),
        *(part for tap in TAPS for part in parts(tap)),
        *loader_parts(),
        *(
            Part(f"docs/{page}.md", title, messages_table(r))
            for (page, title), r in MESSAGES.items()
        ),
    ]:
        file = options.root / part.file
        try:
            before = file.read_text(encoding="utf-8")
            after = insert(before, part)
        except (OSError, ValueError) as error:
            parser.error(f"{part.file}: {error}")
        if after != before:
            changed.append(f"{part.file}: {part.title}")
            if not options.check:
                file.write_text(after, encoding="utf-8")
    for name in changed:
        print(f"{name} {'is out of date: run `make docs`' if options.check else 'written'}")
    return int(options.check and bool(changed))


def parts(tap: type[HTTPTap]) -> Iterator[Part]:
    """List the parts that describe a tap."""
    settings, streams = f"settings of {tap.name}", f"streams of {tap.name}"
    page = f"docs/{tap.name}.md"
    yield Part(page, settings, settings_table(tap))
    yield Part(page, streams, streams_table(streams_of(tap)))
    yield Part(page, f"secrets of {tap.name}", secrets_table(streams_of(tap)))
    yield Part("meltano.yml", settings, [*meltano_settings(tap)])
    yield Part("meltano.yml", streams, [*meltano_select(streams_of(tap))])
    for name, config in OTHER_CATALOGS.get(tap.name, {}).items():
        others = streams_of(tap, config)
        yield Part(page, f"streams of {name}", streams_table(others))
        yield Part("meltano.yml", f"streams of {name}", [*meltano_select(others)])


def loader_parts() -> Iterator[Part]:
    """List the parts that describe the loader."""
    settings = f"settings of {TargetDuckDB.name}"
    yield Part("docs/target-duckdb.md", settings, settings_table(TargetDuckDB))
    yield Part("meltano.yml", settings, [*meltano_settings(TargetDuckDB)])


def insert(text: str, part: Part) -> str:
    """Put a part between its markers.

    Raises:
        ValueError: The markers are missing, or occur more than once.
    """
    marked = re.compile(
        rf"(?P<begin>^ *(?:#|<!--) Generated from the tap: {re.escape(part.title)}(?: -->)?\n)"
        r"(?:(?!.*Generated from the tap: ).*\n)*?"
        r"(?P<end> *(?:#|<!--) End of what is generated)",
        re.MULTILINE,
    )
    lines = "".join(f"{line}\n" for line in part.lines)
    text, times = marked.subn(lambda found: f"{found['begin']}{lines}{found['end']}", text)
    if times != 1:
        raise ValueError(f"the markers of {part.title!r} occur {times} times, not once")
    return text


# --- settings -----------------------------------------------------------------------------------

Setting = dict[str, Any]


def settings_of(
    tap: type[HTTPTap | TargetDuckDB],
) -> tuple[dict[str, Setting], dict[str, Setting]]:
    """List the settings of a tap and those that the SDK adds, as JSON Schemas by name."""
    added: dict[str, Any] = {"properties": {}}
    tap.append_builtin_config(added)
    own: dict[str, Setting] = tap.config_jsonschema["properties"]
    return (
        {name: schema for name, schema in own.items() if name not in added["properties"]},
        {name: s for name, s in added["properties"].items() if name not in WITHOUT_EFFECT},
    )


def settings_table(tap: type[HTTPTap | TargetDuckDB]) -> list[str]:
    """Describe a tap's settings."""
    own, _ = settings_of(tap)
    return table(
        ("Setting", "Value", "Default", "What it does"),
        (
            (f"`{name}`", value(schema), default(schema), schema["description"])
            for name, schema in own.items()
        ),
    )


def default(schema: Setting) -> str:
    """Show a setting's default."""
    return f"`{scalar(schema['default'])}`" if "default" in schema else ""


def value(schema: Setting) -> str:
    """Describe the values of a setting."""
    kind = schema["type"][0]
    if "enum" in schema:
        return " or ".join(f"`{one}`" for one in schema["enum"])
    if kind in ("integer", "number"):
        if "maximum" in schema:
            return f"{kind}, {schema['minimum']} to {schema['maximum']}"
        if "exclusiveMinimum" in schema:
            return f"{kind} above {schema['exclusiveMinimum']}"
        return f"{kind}, {schema['minimum']} or more"
    words = {"array": "JSON list of strings", "boolean": "`true` or `false`", "string": "string"}
    words["object"] = "JSON object"
    word = "date or timestamp" if schema.get("format") == "date-time" else words[kind]
    return f"{word}, secret" if schema.get("secret") else word


def meltano_settings(tap: type[HTTPTap | TargetDuckDB]) -> Iterator[str]:
    """Declare the settings of a tap, and those that the SDK adds, for Meltano."""
    for settings in settings_of(tap):
        for name, schema in settings.items():
            yield f"    - name: {name}"
            yield f"      label: {schema['title']}"
            yield f"      kind: {meltano_kind(schema)}"
            if "enum" in schema:
                yield "      options:"
                for one in schema["enum"]:
                    yield f"      - label: {one.capitalize()}"
                    yield f"        value: {one}"
            if "default" in schema:
                yield f"      value: {plain(schema['default'])}"
            if schema.get("secret"):
                yield "      sensitive: true"
            yield f"      description: {json.dumps(schema['description'], ensure_ascii=False)}"


def meltano_kind(schema: Setting) -> str:
    """Return the kind of a setting in Meltano."""
    if "enum" in schema:
        return "options"
    if schema.get("format") == "date-time":
        return "date_iso8601"
    kind = str(schema["type"][0])
    return KINDS.get(kind, kind)


def scalar(given: object) -> str:
    """Format a default value: strings without quotes, everything else as JSON."""
    return given if isinstance(given, str) else json.dumps(given)


def plain(given: object) -> str:
    """Format a default value as YAML, with quotes only if it would be read as a number."""
    is_like_a_number = isinstance(given, str) and given.replace(".", "", 1).isdigit()
    return json.dumps(given) if is_like_a_number else scalar(given)


# --- streams ------------------------------------------------------------------------------------


def streams_of(tap: type[HTTPTap], config: dict[str, str] | None = None) -> Sequence[HTTPStream]:
    """List the streams of a tap in the order of their declaration, without a request to the API."""
    made = tap(config=config, validate_config=False, setup_mapper=False)
    return cast("Sequence[HTTPStream]", made.discover_streams())


def taps_in_short() -> list[str]:
    """List the taps."""
    return table(
        ("Tap", "Streams", "What it does"),
        (
            (f"[{tap.name}](docs/{tap.name}.md)", str(count), summary(tap))
            for tap in TAPS
            for others in [OTHER_CATALOGS.get(tap.name, {}).values()]
            for count in [sum(len(streams_of(tap, config)) for config in [None, *others])]
        ),
    )


def streams_table(streams: Iterable[HTTPStream]) -> list[str]:
    """Describe streams."""
    return table(
        ("Stream", "What a row is", "Key", "Replication", "On by default", "Endpoint"),
        (
            (
                f"`{stream.name}`",
                summary(type(stream)),
                ", ".join(f"`{name}`" for name in stream.primary_keys),
                f"by `{stream.replication_key}`" if stream.replication_key else "full table",
                "yes" if stream.selected_by_default else "no",
                endpoint(stream),
            )
            for stream in streams
        ),
    )


def endpoint(stream: HTTPStream) -> str:
    """Describe where the rows of a stream come from."""
    parent = stream.parent_stream_type
    if parent is not None:
        return f"inside `{cast('HTTPStream', parent).name}`"
    return f"`/{getattr(stream, 'path', '')}`"


def secrets_table(streams: Iterable[HTTPStream]) -> list[str]:
    """List the columns that hold secrets."""
    return table(
        ("Column", "What it holds"),
        (
            (f"`{stream.name}.{column}`", described(stream.schema, column.split(".")))
            for stream in streams
            for column in stream.secret_columns
        ),
    )


def described(schema: dict[str, Any], path: Sequence[str]) -> str:
    """Return the description of a field, which the schema need not declare."""
    for name in path:
        while "items" in schema:
            schema = schema["items"]
        schema = schema.get("properties", {}).get(name, {})
    return str(schema.get("description", "not in the schema, but the API may send it"))


def summary(documented: type) -> str:
    """Return the first paragraph of a docstring."""
    return " ".join((documented.__doc__ or "").split("\n\n")[0].split())


def meltano_select(streams: Iterable[HTTPStream]) -> Iterator[str]:
    """Write the selection rules for Meltano, which by default selects everything."""
    yield "    - '*.*'"
    for stream in streams:
        if not stream.selected_by_default:
            yield f"    - '!{stream.name}.*'"
        for column in stream.unselected_columns:
            yield f"    - '!{stream.name}.{column}'"


# --- messages -----------------------------------------------------------------------------------


def messages_table(rules: Iterable[Rule]) -> list[str]:
    """Describe the rules of an error table. Rules with the same message are one row."""
    same: dict[str, list[Rule]] = {}
    for rule in rules:
        message = rule.message.replace("{message}", "…").replace("{status}", "…")
        if message != "…":  # the API's own words, which no table can list
            same.setdefault(message, []).append(rule)
    return table(
        ("HTTP", "Message", "The tap …", "What you can do"),
        (
            (statuses(some), code(message), effect(some[0]), sentence(some[0].remedy))
            for message, some in same.items()
        ),
    )


def statuses(rules: Iterable[Rule]) -> str:
    """Write the HTTP statuses of rules, a whole class of them as `5xx`."""
    found = sorted({status for rule in rules for status in rule.statuses})
    return f"{found[0] // 100}xx" if len(found) > LISTED_STATUSES else ", ".join(map(str, found))


def effect(rule: Rule) -> str:
    """Describe what the tap does about a rule's response."""
    if rule.action is not Action.RETRY:
        return str(rule.action.value)
    last = Action.FAIL if rule.on_exhausted is Action.REDUCE else rule.on_exhausted
    less = f"{Action.REDUCE.value}, then " if rule.on_exhausted is Action.REDUCE else ""
    return f"{rule.action.value}, then {less}{last.value}"


def code(text: str) -> str:
    """Write a text as code, which may contain backticks itself."""
    if "`" not in text:
        return f"`{text}`"
    return f"``{text}{' ' if text.endswith('`') else ''}``"


def sentence(remedy: str) -> str:
    """Write a remedy with a capital letter and a full stop."""
    return f"{remedy[:1].upper()}{remedy[1:]}." if remedy else ""


# --- tables -------------------------------------------------------------------------------------


def table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Write a Markdown table."""
    lines = [names, ["---"] * len(names), *rows]
    return [f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines]


if __name__ == "__main__":
    sys.exit(main())
