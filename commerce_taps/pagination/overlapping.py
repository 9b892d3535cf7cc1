"""Reads a list that announces no total, each page joined to the one before.

Use one of these where the API can neither sort and filter by the last change nor announce a total:

- `anchored_pages`, where one request can return a page and the record before it, as GraphQL can;
- `overlapping_pages` elsewhere: for offsets, page numbers and links to the next page.

Why no row slips: rows come, go and move while a list is read, which moves others over the border
between two pages. A row slipped only if the last record of one page is not directly before the
first record of the next. `anchored_pages` sees that in one response and reads the list again from
its beginning. `overlapping_pages` compares responses:

- If a page has the last record of the one before, rows were added at most, and none slipped.
- If pages do not overlap, it fetches the page before again, which must end as it did.
- If rows went, the page before now has those that slipped, and reading continues at its new end.
- If the last record is in neither page, several times in a row, it reads the list again.

Where pages do not overlap, one case stays unnoticed: rows that go, and as many others that come,
between the same two requests.

The two stay apart: a response with an anchor proves that nothing slipped, so a mismatch needs no
second look, and a second look would cost requests without proving more.
"""

from __future__ import annotations

import typing as t

from msgspec.structs import replace

from commerce_taps.errors import PartitionFailed
from commerce_taps.pagination.page import (
    KEPT_CHANGING,
    MAX_PASSES,
    PLACEHOLDER,
    UNBOUNDED,
    FetchPage,
    Identify,
    Page,
    Params,
    TimeRange,
)

if t.TYPE_CHECKING:
    from collections.abc import Callable, Generator, Hashable, Iterator


def anchored_pages(
    fetch: FetchPage,
    identify: Identify,
    requested: TimeRange = UNBOUNDED,
    seen: set[bytes] | None = None,
    *,
    ascending: bool = False,
) -> Iterator[Page]:
    """Read a list by page number, and again from its beginning if rows have moved.

    Args:
        fetch: Fetches a page of a range, with `has_next`, `timestamps` and, after the first page,
            its `anchor`. The request is wider than the range by `MARGIN`.
        identify: Returns a record's identity; `None` if it has none.
        requested: The range.
        seen: Digests of records that were yielded already; those of this list are added.
        ascending: Whether the list is sorted by identity.

    Yields:
        The pages, without records that came before unchanged. The last one is safe.

    Raises:
        PartitionFailed: The list kept changing while it was read.
    """
    seen = set() if seen is None else seen
    for _ in range(MAX_PASSES):
        number, last, known = 1, None, set[t.Hashable]()
        while True:
            page = fetch(requested, number)
            keys = [None if raw is PLACEHOLDER else identify(raw) for raw in page.records]
            came_before = page.has_next and known.issuperset(keys)
            known.update(keys)
            if number > 1 and (came_before or _has_moved(page.anchor, last, ascending=ascending)):
                break
            yield replace(page.trim(requested).unseen(seen), is_safe=not page.has_next)
            if not page.has_next:
                return
            number, last = number + 1, keys[-1]
    raise PartitionFailed(KEPT_CHANGING)


def _has_moved(anchor: Hashable, last: Hashable, *, ascending: bool) -> bool:
    """Whether rows may have slipped: the record before the page is not the last one that came.

    In ascending order a lesser anchor shows that rows were added. They move the others back, so
    some of those only come twice.
    """
    if last is None:  # it could not be read, so it cannot be recognized
        return False
    if ascending and isinstance(anchor, int) and isinstance(last, int):
        return anchor > last
    return anchor != last


def overlapping_pages(
    fetch: Callable[[Params], Page],
    identify: Identify,
    *,
    overlap: bool = False,
    repeats: bool = False,
) -> Iterator[Page]:
    """Read a list page by page, each joined to the one before.

    Args:
        fetch: Fetches a page, with `next_params`, by the parameters that only this page has. The
            first page has none.
        identify: Returns a record's identity within the list, and one for `PLACEHOLDER`.
        overlap: Whether a page begins with the last record of the one before.
        repeats: Whether a page without anything new may be the last one come again, and so the end.

    Yields:
        The pages, without records that came before unchanged.

    Raises:
        PartitionFailed: The list kept changing while it was read.
    """
    seen: set[bytes] = set()
    for _ in range(MAX_PASSES):
        if (yield from _read_once(fetch, identify, seen, overlap=overlap, repeats=repeats)):
            return
    raise PartitionFailed(KEPT_CHANGING)


def _read_once(
    fetch: Callable[[Params], Page],
    identify: Identify,
    seen: set[bytes],
    *,
    overlap: bool,
    repeats: bool,
) -> Generator[Page, None, bool]:
    """Read a list from its beginning. Returns whether its end was reached."""
    found: set[Hashable] = set()
    place: Params = {}
    again: Params = {}
    last: Hashable = None
    tries = 0
    while tries < MAX_PASSES:
        page, keys = _fetch_certain(fetch, identify, place, found, last)
        is_new = not found.issuperset(keys)
        if last is not None and last not in keys:
            tries += 1
            before = fetch(again)
            known = list(map(identify, before.records))
            if last not in known:
                continue  # it may be moving from the one to the other just now
            yield _new(before, seen)
            found.update(known)
            if overlap or known[-1] != last:
                if before.next_params is None:
                    return True
                place, last = before.next_params, known[-1]
                continue
        yield _new(page, seen)
        if page.next_params is None or (repeats and not is_new):
            return True
        found.update(keys)
        tries = 0 if is_new else tries + 1
        again = place if page.params is None else page.params
        place, last = page.next_params, keys[-1] if keys else last
    return False


def _fetch_certain(
    fetch: Callable[[Params], Page],
    identify: Identify,
    place: Params,
    found: set[Hashable],
    last: Hashable,
) -> tuple[Page, list[Hashable]]:
    """Fetch a page, once more if it has nothing new: it may be the response to another request.

    Returns:
        The page, and the identities of its records.
    """
    page = fetch(place)
    keys = list(map(identify, page.records))
    if keys and found.issuperset(keys) and keys != [last]:
        page = fetch(place)
        keys = list(map(identify, page.records))
    return page, keys


def _new(page: Page, seen: set[bytes]) -> Page:
    """Leave out placeholders, and records that came before."""
    return page.only([raw is not PLACEHOLDER for raw in page.records]).unseen(seen)
