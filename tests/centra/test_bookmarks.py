"""Which bookmark is safe: not one of what may still be being saved when the run begins."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from commerce_taps.bookmarks import LEEWAY, SafeBookmark

BEGAN = datetime(2024, 1, 31, 12, tzinfo=timezone.utc)


def test_bookmark_stays_before_run_start() -> None:
    assert timedelta(minutes=5) <= LEEWAY
    latest = SafeBookmark(BEGAN)
    safe = BEGAN - timedelta(minutes=5)
    latest.add([safe - timedelta(days=1), None, safe])
    latest.add([safe + timedelta(seconds=1), BEGAN, BEGAN + timedelta(days=1)])
    latest.add([safe - timedelta(days=2)])
    assert latest.value == safe
