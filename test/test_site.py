"""The documentation as a site: built without a warning, with every public name and no lost link."""

from __future__ import annotations

import posixpath
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from docs_blocks import PAGES, ROOT, name_of

sphinx = pytest.importorskip("sphinx", reason="the extra docs is not installed; CI has it")
inventory = pytest.importorskip("sphinx.util.inventory")

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    strictly = ["--fail-on-warning", "--keep-going", "--quiet"]
    places = ["-c", "docs", "-d", f"{folder / 'doctrees'}", ".", f"{folder / 'html'}"]
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", *strictly, *places],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "html"


@pytest.fixture(scope="module")
def documented(site: Path) -> set[str]:
    with (site / "objects.inv").open("rb") as file:
        found = inventory.InventoryFile.load(file, "", posixpath.join)
    return {name for kind in found if kind.startswith("py:") for name in found[kind]}


def surface() -> Iterator[str]:
    """The names in surface.txt: modules, what is in them, and methods and properties of classes."""
    module = cls = ""
    text = (ROOT / "test" / "surface.txt").read_text(encoding="utf-8")
    for line in text.splitlines()[1:]:
        if found := re.match(r"[\w.]+$", line):
            yield (module := found[0])
        elif found := re.match(r" {4}(?:class )?(\w+)", line):
            yield f"{module}.{(cls := found[1])}"
        elif found := re.match(r" {8}(?:property (\w+)|(?:\w+method )?(?!__)(\w+)\()", line):
            yield f"{module}.{cls}.{found[1] or found[2]}"


def test_every_public_name_has_its_place_in_the_reference(documented: set[str]) -> None:
    missing = [name for name in surface() if name not in documented]
    assert missing == []


def test_every_page_of_the_documentation_is_in_the_site(site: Path) -> None:
    pages = {name_of(page) for page in PAGES}
    assert {page for page in pages if not (site / page).with_suffix(".html").exists()} == set()


class Links(HTMLParser):
    """What a page links to, and what in it can be linked to."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.targets: set[str] = set()
        self.anchors: set[str] = {""}
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in {"href", "src"} and value:
                self.targets.add(value)
            elif name in {"id", "name"} and value:
                self.anchors.add(value)


def test_every_link_inside_the_site_has_a_target(site: Path) -> None:
    pages = {page: Links(page) for page in site.rglob("*.html")}
    assert len(pages) > len(PAGES)
    lost = set()
    for page, links in pages.items():
        for target in links.targets:
            path, _, anchor = target.partition("#")
            if re.match(r"[a-z]+:|//", target) or target == "#":
                continue
            there = (page.parent / unquote(path.partition("?")[0])).resolve() if path else page
            anchors = pages[there].anchors if there in pages else {""}
            if not there.exists() or unquote(anchor) not in anchors:
                lost.add(f"{page.relative_to(site)}: {target}")
    assert lost == set()


def test_the_site_asks_no_other_host_for_anything(site: Path) -> None:
    asked = re.compile(r'<(?:script|link|img)[^>]* (?:src|href)="((?:https?:)?//[^"]+)"')
    found = {
        host for page in site.rglob("*.html") for host in asked.findall(page.read_text("utf-8"))
    }
    assert found == set()
