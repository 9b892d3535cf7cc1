"""tap-centra: the tap's settings, and which of Centra's two APIs they choose."""

from __future__ import annotations

import typing as t
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from singer_sdk import typing as th
from typing_extensions import override

from commerce_taps.input.settings import COMMON, check_url
from commerce_taps.tap import HTTPTap
from tap_centra.integration.api import IntegrationApi
from tap_centra.integration.streams import STREAMS as INTEGRATION_STREAMS
from tap_centra.order.api import OrderApi
from tap_centra.order.streams import STREAMS as ORDER_STREAMS

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from commerce_taps.api import Api
    from commerce_taps.stream import HTTPStream

INTEGRATION: t.Final = "integration"
ORDER: t.Final = "order"

OWN: t.Final = {
    INTEGRATION: ("token", "on_missing_permission"),
    ORDER: ("api_key", "timezone", "voucher_ids"),
}
"""The settings that belong to one API only, its credential first."""

APIS: t.Final[Mapping[str, type[Api]]] = {INTEGRATION: IntegrationApi, ORDER: OrderApi}
STREAMS: t.Final[Mapping[str, Sequence[type[HTTPStream]]]] = {
    INTEGRATION: INTEGRATION_STREAMS,
    ORDER: ORDER_STREAMS,
}

NAMES: t.Final = {INTEGRATION: "Integration API", ORDER: "Order API"}
PLACES: t.Final = {
    INTEGRATION: "System > API Tokens",
    ORDER: "the settings of the Order API plugin",
}
"""Where the admin shows the credential of each API."""


class TapCentra(HTTPTap):
    """Reads a Centra environment through the Integration API, or through the Order API."""

    name = "tap-centra"

    config_jsonschema = th.PropertiesList(
        th.Property(
            "api",
            th.StringType,
            title="API",
            allowed_values=[INTEGRATION, ORDER],
            default=INTEGRATION,
            description=(
                "Centra's API to read: `integration`, the GraphQL API of the whole environment, or"
                " `order`, the older REST API of an Order API plugin."
            ),
        ),
        th.Property(
            "base_url",
            th.StringType,
            required=True,
            title="Address",
            description=(
                "Address of the API: `https://<customer>.centra.com` for the Integration API, the "
                "address that the plugin shows for the Order API. It must begin with https://, "
                "except on this machine."
            ),
        ),
        th.Property(
            "token",
            th.StringType,
            secret=True,
            title="Token",
            description="Integration API: token from the admin, System > API Tokens.",
        ),
        th.Property(
            "api_key",
            th.StringType,
            secret=True,
            title="Shared secret",
            description="Order API: shared secret of the plugin.",
        ),
        th.Property(
            "timezone",
            th.StringType,
            title="Time zone",
            description=(
                "Order API, required: time zone of the environment, such as `Europe/Stockholm`. "
                "The API does not report it."
            ),
        ),
        th.Property(
            "voucher_ids",
            th.ArrayType(th.CustomType({"type": ["string", "integer"]})),
            title="Vouchers",
            description="Order API: ids of the vouchers to read. The API cannot list them.",
        ),
        th.Property(
            "lookback_days",
            th.IntegerType(minimum=0, maximum=100 * 365),
            title="Days to look back",
            default=30,
            description=(
                "Days before the bookmark to read again, for streams that the API can filter only "
                "by creation. Later changes are not seen."
            ),
        ),
        th.Property(
            "on_missing_permission",
            th.StringType,
            title="Missing permission",
            allowed_values=["drop_field", "fail"],
            description=(
                "Integration API: what happens to a field that the token may not read. "
                "`drop_field` leaves it out, or skips the stream if this affects all of it; `fail`"
                " fails the stream. Default: `drop_field`."
            ),
        ),
        th.Property(
            "page_size",
            th.IntegerType(minimum=1, maximum=200),
            title="Page size",
            default=100,
            description=(
                "Rows to request per page. The tap reduces the number if the API requires it."
            ),
        ),
        *(setting for setting in COMMON if setting.name != "page_size"),
    ).to_dict()

    @override
    def check_config(self, config: dict[str, t.Any]) -> Iterator[str]:
        yield from super().check_config(config)
        yield from check_url("base_url", config["base_url"])
        yield from _check_choice(config)
        yield from _check_credential(config)
        yield from _check_timezone(config)
        if "" in config.get("voucher_ids", ()):
            yield "Setting `voucher_ids` contains an empty id: remove it."

    @override
    def make_api(self) -> Api:
        return APIS[self.config["api"]](self.config, self.logger)

    @override
    def discover_streams(self) -> Sequence[HTTPStream]:
        """Return the streams of the API that the settings choose, without a request."""
        return [stream(self) for stream in STREAMS[self.config.get("api", INTEGRATION)]]


def _check_choice(config: Mapping[str, t.Any]) -> Iterator[str]:
    """Check that the settings belong to the API that `api` chooses."""
    api = config["api"]
    other = ORDER if api == INTEGRATION else INTEGRATION
    for name in OWN[other]:
        if name in config:
            yield (
                f"Setting `{name}` belongs to the {NAMES[other]}, and `api` is `{api}`: remove it, "
                f"or set `api` to `{other}`."
            )
    if api == ORDER and config["base_url"].rstrip("/").endswith("/graphql"):
        yield (
            "Setting `base_url` is the address of the Integration API, and `api` is `order`: set "
            "it to the address that the Order API plugin shows."
        )


def _check_credential(config: Mapping[str, t.Any]) -> Iterator[str]:
    name = OWN[config["api"]][0]
    if name not in config:
        yield f"Setting `{name}` is missing: copy it from the admin, {PLACES[config['api']]}."
    elif not (config[name].isascii() and config[name].isprintable()):
        yield f"Setting `{name}` contains characters that no credential has: copy it again."


def _check_timezone(config: Mapping[str, t.Any]) -> Iterator[str]:
    name = config.get("timezone")
    if name is None:
        if config["api"] == ORDER:
            yield (
                "Setting `timezone` is missing: the Order API does not report the time zone of its "
                "values. Set it to that of the environment, such as Europe/Stockholm."
            )
        return
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        yield (
            f"Setting `timezone` is not a time zone: {name!r}. Use a name of the IANA database, "
            "such as Europe/Stockholm."
        )
