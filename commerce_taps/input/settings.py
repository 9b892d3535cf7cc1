"""The settings that every tap has, and the messages about wrong ones."""

from __future__ import annotations

import difflib
import math
import re
import typing as t
from datetime import datetime, timezone
from urllib.parse import urlsplit

from singer_sdk import typing as th
from singer_sdk.plugin_base import JSONSchemaValidator

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


def validation_errors(config: dict[str, t.Any], schema: dict[str, t.Any]) -> list[str]:
    """Validate settings against their JSON Schema, and fill in its defaults.

    Args:
        config: The settings.
        schema: The tap's `config_jsonschema`.

    Returns:
        A message for each mistake, without the value of any secret.
    """
    missing = [name for name in schema.get("required", ()) if name not in config]
    found = [f"Setting `{name}` is missing." for name in missing]
    found += [
        f"Setting `{name}`: {value} is not a number."
        for name, value in config.items()
        if isinstance(value, float) and not math.isfinite(value)
    ]
    for error in JSONSchemaValidator(_valid_schema(schema)).iter_errors(config):
        if error.path:
            secret = schema["properties"].get(error.path[0], {}).get("secret")
            found.append(_message(error, secret=bool(secret)))
    return found


def is_missing(message: str) -> bool:
    """Check whether a message is about a setting that is missing, rather than wrong."""
    return re.match("Setting `[a-z_]+` is missing[.:]", message) is not None


def _valid_schema(schema: t.Any) -> t.Any:  # noqa: ANN401 (JSON)
    """Remove what is not a schema: the SDK's for `stream_maps` has a type name in its `anyOf`."""
    if isinstance(schema, list):
        return [_valid_schema(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    valid = {name: _valid_schema(value) for name, value in schema.items()}
    if "anyOf" in valid:
        valid["anyOf"] = [choice for choice in valid["anyOf"] if isinstance(choice, dict)]
    return valid


TYPES: t.Final = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "array": "an array",
    "object": "an object",
}
"""The types of JSON Schema in messages. A setting that is null is a missing one."""

RULES: t.Final = {
    "type": "is not {}",
    "enum": "is not one of {}",
    "minimum": "is less than the minimum of {}",
    "maximum": "is more than the maximum of {}",
    "pattern": "holds characters that cannot be sent",
}
"""The message about a value that breaks a rule of JSON Schema."""

MAX_PREVIEW: t.Final = 60
"""Characters of a wrong value that a message quotes."""


def _message(error: ValidationError, *, secret: bool) -> str:
    """Write the message about one setting."""
    name, rule = ".".join(map(str, error.path)), t.cast("t.Any", error.validator_value)
    if error.validator == "type":
        kinds = [rule] if isinstance(rule, str) else rule
        rule = " or ".join(TYPES[kind] for kind in kinds if kind != "null")
    elif error.validator == "enum":
        rule = ", ".join(f"`{choice}`" for choice in rule)
    if secret and error.validator == "type":
        return f"Setting `{name}` must be {rule}."
    problem = RULES.get(str(error.validator), "is not a value of this setting").format(rule)
    value = "the value" if secret else preview(error.instance)
    return f"Setting `{name}`: {value} {problem}."


def preview(value: object) -> str:
    """Quote the beginning of a wrong value.

    The text is redacted before it is truncated: redaction would not recognize half a secret.
    """
    text = redact(repr(value))
    return text if len(text) <= MAX_PREVIEW else f"{text[:MAX_PREVIEW]}…"


def unknown_settings(config: dict[str, t.Any], schema: dict[str, t.Any]) -> Iterator[str]:
    """Find settings that do not exist.

    Args:
        config: The settings.
        schema: The tap's `config_jsonschema`.

    Yields:
        A message for each.
    """
    for name in config.keys() - schema["properties"].keys():
        near = difflib.get_close_matches(name, schema["properties"], n=1)
        hint = f" Did you mean `{near[0]}`?" if near else ""
        yield f"Setting `{name}` is not known and has no effect.{hint}"


def check_secrets(named: Iterable[str], known: Collection[str]) -> Iterator[str]:
    """Check the setting `include_secrets`.

    Args:
        named: Its value.
        known: All columns that hold secrets, each as `stream.column`.

    Yields:
        A message for each mistake.
    """
    for name in named:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0)
            hint = f" The nearest is `{near[0]}`." if near else " No stream has any."
            yield f"Setting `include_secrets`: {preview(name)} is no column with a secret.{hint}"


def warnings(config: dict[str, t.Any]) -> Iterator[str]:
    """Find settings that are valid, but probably not intended.

    Args:
        config: Valid settings.

    Yields:
        A message for each.
    """
    start = config.get("start_date")
    if start is not None and dates.parse(start) > datetime.now(timezone.utc):
        yield f"Setting `start_date` is in the future: the tap skips all changes before {start}."


def check_date(name: str, value: str) -> Iterator[str]:
    """Check that a setting is a date or a timestamp.

    Args:
        name: The setting.
        value: Its value.

    Yields:
        A message if it is not.
    """
    try:
        dates.parse(value)
    except ValueError:
        yield (
            f"Setting `{name}` is not a date: {preview(value)}. "
            "Write it as 2024-01-31 or 2024-01-31T00:00:00Z."
        )


def check_url(name: str, url: str) -> Iterator[str]:
    """Check that a setting is the address of an API.

    Args:
        name: The setting.
        url: Its value.

    Yields:
        A message if it is not: credentials are sent only over https, except to loopback addresses.
    """
    try:
        parts = urlsplit(url)
        scheme, host, user, _ = parts.scheme, parts.hostname, parts.username, parts.port
    except ValueError:
        scheme, host, user = "", None, None
    if user is not None:
        yield f"Setting `{name}` holds a user name or a password. Use the bare address."
    elif scheme not in ("http", "https") or not host or not _is_bare(url):
        yield f"Setting `{name}` is not an address: {preview(url)}. Write it as https://host."
    elif scheme == "http" and host not in LOOPBACK:
        yield f"Setting `{name}` must begin with https://: others could read the credential."


def _is_bare(url: str) -> bool:
    """Check that a path can be appended to an address: no query, no fragment, no blank."""
    return url.isprintable() and not any(sign in url for sign in " ?#")
