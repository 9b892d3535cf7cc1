"""States that the tap did not write so: rejected with a message, or read correctly."""

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
from tests.bad_input.support import on_one_tap
from tests.contract import bookmarks

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bad_input.support import TapRunner
    from tests.contract import Record, State

TODAY = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
NO_INSTANTS: tuple[Any, ...] = (
    5, 1.5, True, [], {}, "", "x", "2024-02-30", "2024-01-01T00:00:00+99:00"
)  # fmt: skip
PLACE = {"context": {"of": "unknown"}}


@pytest.fixture
def state(run: TapRunner) -> State:
    """The state of a run."""
    return copy.deepcopy(run.plain.state)


def with_bookmark(**changes: Any) -> Callable[[State, str], Record]:  # noqa: ANN401 (JSON)
    """Change the bookmark of the first partition, or of the stream if it has none."""

    def change(state: State, name: str) -> Record:
        bookmark = state["bookmarks"][name]
        place = bookmark.get("partitions", [bookmark])[0]
        place.update(changes)
        return state

    return change


def with_stream(bookmark: Any) -> Callable[[State, str], Record]:  # noqa: ANN401 (JSON)
    return lambda _, name: {"bookmarks": {name: bookmark}}


FOREIGN = {"replication_key": "changed_by_nobody", "replication_key_value": "2024-01-01T00:00:00Z"}

REJECTED: dict[str, tuple[str, Callable[[State, str], Any]]] = {
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
        with_stream({"partitions": [{"context": {"of": ["unknown"]}}]}),
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


@on_one_tap
@pytest.mark.parametrize(("message", "change"), REJECTED.values(), ids=REJECTED)
def test_invalid_state_is_rejected(
    run: TapRunner, state: State, message: str, change: Callable[[State, str], Any]
) -> None:
    end = run(state=change(state, run.tested.stream))
    assert message in end.error
    assert len(end.error) < 300


@on_one_tap
def test_truncated_state_is_rejected(run: TapRunner, state: State) -> None:
    text = json.dumps(state)
    for length in range(0, len(text), len(text) // 20):
        assert "--state: " in run(state=text[:length].encode()).error


FROM_START: dict[str, Callable[[State, str], Any]] = {
    "nothing": lambda *_: {},
    "no bookmarks": lambda *_: {"bookmarks": {}},
    "an empty bookmark": with_stream({}),
    "no partitions": with_stream({"partitions": []}),
    "another partition": with_stream({"partitions": [PLACE | FOREIGN]}),
    "another key": with_stream(FOREIGN),
    "no key": with_stream({"replication_key_value": "2024-01-01T00:00:00Z"}),
}


@pytest.mark.parametrize("change", FROM_START.values(), ids=FROM_START)
def test_state_without_bookmark_reads_all(
    run: TapRunner, state: State, change: Callable[[State, str], Any]
) -> None:
    given = change(state, run.tested.stream)
    end = run(state=given)
    assert end.code == 0
    assert end.output.timeless() == run.plain.timeless()
    is_logged = "is read from the start" in end.log
    assert is_logged == any(value is not None for _, value in bookmarks(given))


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
    run: TapRunner, state: State, change: Callable[[State, str], Any]
) -> None:
    again = run(state=state)
    given = change(copy.deepcopy(state), run.tested.stream)
    end = run(state=given)
    assert end.code == 0
    assert end.output.timeless() == again.output.timeless()
    assert given["bookmarks"].keys() <= end.output.state["bookmarks"].keys()
    assert ("no stream for these bookmarks" in end.log) == ("issues" in given["bookmarks"])


def test_progress_markers_of_older_version_are_dropped(run: TapRunner, state: State) -> None:
    given = with_bookmark(progress_markers={"Note": "x", "replication_key_value": 5})(
        copy.deepcopy(state), run.tested.stream
    )
    end = run(state=json.dumps(given))
    assert end.code == 0
    assert json.loads(end.stdout.splitlines()[-1]).get("value", state) == state


def test_rows_at_end_of_calendar_are_read() -> None:
    """Some systems write "never" as the last second of the calendar."""
    rows = [msgspec.Raw(b'{"id":%d}' % number) for number in range(5)]
    timestamps = [dates.parse("2024-01-31"), *[dates.parse("9999-12-31T23:59:59Z")] * 4]

    def fetch(requested: TimeRange, number: int) -> Page:
        found = [(row, at) for row, at in zip(rows, timestamps, strict=True) if at in requested]
        page = found[2 * number - 2 : 2 * number]
        return Page(
            records=[row for row, _ in page],
            valid=[True] * len(page),
            timestamps=[at for _, at in page],
            total=len(found),
            size=2,
            has_next=len(found) > 2 * number,
        )

    pages = keyset(fetch, bytes, None)
    assert sorted(bytes(row) for page in pages for row in page.records) == [
        bytes(row) for row in rows
    ]
