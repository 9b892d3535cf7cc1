"""The generated parts of the documentation and of meltano.yml are up to date."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

FILES = ("docs/tap-codat.md", "meltano.yml")


@pytest.fixture
def copy(root: Path, tmp_path: Path) -> Path:
    shutil.copytree(root / "docs", tmp_path / "docs")
    for name in ("README.md", "meltano.yml"):
        shutil.copy(root / name, tmp_path / name)
    return tmp_path


def alter(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_generated_parts_are_up_to_date(
    generator: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    found = generator.main(["--check"])

    assert (found, capsys.readouterr().out) == (0, "")


@pytest.mark.parametrize(
    "change",
    [
        ("docs/tap-codat.md", "| by `modifiedDate` | yes |", "| full table | yes |", "streams"),
        ("docs/tap-codat.md", "| integer, 1 to 64 |", "| integer |", "settings"),
        ("docs/tap-codat.md", "data/commerce-orders`", "data/orders`", "streams"),
        ("docs/tap-codat.md", "| 402 |", "| 403 |", "messages"),
        ("meltano.yml", "      label: Companies\n", "", "settings"),
        ("meltano.yml", "    - '!webhook_consumers.*'\n", "", "streams"),
    ],
)
def test_altered_part_is_reported_and_repaired(
    generator: ModuleType,
    copy: Path,
    capsys: pytest.CaptureFixture[str],
    change: tuple[str, str, str, str],
) -> None:
    file, old, new, part = change
    before = (copy / file).read_bytes()
    alter(copy / file, old, new)
    altered = (copy / file).read_bytes()

    assert generator.main(["--check", "--root", str(copy)]) == 1
    assert capsys.readouterr().out == (
        f"{file}: {part} of tap-codat is out of date: run `make docs`\n"
    )
    assert (copy / file).read_bytes() == altered

    assert generator.main(["--root", str(copy)]) == 0
    assert (copy / file).read_bytes() == before


@pytest.mark.parametrize("file", FILES)
def test_missing_marker_is_an_error(
    generator: ModuleType, copy: Path, capsys: pytest.CaptureFixture[str], file: str
) -> None:
    alter(copy / file, "Generated from the tap: settings of tap-codat", "Written by hand")

    with pytest.raises(SystemExit) as ended:
        generator.main(["--check", "--root", str(copy)])

    assert ended.value.code != 0
    assert f"{file}: the markers of 'settings of tap-codat' occur 0 times" in (
        capsys.readouterr().err
    )


def test_part_without_end_marker_keeps_the_next_part(
    generator: ModuleType, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = copy / "docs" / "tap-codat.md"
    alter(page, "<!-- End of what is generated -->\n", "")

    with pytest.raises(SystemExit):
        generator.main(["--root", str(copy)])

    assert "settings of tap-codat" in capsys.readouterr().err
    assert "Generated from the tap: streams" in page.read_text(encoding="utf-8")


def test_error_table_rule_has_a_remedy(generator: ModuleType) -> None:
    for rules in generator.MESSAGES.values():
        for rule in rules:
            assert rule.remedy or rule.message == "{message}", rule


def test_meltano_declares_every_setting_and_marks_secrets(
    generator: ModuleType, root: Path
) -> None:
    project = yaml.safe_load((root / "meltano.yml").read_text(encoding="utf-8"))
    plugins = {plugin["name"]: plugin for plugin in project["plugins"]["extractors"]}
    for tap in generator.TAPS:
        own, added = generator.settings_of(tap)
        declared = {setting["name"]: setting for setting in plugins[tap.name]["settings"]}

        assert list(declared) == [*own, *added]
        for name, schema in own.items():
            assert declared[name].get("sensitive", False) == schema.get("secret", False), name
            assert declared[name].get("value") == schema.get("default"), name
