"""Reads settings from the environment, and gives each the type that its schema declares."""

from __future__ import annotations

import json
import math
import os
import typing as t

from dotenv import load_dotenv

from commerce_taps.errors import TapError

TRUTH: t.Final = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}


def from_environment(prefix: str, schema: dict[str, t.Any]) -> dict[str, str]:
    """Read settings from the environment, and from `.env` in the working directory.

    Args:
        prefix: The prefix of the tap's variables.
        schema: The tap's `config_jsonschema`.

    Returns:
        The settings as strings, for `clean`.

    Raises:
        TapError: `.env` cannot be read, or a variable is not UTF-8.
    """
    _load_env_file()
    variables = {name: prefix + name.upper().replace("-", "_") for name in schema["properties"]}
    texts = {name: os.environ[one] for name, one in variables.items() if one in os.environ}
    for name, text in texts.items():
        if not text.isprintable() and any("\ud800" <= sign <= "\udfff" for sign in text):
            raise TapError(f"Setting `{name}` holds bytes that are not UTF-8.")
    return texts


def _load_env_file() -> None:
    """Add the variables of `.env` to the environment, except those that exist already.

    Only the working directory counts: a file further up may belong to another project.
    """
    try:
        load_dotenv(".env", encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise TapError(".env is not UTF-8. Save it as UTF-8.") from error
    except OSError as error:
        raise TapError(f".env cannot be read ({error.strerror}).") from error
    except ValueError as error:
        raise TapError(f".env sets a value that no variable can hold ({error}).") from error


def clean(config: dict[str, t.Any], schema: dict[str, t.Any]) -> dict[str, t.Any]:
    """Give each setting the type that its schema declares: undo what shells and forms do to it.

    Args:
        config: The settings as given.
        schema: The tap's `config_jsonschema`.

    Returns:
        The settings, without blanks around strings, and without null and empty ones: an empty
        environment variable counts as not set. Unambiguous values are converted: a string that is
        a number, true or false, or JSON; a number for a string, such as an id; a single value, or
        several with commas between, for an array. `validation_errors` reports all others.
    """
    found = {
        name: _clean_value(value, schema["properties"].get(name, {}))
        for name, value in config.items()
    }
    return {name: value for name, value in found.items() if value is not None and value != ""}


def _clean_value(value: t.Any, schema: dict[str, t.Any]) -> t.Any:  # noqa: ANN401 (JSON)
    kinds = schema.get("type", ())
    if isinstance(value, str):
        value = value.strip()
    if not kinds or value is None or value == "":
        return value
    if "array" in kinds:
        return _clean_list(value, schema.get("items", {}))
    if isinstance(value, str):
        return value if "string" in kinds else _from_text(value, kinds)
    if not _is_number(value):
        return value
    if "string" in kinds and "integer" not in kinds:
        return str(value)
    return bool(value) if "boolean" in kinds and value in (0, 1) else _whole(value)


def _clean_list(value: t.Any, items: dict[str, t.Any]) -> t.Any:  # noqa: ANN401 (JSON)
    """Convert a value that stands for an array."""
    if isinstance(value, str):
        parts = [part for part in value.split(",") if part.strip()]
        value = _from_json(value) if value.startswith("[") else parts
    elif _is_number(value):
        value = [value]
    if not isinstance(value, list):
        return value
    return [_clean_value(_whole(one), items) for one in value]


def _is_number(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


def _whole(value: t.Any) -> t.Any:  # noqa: ANN401 (JSON)
    """Convert a float without a fraction to an integer: a form may send 100 as 100.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _from_text(text: str, kinds: t.Sequence[str]) -> t.Any:  # noqa: ANN401 (JSON)
    """Convert a string that stands for another value."""
    if "boolean" in kinds:
        return TRUTH.get(text.lower(), text)
    value = _from_json(text)
    if isinstance(value, bool) or isinstance(value, dict) != ("object" in kinds):
        return text
    return _whole(value)


def _from_json(text: str) -> t.Any:  # noqa: ANN401 (JSON)
    """Decode JSON; any other string stays a string."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
