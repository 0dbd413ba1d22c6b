"""The pages to look at, in Chromium: they are complete, send no request, and run no text.

They run with ``pytest -m browser`` alone and fail without a Chromium, which ``CHROMIUM`` names if
it is not in the PATH. To take the screenshots of the documentation again:
``python test/spend/test_browser.py docs``
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from itertools import takewhile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet
import pytest
import urllib3
from deltalake import write_deltalake

from demo_history import CONTEXTS, DAYS, FIRST, HARMLESS, HOSTILE, history
from flowhunt.report import write_report
from flowhunt.spend import Spending

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

pytestmark = pytest.mark.browser

APP = Path(__file__).parents[2] / "docs" / "examples" / "credits_app.py"
TIME_LIMIT = 60_000  # milliseconds, for a machine with much to do
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium() -> str:
    """The program; that there is none is an error, since nothing would have been tested."""
    names = [os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"]
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    assert found, "Chromium is not installed: apt-get install chromium, or set CHROMIUM"
    return found


@contextmanager
def opened_browser(profile: Path) -> Generator[BrowserContext]:
    """A browser of its own, with an empty profile."""
    from playwright.sync_api import expect, sync_playwright  # in no other environment

    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=chromium(),
            headless=True,
            args=FLAGS,
            viewport={"width": 1000, "height": 900},
        )
        context.set_default_timeout(TIME_LIMIT)
        expect.set_options(timeout=TIME_LIMIT)
        yield context
        context.close()


@contextmanager
def served_app(source: Path, folder: Path) -> Generator[str]:
    """The address of the app over a mirror or an exported file."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "marimo", "run", str(APP), "--headless", "--no-token"]
    with subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port)],
        env={**os.environ, "FLOWHUNT_CREDITS": str(source), "HOME": str(folder)},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            printed = list(takewhile(lambda line: f":{port}" not in line, process.stdout))
            assert process.poll() is None, "".join(printed)
            address = f"http://127.0.0.1:{port}"
            until_it_listens = urllib3.Retry(connect=60, backoff_factor=0.1, backoff_max=1)
            urllib3.request("GET", f"{address}/health", retries=until_it_listens)
            yield address
        finally:
            process.terminate()
            process.stdout.close()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    with opened_browser(tmp_path_factory.mktemp("profile")) as context:
        yield context


@pytest.fixture
def page(browser: BrowserContext) -> Iterator[Page]:
    opened = browser.new_page()
    yield opened
    opened.close()


def written_report(rows: pa.Table, folder: Path) -> Path:
    spending = Spending(rows, FIRST, FIRST + timedelta(days=DAYS))
    path = folder / "credits.html"
    return write_report(spending, path, balance=10**9, budget=3 * 10**8)


def spent() -> Decimal:
    total: Decimal = Spending(history()).total().in_credits().to_dicts()[0]["spent"]
    return total


def assert_unharmed(page: Page) -> None:
    """No text has become markup or has run."""
    assert "hacked" not in page.title()
    assert page.locator("#hacked").count() == 0
    assert page.locator("img[src=x]").count() == 0


def test_the_report_shows_its_numbers_and_asks_nobody(page: Page, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    path = written_report(history(), tmp_path)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))

    page.goto(path.as_uri())

    expect(page.locator(".fact b").first).to_have_text(f"{spent():,.2f}")
    for text in (*CONTEXTS, "days left", "of the budget"):
        expect(page.get_by_text(text, exact=True).first).to_be_visible()
    box = page.locator("figure svg").bounding_box()
    assert box is not None
    assert box["width"] > 500
    assert_unharmed(page)
    assert asked == [path.as_uri()]
    assert complaints == []


def exported(rows: pa.Table, folder: Path) -> Path:
    file = folder / "credits.parquet"
    pyarrow.parquet.write_table(rows, file)
    return file


def mirrored(rows: pa.Table, folder: Path) -> Path:
    table = folder / "credits"
    write_deltalake(table, rows)
    return table


@pytest.fixture(params=[exported, mirrored])
def app(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    with served_app(request.param(history(), tmp_path), tmp_path) as address:
        yield address


def test_the_app_shows_and_filters(page: Page, app: str) -> None:
    from playwright.sync_api import expect

    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    shown_app(page, app)

    expect(page.get_by_role("heading", name="FlowHunt credits")).to_be_visible()
    expect(page.get_by_text("credits spent")).to_be_visible()
    expect(page.get_by_text(f"{spent():,.2f}", exact=True)).to_be_visible()
    expect(page.locator("svg[role=img], svg[version='1.1']").first).to_be_visible()
    for text in ("Support chatbot", *HOSTILE[:3]):
        expect(page.get_by_text(text, exact=True).first).to_be_visible()
    assert_unharmed(page)

    page.locator("select").first.select_option("user")
    expect(page.get_by_text("user-1", exact=True).first).to_be_visible()
    assert_unharmed(page)
    assert [url for url in asked if not url.startswith((app, "data:", "blob:"))] == []


def shown_app(page: Page, address: str) -> None:
    from playwright.sync_api import expect

    page.goto(address)
    expect(page.get_by_text("Support chatbot", exact=True).first).to_be_visible()


def take_pictures(folder: Path) -> None:
    """The screenshots of the documentation."""
    rows = history(HARMLESS, ("user-2", "user-3"))
    with TemporaryDirectory() as scratch, opened_browser(Path(scratch, "profile")) as browser:
        page = browser.new_page()
        page.goto(written_report(rows, Path(scratch)).as_uri())
        page.screenshot(path=folder / "report.png")
        with served_app(exported(rows, Path(scratch)), Path(scratch)) as address:
            shown_app(page, address)
            page.screenshot(path=folder / "credits_app.png")


if __name__ == "__main__":
    take_pictures(Path(sys.argv[1]))
