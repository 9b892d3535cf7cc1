"""The output for each release and edition keeps the contract and equals the truth."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest

from commerce_sandbox.cscart import SECRET
from tests.cscart.support import KINDS, RELEASES, Taps, catalog, differences, truth
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
ADD_ON_COLUMNS = ("erp_code",)
"""Columns of an add-on of this store."""
OWN_STREAMS = {"carts": ("products",)}
"""Columns of the truth that are a stream of their own."""
EVERYTHING = catalog(columns="*")
SECRETS = secrets_of(KINDS.values())


@pytest.fixture(scope="module")
def runs(
    stores: Callable[..., Sandbox], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, str], Run]:
    """Runs every stream of a release and an edition."""
    taps = Taps(tmp_path_factory.mktemp("everything"))

    @cache
    def run_once(release: str, edition: str) -> Run:
        return taps(stores(release, edition), catalog=EVERYTHING, include_secrets=SECRETS)

    return run_once


each_store = pytest.mark.parametrize(
    ("release", "edition"), [(release, edition) for release in RELEASES for edition in EDITIONS]
)


@each_store
def test_run_over_every_stream_succeeds(
    runs: Callable[..., Run], release: str, edition: str
) -> None:
    ended = runs(release, edition)
    assert ended.code == 0
    assert ended.output.states
    (line,) = [one for one in ended.log.splitlines() if one.startswith("The store: ")]
    assert ("Multi-Vendor" in line) == (edition == "multivendor")
    assert ("does not filter orders" in line) == (release == "4.9")


@each_store
@pytest.mark.parametrize("stream", KINDS)
def test_every_row_arrives_once_and_complete(
    runs: Callable[..., Run],
    stores: Callable[..., Sandbox],
    release: str,
    edition: str,
    stream: str,
) -> None:
    output = runs(release, edition).output
    wanted = truth(stores(release, edition), output, stream)
    got = output.rows(stream)
    assert differences(got, wanted, ignored=OWN_STREAMS.get(stream, ()))[:5] == []
    assert len(output.records[stream]) == len(got)


@each_store
def test_only_add_on_columns_are_unknown(
    runs: Callable[..., Run], release: str, edition: str
) -> None:
    for stream, sent in runs(release, edition).output.schemas.items():
        declared, grown = (set(sent[place]["schema"]["properties"]) for place in (0, -1))
        assert grown - declared <= set(ADD_ON_COLUMNS), stream


def test_run_without_catalog_reads_default_streams(run: Taps, sandbox: Sandbox) -> None:
    output = run(sandbox).output
    assert set(output.schemas) == set(KINDS) - OFF_BY_DEFAULT


def test_tap_has_every_sandbox_stream(sandbox: Sandbox) -> None:
    known = {name.removeprefix("cscart.") for name in sandbox.streams if name[:7] == "cscart."}
    assert known == set(KINDS)


def test_secret_is_emitted_only_if_named(
    run: Taps, sandbox: Sandbox, runs: Callable[..., Run]
) -> None:
    quiet = run(sandbox, catalog=catalog())
    assert SECRET.encode() not in quiet.stdout
    with_secrets = runs("4.20", "cscart").output
    streams = {
        stream
        for stream, records in with_secrets.records.items()
        if any(SECRET in str(record) for record in records)
    }
    assert streams == {"carts", "orders", "payments", "settings", "subscribers"}


def test_details_are_fetched_only_if_selected(run: Taps, sandbox: Sandbox) -> None:
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
