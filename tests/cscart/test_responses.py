"""Well-formed responses to another request: they are requested again, never emitted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from commerce_taps.errors import InvalidResponse
from tap_cscart.responses import ListResponse, parse_list
from tests.cscart.support import catalog, differences, off, truth

if TYPE_CHECKING:
    from commerce_sandbox import Sandbox
    from tests.cscart.support import Taps

REQUESTED = {"page": 3, "items_per_page": 10}


@pytest.mark.parametrize(
    ("params", "response"),
    [
        ({}, ListResponse([], 1, 100)),
        ({}, ListResponse([], 4, 100)),
        ({"user_type": "C"}, ListResponse([], 3, 100, {"user_type": "A"})),
        ({"order_id": "1,2"}, ListResponse([], 3, 100, {"order_id": "1"})),
        ({}, ListResponse([], 3, 100, {"get_orders_data": "1"})),
        ({}, ListResponse([], 3, 100, {"updated_in_hours": 5})),
    ],
    ids=["page before", "page behind", "accounts", "orders", "whole orders", "newer ones"],
)
def test_response_to_other_request_is_rejected(
    params: dict[str, Any], response: ListResponse
) -> None:
    with pytest.raises(InvalidResponse):
        response.check(REQUESTED | params)


@pytest.mark.parametrize(
    ("params", "response"),
    [
        ({}, ListResponse([])),
        ({}, ListResponse([], 3, 100, {"page": 3, "type": "simple", "feature_types": []})),
        (
            {"user_type": "C", "type": "O"},
            ListResponse([], 3, 100, {"user_type": "C", "type": True}),
        ),
        ({"get_orders_data": 1}, ListResponse([], 3, 100, {"get_orders_data": "1"})),
        ({}, ListResponse([], 2, 20)),
        ({}, ListResponse([], 1)),
    ],
    ids=["silent", "defaults", "accounts", "whole orders", "last page again", "no total"],
)
def test_matching_response_is_accepted(params: dict[str, Any], response: ListResponse) -> None:
    response.check(REQUESTED | params)


def test_bare_list_is_valid_in_version_1() -> None:
    assert len(parse_list(b'[{"tax_id":"1"}]', "taxes", bare=True).records) == 1
    with pytest.raises(InvalidResponse):
        parse_list(b'[{"tax_id":"1"}]', "taxes")


OPTION = {"9": {"option_id": "9", "product_id": "987654"}}
WRONG: list[tuple[str, str, Any, str]] = [
    ("orders", r"/orders\?sort_by", {"orders": [{"order_id": "1"}]}, "its rows lack what"),
    ("orders", r"/orders\?order_id", {"orders": [], "params": {"order_id": "1"}}, "`order_id`"),
    ("products", r"/products\?sort_by", {"products": [{"product_id": "1"}]}, "its rows lack what"),
    ("users", r"/users\?", {"users": [], "params": {"user_type": "Z"}}, "`user_type` is Z"),
    (
        "users",
        r"/users\?",
        {"users": [], "params": {"page": 3, "total_items": "999"}},
        "the response is page 3 instead of page 1",
    ),
    ("taxes", r"/taxes\?", {"taxes": [{"tax": "VAT"}]}, "lacks its key (tax_id)"),
    ("usergroups", r"/usergroups/\d", "[]", "the response is not the row"),
    ("usergroups", r"/usergroups/\d", {"usergroup_id": "987654"}, "the response is not the row"),
    (
        "user_usergroups",
        r"/users/\d+/usergroups",
        [{"4": {"link_id": "1"}}],
        "lacks its key (link_id)",
    ),
    ("product_options", r"/options\?", OPTION, "of another product"),
    ("product_options", r"/options\?", "[]", "HTTP 404"),
]


@pytest.mark.parametrize("wrong", WRONG, ids=[f"{one[0]}, {one[2]}" for one in WRONG])
def test_response_to_other_request_is_retried(
    run: Taps, sandbox: Sandbox, wrong: tuple[str, str, Any, str]
) -> None:
    stream, path, body, message = wrong
    text = body if isinstance(body, str) else json.dumps(body)
    sandbox.override(path, status=200, body=text, times=1)
    ended = run(sandbox, catalog=catalog(stream))
    assert ended.code == 0
    assert message in ended.log
    found = ended.output.rows(stream)
    wanted = truth(sandbox, ended.output, stream)
    assert differences(found, wanted, ignored=off(stream)) == []


def test_rows_of_other_kinds_are_dropped(run: Taps, sandbox: Sandbox) -> None:
    """A store ignores parameters that it does not know, without an error."""
    kinds = {
        "users": {"user_id": {"1": "C", "2": "A"}, "user_type": {}},
        "statuses": {"status_id": {"1": "O", "2": "S", "3": "G"}, "type": {}},
        "features": {"feature_id": {"1": "S", "2": "G"}, "feature_type": {}},
    }
    for path, ((key, rows), (column, _)) in ((p, k.items()) for p, k in kinds.items()):
        listed = [{key: id_, column: kind} for id_, kind in rows.items()]
        sandbox.override(rf"/{path}\?.*page=1&", status=200, body={path: listed, "params": []})
    streams = ("users", "statuses", "features", "feature_groups")
    ended = run(sandbox, user_types=["C"], catalog=catalog(*streams))
    assert ended.code == 0
    found = {stream: sorted(ended.output.rows(stream)) for stream in streams}
    assert found == {
        "users": [(1,)],
        "statuses": [(1,), (2,)],
        "features": [(1,)],
        "feature_groups": [(2,)],
    }


def test_slow_store_is_probed_again(run: Taps, sandbox: Sandbox) -> None:
    sandbox.override(r"/stores\?items_per_page", status=504, times=3)
    ended = run(sandbox, catalog=catalog("taxes"))
    assert ended.code == 0
    assert "CS-Cart with 2 storefronts" in ended.log
