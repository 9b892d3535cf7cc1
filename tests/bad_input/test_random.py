"""Settings, states and catalogs at random, near right ones: taken, or a readable sentence.

`COMMERCE_TAPS_EXAMPLES=5000 pytest tests/bad_input/test_random.py` looks further, each time
somewhere else.
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
from tests.bad_input.conftest import SUBJECTS, root, undone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from commerce_taps.tap import HTTPTap
    from tests.bad_input.conftest import Subject
    from tests.contract import Record

EXAMPLES = int(os.environ.get("COMMERCE_TAPS_EXAMPLES", "0"))
look = settings(
    max_examples=EXAMPLES or 15,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
each_tap = pytest.mark.parametrize("subject", SUBJECTS, ids=str)

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
    with undone(), warnings.catch_warnings():
        yield


@st.composite
def near(draw: st.DrawFn, document: Any) -> Any:  # noqa: ANN401 (JSON)
    """Give a document with a few changes, each at some place in it."""
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


def right(subject: Subject) -> Record:
    """Give settings that need no sandbox to be right."""
    strings = {
        name: "2024-01-31"
        if schema.get("format")
        else "https://localhost"
        if "url" in name
        else subject.examples.get(name, "a@b.c")
        for name, schema in subject.schemas.items()
        if "string" in schema["type"] and "enum" not in schema and not schema.get("default")
    }
    given = {"api": subject.api} if subject.api else {}
    return given | {name: one for name, one in strings.items() if name not in subject.instead}


def alone(subject: Subject) -> Record:
    """Give a catalog of the subject's stream and nothing else: the quickest to make a tap of."""
    entries = copy.deepcopy(subject.streams)
    chosen = [one for one in entries if one["tap_stream_id"] == subject.stream]
    root(chosen[0])["selected"] = True
    return {"streams": chosen}


def make(subject: Subject, **given: Any) -> HTTPTap | None:  # noqa: ANN401 (JSON)
    """Make a tap, all that it makes of what it is given, and nothing else; or hear why not."""
    try:
        tap = subject.tap(**given)
    except ConfigValidationError as error:
        told = error.errors
    except TapError as error:
        told = [str(error)]
    else:
        for stream in tap.streams.values():
            if stream.selected:
                assert stream.shape  # type: ignore[attr-defined]
                stream.starting_value(None)  # type: ignore[attr-defined]
                stream.starting_value({"id": "x"})  # type: ignore[attr-defined]
        assert tap.run.client.base_url
        return tap
    assert told
    for sentence in told:
        assert sentence.strip()
        assert len(sentence) < 1000
    return None


@each_tap
@look
@given(st.data())
def test_random_settings_end_with_a_message(subject: Subject, data: st.DataObject) -> None:
    names = list(subject.schemas)
    some = data.draw(st.dictionaries(st.sampled_from(names) | TEXTS, JSON, max_size=4))
    config = data.draw(near(right(subject) | some))
    assume(isinstance(config, dict))
    make(subject, config=config, catalog=alone(subject))


@each_tap
@look
@given(st.data())
def test_random_states_end_with_a_message(subject: Subject, data: st.DataObject) -> None:
    mark = {"replication_key": "modifiedDate", "replication_key_value": "2024-01-31T00:00:00Z"}
    places = [{"context": {"id": "x"}, **mark}, {"context": {"id": "y"}, "synced": "z"}]
    state = {"bookmarks": {subject.stream: {"partitions": places}, "other": dict(mark)}}
    given = data.draw(near(state))
    assume(isinstance(given, dict))
    make(subject, config=right(subject), state=given, catalog=alone(subject))


@each_tap
@look
@given(st.data())
def test_random_catalogs_end_with_a_message(subject: Subject, data: st.DataObject) -> None:
    given = data.draw(near(alone(subject)))
    assume(isinstance(given, dict))
    make(subject, config=right(subject), catalog=given)


@each_tap
def test_valid_input_is_accepted(subject: Subject) -> None:
    """What the three begin from, or they would only look at what is refused at once."""
    catalog = {"streams": subject.streams}
    assert make(subject, config=right(subject), catalog=catalog, state={"bookmarks": {}})
