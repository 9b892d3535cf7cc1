"""Pages other than the requested one are rejected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.codat.support import catalog, truth

if TYPE_CHECKING:
    from commerce_sandbox import Sandbox
    from tests.codat.support import Taps

LOCATIONS = "commerce_locations"


def test_page_of_other_number_is_requested_again(run: Taps, sandbox: Sandbox) -> None:
    """It is whole and true, but another one; the next time the right one comes."""
    row = {"id": "elsewhere", "name": "Shop"}
    body = {"results": [row], "pageNumber": 2, "pageSize": 1, "totalResults": 1, "_links": {}}
    sandbox.override("commerce-locations", status=200, body=body, times=1)
    ended = run(sandbox, catalog=catalog(commerce_locations=None))
    assert ended.code == 0
    assert ended.output.rows(LOCATIONS) == truth(sandbox, ended.output, LOCATIONS)
    assert "page 1 was requested, and the response is page 2" in ended.log
