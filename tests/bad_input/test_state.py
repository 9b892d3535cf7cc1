"""State files that are not what the tap wrote: refused in a sentence, or read as they should be."""

from __future__ import annotations

import copy
import json
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from commerce_taps.pagination.keyset import keyset
from commerce_taps.pagination.page import Page, TimeRange
from commerce_taps.records import dates
from tests.bad_input.conftest import of_one_tap
from tests.contract import bookmarks

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bad_input.conftest import Trial
    from tests.contract import Record, State

TODAY = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
NO_INSTANTS: tuple[Any, ...] = (
    5, 1.5, True, [], {}, "", "x", "2024-02-30", "2024-01-01T00:00:00+99:00"
)  # fmt: skip
PLACE = {"context": {"of": "nobody"}}


@pytest.fixture
def state(trial: Trial) -> State:
    """The state a run left."""
    return copy.deepcopy(trial.plain.state)


def with_bookmark(**changes: Any) -> Callable[[State, str], Record]:  # noqa: ANN401 (JSON)
    """Change the bookmark of the first partition, or of the stream where it has none."""

    def change(state: State, name: str) -> Record:
        bookmark = state["bookmarks"][name]
        place = bookmark.get("partitions", [bookmark])[0]
        place.update(changes)
        return state

    return change


def with_stream(bookmark: Any) -> Callable[[State, str], Record]:  # noqa: ANN401 (JSON)
    return lambda _, name: {"bookmarks": {name: bookmark}}


FOREIGN = {"replication_key": "changed_by_nobody", "replication_key_value": "2024-01-01T00:00:00Z"}

REFUSED: dict[str, tuple[str, Callable[[State, str], Any]]] = {
    "of another tap": ("belongs to another tap", lambda *_: {"bookmarks": {"issues": FOREIGN}}),
    "of another kind": ("`issues` and no `bookmarks`", lambda *_: {"issues": "2024-01-01"}),
    "a line of output": ("no `bookmarks`", lambda state, _: {"type": "STATE", "value": state}),
    "inside of another": ("no `bookmarks`", lambda state, _: {"singer_state": state}),
    "bookmarks null": ("not a Singer state", lambda *_: {"bookmarks": None}),
    "bookmarks listed": ("not a Singer state", lambda *_: {"bookmarks": []}),
    "a bookmark null": ("not a Singer state", with_stream(None)),
    "a bookmark as text": ("not a Singer state", with_stream("2024-01-01")),
    "partitions null": ("no readable partitions", with_stream({"partitions": None})),
    "partitions by name": ("no readable partitions", with_stream({"partitions": {"a": {}}})),
    "a partition null": ("no readable partitions", with_stream({"partitions": [None]})),
    "no context": ("no readable partitions", with_stream({"partitions": [{}]})),
    "context null": ("no readable partitions", with_stream({"partitions": [{"context": None}]})),
    "context of lists": (
        "no readable partitions",
        with_stream({"partitions": [{"context": {"of": ["nobody"]}}]}),
    ),
    "a partition twice": ("a partition twice", with_stream({"partitions": [PLACE, PLACE]})),
    "progress markers": ("`progress_markers`", with_stream({"progress_markers": None})),
    **{
        f"value {value!r}": ("is not a timestamp", with_bookmark(replication_key_value=value))
        for value in NO_INSTANTS
    },
    "value soon": (
        "lies in the future",
        with_bookmark(replication_key_value=dates.render(TODAY + timedelta(days=2))),
    ),
    **{
        f"value {value}": ("lies in the future", with_bookmark(replication_key_value=value))
        for value in (
            "9999-12-31",
            "9999-12-31T23:59:59.999999Z",
        )
    },
}


@of_one_tap
@pytest.mark.parametrize(("says", "change"), REFUSED.values(), ids=REFUSED)
def test_invalid_state_is_rejected(
    trial: Trial, state: State, says: str, change: Callable[[State, str], Any]
) -> None:
    end = trial(state=change(state, trial.subject.stream))
    assert says in end.sentence
    assert len(end.sentence) < 300


@of_one_tap
def test_truncated_state_is_rejected(trial: Trial, state: State) -> None:
    text = json.dumps(state)
    for length in range(0, len(text), len(text) // 20):
        assert "--state: " in trial(state=text[:length].encode()).sentence


ANEW: dict[str, Callable[[State, str], Any]] = {
    "nothing": lambda *_: {},
    "no bookmarks": lambda *_: {"bookmarks": {}},
    "an empty bookmark": with_stream({}),
    "no partitions": with_stream({"partitions": []}),
    "another partition": with_stream({"partitions": [PLACE | FOREIGN]}),
    "another key": with_stream(FOREIGN),
    "no key": with_stream({"replication_key_value": "2024-01-01T00:00:00Z"}),
}


@pytest.mark.parametrize("change", ANEW.values(), ids=ANEW)
def test_state_without_bookmark_reads_all(
    trial: Trial, state: State, change: Callable[[State, str], Any]
) -> None:
    given = change(state, trial.subject.stream)
    end = trial(state=given)
    assert end.code == 0
    assert end.output.timeless() == trial.plain.timeless()
    told = "is read from the start" in end.log
    assert told == any(value is not None for _, value in bookmarks(given))


def with_neighbour(state: State, _: str) -> State:
    state["bookmarks"]["issues"] = FOREIGN | {"replication_key_value": 7}
    return state


LEVEL: dict[str, Callable[[State, str], Any]] = {
    "as it was": lambda state, _: state,
    "of an older version": with_bookmark(version=3, starting_replication_value="x"),
    "with another stream": with_neighbour,
    "with what is being read": lambda state, _: state | {"currently_syncing": None},
}


@pytest.mark.parametrize("change", LEVEL.values(), ids=LEVEL)
def test_state_resumes_at_its_bookmark(
    trial: Trial, state: State, change: Callable[[State, str], Any]
) -> None:
    again = trial(state=state)
    given = change(copy.deepcopy(state), trial.subject.stream)
    end = trial(state=given)
    assert end.code == 0
    assert end.output.timeless() == again.output.timeless()
    assert given["bookmarks"].keys() <= end.output.state["bookmarks"].keys()
    assert ("no stream for these bookmarks" in end.log) == ("issues" in given["bookmarks"])


def test_progress_markers_of_older_version_are_dropped(trial: Trial, state: State) -> None:
    given = with_bookmark(progress_markers={"Note": "x", "replication_key_value": 5})(
        copy.deepcopy(state), trial.subject.stream
    )
    end = trial(state=json.dumps(given))
    assert end.code == 0
    assert json.loads(end.stdout.splitlines()[-1]).get("value", state) == state


def test_rows_at_end_of_calendar_are_read() -> None:
    """What others write for "never": a second after which there is no other."""
    rows = [msgspec.Raw(b'{"id":%d}' % number) for number in range(5)]
    stamps = [dates.parse("2024-01-31"), *[dates.parse("9999-12-31T23:59:59Z")] * 4]

    def ask(asked: TimeRange, number: int) -> Page:
        found = [(row, at) for row, at in zip(rows, stamps, strict=True) if at in asked]
        page = found[2 * number - 2 : 2 * number]
        return Page(
            records=[row for row, _ in page],
            valid=[True] * len(page),
            timestamps=[at for _, at in page],
            total=len(found),
            size=2,
            has_next=len(found) > 2 * number,
        )

    pages = keyset(ask, bytes, None)
    assert sorted(bytes(row) for page in pages for row in page.records) == [
        bytes(row) for row in rows
    ]
