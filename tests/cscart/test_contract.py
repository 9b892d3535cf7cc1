"""The output of runs of each release and edition: it keeps the contract, and is the truth."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest

from commerce_sandbox.cscart import SECRET
from tests.cscart.conftest import KINDS, RELEASES, Taps, catalog, differences, truth
from tests.runs import secrets_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from commerce_sandbox import Sandbox
    from tests.runs import Run

OFF_BY_DEFAULT = {
    "product_options",
    "product_option_exceptions",
    "product_option_combinations",
    "user_usergroups",
    "cart_items",
    "settings",
    "pages",
    "blocks",
    "langvars",
    "discussions",
    "product_reviews",
    "call_requests",
    "subscribers",
    "master_products",
    "currencies",
}
EDITIONS = ("cscart", "multivendor")
OF_ADD_ONS = ("erp_code",)
"""Columns of an add-on of this store alone."""
ELSEWHERE = {"carts": ("products",)}
"""Columns of truth that have a stream of their own."""
EVERYTHING = catalog(columns="*")
SECRETS = secrets_of(KINDS.values())


@pytest.fixture(scope="module")
def runs(
    stores: Callable[..., Sandbox], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, str], Run]:
    """Gives a run over everything there is, for a release and an edition."""
    taps = Taps(tmp_path_factory.mktemp("everything"))

    @cache
    def run_of(release: str, edition: str) -> Run:
        return taps(stores(release, edition), catalog=EVERYTHING, include_secrets=SECRETS)

    return run_of


each_store = pytest.mark.parametrize(
    ("release", "edition"), [(release, edition) for release in RELEASES for edition in EDITIONS]
)


@each_store
def test_a_run_over_everything_ends_well(
    runs: Callable[..., Run], release: str, edition: str
) -> None:
    ended = runs(release, edition)
    assert ended.code == 0
    assert ended.output.states
    (told,) = [line for line in ended.log.splitlines() if line.startswith("The store: ")]
    assert ("Multi-Vendor" in told) == (edition == "multivendor")
    assert ("does not filter orders" in told) == (release == "4.9")


@each_store
@pytest.mark.parametrize("stream", KINDS)
def test_every_row_arrives_once_and_whole(
    runs: Callable[..., Run],
    stores: Callable[..., Sandbox],
    release: str,
    edition: str,
    stream: str,
) -> None:
    output = runs(release, edition).output
    wanted = truth(stores(release, edition), output, stream)
    got = output.rows(stream)
    assert differences(got, wanted, ignored=ELSEWHERE.get(stream, ()))[:5] == []
    assert len(output.records[stream]) == len(got)


@each_store
def test_no_column_is_unknown_but_those_of_add_ons(
    runs: Callable[..., Run], release: str, edition: str
) -> None:
    for stream, sent in runs(release, edition).output.schemas.items():
        declared, grown = (set(sent[place]["schema"]["properties"]) for place in (0, -1))
        assert grown - declared <= set(OF_ADD_ONS), stream


def test_without_a_catalog_only_the_streams_of_general_use_are_read(
    run: Taps, sandbox: Sandbox
) -> None:
    output = run(sandbox).output
    assert set(output.schemas) == set(KINDS) - OFF_BY_DEFAULT


def test_every_stream_of_the_store_has_its_own(sandbox: Sandbox) -> None:
    known = {name.removeprefix("cscart.") for name in sandbox.streams if name[:7] == "cscart."}
    assert known == set(KINDS)


def test_no_secret_leaves_the_store_unless_it_is_asked_for(
    run: Taps, sandbox: Sandbox, runs: Callable[..., Run]
) -> None:
    quiet = run(sandbox, catalog=catalog())
    assert SECRET.encode() not in quiet.stdout
    asked = runs("4.20", "cscart").output
    telling = {
        stream
        for stream, records in asked.records.items()
        if any(SECRET in str(record) for record in records)
    }
    assert telling == {"carts", "orders", "payments", "settings", "subscribers"}


def test_details_that_cost_a_request_each_are_asked_for_only_if_selected(
    run: Taps, sandbox: Sandbox
) -> None:
    output = run(sandbox, catalog=catalog("categories", "products", "features")).output
    assert not [one.path for one in sandbox.requests if one.path.count("/") > 4]
    assert {
        one.query.get("exclude_group") for one in sandbox.requests if "/features" in one.path
    } == {"1"}
    assert "description" not in output.schemas["categories"][-1]["schema"]["properties"]
    sandbox.clear_requests()
    some = catalog("categories", columns=["description"])
    texts = [row["description"] for row in run(sandbox, catalog=some).output.records["categories"]]
    assert all(text.startswith("<p>") for text in texts)
    assert len([one for one in sandbox.requests if one.path.count("/") > 4]) == len(texts)
