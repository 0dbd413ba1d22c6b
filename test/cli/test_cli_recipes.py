"""Each recipe does its job, with data up to now, and is as short as the page says."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from cli_helpers import TIME_LIMIT, Ran
from docs_blocks import ROOT, Block, blocks
from flowhunt.sandbox import Sandbox

PAGE = ROOT / "docs" / "recipes.md"
RECIPES = [block for block in blocks("bash", "python") if block.page == PAGE]


@pytest.fixture(scope="module")
def service() -> Iterator[Sandbox]:
    """A sandbox with the made-up history, up to now."""
    with Sandbox() as running:
        yield running


@pytest.fixture(autouse=True)
def _variables(environment: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.chdir(tmp_path)


def recipe(text: str) -> Block:
    """The recipe with this text."""
    (found,) = [block for block in RECIPES if text in block.text]
    return found


def carry_out(text: str) -> Ran:
    """Run the recipe with this text as a user would."""
    block = recipe(text)
    command = ["bash", "-c"] if block.language == "bash" else [sys.executable, "-c"]
    done = subprocess.run(
        [*command, block.text], capture_output=True, text=True, timeout=TIME_LIMIT, check=False
    )
    return Ran(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("block", RECIPES, ids=str)
def test_a_recipe_is_one_command_or_eight_lines(block: Block) -> None:
    lines = [line for line in block.text.splitlines() if line]
    assert len(lines) <= (1 if block.language == "bash" else 8)


def test_ten_recipes_are_there() -> None:
    assert PAGE.read_text(encoding="utf-8").count("\n## ") == 10
    assert len(RECIPES) == 11  # each is carried out below


def test_what_is_left(service: Sandbox) -> None:
    ran = carry_out("balance\n")
    assert (ran.code, ran.err) == (0, "")
    assert service.workspace_id in ran.out


def test_the_top_ten_of_last_month() -> None:
    ran = carry_out("spend top")
    assert ran.code == 0
    assert 3 <= len(ran.out.splitlines()) <= 12


def test_the_same_in_a_notebook_with_a_plot() -> None:
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.close("all")  # pandas draws on the current axes, which another page may have left
    block = recipe("plot.barh")
    names: dict[str, Any] = {}
    exec(block.text.replace("spent.nlargest", "axes = spent.nlargest"), names)  # noqa: S102
    assert 1 <= len(names["axes"].patches) <= 10


@pytest.mark.usefixtures("profiles")
def test_nightly_files_of_three_workspaces_of_which_one_key_is_revoked(tmp_path: Path) -> None:
    ran = carry_out("--all-profiles")
    assert ran.code == 4
    assert ran.err.startswith("error: beta: ")
    files = sorted(path.name for path in tmp_path.glob("*.csv"))
    assert files == ["credits-acme.csv", "credits-gamma.csv"]


def test_a_warning_in_time(service: Sandbox) -> None:
    assert carry_out("check") == (0, "", "")
    service.set_balance(99_999_999)
    ran = carry_out("check")
    service.reset()
    assert (ran.code, ran.err) == (3, "")
    assert len(ran.out.splitlines()) == 1


def test_a_pytest_test_with_402_and_429(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(recipe("flowhunt_sandbox").text, encoding="utf-8")
    few = ["-q", "-p", "no:anyio", "-p", "no:schemathesis"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *few],
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout


def test_which_week_jumped_and_why() -> None:
    shown = carry_out("spend changes")
    assert shown.code == 0
    assert "rose most" in shown.err
    assert len(shown.out.splitlines()) >= 3
    ran = carry_out("import Spending")
    assert (ran.code, ran.err) == (0, "")
    assert "before" in ran.out


def test_a_sheet_for_finance(tmp_path: Path) -> None:
    assert carry_out("credits.xlsx").code == 0
    sheet = openpyxl.load_workbook(tmp_path / "credits.xlsx").active
    assert sheet is not None
    assert "credits" in [cell.value for cell in next(iter(sheet.iter_rows()))]
    assert sheet.max_row > 1


def test_a_number_with_a_shell_alone() -> None:
    ran = carry_out("tail -n 1")
    assert (ran.code, ran.err) == (0, "")
    assert float(ran.out) > 0


def test_it_does_not_work() -> None:
    assert carry_out("doctor").code == 0
