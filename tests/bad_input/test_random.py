"""Random settings, states and catalogs, close to valid ones: accepted, or rejected with a message.

`COMMERCE_TAPS_EXAMPLES=5000 pytest tests/bad_input/test_random.py` tries more, each time
other ones.
"""

from __future__ import annotations

import copy
import os
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from singer_sdk.exceptions import ConfigValidationError

from commerce_taps.errors import TapError
from tests.bad_input.support import TAPS, restored_process, root

if TYPE_CHECKING:
    from collections.abc import Iterator

    from commerce_taps.tap import HTTPTap
    from tests.bad_input.support import TapUnderTest
    from tests.contract import Record

EXAMPLES = int(os.environ.get("COMMERCE_TAPS_EXAMPLES", "0"))
look = settings(
    max_examples=EXAMPLES or 15,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
each_tap = pytest.mark.parametrize("tested", TAPS, ids=str)

TEXTS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ("", " ", "true", "0", "\x00", "null", "2024-01-31", "9999-12-31T23:59:59Z",
         "https://localhost", "FULL_TABLE", "string", "id", "type", "object")
    ),
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(autouse=True, scope="module")
def _undone() -> Iterator[None]:
    with restored_process(), warnings.catch_warnings():
        yield


@st.composite
def near(draw: st.DrawFn, document: Any) -> Any:  # noqa: ANN401 (JSON)
    """Draw a document with a few random changes."""
    holder = {"": copy.deepcopy(document)}
    for _ in range(draw(st.integers(1, 3))):
        node: Any = holder
        place: Any = ""
        while isinstance(node[place], (dict, list)) and node[place] and draw(st.integers(0, 4)):
            node = node[place]
            places = list(node) if isinstance(node, dict) else list(range(len(node)))
            place = draw(st.sampled_from(places))
        change = draw(st.sampled_from(("replace", "remove", "add", "copy")))
        if change == "remove" and node is not holder:
            del node[place]
        elif change == "add" and isinstance(node[place], dict):
            node[place][draw(TEXTS)] = draw(JSON)
        elif change == "copy" and isinstance(node, list):
            node.append(copy.deepcopy(node[place]))
        else:
            node[place] = draw(JSON)
    return holder[""]


def right(tested: TapUnderTest) -> Record:
    """Return valid settings that need no sandbox."""
    strings = {
        name: "2024-01-31"
        if schema.get("format")
        else "https://localhost"
        if "url" in name
        else tested.examples.get(name, "a@b.c")
        for name, schema in tested.schemas.items()
        if "string" in schema["type"] and "enum" not in schema and not schema.get("default")
    }
    given = {"api": tested.api} if tested.api else {}
    return given | {name: one for name, one in strings.items() if name not in tested.instead}


def alone(tested: TapUnderTest) -> Record:
    """Return a catalog of one stream, with which a tap is made fastest."""
    entries = copy.deepcopy(tested.streams)
    chosen = [one for one in entries if one["tap_stream_id"] == tested.stream]
    root(chosen[0])["selected"] = True
    return {"streams": chosen}


def make(tested: TapUnderTest, **given: Any) -> HTTPTap | None:  # noqa: ANN401 (JSON)
    """Make a tap and all that it derives from its input; `None` if the input is rejected."""
    try:
        tap = tested.tap(**given)
    except ConfigValidationError as error:
        errors = error.errors
    except TapError as error:
        errors = [str(error)]
    else:
        for stream in tap.streams.values():
            if stream.selected:
                assert stream.shape  # type: ignore[attr-defined]
                stream.starting_value(None)  # type: ignore[attr-defined]
                stream.starting_value({"id": "x"})  # type: ignore[attr-defined]
        assert tap.run.client.base_url
        return tap
    assert errors
    for message in errors:
        assert message.strip()
        assert len(message) < 1000
    return None


@each_tap
@look
@given(st.data())
def test_random_settings_end_with_a_message(tested: TapUnderTest, data: st.DataObject) -> None:
    names = list(tested.schemas)
    some = data.draw(st.dictionaries(st.sampled_from(names) | TEXTS, JSON, max_size=4))
    config = data.draw(near(right(tested) | some))
    assume(isinstance(config, dict))
    make(tested, config=config, catalog=alone(tested))


@each_tap
@look
@given(st.data())
def test_random_states_end_with_a_message(tested: TapUnderTest, data: st.DataObject) -> None:
    bookmark = {"replication_key": "modifiedDate", "replication_key_value": "2024-01-31T00:00:00Z"}
    places = [{"context": {"id": "x"}, **bookmark}, {"context": {"id": "y"}, "synced": "z"}]
    state = {"bookmarks": {tested.stream: {"partitions": places}, "other": dict(bookmark)}}
    given = data.draw(near(state))
    assume(isinstance(given, dict))
    make(tested, config=right(tested), state=given, catalog=alone(tested))


@each_tap
@look
@given(st.data())
def test_random_catalogs_end_with_a_message(tested: TapUnderTest, data: st.DataObject) -> None:
    given = data.draw(near(alone(tested)))
    assume(isinstance(given, dict))
    make(tested, config=right(tested), catalog=given)


@each_tap
def test_valid_input_is_accepted(tested: TapUnderTest) -> None:
    """The starting points of the random tests have to be valid."""
    catalog = {"streams": tested.streams}
    assert make(tested, config=right(tested), catalog=catalog, state={"bookmarks": {}})
