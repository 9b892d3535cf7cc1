"""tap-codat: the tap's settings and streams."""

from __future__ import annotations

import typing as t

from singer_sdk import typing as th
from typing_extensions import override

from commerce_taps.input.settings import COMMON, check_url
from commerce_taps.tap import HTTPTap
from tap_codat.api import CodatApi
from tap_codat.streams import STREAMS

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_codat.stream import CodatStream


class TapCodat(HTTPTap):
    """Reads commerce and platform data from Codat, for every company and connection."""

    name = "tap-codat"

    config_jsonschema = th.PropertiesList(
        th.Property(
            "api_key",
            th.StringType,
            secret=True,
            title="API key",
            description=(
                "API key as Codat's portal shows it; the tap encodes it. Either `api_key` or "
                "`auth_header` is required."
            ),
        ),
        th.Property(
            "auth_header",
            th.StringType,
            secret=True,
            title="Authorization header",
            description=(
                "Complete `Authorization` header as Codat's portal shows it (`Basic …`), sent "
                "unchanged in place of `api_key`."
            ),
        ),
        th.Property(
            "company_ids",
            th.ArrayType(th.StringType),
            title="Companies",
            description="Read only these companies. Default: all.",
        ),
        th.Property(
            "connection_ids",
            th.ArrayType(th.StringType),
            title="Connections",
            description="Read only these connections of the companies. Default: all.",
        ),
        th.Property(
            "skip_unchanged",
            th.BooleanType,
            title="Skip unchanged data",
            default=True,
            description=(
                "Skip data that Codat has not synced since the last run, and data types that a "
                "platform does not have. The tap requests the data statuses first."
            ),
        ),
        th.Property(
            "api_url",
            th.StringType,
            title="API address",
            default="https://api.codat.io",
            description="Address of the API. It must begin with https://, except on this machine.",
        ),
        *COMMON,
    ).to_dict()

    @override
    def check_config(self, config: dict[str, t.Any]) -> Iterator[str]:
        yield from super().check_config(config)
        yield from check_url("api_url", config["api_url"])
        for name in ("company_ids", "connection_ids"):
            if config.get(name) == []:
                yield f"Setting `{name}` is empty, so nothing would be read: fill or remove it."
        given = [name for name in ("api_key", "auth_header") if name in config]
        if not given:
            yield (
                "Setting `api_key` is missing: give the key from Codat's portal (Developers > "
                "API keys), or the ready-made header as `auth_header`."
            )
        elif len(given) > 1:
            yield "Settings `api_key` and `auth_header` are two forms of one key: give only one."
        for name in given:
            if not (config[name].isascii() and config[name].isprintable()):
                yield f"Setting `{name}` holds characters that no key has: copy it once more."

    @override
    def make_api(self) -> CodatApi:
        return CodatApi(self.config, self.logger)

    @override
    def discover_streams(self) -> Sequence[CodatStream]:
        return [stream(self) for stream in STREAMS]
