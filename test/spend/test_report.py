"""The page: one file, complete in itself, in which the service's text stays text."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from matplotlib import pyplot

import flowhunt
from demo_history import DAYS, FIRST, HOSTILE, ODD, history
from flowhunt import ApiTypeError
from flowhunt.history.arrow import TRANSACTION_SCHEMA
from flowhunt.report import plot_days, write_report
from flowhunt.spend import Spending


class Page(HTMLParser):
    """The elements and texts of a page.

    :ivar tags: the names of all elements
    :ivar attributes: all attributes that an element of ours has no reason for
    :ivar cells: the texts of table cells, by section
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [str(value) for name, value in attrs if name in ("href", "src", "xlink:href")]

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(data.strip())


@pytest.fixture(scope="module")
def spending() -> Spending:
    return Spending(history(), FIRST, FIRST + timedelta(days=DAYS))


@pytest.fixture(scope="module")
def page(spending: Spending, tmp_path_factory: pytest.TempPathFactory) -> Page:
    path = tmp_path_factory.mktemp("report") / "credits.html"
    written = write_report(spending, path, title=HOSTILE[0], balance=10**9, budget=3 * 10**8)
    return Page(written.read_text(encoding="utf-8"))


def test_text_of_the_service_stays_text(page: Page) -> None:
    assert set(HOSTILE) <= set(page.texts)
    assert not page.tags & {"script", "img", "b id", "iframe", "object", "link", "form", "a"}
    assert not [name for name in page.attributes if name.startswith("on")]
    assert "hacked" not in page.attributes


def test_the_page_needs_nothing_but_itself(page: Page) -> None:
    assert all(link.startswith("#") for link in page.links)
    assert "svg" in page.tags


def test_the_page_shows_what_was_spent(page: Page, spending: Spending) -> None:
    (total,) = spending.total().in_credits().to_dicts()
    (runway,) = spending.runway(10**9).to_dicts()
    assert f"{total['spent']:,.2f}" in page.texts
    assert f"{runway['days_left']:,.0f}" in page.texts
    assert (FIRST + timedelta(days=ODD)).date().isoformat() in page.texts
    assert "Support chatbot" in page.texts
    for heading in ("Odd days", "Types", "Contexts", "Users", "Workspaces", "What is assumed"):
        assert heading in page.texts
    assert all(assumption in page.texts for assumption in spending.assumptions)


@pytest.mark.parametrize("bounds", [(), ("2026-01-01", "2026-01-03")])
def test_a_page_without_data_says_that_there_is_too_little(
    bounds: tuple[str, ...], tmp_path: Path
) -> None:
    nothing = Spending(TRANSACTION_SCHEMA.empty_table(), *bounds)

    text = write_report(nothing, tmp_path / "page.html", balance=5, budget=5).read_text()

    assert "too little history" in text
    assert "None" not in re.sub("<svg.*</svg>", "", text, flags=re.DOTALL)


def test_a_page_is_replaced_only_by_a_complete_one(
    spending: Spending, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_report(spending, "page.html")
    before = path.read_bytes()

    spending_without_days = Spending(history())
    spending_without_days.close()
    with pytest.raises(Exception, match=r"(?i)closed"):
        write_report(spending_without_days, path)

    assert path.read_bytes() == before
    assert os.listdir() == ["page.html"]  # noqa: PTH208


def test_a_page_that_cannot_be_written_names_the_folder_or_what_it_takes(
    spending: Spending, tmp_path: Path
) -> None:
    with pytest.raises(ApiTypeError, match="write_report takes a Spending, not Table"):
        write_report(history(), tmp_path / "page.html")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(OSError, match=r"no such folder: '.*nowhere'"):
        write_report(spending, tmp_path / "nowhere" / "page.html")
    with pytest.raises(OSError, match="is a folder"):
        write_report(spending, tmp_path)
    (tmp_path / "loop.html").symlink_to("loop.html")
    with pytest.raises(OSError, match=r"leads to itself: '.*loop.html'"):
        write_report(spending, tmp_path / "loop.html")
    (tmp_path / "lost.html").symlink_to("nowhere/page.html")
    with pytest.raises(OSError, match=r"no such folder: '.*nowhere'"):
        write_report(spending, tmp_path / "lost.html")
    (tmp_path / "link.html").symlink_to("page.html")

    write_report(spending, tmp_path / "link.html")

    assert (tmp_path / "link.html").is_symlink()
    assert (tmp_path / "page.html").is_file()


def test_the_picture_marks_odd_and_partial_days_and_leaves_pyplot_alone() -> None:
    open_before = pyplot.get_fignums()
    ax = plot_days(Spending(history()))

    (bars,) = ax.containers
    colours = [bar.get_facecolor() for bar in bars]
    assert len(colours) == DAYS
    assert colours[0] == colours[-1] != colours[1]
    (marks,) = [line for line in ax.get_lines() if line.get_label() == "odd day"]
    places: Any = marks.get_xdata()
    assert len(places) == 1
    assert pyplot.get_fignums() == open_before


def test_a_page_of_hidden_characters_can_be_written(tmp_path: Path) -> None:
    row = history().slice(0, 1).to_pylist()[0] | {"context_desc": "a\x00b\u202ec\x1b[31m"}
    rows = pyarrow.Table.from_pylist([row], schema=TRANSACTION_SCHEMA)

    text = write_report(Spending(rows), tmp_path / "page.html").read_text(encoding="utf-8")

    assert "a\\x00b\\u202ec\\x1b[31m" in text


IN_A_ZIP = """
import sys
import pyarrow
import flowhunt
from flowhunt.cli import main
from flowhunt.report import write_report
from flowhunt.spend import Spending

assert ".zip" in flowhunt.__file__
rows = pyarrow.table({"created_at": ["2026-01-01T00:00:00"], "amount": [5]})
assert main(["spend", "days", "--from", sys.argv[1]]) == 0
print(write_report(Spending(rows), "page.html"))
"""


@pytest.mark.deep
def test_questions_and_reports_work_from_a_zip(tmp_path: Path) -> None:
    folder = Path(flowhunt.__file__).parent
    with zipfile.ZipFile(tmp_path / "flowhunt.zip", "w") as archive:
        for path in folder.rglob("*"):
            if path.is_file() and path.suffix != ".pyc":
                archive.write(path, path.relative_to(folder.parent))
    (tmp_path / "rows.csv").write_text("created_at,amount\n2026-01-01T00:00:00,5000000\n")
    done = subprocess.run(
        [sys.executable, "-c", IN_A_ZIP, "rows.csv"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "flowhunt.zip")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "2026-01-01" in done.stdout
    assert "2026-01-01" in (tmp_path / "page.html").read_text(encoding="utf-8")
