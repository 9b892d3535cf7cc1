"""The settings of the fake CS-Cart, as arguments and on the command line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from commerce_sandbox import Sandbox
from commerce_sandbox.cscart import truth
from tests.sandbox.support import run_command_line


def _truth(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    assert run_command_line("truth", "--scale", "0.02", *arguments) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_command_line_release_changes_rows(capsys: pytest.CaptureFixture[str]) -> None:
    newest = _truth(capsys, "cscart.orders")
    assert "updated_at" in newest[0]
    assert "updated_at" not in _truth(capsys, "cscart.orders", "--cscart-release", "4.9")[0]
    assert _truth(capsys, "cscart.vendors") == []
    assert _truth(capsys, "cscart.vendors", "--cscart-edition", "multivendor")


def test_small_store_fills_every_stream() -> None:
    with Sandbox(scale=0.02) as one, Sandbox(scale=0.02, cscart_edition="multivendor") as other:
        for stream in truth.STREAMS:
            name = f"cscart.{stream}"
            if stream == "product_option_combinations":  # gone since 4.12
                continue
            assert one.truth_lines(name) or other.truth_lines(name), stream


def test_default_scale_has_demonstration_size() -> None:
    with Sandbox() as sandbox:
        sizes = {
            stream: len(sandbox.truth_lines(f"cscart.{stream}"))
            for stream in ("products", "orders", "users", "carts")
        }
    assert sizes["products"] == 3000
    assert sizes["users"] == 2000
    assert 4700 < sizes["orders"] <= 5000
    assert 400 <= sizes["carts"] < 420


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cscart_release": "5.0"}, r"cscart_release cannot be '5\.0', only one of: 4\.9, 4\.12"),
        ({"cscart_releases": "4.9"}, r"no fake API has a setting 'cscart_releases'; there are: "),
    ],
)
def test_invalid_setting_raises_value_error(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message), Sandbox(**settings):
        pass


def test_command_line_invalid_setting_exits_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line("truth", "cscart.orders", "--cscart-release", "5.0") == 2
    assert "'--cscart-release': '5.0' is not one of '4.9'" in capsys.readouterr().err
