"""tap-codat: the tap's settings and streams."""

from __future__ import annotations

import base64
import typing as t
from collections import Counter

from singer_sdk import typing as th
from typing_extensions import override

from commerce_taps.auth import HeaderAuth
from commerce_taps.errors import PartitionSkipped, TapError, TapStopped
from commerce_taps.input.settings import COMMON, check_url
from commerce_taps.lazy import cached_property
from commerce_taps.tap import HTTPTap
from commerce_taps.threads import run_interruptibly
from tap_codat.stream import (
    ERRORS,
    CodatStream,
    Company,
    Connection,
    api_message,
    company,
)
from tap_codat.streams import STREAMS
from tap_codat.streams.platform import Companies
from tap_codat.sync_status import Freshness

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from singer_sdk.helpers.types import Context

    from commerce_taps.errors import Message


class TapCodat(HTTPTap):
    """Reads commerce and platform data from Codat, for every company and connection."""

    name = "tap-codat"
    errors = ERRORS
    quota_header = "X-Rate-Limit-Remaining"

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
    def __init__(self, **kwargs: t.Any) -> None:
        super().__init__(**kwargs)
        self.freshness = Freshness(self)

    @override
    def check_config(self, config: dict[str, t.Any]) -> Iterator[str]:
        """Check what a JSON Schema cannot. See the base class."""
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
    @property
    def base_url(self) -> str:
        """Address of the API. See the base class."""
        return str(self.config["api_url"]).rstrip("/")

    @override
    @property
    def auth(self) -> HeaderAuth:
        """The documented header: the key alone in base64, without user name or colon."""
        header = self.config.get("auth_header")
        if header is None:
            header = f"Basic {base64.b64encode(self.config['api_key'].encode()).decode()}"
        return HeaderAuth(header)

    @override
    def api_message(self, body: bytes) -> Message:
        """Find Codat's own words. See the base class."""
        return api_message(body)

    @override
    def discover_streams(self) -> Sequence[CodatStream]:
        """List the streams. Nothing is asked of the API.

        Returns:
            One object a stream.
        """
        return [stream(self) for stream in STREAMS]

    @override
    def check_access(self) -> Iterator[str]:
        """List the companies. See the base class."""
        yield from super().check_access()
        connections = Counter(
            f"{connection.source_type or '?'} {connection.status or '?'}"
            for one in self.companies.values()
            for connection, _ in one.connections
        )
        kinds = ", ".join(f"{times} {kind}" for kind, times in sorted(connections.items()))
        yield f"The key is accepted. Companies: {len(self.companies)}; connections: {kinds or 0}."

    @cached_property
    def companies(self) -> dict[str | int, Company]:
        """The companies to read by id, with their connections, listed once a run.

        One whose id cannot be read goes by its place in the list.

        Raises:
            TapStopped: They could not be listed, or a filter names one that is not there.
        """
        found = run_interruptibly(self._list_companies, self.tick)
        wanted, connections = (self.config.get(name) for name in ("company_ids", "connection_ids"))
        if wanted is not None:
            _require("company_ids", wanted, found)
            found = {id_: one for id_, one in found.items() if id_ in wanted}
        if connections is not None:
            known = [connection.id for one in found.values() for connection, _ in one.connections]
            _require("connection_ids", connections, known)
            for one in found.values():
                one.connections = [pair for pair in one.connections if pair[0].id in connections]
        return found

    @cached_property
    def _connections(self) -> dict[tuple[str | None, str | None], tuple[Connection, int]]:
        """Each connection by ids, with the number of its company's that have data of its kind."""
        return {
            (one.id, connection.id): (
                connection,
                sum(other.has_data_of(connection.source_type) for other, _ in one.connections),
            )
            for one in self.companies.values()
            for connection, _ in one.connections
        }

    def connection(self, context: Context) -> tuple[Connection, int]:
        """Look up a partition's connection.

        Args:
            context: The partition.

        Returns:
            The connection, and how many of its company's have data of the same kind.
        """
        return self._connections[context["companyId"], context["connectionId"]]

    def _list_companies(self) -> dict[str | int, Company]:
        """Read the list of companies; of one that changed meanwhile, the last version."""
        stream = t.cast("Companies", self.streams[Companies.name])
        try:
            pages = stream.counted(None)
            companies = [company(raw) for page in pages for raw in page.records]
        except TapStopped:
            raise
        except TapError as error:
            # Without the companies there is nobody to ask for anything.
            # In the API's own form, or in that of whoever else answers at this address.
            absent = isinstance(error, PartitionSkipped) or error.reason.startswith("HTTP 404 ")
            hint = " The list of companies is always there: check `api_url`." if absent else ""
            raise TapStopped(error.reason + hint, stream.name) from error
        return {one.id or place: one for place, one in enumerate(companies)}


def _require(setting: str, wanted: Sequence[str], found: Iterable[object]) -> None:
    """Refuse a filter that names what is not there: a typing error would read nothing."""
    missing = sorted(set(wanted) - set(found))
    if missing:
        ids = ", ".join(missing)
        msg = f"Setting `{setting}`: the key sees none with the id {ids}. Correct or remove it."
        raise TapStopped(msg)
