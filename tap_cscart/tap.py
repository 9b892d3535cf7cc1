"""tap-cscart: the tap's settings and streams."""

from __future__ import annotations

import re
import typing as t

from singer_sdk import typing as th
from singer_sdk.plugin_base import _ConfigInput
from typing_extensions import override

from commerce_taps.errors import PartitionSkipped, TapError, TapStopped
from commerce_taps.input.settings import COMMON, check_url
from commerce_taps.tap import HTTPTap
from tap_cscart.api import CSCartApi
from tap_cscart.streams import STREAMS

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import click

    from tap_cscart.stream import CSCartStream

REQUIRED_SETTINGS: t.Final = ("store_url", "email", "api_key")

LIST_SETTINGS: t.Final = {
    "company_ids": ("[0-9]{1,18}", "a number that an id can be"),
    "user_types": ("[A-Z0-9]", "a type, which is one character such as C"),
}
"""Settings that are lists: the form each entry has, as a regular expression and in words."""

OWN_SETTINGS: t.Final = (
    th.Property(
        "store_url",
        th.StringType,
        title="Store address",
        description=(
            "Address of the store with its folder, such as https://shop.example/en. It must begin "
            "with https://, except on this machine. Required."
        ),
    ),
    th.Property(
        "email",
        th.StringType,
        title="E-mail",
        description=(
            "E-mail address of the administrator account to which the API key belongs. Required."
        ),
    ),
    th.Property(
        "api_key",
        th.StringType,
        secret=True,
        title="API key",
        description="API key of the account, from its tab *API access*. Required.",
    ),
    th.Property(
        "api_version",
        th.StringType,
        title="API version",
        default="2.0",
        description="Version of the API. Other versions return other columns.",
    ),
    th.Property(
        "use_rewrite",
        th.BooleanType,
        title="Rewritten addresses",
        default=True,
        description=(
            "Whether the web server of the store rewrites addresses. If not, the tap uses "
            "`api.php?_d=…`."
        ),
    ),
    th.Property(
        "lang_code",
        th.StringType,
        title="Language",
        description="Language code of the texts to read. Default: the language of the store.",
    ),
    th.Property(
        "company_ids",
        th.ArrayType(th.StringType),
        title="Stores or vendors",
        description=(
            "Read these storefronts or vendors separately instead of the store as a whole. The "
            "column `read_company_id` contains the id through which a row was read."
        ),
    ),
    th.Property(
        "user_types",
        th.ArrayType(th.StringType),
        title="Types of accounts",
        default=["C", "A", "V"],
        description="Types of accounts to read: `C` customers, `A` administrators, `V` vendors.",
    ),
    th.Property(
        "lookback",
        th.IntegerType(minimum=0, maximum=100 * 365 * 86_400),
        title="Lookback",
        default=86_400,
        description=(
            "Seconds before the bookmark to read again, for clocks that differ and for late "
            "changes."
        ),
    ),
    th.Property(
        "page_size",
        th.IntegerType(minimum=1, maximum=5000),
        title="Page size",
        description=(
            "Rows to request per page. Default: 250; 100 for products and orders; 50 for complete "
            "orders."
        ),
    ),
)


class TapCSCart(HTTPTap):
    """Reads a CS-Cart or Multi-Vendor store of any version."""

    name = "tap-cscart"
    config_jsonschema = th.PropertiesList(
        *OWN_SETTINGS, *(one for one in COMMON if one.name != "page_size")
    ).to_dict()

    def __init__(
        self,
        *,
        sampled: Mapping[str, dict[str, t.Any]] | None = None,
        **kwargs: t.Any,  # noqa: ANN401
    ) -> None:
        """Keep the sampled schemas for the streams.

        Args:
            sampled: Schemas with the columns that discovery found in the store, by stream.
            **kwargs: As for `HTTPTap`.
        """
        self._sampled = sampled or {}
        super().__init__(**kwargs)

    @override
    def check_config(self, config: dict[str, t.Any]) -> Iterator[str]:
        yield from super().check_config(config)
        hints = {
            "store_url": "the address of the store, such as https://shop.example",
            "email": "the e-mail of the account whose key it is",
            "api_key": "the key from the account's tab API access",
        }
        for name in REQUIRED_SETTINGS:
            if name not in config:
                yield f"Setting `{name}` is missing: give {hints[name]}."
        if "store_url" in config:
            yield from check_url("store_url", config["store_url"])
        if not str(config.get("api_key", "")).isprintable():
            yield "Setting `api_key` holds characters that no key has: copy it again."
        if not str(config["api_version"]).replace(".", "", 1).isdigit():
            yield "Setting `api_version` is not a version: write it as 2.0."
        for name, (form, what) in LIST_SETTINGS.items():
            if config.get(name) == []:
                yield f"Setting `{name}` is empty, so nothing would be read: fill or remove it."
            for one in config.get(name, []):
                if not re.fullmatch(form, one):
                    yield f"Setting `{name}`: {one!r} is not {what}."

    @override
    def make_api(self) -> CSCartApi:
        return CSCartApi(self.config, self.logger)

    @override
    def discover_streams(self) -> Sequence[CSCartStream]:
        return [stream(self, self._sampled) for stream in STREAMS]

    # --- discovery ------------------------------------------------------------------------------

    @override
    @classmethod
    def cb_discover(cls, ctx: click.Context, param: click.Option, value: bool) -> None:
        """Print the catalog. With a store in the settings, it includes the store's own columns."""
        given: _ConfigInput = ctx.params.get("config", _ConfigInput())
        if value:
            known = cls(
                config=given.config,
                parse_env_config=given.parse_env,
                validate_config=False,
                setup_mapper=False,
            ).config
            if all(known.get(name) for name in REQUIRED_SETTINGS):
                sampled = cls._configured(given, setup_mapper=False).sample()
                cls._configured(given, setup_mapper=False, sampled=sampled).run_discovery()
                ctx.exit()
        super().cb_discover(ctx, param, value)

    def sample(self) -> dict[str, dict[str, t.Any]]:
        """Read a few rows of each stream, to find columns that only this store has.

        Returns:
            The schemas of the streams that have such columns, by stream.

        Raises:
            TapStopped: The store cannot be probed.
        """
        api = t.cast("CSCartApi", self.run.api)
        api.sampling = True
        edition = api.store.edition or "store"
        self.logger.info("Reading a few rows of each list to find the columns of this %s.", edition)
        found: dict[str, dict[str, t.Any]] = {}
        for stream in t.cast("Sequence[CSCartStream]", list(self.streams.values())):
            if stream.parent is not stream:
                continue
            try:
                found.update(stream.sample())
            except PartitionSkipped as error:
                self.logger.info("%s: not sampled: %s", stream.name, error.reason)
            except TapStopped:
                raise
            except TapError as error:
                self.logger.warning("%s: sampling failed: %s", stream.name, error.reason)
        return found
