"""Reads all pages of a list that tells neither its length nor its order, so that nothing slips.

Rows come, go and move while a list is read, which moves others over the border between two pages.
So each page is joined to the one before:

- if it has the last row of that one, rows were added at most, and none has slipped;
- if pages do not overlap, the one before is asked for once more and has to end as it did;
- if rows have gone, the page before now has those that have slipped, and the reading goes on from
  its new end;
- if the last row is in neither page, time and again, the list is read from its beginning.

Only rows that go and others that come between the same two requests, as many, go unnoticed where
pages do not overlap.
"""

from __future__ import annotations

import typing as t

from commerce_taps.errors import PartitionFailed
from commerce_taps.pagination.page import KEPT_CHANGING, MAX_PASSES, Identify, digest

if t.TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence

    from msgspec import Raw

    Params = Mapping[str, str | int]


class Sheet(t.NamedTuple):
    """One page.

    Attributes:
        rows: Its rows.
        again: The parameters that ask for it once more.
        next: The parameters that ask for the next page; `None` if this was the last one.
    """

    rows: Sequence[Raw]
    again: Params
    next: Params | None


def overlapping_pages(
    ask: Callable[[Params], Sheet],
    identify: Identify,
    *,
    overlap: bool = False,
    repeats: bool = False,
) -> Iterator[list[Raw]]:
    """Read a list page by page, each joined to the one before.

    Args:
        ask: Asks for a page by the parameters that are peculiar to it; the first one has none.
        identify: Gives a row's identity within the list.
        overlap: Whether a page is asked to begin with the last row of the one before.
        repeats: Whether a page without anything new may be the last one come again, and so the
            end.

    Yields:
        The rows of each page that have not come before as they are.

    Raises:
        PartitionFailed: The list kept changing while it was read.
    """
    seen: set[bytes] = set()
    for _ in range(MAX_PASSES):
        found: set[Hashable] = set()
        place: Params = {}
        again: Params = {}
        last: Hashable = None
        tries, doubted = 0, False
        while tries < MAX_PASSES:
            sheet, keys = _asked(ask, identify, place)
            is_new = not found.issuperset(keys)
            if keys and not is_new and keys != [last] and not doubted:
                doubted = True  # an answer does not tell of which page it is
                continue
            doubted = False
            if last is not None and last not in keys:
                tries += 1
                before, known = _asked(ask, identify, again)
                if last not in known:
                    continue  # it may be going from the one to the other just now
                yield fresh(before.rows, seen)
                found.update(known)
                if overlap or known[-1] != last:
                    if before.next is None:
                        return
                    place, last = before.next, known[-1]
                    continue
            yield fresh(sheet.rows, seen)
            if sheet.next is None or (repeats and not is_new):
                return
            found.update(keys)
            tries = 0 if is_new else tries + 1
            place, again, last = sheet.next, sheet.again, keys[-1] if keys else last
    raise PartitionFailed(KEPT_CHANGING)


def _asked(
    ask: Callable[[Params], Sheet], identify: Identify, place: Params
) -> tuple[Sheet, list[Hashable]]:
    sheet = ask(place)
    return sheet, list(map(identify, sheet.rows))


def fresh(rows: Sequence[Raw], seen: set[bytes]) -> list[Raw]:
    """Leave out rows that were handed on already.

    Args:
        rows: The rows.
        seen: What tells those that were; the others are added.

    Returns:
        The others.
    """
    found = []
    for raw in rows:
        mark = digest(raw)
        if mark not in seen:
            seen.add(mark)
            found.append(raw)
    return found
