"""Deselected fields and secrets are not emitted, whatever form the server sends them in."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from commerce_taps.errors import RecordFailed
from commerce_taps.records.conform import decode, encode
from commerce_taps.records.normalize import NormalizedRecord
from commerce_taps.records.selection import Selection, breadcrumb_of, fold, path_of
from commerce_taps.records.structs import value_checker
from commerce_taps.records.validate import Shape
from tests.core.support import is_valid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypothesis.strategies import SearchStrategy

SECRET = "s3cr3t"
TEXT = {"type": ["string", "null"]}
NUMBER = {"type": "integer"}
REF = {"type": ["object", "null"], "properties": {"id": TEXT, "name": TEXT}}
USER = {
    "type": ["object", "null"],
    "properties": {"name": TEXT, "password": TEXT, "more": {"type": ["object", "null"]}},
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "api_key": TEXT,
        "note": TEXT,
        "location": REF,
        "user": USER,
        "connections": {"type": ["array", "null"], "items": USER},
    },
}
SECRETS = [("api_key",), ("user", "password"), ("connections", "password"), ("undeclared",)]


def shape_of(
    *,
    deselected: Sequence[tuple[str, ...]] = (),
    secrets: Sequence[tuple[str, ...]] = SECRETS,
    named: Sequence[tuple[str, ...]] = (),
) -> Shape:
    selection = Selection(SCHEMA, deselected=deselected, secrets=secrets, named=named)
    return Shape(SCHEMA, keys=["id"], selection=selection)


def emitted(shape: Shape, record: dict[str, Any]) -> dict[str, Any]:
    """Emit a record as a stream does, on the fast path where that takes it."""
    raw = msgspec.Raw(json.dumps({"id": "1", **record}).encode())
    page = shape.validate([raw])
    (found,), (fits,) = page.records, page.valid
    line = b"{" + bytes(shape.splice(found)) if fits else encode(shape.conform([found], {})[0])
    made: dict[str, Any] = json.loads(line)
    (normalized,) = shape.conform([NormalizedRecord(decode(raw))], {})
    assert json.loads(encode(normalized)) == made
    return made


# --- in whatever form ---------------------------------------------------------------------------


def dressed(value: SearchStrategy[Any]) -> SearchStrategy[Any]:
    """Draw a secret in any JSON type, or inside one."""
    return st.recursive(
        value,
        lambda inner: st.one_of(
            st.lists(inner, min_size=1, max_size=2),
            st.dictionaries(st.sampled_from(["a", "name", "0"]), inner, min_size=1, max_size=2),
            inner.map(json.dumps),
        ),
        max_leaves=3,
    )


secret_values = dressed(st.sampled_from([SECRET, f"a:1:{{{SECRET}}}", f"{SECRET}\n"]))


def respelt(name: str) -> SearchStrategy[str]:
    """Draw names that loaders put in the same column."""
    return st.sampled_from(
        [name, name.upper(), name.title(), name.replace("_", ""), name.replace("_", "-")]
        + [f"{name}__v_{kind}" for kind in ("string", "object", "integer")]
        + [f"{name}__v_string__v_array"]
    )


@st.composite
def holders(draw: st.DrawFn) -> Any:  # noqa: ANN401
    """Draw what may stand where an object with a password is expected."""
    inner = {"name": "n", draw(respelt("password")): draw(secret_values)}
    if draw(st.booleans()):
        inner = {"name": "n", draw(st.sampled_from(["more", "0", "new"])): inner}
    return draw(
        st.sampled_from(
            [
                *(inner, [inner], [[inner]], {"7": inner}, json.dumps(inner), json.dumps([inner])),
                *([json.dumps(inner)], json.dumps(json.dumps(inner)), f"a:1:{json.dumps(inner)}"),
                *([1, inner], [None, inner], SECRET, [SECRET], f"\ufeff{json.dumps(inner)}"),
            ]
        )
    )


@given(respelt("api_key"), secret_values, respelt("user"), holders(), holders())
@example("api_key", 1, "user", [SECRET], None)
@example("api_key", SECRET, "user", {"name": "n", "PASSWORD": SECRET}, None)
def test_secret_is_emitted_in_no_form(
    name: str, value: object, place: str, user: object, connections: object
) -> None:
    shape = shape_of()
    record = {"note": "kept", name: value, place: user, "connections": connections}
    elsewhere = {"elsewhere": {"n": 1, "password": value}}
    for more in ({}, {"undeclared": value}, elsewhere):  # the fast path may take the first
        made = emitted(shape, record | more)
        assert made["note"] == "kept"
        assert SECRET not in json.dumps(made)
    assert SECRET not in json.dumps(shape.selection.schema(shape.schema))


@pytest.mark.parametrize("wrapped", [json.dumps, lambda inner: [json.dumps(inner)]])
def test_new_column_emits_no_secret(wrapped: Any) -> None:  # noqa: ANN401
    shape = shape_of()
    assert "u_ser" in emitted(shape, {"u_ser": wrapped({"name": "n"})})
    assert SECRET not in json.dumps(emitted(shape, {"u_ser": wrapped({"password": SECRET})}))


@given(holders())
def test_named_secret_is_emitted_unchanged(user: Any) -> None:  # noqa: ANN401
    shape = shape_of(named=SECRETS)
    assert SECRET in json.dumps(emitted(shape, {"user": user}))
    assert shape.selection.withheld == set()


@pytest.mark.parametrize("named", SECRETS)
def test_only_named_secret_is_emitted(named: tuple[str, ...]) -> None:
    record = {
        "api_key": "own-0",
        "user": {"password": "own-1", "more": {"password": "deeper"}},
        "connections": [{"password": "own-2"}],
        "undeclared": "own-3",
    }
    made = emitted(shape_of(named=[named]), record)
    texts = json.dumps(made)
    for place, path in enumerate(SECRETS):
        assert (f"own-{place}" in texts) == (path == named), path
    assert "deeper" not in texts


@pytest.mark.parametrize("value", [None, False, True, {}, [], "", {"name": "n"}, [{"name": "n"}]])
def test_value_without_secret_is_kept(value: object) -> None:
    shape = shape_of()
    assert value in emitted(shape, {"user": value}).values()
    assert shape.selection.withheld == set()


@pytest.mark.parametrize("value", ["a text", 7, 1.5, ["a text"], [{"name": "n"}, "a text"]])
def test_ambiguous_value_is_withheld_by_path(value: object) -> None:
    shape = shape_of()
    assert emitted(shape, {"user": value, "note": "kept"}) == {"id": "1", "note": "kept"}
    assert shape.selection.withheld == {"user"}


# --- what is not selected -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "left"),
    [
        ({"id": "x", "name": "n"}, {"location": {"name": "n"}}),
        ({"id": 5, "name": "n"}, {"location": {"name": "n"}}),
        ({"ID": "x", "id__v_integer": 5, "name": "n"}, {"location": {"name": "n"}}),
        ([{"id": "x", "name": "n"}], {"location": None, "location__v_array": [{"name": "n"}]}),
        (
            '{"id": 5, "name": "n"}',
            {"location": None, "location__v_string": '{"name":"n"}'},
        ),
        ({"name": {"id": 1}}, {"location": {"name": None, "name__v_object": {"id": 1}}}),
        ("a text", {"location": None, "location__v_string": "a text"}),
        (7, {"location": None, "location__v_integer": 7}),
    ],
)  # fmt: skip
def test_deselected_inner_field_is_emitted_nowhere(sent: object, left: dict[str, Any]) -> None:
    shape = shape_of(deselected=[("location", "id")], secrets=[])
    assert emitted(shape, {"location": sent}) == {"id": "1", **left}
    properties = shape.selection.schema(shape.schema)["properties"]
    assert list(properties["location"]["properties"]) == ["name"]


def test_deselected_column_removes_its_variants() -> None:
    shape = shape_of(deselected=[("note",)], secrets=[])
    assert emitted(shape, {"note": 5, "NOTE": "x", "note__v_object": {}}) == {"id": "1"}
    assert "note" not in shape.selection.schema(shape.schema)["properties"]


def test_declared_column_differs_from_similar_name() -> None:
    schema = {"properties": {"id": {"type": "string"}, "note": TEXT, "Note": TEXT}}
    selection = Selection(schema, deselected=[("note",)])
    assert selection.prune({"note": "a", "Note": "b", "NOTE": "c"}) == {"Note": "b"}


def test_fast_path_accepts_records_without_secrets() -> None:
    shape = shape_of(deselected=[("note",)])
    plain = b'{"id":"1","note":"n","api_key":"k","user":{"name":"n"},"location":{"id":"1"}}'
    assert is_valid(shape, msgspec.Raw(plain))
    assert json.loads(b"{" + bytes(shape.splice(plain))) == {
        "id": "1",
        "user": {"name": "n"},
        "location": {"id": "1"},
    }


@pytest.mark.parametrize("name", ["user", "location", "new"])
def test_deep_value_is_emitted_or_named(name: str) -> None:
    shape = shape_of()
    deep = b"[" * 400 + b"]" * 400
    raw = msgspec.Raw(b'{"id":"1","%b":%b}' % (name.encode(), deep))
    (made,) = shape.conform([raw], {})
    assert isinstance(made, RecordFailed) or deep in encode(made)


@pytest.mark.parametrize(
    "products",
    [
        {"7": {"extra": '{"ekey": "s3cr3t"}'}},
        {"7": '{"extra": {"ekey": "s3cr3t"}}'},
        {"7": {"extra": "s3cr3t"}},
        {"7": {"color": ["red"], "extra": {"more": '[{"ekey": "s3cr3t"}]'}}},
        ['{"extra": {"ekey": "s3cr3t"}}'],
    ],
    ids=str,
)
def test_secret_in_keyed_list_or_json_text_is_withheld(products: object) -> None:
    inner = {"type": ["object", "null"], "properties": {"extra": {"type": ["object", "null"]}}}
    schema = {"properties": {"products": {"type": ["array", "null"], "items": inner}}}
    selection = Selection(schema, secrets=[("products", "ekey"), ("products", "extra", "ekey")])
    pruned = selection.prune({"products": products, "plain": "red"})
    assert "s3cr3t" not in str(pruned)
    assert pruned["plain"] == "red"
    assert ("red" in str(products)) == ("'color': ['red']" in str(pruned))


HIDDEN_IN = {"name": "n", "password": SECRET, "more": {"PassWord": SECRET, "left": 1}}


@pytest.mark.parametrize(
    ("sent", "left"),
    [
        ({"api_key": SECRET, "note": "n"}, {"note": "n"}),
        ({"api_key": None, "note": None}, {"note": None}),
        ({"user": HIDDEN_IN}, {"user": {"name": "n", "more": {"left": 1}}}),
        ({"user": None, "location": None}, {"user": None, "location": None}),
        (
            {"connections": [HIDDEN_IN, None, {}]},
            {"connections": [{"name": "n", "more": {"left": 1}}, None, {}]},
        ),
        ({"location": {"id": json.dumps(HIDDEN_IN)}}, None),
        ({"user": {"name": json.dumps(HIDDEN_IN)}}, None),
        ({"user": {"more": {"x": [json.dumps(HIDDEN_IN)]}}}, None),
        ({"texts": ["red", json.dumps(HIDDEN_IN)], "numbers": [[1], None]}, None),
        ({"any": json.dumps(HIDDEN_IN)}, None),
        ({"any": [HIDDEN_IN]}, {"any": [{"name": "n", "more": {"left": 1}}]}),
    ],
)
def test_declared_record_is_pruned_alike(sent: dict[str, Any], left: dict[str, Any] | None) -> None:
    more = {
        "texts": {"type": ["array", "null"], "items": TEXT},
        "numbers": {"type": "array", "items": {"type": ["array", "null"], "items": NUMBER}},
        "any": {},
    }
    schema = {**SCHEMA, "properties": {**SCHEMA["properties"], **more}}
    selection = Selection(schema, secrets=SECRETS)
    closed, prune = selection.compile(schema)
    value_checker(closed["properties"], [], closed=True)(sent)
    before = copy.deepcopy(sent)
    assert prune(sent) == selection.prune(sent)
    assert left is None or prune(sent) == left
    assert sent == before


def test_undeclared_field_is_not_taken_for_declared() -> None:
    closed, _ = Selection(SCHEMA, secrets=SECRETS).compile(SCHEMA)
    check = value_checker(closed["properties"], [], closed=True)
    for sent in ({"x": 1}, {"user": {"x": 1}}, {"connections": [{"x": 1}]}, {"user": "text"}):
        with pytest.raises(msgspec.ValidationError):
            check(sent)


# --- names --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("breadcrumb", "path"),
    [
        ((), ()),
        (("properties", "a"), ("a",)),
        (("properties", "a", "properties", "b"), ("a", "b")),
        (("properties", "a", "items", "properties", "b"), ("a", "b")),
        (("properties", "properties"), ("properties",)),
    ],
)
def test_breadcrumb_converts_to_path(breadcrumb: tuple[str, ...], path: tuple[str, ...]) -> None:
    assert path_of(breadcrumb) == path
    assert path_of(breadcrumb_of(path)) == path


@given(st.text(max_size=8))
def test_variant_folds_like_its_field(name: str) -> None:
    for kind in ("string", "boolean", "integer", "number", "array", "object"):
        assert fold(f"{name}__v_{kind}") == fold(name)
