"""Settings every tap has, and what is said about a wrong one."""

from __future__ import annotations

import difflib
import json
import math
import os
import re
import typing as t
from datetime import datetime, timezone
from urllib.parse import urlsplit

from dotenv import load_dotenv
from singer_sdk import typing as th
from singer_sdk.plugin_base import JSONSchemaValidator

from commerce_taps.errors import TapError
from commerce_taps.records import dates
from commerce_taps.redact import redact

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from jsonschema import ValidationError

LOOPBACK: t.Final = ("localhost", "127.0.0.1", "::1")

COMMON: t.Final[tuple[th.Property[t.Any], ...]] = (
    th.Property(
        "start_date",
        th.DateTimeType,
        title="Start date",
        description=(
            "Read only rows that changed at or after this date or timestamp, which is UTC unless "
            "it has another zone. Applies to incremental streams without a later bookmark."
        ),
    ),
    th.Property(
        "page_size",
        th.IntegerType(minimum=1, maximum=5000),
        title="Page size",
        default=2000,
        description=(
            "Rows to request per page. If the server returns pages of another size, the tap adapts."
        ),
    ),
    th.Property(
        "concurrency",
        th.IntegerType(minimum=1, maximum=64),
        title="Concurrency",
        default=8,
        description="Requests in progress at the same time. The output is the same for any value.",
    ),
    th.Property(
        "requests_per_minute",
        th.IntegerType(minimum=0, maximum=1_000_000),
        title="Requests per minute",
        default=1000,
        description="Maximum number of requests within any 60 seconds; 0 for no limit.",
    ),
    th.Property(
        "request_timeout",
        th.NumberType(minimum=0.1, maximum=3600),  # type: ignore[arg-type] # wrongly for whole ones
        title="Request timeout",
        default=120,
        description="Seconds without a byte from the server after which the tap repeats a request.",
    ),
    th.Property(
        "response_timeout",
        th.NumberType(minimum=1, maximum=86400),
        title="Response timeout",
        default=1800,
        description=(
            "Maximum seconds for a whole response, however slowly it arrives. After that the tap "
            "requests smaller pages."
        ),
    ),
    th.Property(
        "max_retries",
        th.IntegerType(minimum=0, maximum=100),
        title="Retries",
        default=8,
        description="How often the tap repeats a failed request, with growing waits.",
    ),
    th.Property(
        "max_wait",
        th.NumberType(minimum=0, maximum=365 * 86_400),
        title="Longest wait",
        default=300,
        description=(
            "Maximum seconds to wait when the API asks for it (`Retry-After`). If the API asks for"
            " a longer wait, the tap writes its state, logs until when, and stops."
        ),
    ),
    th.Property(
        "max_response_mb",
        th.IntegerType(minimum=1, maximum=8192),
        title="Largest response",
        default=256,
        description=(
            "Maximum size of a response in megabytes. If one is larger, the tap requests smaller "
            "pages."
        ),
    ),
    th.Property(
        "strict",
        th.BooleanType,
        title="Strict",
        default=False,
        description=(
            "Stop at the first failure. By default the run reads everything else and fails at its "
            "end."
        ),
    ),
    th.Property(
        "new_fields",
        th.StringType,
        title="New fields",
        allowed_values=["evolve", "drop"],
        default="evolve",
        description=(
            "What happens to a field that the catalog does not know: `evolve` adds a column for "
            "it, `drop` leaves it out and logs its name."
        ),
    ),
    th.Property(
        "include_secrets",
        th.ArrayType(th.StringType),
        title="Secrets to include",
        default=[],
        description=(
            "Columns with secrets to emit, each as `stream.column`. The tap withholds all other "
            "columns with secrets, whatever you select."
        ),
    ),
    th.Property(
        "max_new_columns",
        th.IntegerType(minimum=0, maximum=1000),
        title="New columns",
        default=200,
        description=(
            "Maximum number of columns that `evolve` adds to a stream. Further fields are kept as "
            "JSON in the column `_extra`."
        ),
    ),
    th.Property(
        "replace_nul",
        th.BooleanType,
        title="Replace NUL",
        default=False,
        description=(
            "Write U+FFFD instead of NUL in strings, at any depth. PostgreSQL cannot store NUL and"
            " rejects the whole batch of rows."
        ),
    ),
    th.Property(
        "user_agent",
        th.StringType(pattern="^[ -~]+$"),
        title="User agent",
        description="User agent to send with every request, by which the vendor can identify you.",
    ),
)


TRUTH: t.Final = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}


def from_environment(prefix: str, schema: dict[str, t.Any]) -> dict[str, str]:
    """Read settings from the environment, and from `.env` in the working directory.

    Args:
        prefix: What the names of the tap's variables begin with.
        schema: The tap's `config_jsonschema`.

    Returns:
        The settings as texts, see `tidy`.

    Raises:
        TapError: `.env` cannot be read, or a variable holds bytes that are no text.
    """
    _load_env_file()
    variables = {name: prefix + name.upper().replace("-", "_") for name in schema["properties"]}
    texts = {name: os.environ[one] for name, one in variables.items() if one in os.environ}
    for name, text in texts.items():
        if not text.isprintable() and any("\ud800" <= sign <= "\udfff" for sign in text):
            raise TapError(f"Setting `{name}` holds bytes that are not UTF-8.")
    return texts


def _load_env_file() -> None:
    """Add what `.env` sets to the environment, in which a variable that is there already stays.

    Only the working directory is looked at: a file further up may be that of another project.

    Raises:
        TapError: The file cannot be read.
    """
    try:
        load_dotenv(".env", encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise TapError(".env: it is not UTF-8. Save it so.") from error
    except OSError as error:
        raise TapError(f".env: it cannot be read ({error.strerror}).") from error
    except ValueError as error:
        raise TapError(f".env: it sets what no variable can hold ({error}).") from error


def clean(config: dict[str, t.Any], schema: dict[str, t.Any]) -> dict[str, t.Any]:
    """Undo what shells, files and forms do to settings: each is given the type it is to have.

    Args:
        config: The settings as given.
        schema: The tap's `config_jsonschema`.

    Returns:
        The settings without blanks around texts, and without those that are empty or null: an
        empty variable of the environment is a setting that is not set. What can mean one value
        only has become it: the text of a number, of true or false, or of JSON; a number that stands
        for a text, such as an id; a single value in place of a list, or several with commas
        between. Anything else stays as it is: `mistakes` names it.
    """
    found = {
        name: _tidy_value(value, schema["properties"].get(name, {}))
        for name, value in config.items()
    }
    return {name: value for name, value in found.items() if value is not None and value != ""}


def _tidy_value(value: t.Any, schema: dict[str, t.Any]) -> t.Any:  # noqa: ANN401 (JSON)
    kinds = schema.get("type", ())
    if isinstance(value, str):
        value = value.strip()
    if not kinds or value is None or value == "":
        return value
    if "array" in kinds:
        return _tidy_list(value, schema.get("items", {}))
    if isinstance(value, str):
        return value if "string" in kinds else _from_text(value, kinds)
    if not _is_number(value):
        return value
    if "string" in kinds and "integer" not in kinds:
        return str(value)
    return bool(value) if "boolean" in kinds and value in (0, 1) else _whole(value)


def _tidy_list(value: t.Any, items: dict[str, t.Any]) -> t.Any:  # noqa: ANN401 (JSON)
    """Make a list of what is given in place of one."""
    if isinstance(value, str):
        parts = [part for part in value.split(",") if part.strip()]
        value = _from_json(value) if value.startswith("[") else parts
    elif _is_number(value):
        value = [value]
    if not isinstance(value, list):
        return value
    return [_tidy_value(_whole(one), items) for one in value]


def _is_number(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


def _whole(value: t.Any) -> t.Any:  # noqa: ANN401 (JSON)
    """Take the fraction off a number that has none: a form may send 100 as 100.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _from_text(text: str, kinds: t.Sequence[str]) -> t.Any:  # noqa: ANN401 (JSON)
    """Read a text that stands for another value."""
    if "boolean" in kinds:
        return TRUTH.get(text.lower(), text)
    value = _from_json(text)
    if isinstance(value, bool) or isinstance(value, dict) != ("object" in kinds):
        return text
    return _whole(value)


def _from_json(text: str) -> t.Any:  # noqa: ANN401 (JSON)
    """Read JSON; a text that is none stays a text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def validation_errors(config: dict[str, t.Any], schema: dict[str, t.Any]) -> list[str]:
    """Check settings against their JSON Schema, which also fills in defaults.

    Args:
        config: The settings.
        schema: The tap's `config_jsonschema`.

    Returns:
        A sentence for each mistake, without any secret's value.
    """
    missing = [name for name in schema.get("required", ()) if name not in config]
    found = [f"Setting `{name}` is missing." for name in missing]
    found += [
        f"Setting `{name}`: {value} is not a number."
        for name, value in config.items()
        if isinstance(value, float) and not math.isfinite(value)
    ]
    for error in JSONSchemaValidator(_sound(schema)).iter_errors(config):
        if error.path:
            secret = schema["properties"].get(error.path[0], {}).get("secret")
            found.append(_mistake(error, secret=bool(secret)))
    return found


def is_missing(sentence: str) -> bool:
    """Tell whether a sentence is about a setting that is not given, rather than wrong."""
    return re.match("Setting `[a-z_]+` is missing[.:]", sentence) is not None


def _sound(schema: t.Any) -> t.Any:  # noqa: ANN401 (JSON)
    """Take out what is no schema: the SDK's for `stream_maps` names a type among its choices."""
    if isinstance(schema, list):
        return [_sound(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    sound = {name: _sound(value) for name, value in schema.items()}
    if "anyOf" in sound:
        sound["anyOf"] = [choice for choice in sound["anyOf"] if isinstance(choice, dict)]
    return sound


KINDS: t.Final = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
}
"""The types of JSON Schema, as the user knows them; null is a setting that is not set."""

FAULTS: t.Final = {
    "type": "is not {}",
    "enum": "is not one of {}",
    "minimum": "is less than the minimum of {}",
    "maximum": "is more than the maximum of {}",
    "pattern": "holds characters that cannot be sent",
}
"""What is said of a value that breaks a rule of JSON Schema."""

LONGEST_SHOWN: t.Final = 60
"""Characters of a wrong value that are quoted."""


def _mistake(error: ValidationError, *, secret: bool) -> str:
    """Say what is wrong with one setting."""
    name, rule = ".".join(map(str, error.path)), t.cast("t.Any", error.validator_value)
    if error.validator == "type":
        kinds = [rule] if isinstance(rule, str) else rule
        rule = " or ".join(KINDS[kind] for kind in kinds if kind != "null")
    elif error.validator == "enum":
        rule = ", ".join(f"`{choice}`" for choice in rule)
    if secret and error.validator == "type":
        return f"Setting `{name}` must be {rule}."
    fault = FAULTS.get(str(error.validator), "is not what this setting takes").format(rule)
    value = "what is given" if secret else preview(error.instance)
    return f"Setting `{name}`: {value} {fault}."


def preview(value: object) -> str:
    """Quote a value that is wrong.

    Args:
        value: The value.

    Returns:
        Its beginning, redacted before it is cut: half a secret would not be known any more.
    """
    text = redact(repr(value))
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def unknown(config: dict[str, t.Any], schema: dict[str, t.Any]) -> Iterator[str]:
    """Look for settings that have no effect.

    Args:
        config: The settings.
        schema: The tap's `config_jsonschema`.

    Yields:
        A sentence for each.
    """
    for name in config.keys() - schema["properties"].keys():
        near = difflib.get_close_matches(name, schema["properties"], n=1)
        hint = f" Did you mean `{near[0]}`?" if near else ""
        yield f"Setting `{name}` is not known and has no effect.{hint}"


def check_secrets(named: Iterable[str], known: Collection[str]) -> Iterator[str]:
    """Check which secrets are to be included.

    Args:
        named: What `include_secrets` names.
        known: All columns that hold secrets, each as `stream.column`.

    Yields:
        A sentence for each mistake.
    """
    for name in named:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0)
            hint = f" The nearest is `{near[0]}`." if near else " No stream has any."
            given = preview(name)
            yield f"Setting `include_secrets`: {given} is no column that holds secrets.{hint}"


def warnings(config: dict[str, t.Any]) -> Iterator[str]:
    """Look for settings that are right and probably not meant.

    Args:
        config: The settings, without mistakes.

    Yields:
        A sentence for each.
    """
    start = config.get("start_date")
    if start is not None and dates.parse(start) > datetime.now(timezone.utc):
        yield f"Setting `start_date` is in the future: what changes before {start} is not read."


def check_date(name: str, value: str) -> Iterator[str]:
    """Check a date.

    Args:
        name: The setting it comes from.
        value: The date.

    Yields:
        A sentence for a mistake.
    """
    try:
        dates.parse(value)
    except ValueError:
        yield (
            f"Setting `{name}` is not a date: {preview(value)}. "
            "Write it as 2024-01-31 or 2024-01-31T00:00:00Z."
        )


def check_url(name: str, url: str) -> Iterator[str]:
    """Check the address of an API.

    Args:
        name: The setting it comes from.
        url: The address.

    Yields:
        A sentence for a mistake: credentials are sent over https only, loopback excepted.
    """
    try:
        parts = urlsplit(url)
        scheme, host, user, _ = parts.scheme, parts.hostname, parts.username, parts.port
    except ValueError:
        scheme, host, user = "", None, None
    if user is not None:
        yield f"Setting `{name}` holds a user name or password: give the address alone."
    elif scheme not in ("http", "https") or not host or not _is_bare(url):
        yield f"Setting `{name}` is not an address: {preview(url)}. It looks like https://host."
    elif scheme == "http" and host not in LOOPBACK:
        yield f"Setting `{name}` must begin with https://, or the credential could be read."


def _is_bare(url: str) -> bool:
    """Tell whether a path can be put behind an address: no query, no fragment, no blank."""
    return url.isprintable() and not any(mark in url for mark in " ?#")
