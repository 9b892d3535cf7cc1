"""Each part of the benchmarks runs, at sizes whose figures mean nothing."""

from __future__ import annotations

import sys
import typing as t

import pytest

from benchmarks.harness import TINY, Row, Usage, alternate, divide, run, same
from benchmarks.parts import centra, cscart, discover, scale, unchanged

if t.TYPE_CHECKING:
    from pathlib import Path


def test_discovery_is_measured(tmp_path: Path) -> None:
    (row,) = discover.measure(TINY, tmp_path)
    assert row.median > 0
    assert b'"commerce_orders"' in (tmp_path / "catalog.json").read_bytes()


def test_growth_is_measured_size_by_size(tmp_path: Path) -> None:
    (row,) = scale.measure(TINY, tmp_path)
    # Eleven lists of each of four connections, and who there is.
    assert row.figures["requests"] > 4 * 11
    assert row.figures["state bytes"] > 0


def test_requests_not_made_are_counted(tmp_path: Path) -> None:
    first, nothing_new, changed = unchanged.measure(TINY, tmp_path)
    assert nothing_new.met
    assert nothing_new.figures["requests"] < changed.figures["requests"] < first.figures["requests"]


def test_cscart_compared_with_raw_loop(tmp_path: Path) -> None:
    orders, products = cscart.measure(TINY, tmp_path)
    assert (orders.target, products.target) == (2.0, 2.0)
    assert "lines" in orders.note
    read = (tmp_path / "loop.jsonl").read_bytes().splitlines()
    assert len(read) == TINY.rewritten


def test_centra_compared_with_raw_loop(tmp_path: Path) -> None:
    integration, order = centra.measure(TINY, tmp_path)
    assert (integration.target, order.target) == (2.0, 2.0)
    assert "lines" in integration.note
    assert "lines" in order.note


def test_programs_take_turns() -> None:
    turns: list[str] = []

    def way(name: str, seconds: float) -> t.Callable[[], Usage]:
        def go() -> Usage:
            turns.append(name)
            return Usage(seconds, 1.0)

        return go

    taken = alternate({"a": way("a", 1.0), "b": way("b", 2.0)}, 2)
    assert turns == ["a", "b", "a", "b"]
    assert divide("a ÷ b", taken, "a", "b", target=0.6).met
    assert not divide("a ÷ b", taken, "a", "b", target=0.6, at_least=True).met


def test_program_is_measured_with_memory(tmp_path: Path) -> None:
    output = tmp_path / "out"
    usage = run([sys.executable, "-c", "x = b'x' * (64 << 20); print('done')"], output=output)
    assert output.read_text() == "done\n"
    assert usage.megabytes > 64
    assert usage.cpu > 0


def test_failed_program_raises_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="ended with 3: too bad"):
        run(
            [sys.executable, "-c", "import sys; sys.stderr.write('too bad'); sys.exit(3)"],
            output=tmp_path / "out",
        )


def test_programs_reading_other_rows_are_rejected() -> None:
    same(tap=3, loop=3)
    with pytest.raises(RuntimeError, match="not the same rows"):
        same(tap=3, loop=4)


def test_median_decides_about_target() -> None:
    assert Row("x", [0.1, 0.2, 9.0], target=0.3).met
    assert Row("x", [0.1]).met is None
