"""The Singer SDK's own tests of a target."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.testing import get_target_test_class

from target_duckdb.target import TargetDuckDB

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTINGS: dict[str, Any] = {"filepath": "not known yet"}

SdkTests = get_target_test_class(TargetDuckDB, config=SETTINGS)


@pytest.fixture(autouse=True)
def file() -> Iterator[None]:
    with TemporaryDirectory() as folder:
        SETTINGS["filepath"] = str(Path(folder) / "rows.duckdb")
        yield


class TestTargetDuckDB(SdkTests):  # type: ignore[misc, valid-type]
    """The suite."""
