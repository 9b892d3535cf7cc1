"""No secret leaves a tap unasked, whatever is selected; and every secret there is, is declared."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce_sandbox import Sandbox
from commerce_taps.records.conform import decode, encode
from commerce_taps.records.normalize import NormalizedRecord
from commerce_taps.records.selection import fold
from tap_centra.integration.streams import STREAMS as INTEGRATION
from tap_centra.order.streams import STREAMS as ORDER
from tap_centra.tap import TapCentra
from tap_codat.streams import STREAMS as CODAT
from tap_codat.tap import TapCodat
from tap_cscart.streams import STREAMS as CSCART
from tap_cscart.tap import TapCSCart
from tests.runs import Run, Runs, secrets_of, settings_from

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from commerce_taps.records.validate import Shape
    from tests.contract import Record

APIS: Final[dict[str, tuple[Any, Any, str]]] = {
    "codat": (TapCodat, CODAT, "TAP_CODAT_"),
    "centra.integration": (TapCentra, INTEGRATION, "TAP_CENTRA_"),
    "centra.order": (TapCentra, ORDER, "TAP_CENTRA_ORDER_"),
    "cscart": (TapCSCart, CSCART, "TAP_CSCART_"),
}
each_api = pytest.mark.parametrize("api", APIS)

SUSPICIOUS: Final = re.compile(
    "password|passwd|secret|token|apikey|authorization|credential|salt|card|cvv|cvc|iban|hash"
    "|redirect|linkurl|webhook|session|cookie|signature|private|processorparams|paymentinfo"
    "|paramsjson|validationcode|ekey|unsubscribe|serviceparams|accountdata|portal"
)
"""What secrets are called, names being folded."""

HARMLESS: Final = {
    "isGiftCard": "whether a product is a gift card",
    "features_hash": "which filters a value is found by, as the storefront's addresses show it",
    "combination_hash": "the number of a combination of options",
    "password_change_timestamp": "a date",
    "referenceParentCompany.links.portal": "a page of Codat's Portal, behind its log-in",
    "referenceSubsidiaryCompanies.links.portal": "a page of Codat's Portal, behind its log-in",
    "parent_age_verification": "a flag",
}


def streams_of(api: str) -> Iterable[Any]:
    tap = APIS[api][0]
    config = {"api": "order"} if api == "centra.order" else {}
    made = tap(config=config, validate_config=False, setup_mapper=False)
    streams: Iterable[Any] = made.discover_streams()
    return streams


def fields_of(schema: Record, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """List all fields of a schema, those in lists as those in objects."""
    for name, inner in schema.get("properties", {}).items():
        yield (*above, name)
        yield from fields_of(inner, (*above, name))
    if schema.get("items"):
        yield from fields_of(schema["items"], above)


# --- what is declared ---------------------------------------------------------------------------


@each_api
def test_field_named_like_secret_is_declared_or_explained(api: str) -> None:
    for stream in streams_of(api):
        secrets = {fold(name.rpartition(".")[2]) for name in stream.secret_columns}
        for path in fields_of(stream.schema):
            if SUSPICIOUS.search(fold(path[-1])) and fold(path[-1]) not in secrets:
                assert path[-1] in HARMLESS or ".".join(path) in HARMLESS, (stream.name, path)


@each_api
def test_field_named_like_declared_secret_is_emitted(api: str) -> None:
    for stream in streams_of(api):
        secrets = [tuple(name.split(".")) for name in stream.secret_columns]
        names = {fold(path[-1]) for path in secrets}
        for path in fields_of(stream.schema):
            withheld = any(path[: len(secret)] == secret for secret in secrets)
            assert withheld or not names & set(map(fold, path)), (stream.name, path)


@each_api
def test_catalog_offers_only_named_secrets(api: str) -> None:
    for named in (False, True):
        for entry in catalog_of(api, named=named)["streams"]:
            unsupported = {
                ".".join(place["breadcrumb"][1::2])
                for place in entry["metadata"]
                if place["metadata"].get("inclusion") == "unsupported"
            }
            (stream,) = (one for one in streams_of(api) if one.name == entry["tap_stream_id"])
            known = {
                name
                for name in stream.secret_columns
                if name.partition(".")[0] in stream.schema["properties"]
            }
            assert unsupported == (set() if named else known), stream.name


# --- whatever a server sends --------------------------------------------------------------------

SECRET: Final = "s3cr3t"
WITH_SECRETS: Final = [
    (api, vars(kind)["name"]) for api, found in APIS.items() for kind in found[1]
    if kind.secret_columns
]  # fmt: skip
VALUES: Final = st.recursive(
    st.just(SECRET),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=2),
        st.dictionaries(st.sampled_from(["a", "0", "name"]), inner, min_size=1, max_size=2),
        inner.map(json.dumps),
    ),
    max_leaves=2,
)
SPELLINGS: Final[list[Callable[[str], str]]] = [
    *(str, str.upper, str.lower, str.title),
    *(lambda name: name.replace("_", ""), lambda name: name.replace("_", "-")),
    *(lambda name: f"{name}__v_string", lambda name: f"{name}__v_object__v_array"),
]
WRAPPINGS: Final[list[Callable[[Any], Any]]] = [
    *(lambda inner: inner, lambda inner: [inner], lambda inner: {"7": inner}),
    *(json.dumps, lambda inner: [json.dumps(inner)], lambda inner: f"a:1:{json.dumps(inner)}"),
]


@cache
def shape_of(api: str, stream: str) -> Shape:
    """Compile what a stream's records become."""
    url = "https://shop.example"
    configs: dict[str, Record] = {
        "codat": {"api_key": "k"},
        "centra.integration": {"base_url": url, "token": "t"},
        "centra.order": {"api": "order", "base_url": url, "api_key": "k", "timezone": "UTC"},
        "cscart": {"store_url": url, "email": "a@shop.example", "api_key": "k"},
    }
    tap = APIS[api][0](config=configs[api])
    shape: Shape = tap.streams[stream].shape
    return shape


@pytest.mark.parametrize(("api", "stream"), WITH_SECRETS)
@given(st.data())
def test_secret_in_unexpected_form_is_withheld(api: str, stream: str, data: st.DataObject) -> None:
    (kind,) = (one for one in APIS[api][1] if vars(one)["name"] == stream)
    shape = shape_of(api, stream)
    *parents, name = data.draw(st.sampled_from(kind.secret_columns)).split(".")
    inner: Any = {data.draw(st.sampled_from(SPELLINGS))(name): data.draw(VALUES)}
    for parent in reversed(parents):
        wrapped = data.draw(st.sampled_from(WRAPPINGS))(inner)
        inner = {data.draw(st.sampled_from(SPELLINGS))(parent): wrapped}
    keys = {
        key: 1 if "integer" in shape.schema["properties"][key]["type"] else "1"
        for key in kind.primary_keys
    }
    raw = msgspec.Raw(json.dumps({**inner, **keys, "kept": "yes"}).encode())
    page = shape.validate([raw])
    (found,), (fits,) = page.records, page.valid
    if fits:
        line = bytes(shape.splice(found))
    else:
        (made,) = shape.conform([found], {})
        assert isinstance(made, dict), made
        assert made["kept"] == "yes"
        line = encode(made)
    assert SECRET.encode() not in line
    (made,) = shape.conform([NormalizedRecord(decode(raw))], {})
    assert isinstance(made, dict), made
    assert SECRET.encode() not in encode(made)
    assert SECRET not in json.dumps(shape.selection.schema(shape.schema))


# --- runs ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """The fake APIs."""
    with Sandbox(scale=0.03) as found:
        yield found


@cache
def catalog_of(api: str, *, named: bool) -> Record:
    """Discover a catalog."""
    config = {"api": "order"} if api == "centra.order" else {}
    secrets = secrets_of(APIS[api][1]) if named else []
    made = APIS[api][0](
        config=config | {"include_secrets": secrets}, validate_config=False, setup_mapper=False
    )
    catalog: Record = json.loads(made.catalog_json_text)
    return catalog


def everything(api: str) -> Record:
    """Select all there is, as Meltano's `*.*` does, and claim that secrets can be selected."""
    catalog: Record = json.loads(json.dumps(catalog_of(api, named=False)))
    for entry in catalog["streams"]:
        for place in entry["metadata"]:
            place["metadata"]["selected"] = True
            if place["metadata"].get("inclusion") == "unsupported":
                place["metadata"]["inclusion"] = "available"
    return catalog


def chosen(api: str) -> Record:
    """Select what is on by default."""
    return catalog_of(api, named=False)


def forgetful(api: str) -> Record:
    """Select all streams, in a catalog that does not know the columns with secrets."""
    catalog = everything(api)
    for entry in catalog["streams"]:
        entry["metadata"] = [{"breadcrumb": [], "metadata": {"selected": True}}]
        (kind,) = (one for one in APIS[api][1] if vars(one)["name"] == entry["tap_stream_id"])
        for name in kind.secret_columns:
            entry["schema"]["properties"].pop(name.partition(".")[0], None)
    return catalog


Runner = Callable[..., Run]


@pytest.fixture(scope="module")
def run(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """Runs a tap against the fake APIs, once for the same catalog and secrets."""
    folder = tmp_path_factory.mktemp("runs")

    @cache
    def run_of(
        api: str,
        made: Callable[[str], Record],
        *named: str,
        **settings: Any,  # noqa: ANN401 (JSON)
    ) -> Run:
        tap, _, prefix = APIS[api]
        config = settings_from(sandbox, prefix)
        config |= {"requests_per_minute": 0, "include_secrets": list(named)}
        return Runs(tap, lambda _: config, folder)(sandbox, catalog=made(api), **settings)

    return run_of


def texts_of(value: object) -> Iterator[str]:
    """List the texts inside of a value."""
    if isinstance(value, dict):
        for item in value.values():
            yield from texts_of(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts_of(item)
    elif isinstance(value, str):
        yield value


def taken(value: Any, path: tuple[str, ...]) -> Iterator[Any]:  # noqa: ANN401
    """Take what stands at a path, out of objects and lists, and empty the place."""
    if isinstance(value, list):
        for item in value:
            yield from taken(item, path)
    elif isinstance(value, dict) and path[0] in value:
        if len(path) == 1:
            yield value.pop(path[0])
        else:
            yield from taken(value[path[0]], path[1:])


def secrets_in(api: str, sandbox: Sandbox) -> set[bytes]:
    """List the secrets of a perfect extraction: what stands in its secret places alone."""
    secret: set[str] = set()
    public: set[str] = set()
    for kind in APIS[api][1]:
        name = vars(kind)["name"]
        stream = f"{api}.{name}"
        if stream not in sandbox.streams:
            continue
        for line in sandbox.truth_lines(stream):
            row = json.loads(line)
            for column in kind.secret_columns:
                for value in taken(row, tuple(column.split("."))):
                    secret |= set(texts_of(value))
            public |= set(texts_of(row))
    found = {text for text in secret - public if len(text) > 6}
    assert found or api == "centra.order"
    return {json.dumps(text, ensure_ascii=False)[1:-1].encode() for text in found}


@each_api
@pytest.mark.parametrize("made", [everything, forgetful])
def test_secret_is_withheld_whatever_is_selected(
    api: str, made: Callable[[str], Record], sandbox: Sandbox, run: Runner
) -> None:
    secrets = secrets_in(api, sandbox)
    ended = run(api, made)
    assert ended.code == 0, ended.log[-2000:]
    assert [secret for secret in secrets if secret in ended.stdout] == []
    schemas = {name: found[-1]["schema"] for name, found in ended.output.schemas.items()}
    for kind in APIS[api][1]:
        names = {fold(name.rpartition(".")[2]) for name in kind.secret_columns}
        fields = fields_of(schemas.get(vars(kind)["name"], {}))
        assert not [path for path in fields if fold(path[-1]) in names]


@each_api
def test_named_secret_is_emitted_with_selection(api: str, sandbox: Sandbox, run: Runner) -> None:
    secrets = secrets_in(api, sandbox)
    named = secrets_of(APIS[api][1])
    ended = run(api, everything, *named)
    assert ended.code == 0, ended.log[-2000:]
    assert [secret for secret in secrets if secret not in ended.stdout] == []


@each_api
@pytest.mark.parametrize("depth", [2])
def test_flattening_withholds_only_secrets(
    api: str, depth: int, sandbox: Sandbox, run: Runner
) -> None:
    secrets = secrets_in(api, sandbox)
    plain = run(api, everything)
    flat = run(api, everything, flattening_enabled=True, flattening_max_depth=depth)
    assert flat.code == 0, flat.log[-2000:]
    assert [secret for secret in secrets if secret in flat.stdout] == []
    for stream, records in plain.output.records.items():
        found = flat.output.records[stream]
        assert len(found) == len(records)
        columns = flat.output.schemas[stream][-1]["schema"]["properties"]
        for left, right in zip(records, found, strict=True):
            assert right.keys() <= columns.keys()
            messages = Counter(texts_of(left))
            packed = [text for text in texts_of(right) if text[:1] in ("[", "{")]
            assert (
                not messages
                - Counter(texts_of(right))
                - Counter(inner for text in packed for inner in texts_of(unpacked(text)))
            )


def unpacked(text: str) -> Any:  # noqa: ANN401 (JSON)
    """Read the JSON of what was not taken apart."""
    try:
        return json.loads(text)
    except ValueError:
        return None


@pytest.mark.parametrize(
    ("api", "named", "message"),
    [
        ("codat", "connections.linkUrI", "The nearest is `connections.linkUrl`."),
        ("codat", "companies.name", "The nearest is `companies."),
        ("cscart", "orders.payment_infos", "The nearest is `orders.payment_info`."),
        ("centra.order", "orders.secret", "No stream has any."),
    ],
)  # fmt: skip
def test_naming_column_without_secret_is_rejected(
    api: str, named: str, message: str, run: Runner
) -> None:
    ended = run(api, everything, named)
    assert (ended.code, ended.stdout) == (1, b"")
    assert f"Setting `include_secrets`: '{named}'" in ended.log
    assert message in ended.log


# --- what selecting everything costs ------------------------------------------------------------


@each_api
def test_selected_costly_stream_is_logged_once(api: str, run: Runner) -> None:
    costly = {vars(kind)["name"] for kind in APIS[api][1] if kind.cost or kind.cost_of_columns}
    log = run(api, everything).log
    messages = re.findall(r"(\w+): .* off by default because .* cost", log)
    assert sorted(messages) == sorted(costly)
    assert "off by default" not in run(api, chosen).log
