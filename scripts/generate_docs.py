"""Write what the documentation and meltano.yml say of the taps, from the taps themselves.

    python scripts/generate_docs.py [--check]

`make docs` runs it. Each part stands between two marker lines, which are comments of its file:

    <!-- Generated from the tap: settings of tap-codat -->
    <!-- End of what is generated -->

With `--check` nothing is written, and the program fails where a part is not what the tap says. A
tap is documented once it stands in `TAPS` and its markers stand in the files of `parts`.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from tap_centra.tap import TapCentra
from tap_codat.tap import TapCodat
from tap_cscart.tap import TapCSCart
from target_duckdb.target import TargetDuckDB

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from commerce_taps.stream import HTTPStream
    from commerce_taps.tap import HTTPTap

TAPS: Final[tuple[type[HTTPTap], ...]] = (TapCentra, TapCodat, TapCSCart)

# Settings that choose another catalog, by what the plugin with these is called in meltano.yml.
OTHER_CATALOGS: Final = {"tap-centra": {"tap-centra-order": {"api": "order"}}}

ROOT: Final = Path(__file__).resolve().parent.parent

# A setting of the SDK that does nothing without a package no tap installs.
WITHOUT_EFFECT: Final = frozenset({"faker_config"})

# What Meltano calls a JSON type. Its `decimal` cannot be handed to a tap: Meltano writes settings
# as JSON and fails on a Decimal.
KINDS: Final = {"number": "integer"}


@dataclass(frozen=True)
class Part:
    """A generated part of a file.

    Attributes:
        file: The file, as seen from the root of the project.
        title: What the part's first marker says.
        lines: The lines between the markers.
    """

    file: str
    title: str
    lines: Sequence[str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the parts, or check them.

    Args:
        arguments: The arguments; those of the process if none.

    Returns:
        The exit code: 1 if `--check` found a part that is not what the tap says.
    """
    parser = argparse.ArgumentParser(description="Write what is generated from the taps.")
    parser.add_argument("--check", action="store_true", help="write nothing, fail on a difference")
    parser.add_argument("--root", type=Path, default=ROOT, help="the folder of the documents")
    asked = parser.parse_args(arguments)

    changed = []
    for part in [
        Part("README.md", "the taps", taps_in_short()),
        *(part for tap in TAPS for part in parts(tap)),
        *loader_parts(),
    ]:
        file = asked.root / part.file
        try:
            before = file.read_text(encoding="utf-8")
            after = insert(before, part)
        except (OSError, ValueError) as error:
            parser.error(f"{part.file}: {error}")
        if after != before:
            changed.append(f"{part.file}: {part.title}")
            if not asked.check:
                file.write_text(after, encoding="utf-8")
    for name in changed:
        print(f"{name} {'is not what the tap says: run `make docs`' if asked.check else 'written'}")
    return int(asked.check and bool(changed))


def parts(tap: type[HTTPTap]) -> Iterator[Part]:
    """List what is generated from a tap."""
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
    """List what is generated from the loader."""
    settings = f"settings of {TargetDuckDB.name}"
    yield Part("docs/target-duckdb.md", settings, settings_table(TargetDuckDB))
    yield Part("meltano.yml", settings, [*meltano_settings(TargetDuckDB)])


def insert(text: str, part: Part) -> str:
    """Put a part between its markers.

    Raises:
        ValueError: The markers are not there, or more than once.
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
        raise ValueError(f"the markers of {part.title!r} are there {times} times, not once")
    return text


# --- settings -----------------------------------------------------------------------------------

Setting = dict[str, Any]


def settings_of(
    tap: type[HTTPTap | TargetDuckDB],
) -> tuple[dict[str, Setting], dict[str, Setting]]:
    """Give a tap's own settings and those the SDK adds, as JSON Schemas by name."""
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
    """Say what a setting may be."""
    kind = schema["type"][0]
    if "enum" in schema:
        return " or ".join(f"`{one}`" for one in schema["enum"])
    if kind in ("integer", "number"):
        word = {"integer": "whole number", "number": "number"}[kind]
        if "maximum" in schema:
            return f"{word}, {schema['minimum']} to {schema['maximum']}"
        if "exclusiveMinimum" in schema:
            return f"{word} above {schema['exclusiveMinimum']}"
        return f"{word}, {schema['minimum']} or more"
    words = {"array": "JSON list of texts", "boolean": "`true` or `false`", "string": "text"}
    words["object"] = "JSON object"
    word = "date or timestamp" if schema.get("format") == "date-time" else words[kind]
    return f"{word}, secret" if schema.get("secret") else word


def meltano_settings(tap: type[HTTPTap | TargetDuckDB]) -> Iterator[str]:
    """Declare a tap's settings, and those the SDK adds, to Meltano."""
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
    """Name the kind of a setting as Meltano does."""
    if "enum" in schema:
        return "options"
    if schema.get("format") == "date-time":
        return "date_iso8601"
    kind = str(schema["type"][0])
    return KINDS.get(kind, kind)


def scalar(given: object) -> str:
    """Write a default value: texts without quotes, all else as JSON."""
    return given if isinstance(given, str) else json.dumps(given)


def plain(given: object) -> str:
    """Write a default value as YAML: with quotes only where it would be read as a number."""
    is_like_a_number = isinstance(given, str) and given.replace(".", "", 1).isdigit()
    return json.dumps(given) if is_like_a_number else scalar(given)


# --- streams ------------------------------------------------------------------------------------


def streams_of(tap: type[HTTPTap], config: dict[str, str] | None = None) -> Sequence[HTTPStream]:
    """List a tap's streams in the order they are declared in. Nothing is asked of the API."""
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
    """Say where a stream's rows come from."""
    parent = stream.parent_stream_type
    if parent is not None:
        return f"inside of `{cast('HTTPStream', parent).name}`"
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
    """Find the description of a field, which a schema need not declare."""
    for name in path:
        while "items" in schema:
            schema = schema["items"]
        schema = schema.get("properties", {}).get(name, {})
    return str(schema.get("description", "not declared, and may come"))


def summary(documented: type) -> str:
    """Take the first paragraph of a docstring."""
    return " ".join((documented.__doc__ or "").split("\n\n")[0].split())


def meltano_select(streams: Iterable[HTTPStream]) -> Iterator[str]:
    """Tell Meltano what is off by default: left alone, it selects all there is."""
    yield "    - '*.*'"
    for stream in streams:
        if not stream.selected_by_default:
            yield f"    - '!{stream.name}.*'"
        for column in stream.unselected_columns:
            yield f"    - '!{stream.name}.{column}'"


# --- tables -------------------------------------------------------------------------------------


def table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Write a Markdown table."""
    lines = [names, ["---"] * len(names), *rows]
    return [f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines]


if __name__ == "__main__":
    sys.exit(main())
