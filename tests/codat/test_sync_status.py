"""What Codat reports of its own syncs, and when a list need not be read again."""

from __future__ import annotations

import json
from logging import getLogger
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from tap_codat.api import CodatApi, Connection
from tap_codat.sync_status import ENDED

if TYPE_CHECKING:
    from collections.abc import Callable

    from commerce_taps.http import Client

TYPE = "commerce-orders"
OVER = {"dataType": TYPE, "currentStatus": "Complete", "lastSuccessfulSync": "2024-01-31T00:00:00"}


def marked(status: dict[str, Any], last_sync: str = "", *, alike: int = 1) -> str | None:
    """Digest a status; `alike` connections of the company have the data type."""
    body = json.dumps({TYPE: status}).encode()

    def get(_request: object, parse: Callable[[bytes], Any]) -> Any:  # noqa: ANN401
        return parse(body)

    connection = Connection("d", "Linked", "Commerce", "shop", last_sync)
    api = CodatApi({}, getLogger())
    api.connect(cast("Client", SimpleNamespace(get=get)), lambda: None)
    api._connections = cast("Any", lambda: {("c", "d"): (connection, alike)})
    return api.change_token({"companyId": "c", "connectionId": "d"}, TYPE)


@pytest.mark.parametrize("status", sorted(ENDED))
def test_finished_sync_gives_change_token(status: str) -> None:
    assert marked(OVER | {"currentStatus": status})


@pytest.mark.parametrize("status", ["Fetching", "Queued", "Mapping", "Validating", "", "Unheard"])
def test_running_sync_gives_no_change_token(status: str) -> None:
    assert marked(OVER | {"currentStatus": status}) is None


def test_change_token_follows_the_status() -> None:
    later = marked(OVER | {"lastSuccessfulSync": "2024-02-01T00:00:00"})
    assert marked(OVER) == marked(dict(OVER)) != later


def test_change_token_covers_last_sync_among_several() -> None:
    first, second = (marked(OVER, day, alike=2) for day in ("2024-01-30", "2024-01-31"))
    assert first
    assert second
    assert first != second
    assert marked(OVER, "", alike=2) is None
    assert marked(OVER, "2024-01-30") == marked(OVER, "2024-01-31")
