"""The command line: invalid settings, discovery with a store, and --test."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tap_cscart.api import store_address
from tap_cscart.tap import TapCSCart
from tests.cscart.support import KINDS, catalog, settings_for, truth
from tests.runs import in_process

if TYPE_CHECKING:
    from collections.abc import Callable

    from commerce_sandbox import Sandbox
    from tests.contract import Record
    from tests.cscart.support import Taps

KEY = "Canary0key9with8letters7and6digits"


@dataclass(frozen=True)
class InvalidSetting:
    """A setting that is wrong.

    Attributes:
        message: The message to log, as a regular expression.
        settings: Settings in addition to those of the sandbox; `None` removes one.
    """

    message: str
    settings: Record = field(default_factory=dict)


INVALID = {
    "no address": InvalidSetting(
        "Setting `store_url` is missing: give the address", {"store_url": None}
    ),
    "no e-mail": InvalidSetting("Setting `email` is missing: give the e-mail", {"email": ""}),
    "no key": InvalidSetting("Setting `api_key` is missing: give the key", {"api_key": None}),
    "a key with a line end inside": InvalidSetting(
        "Setting `api_key` holds characters that no key has", {"api_key": f"{KEY}\n{KEY}"}
    ),
    "http": InvalidSetting(
        "Setting `store_url` must begin with https://", {"store_url": "http://shop.example"}
    ),
    "no scheme": InvalidSetting(
        "Setting `store_url` is not an address", {"store_url": "shop.example"}
    ),
    "no version": InvalidSetting("Setting `api_version` is not a version", {"api_version": "two"}),
    "no types": InvalidSetting("Setting `user_types` is empty", {"user_types": []}),
    "a huge id": InvalidSetting("is not a number that an id can be", {"company_ids": 10**400}),
    "no id": InvalidSetting(
        "Setting `company_ids`: 'one' is not a number that an id can be", {"company_ids": ["one"]}
    ),
    "no type": InvalidSetting(
        "Setting `user_types`: 'customer' is not a type, which is one character such as C",
        {"user_types": ["C", "customer"]},
    ),
    "another key": InvalidSetting(
        "Stopped: probe: the store does not accept the key", {"api_key": KEY}
    ),
    "another e-mail": InvalidSetting(
        "does not accept the key: check `email`", {"email": "a@b.example"}
    ),
    "another folder": InvalidSetting(
        "finds nothing at this address: check `store_url`", {"store_url": "{url}/elsewhere"}
    ),
    "another version": InvalidSetting(
        "the store has no API of version 9.9 at this address; check `store_url`, and leave",
        {"api_version": "9.9"},
    ),
    "no such language": InvalidSetting(
        "Setting `lang_code`: the store has no language xx, only en, de", {"lang_code": "xx"}
    ),
    "no such company": InvalidSetting(
        "Setting `company_ids`: the store has none with the id 77", {"company_ids": ["1", "77"]}
    ),
    "a web page": InvalidSetting("the response is a web page", {"store_url": "{url}/html"}),
    "no server": InvalidSetting(
        r"no response .127\.0\.0\.1: .*ConnectionError.: check the network",
        {"store_url": "http://127.0.0.1:9", "max_retries": 1},
    ),
}


@pytest.mark.parametrize("name", INVALID)
def test_invalid_setting_ends_in_one_message(run: Taps, sandbox: Sandbox, name: str) -> None:
    case = INVALID[name]
    html = "<html><title>Shop</title><body>Welcome</body></html>"
    if name == "a web page":  # the sandbox has no such folder, so this stands for the whole store
        sandbox.override("/api/2.0/version", status=200, body=html)
    settings: dict[str, Any] = {"max_retries": 2} | {
        key: value.replace("{url}", sandbox.url) if isinstance(value, str) else value
        for key, value in case.settings.items()
        if name != "a web page"
    }
    ended = run(sandbox, **settings)
    lines = [line for line in ended.log.splitlines() if re.search(case.message, line)]
    assert lines, ended.log[-2000:]
    assert ended.code == 1
    assert "Traceback" not in ended.log
    assert b'"RECORD"' not in ended.stdout
    for secret in (KEY, base64.b64encode(KEY.encode()).decode(), settings_for(sandbox)["api_key"]):
        assert secret not in ended.log


@pytest.mark.parametrize(
    "tail",
    ["", "/", "/api", "/api/", "/api/2.0", "/api/2.0/", "/api.php", "/index.php", "//",
     "/api/2.0/products/5", "/admin.php"],
)  # fmt: skip
def test_store_address_loses_copied_tail(tail: str) -> None:
    assert store_address(f"https://shop.example/en{tail}") == "https://shop.example/en"
    assert store_address(f"https://shop.example{tail}") == "https://shop.example"


@pytest.mark.parametrize("tail", ["/api/2.0/", "/api/2.0/products/", "/admin.php"])
def test_address_with_tail_is_read(run: Taps, sandbox: Sandbox, tail: str) -> None:
    url = settings_for(sandbox)["store_url"]
    assert url.endswith("/cscart")
    output = run(sandbox, store_url=f"{url}{tail}", catalog=catalog("taxes")).output
    assert len(output.records["taxes"]) == 2


def test_version_1_lists_need_no_envelope(run: Taps, sandbox: Sandbox) -> None:
    ended = run(sandbox, api_version="1.0", catalog=catalog("languages", "taxes", "products"))
    assert ended.code == 0
    for stream in ("languages", "taxes", "products"):
        assert len(ended.output.rows(stream)) == len(truth(sandbox, ended.output, stream))


def test_store_without_rewrite_is_read(run: Taps, sandbox: Sandbox) -> None:
    streams = ("taxes", "products", "cart_items", "currencies", "product_feature_values")
    ended = run(sandbox, use_rewrite=False, catalog=catalog(*streams))
    assert ended.code == 0
    assert all(ended.output.counts[stream] for stream in streams)
    assert {one.path for one in sandbox.requests} == {"/cscart/api.php"}
    assert {one.query["ajax_custom"] for one in sandbox.requests} == {"1"}


def test_unknown_setting_is_reported_and_ignored(run: Taps, sandbox: Sandbox) -> None:
    ended = run(sandbox, catalog=catalog("taxes"), look_back=7)
    assert ended.code == 0
    assert "Setting `look_back` is not known and has no effect. Did you mean `lookback`?" in (
        ended.log
    )


# --- discovery ----------------------------------------------------------------------------------


def test_discovery_without_settings_lists_every_stream() -> None:
    ended = in_process(TapCSCart, "--discover")
    streams = json.loads(ended.stdout)["streams"]
    assert ended.code == 0
    assert [one["tap_stream_id"] for one in streams] == sorted(KINDS)


@pytest.mark.parametrize("store", [{}, {"store_url": "https://localhost"}])
def test_discovery_with_invalid_company_fails(run: Taps, store: dict[str, str]) -> None:
    ended = in_process(
        TapCSCart, *run.arguments(config={"company_ids": "a", **store}), "--discover"
    )
    assert (ended.code, ended.stdout) == (1, b"")
    assert "Setting `company_ids`: 'a' is not a number that an id can be." in ended.log


@pytest.mark.parametrize("companies", [{}, {"company_ids": ["1"]}], ids=["store", "company"])
def test_discovery_with_store_finds_its_columns(
    run: Taps, sandbox: Sandbox, companies: Record
) -> None:
    settings = settings_for(sandbox) | companies
    ended = in_process(TapCSCart, *run.arguments(config=settings), "--discover")
    assert ended.code == 0
    streams = {one["tap_stream_id"]: one for one in json.loads(ended.stdout)["streams"]}
    columns = streams["products"]["schema"]["properties"]
    assert ("read_company_id" in columns) == bool(companies)
    assert ("read_company_id" in streams["products"]["key_properties"]) == bool(companies)
    for stream in ("products", "orders", "users"):
        assert streams[stream]["schema"]["properties"]["erp_code"]["type"] == ["string", "null"]
        assert ["properties", "erp_code"] in [
            one["breadcrumb"] for one in streams[stream]["metadata"]
        ]
    assert columns["price"]["type"] == ["number", "null"]
    sizes = {one.query.get("items_per_page") for one in sandbox.requests}
    assert sizes <= {"1", "10", "1000", None}
    again = run(sandbox, catalog=json.loads(ended.stdout), **companies)
    assert [len(sent) for sent in again.output.schemas.values()] == [1] * len(again.output.schemas)


def test_discovery_with_wrong_key_fails(run: Taps, sandbox: Sandbox) -> None:
    config = settings_for(sandbox) | {"api_key": KEY}
    ended = in_process(TapCSCart, *run.arguments(config=config), "--discover")
    assert ended.code == 1
    assert "the store does not accept the key" in ended.log
    assert KEY not in ended.log


def test_discovery_of_wrong_address_requests_once(run: Taps, sandbox: Sandbox) -> None:
    config = settings_for(sandbox) | {"store_url": f"{sandbox.url}/elsewhere"}
    ended = in_process(TapCSCart, *run.arguments(config=config), "--discover")
    assert ended.code == 1
    assert ended.log.count("finds nothing at this address") == 1
    assert ended.stdout == b""


# --- --test -------------------------------------------------------------------------------------


def test_test_reports_key_and_streams(run: Taps, stores: Callable[..., Sandbox]) -> None:
    ended = in_process(TapCSCart, *run.arguments(config=settings_for(stores())), "--test")
    lines = ended.stdout.decode()
    assert ended.code == 0
    assert "The key is accepted. The store: API 2.0, CS-Cart with 2 storefronts, languages" in lines
    for stream in KINDS:
        assert re.search(rf"^{stream} +(reachable|comes with)", lines, re.MULTILINE), stream


# --- languages and companies --------------------------------------------------------------------


def test_texts_are_in_language_of_settings(run: Taps, sandbox: Sandbox) -> None:
    some = catalog("products", "payments", "languages", "langvars")
    ended = run(sandbox, lang_code="de", catalog=some)
    output = ended.output
    german = json.loads(sandbox.truth_lines("cscart.products")[0])
    found = output.rows("products")[(german["product_id"],)]["product"]
    assert found != german["product"]
    assert {row["lang_code"] for row in output.records["langvars"]} == {"de"}
    assert len(output.records["languages"]) == 2
    queries = [one.query for one in sandbox.requests if "/products" in one.path]
    assert {(one.get("lang_code"), one.get("sl")) for one in queries[1:]} == {("de", "de")}


def of(run: Taps, sandbox: Sandbox, company: str, *streams: str) -> Record:
    """Make a catalog of a store read through a company."""
    config = settings_for(sandbox) | {"company_ids": [company]}
    made: Record = json.loads(
        in_process(TapCSCart, *run.arguments(config=config), "--discover").stdout
    )
    for entry in made["streams"]:
        for place in entry["metadata"]:
            if not place["breadcrumb"]:
                place["metadata"]["selected"] = entry["tap_stream_id"] in streams
    return made


def test_company_ids_are_read_separately(run: Taps, sandbox: Sandbox) -> None:
    streams = ("products", "product_feature_values", "orders", "carts", "stores", "taxes", "users")
    output = run(sandbox, company_ids=["2"], catalog=of(run, sandbox, "2", *streams)).output
    assert output.key_names("products") == ["read_company_id", "product_id"]
    assert output.key_names("stores") == ["company_id"]
    assert {row["read_company_id"] for row in output.records["products"]} == {2}
    assert {row["read_company_id"] for row in output.records["product_feature_values"]} == {2}
    wanted = {
        row["product_id"]
        for row in map(json.loads, sandbox.truth_lines("cscart.products"))
        if row["company_id"] == 2
    }
    assert {row["product_id"] for row in output.records["products"]} == wanted
    assert {row["company_id"] for row in output.records["stores"]} == {2}
    places = {
        json.dumps(one["context"]) for one in output.state["bookmarks"]["products"]["partitions"]
    }
    assert places == {'{"read_company_id": 2}'}


def test_repeated_setting_entry_is_read_once(run: Taps, sandbox: Sandbox) -> None:
    settings: Record = {"company_ids": ["1", "01"], "user_types": ["C", "A", "C"]}
    output = run(sandbox, **settings, catalog=of(run, sandbox, "1", "users", "products")).output
    for stream in ("users", "products"):
        assert len(output.records[stream]) == len(output.rows(stream)) > 0


def test_vendor_is_requested_below_its_path(run: Taps, stores: Callable[..., Sandbox]) -> None:
    store = stores("4.20", "multivendor")
    store.clear_requests()
    some = of(run, store, "1", "products", "vendors")
    assert run(store, company_ids=["1", "3"], catalog=some).code == 0
    paths = {one.path for one in store.requests if one.path.endswith("/products")}
    assert paths >= {"/cscart/api/2.0/vendors/1/products", "/cscart/api/2.0/vendors/3/products"}


# --- children -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("child", "parent"),
    [
        ("order_items", "orders"),
        ("product_feature_values", "products"),
        ("feature_variants", "features"),
        ("cart_items", "carts"),
    ],
)
def test_child_stream_is_read_without_parent(
    run: Taps, sandbox: Sandbox, child: str, parent: str
) -> None:
    both = run(sandbox, catalog=catalog(child, parent))
    alone = run(sandbox, catalog=catalog(child))
    assert alone.code == 0
    assert set(alone.output.schemas) == {child}
    assert alone.output.rows(child) == both.output.rows(child)
    assert alone.output.rows(child)
    kinds = {one.path.split("/")[4] for one in sandbox.requests}
    assert kinds <= {parent, "version", "stores", "languages", "orders", "products"}
