"""Settings every tap has, and what is said about a wrong one."""

from __future__ import annotations

import difflib
import json
import typing as t
from urllib.parse import urlsplit

from singer_sdk import typing as th
from singer_sdk.plugin_base import JSONSchemaValidator

from commerce_taps import dates

if t.TYPE_CHECKING:
    from collections.abc import Iterator

LOOPBACK: t.Final = ("localhost", "127.0.0.1", "::1")

COMMON: t.Final[tuple[th.Property[t.Any], ...]] = (
    th.Property(
        "start_date",
        th.DateTimeType,
        title="Start date",
        description=(
            "Rows changed before this date are not read: a date or a timestamp, UTC unless it "
            "says otherwise. Applies to incremental streams; a later bookmark wins."
        ),
    ),
    th.Property(
        "page_size",
        th.IntegerType(minimum=1, maximum=5000),
        title="Page size",
        default=2000,
        description="Records asked for per page. What the server makes of it is respected.",
    ),
    th.Property(
        "concurrency",
        th.IntegerType(minimum=1, maximum=64),
        title="Concurrency",
        default=8,
        description="Requests under way at once. The output is the same for any value.",
    ),
    th.Property(
        "requests_per_minute",
        th.IntegerType(minimum=0),
        title="Requests per minute",
        default=1000,
        description="The most requests sent within any 60 seconds; 0 for no limit.",
    ),
    th.Property(
        "request_timeout",
        th.NumberType(exclusive_minimum=0),
        title="Request timeout",
        default=120,
        description="Seconds without a byte after which a request is given up and repeated.",
    ),
    th.Property(
        "max_retries",
        th.IntegerType(minimum=0, maximum=100),
        title="Retries",
        default=8,
        description="How often a request is repeated, with growing waits, before it has failed.",
    ),
    th.Property(
        "max_wait",
        th.NumberType(minimum=0),
        title="Longest wait",
        default=300,
        description=(
            "Seconds the tap waits when the API asks it to (`Retry-After`). Asked for more, it "
            "stops, keeps its state and says until when."
        ),
    ),
    th.Property(
        "max_response_mb",
        th.IntegerType(minimum=1),
        title="Largest answer",
        default=256,
        description="Megabytes beyond which an answer is not taken; smaller pages help.",
    ),
    th.Property(
        "strict",
        th.BooleanType,
        title="Strict",
        default=False,
        description=(
            "Stop at the first thing that cannot be read. By default the rest is read, and the "
            "run fails at its end."
        ),
    ),
    th.Property(
        "new_fields",
        th.StringType,
        title="New fields",
        allowed_values=["evolve", "drop"],
        default="evolve",
        description=(
            "What becomes of a field the catalog does not know: `evolve` adds a column for it, "
            "`drop` leaves it out and says so."
        ),
    ),
    th.Property(
        "user_agent",
        th.StringType,
        title="User agent",
        description="Sent with every request, so that the vendor can tell whose it is.",
    ),
)


TRUTH: t.Final = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}


def from_texts(texts: dict[str, str], schema: dict[str, t.Any]) -> dict[str, t.Any]:
    """Read settings that were given as texts, as the environment does.

    Args:
        texts: The settings as given.
        schema: The tap's `config_jsonschema`.

    Returns:
        Each setting in its type. What is not of its type stays a text: `mistakes` names it.
    """
    return {name: _from_text(text, schema["properties"][name]) for name, text in texts.items()}


def _from_text(text: str, schema: dict[str, t.Any]) -> t.Any:  # noqa: ANN401 (JSON)
    kinds = schema.get("type", ())
    if "string" in kinds:
        return text
    if "boolean" in kinds:
        return TRUTH.get(text.strip().lower(), text)
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        is_plain_list = "array" in kinds and text.strip() and not text.lstrip().startswith("[")
        return [part.strip() for part in text.split(",")] if is_plain_list else text


def tidy(config: dict[str, t.Any]) -> dict[str, t.Any]:
    """Undo what shells, files and forms add to settings.

    Args:
        config: The settings as given.

    Returns:
        The settings without blanks around texts, and without those that are empty or null: an
        empty variable of the environment is a setting that is not set.
    """
    stripped = {k: v.strip() if isinstance(v, str) else v for k, v in config.items()}
    return {k: v for k, v in stripped.items() if v is not None and v != ""}


def mistakes(config: dict[str, t.Any], schema: dict[str, t.Any]) -> list[str]:
    """Check settings against their JSON Schema, which also fills in defaults.

    Args:
        config: The settings.
        schema: The tap's `config_jsonschema`.

    Returns:
        A sentence for each mistake, without any secret's value.
    """
    found = []
    for error in JSONSchemaValidator(schema).iter_errors(config):
        if not error.path:
            found.append(f"Settings: {error.message}.")
        elif schema["properties"].get(error.path[0], {}).get("secret"):
            found.append(f"Setting `{error.path[0]}` must be a text.")
        else:
            found.append(f"Setting `{error.path[0]}`: {error.message}.")
    return found


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
            f"Setting `{name}` is not a date: {value!r}. "
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
        scheme, host, _ = parts.scheme, parts.hostname, parts.port
    except ValueError:
        scheme, host = "", None
    if scheme not in ("http", "https") or not host:
        yield f"Setting `{name}` is not an address: {url!r}. It looks like https://host."
    elif scheme == "http" and host not in LOOPBACK:
        yield f"Setting `{name}` must begin with https://, or the credential could be read."
