"""What a notebook and a terminal show: tables of our rows, in which every text is only text."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import flowhunt
from flowhunt import frames
from flowhunt.export import ExportReport
from flowhunt.history import Difference, Plan, Reconciliation, Tally, Window
from flowhunt.mirror import CompactReport, SumsDifference, SyncReport, TableDifference

HOSTILE = "<script>alert(1)</script>&<b>$x$\x1b[31m\u202e"
SHOWN = "<script>alert(1)</script>&<b>$x$\\x1b[31m\\u202e"
AT = datetime(2026, 1, 1, tzinfo=UTC)


def transaction(desc: str = HOSTILE) -> flowhunt.CreditTransactionResponse:
    return flowhunt.CreditTransactionResponse(
        transaction_id="t",
        workspace_id="w",
        user_id="u",
        created_at=AT,
        transaction_type=flowhunt.TransactionType.G,
        context_id="c",
        context_desc=desc,
        amount=1_250_000,
    )


def daily_sum() -> flowhunt.CreditDailyTransactionResponse:
    return flowhunt.CreditDailyTransactionResponse(
        created_at=AT,
        workspace_id=HOSTILE,
        transaction_type=flowhunt.TransactionType.G,
        amount=1_250_000,
        cnt=2,
    )


def chart() -> flowhunt.CreditDailyChartResponse:
    return flowhunt.CreditDailyChartResponse.model_validate(
        {
            "per_day": [{"date": HOSTILE, "transaction_types": {HOSTILE: 1_250_000}}],
            "transaction_types": ["G", HOSTILE],
        }
    )


def plan() -> Plan:
    end = AT + timedelta(days=1)
    window = Window(since=AT, until=end, sums={AT.date(): {HOSTILE: Tally(3, 1_250_000)}})
    return Plan(
        workspace_id=HOSTILE, since=AT, until=end, utc_offset=timedelta(), windows=(window,)
    )


def report() -> ExportReport:
    return ExportReport(Path(HOSTILE), "csv", 1, 1, 1_250_000, AT, AT, 1, 0.1)


def reconciliation() -> Reconciliation:
    difference = Difference(date(2026, 1, 1), HOSTILE, Tally(1, 2), Tally(3, 4))
    return Reconciliation({}, [difference], {})


class Texts(HTMLParser):
    """The texts of HTML, and its elements."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def html_of(value: Any) -> str:
    """What a notebook shows of an object."""
    html: str = value._repr_html_()
    return html


SHOWABLE: list[Callable[[], Any]] = [
    lambda: frames.transactions([transaction()]),
    lambda: frames.daily([daily_sum()]),
    lambda: frames.chart(chart()),
    chart,
    plan,
    report,
    reconciliation,
]


@pytest.mark.parametrize("make", SHOWABLE)
def test_no_text_of_the_service_becomes_markup_in_a_notebook(make: Callable[[], Any]) -> None:
    html = html_of(make())

    page = Texts(html)
    assert page.tags <= {"div", "p", "strong", "table", "thead", "tbody", "tr", "th", "td"}
    assert SHOWN in "".join(page.texts)
    assert 'class="flowhunt tex2jax_ignore mathjax_ignore"' in html


@pytest.mark.parametrize("make", SHOWABLE)
def test_no_text_of_the_service_drives_a_terminal(make: Callable[[], Any]) -> None:
    out = io.StringIO()

    Console(file=out, width=400, force_terminal=True, color_system=None).print(make())

    printed = out.getvalue().replace("\x1b[1m", "").replace("\x1b[3m", "").replace("\x1b[0m", "")
    assert SHOWN in printed
    for shown in (printed, repr(make())):
        assert "\x1b[31m" not in shown
        assert "\u202e" not in shown


def test_a_long_table_shows_its_first_rows_and_how_many_there_are() -> None:
    table = frames.transactions([transaction(f"row {n}") for n in range(1_234)])

    for text in (html_of(table), str(table)):
        assert "1,234 rows, the first 10 shown" in text
        assert "row 9" in text
        assert "row 10" not in text


def test_numbers_are_aligned_to_the_right_and_texts_to_the_left() -> None:
    table = frames.daily([daily_sum()])
    assert re.search(r"text-align:right[^<]*1,250,000<", html_of(table))
    assert re.search(r"text-align:left[^<]*G<", html_of(table))
    header, row = str(table).splitlines()[1:3]
    assert header.index("amount") + len("amount") == row.index("1,250,000") + len("1,250,000")


def test_one_of_a_kind_has_a_noun_in_the_singular() -> None:
    one = Tally(1, 5)
    window = Window(since=AT, until=AT + timedelta(days=1), sums={AT.date(): {"G": one}})
    plan = Plan(
        workspace_id="w",
        since=window.since,
        until=window.until,
        utc_offset=timedelta(),
        windows=(window,),
    )
    report = SyncReport(
        table="t",
        version=1,
        workspaces=1,
        failures=(),
        sums_differ=(SumsDifference("w", Difference(AT.date(), "G", one, one)),),
        rows_read=1,
        requests=1,
        failed_requests=0,
        seconds=0.0,
        changed=("w",),
        rows_written=1,
        commits=1,
    )
    compacted = CompactReport("t", 1, files_before=1, files_after=1, files_deleted=1)
    difference = TableDifference("w", AT.date(), "G", one, one)
    texts = [plan, report, compacted, difference, repr(frames.transactions([transaction("row")]))]
    assert [found for text in texts for found in re.findall(r"\b1 \w+s\b", str(text))] == []


def test_a_reconciliation_without_differences_states_it() -> None:
    found = Reconciliation({}, [], {"2026-01-01": ("rows", "sums")})

    assert {"Reconciliation: no differences in 1 day", "rows, sums"} <= set(
        Texts(html_of(found)).texts
    )


# In IPython, which changes the process that it runs in

CHILD = """
import sys, traceback
from IPython.core.interactiveshell import InteractiveShell
import flowhunt
from test_displays import daily_sum, transaction

shell = InteractiveShell.instance()
formatter = shell.display_formatter.formatters["text/html"]
rows = [transaction("Bot")]
configuration = flowhunt.Configuration(host="http://127.0.0.1:1", api_key="5ecret", retries=0)
api = flowhunt.CreditsApi(flowhunt.ApiClient(configuration))
shell.push({"api": api})
"""


def in_ipython(program: str, folder: Path) -> str:
    """What a program prints in a process of its own, after ``CHILD``."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD + program],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent), "IPYTHONDIR": str(folder)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_lists_of_rows_are_tables_once_the_extension_is_loaded(tmp_path: Path) -> None:
    program = """
print(formatter(rows))
shell.run_line_magic("load_ext", "flowhunt.frames")
print(formatter(rows))
print(formatter([daily_sum()]))
print([formatter(each) for each in ([], [1], [transaction(), daily_sum()], [transaction(), None])])
shell.run_line_magic("unload_ext", "flowhunt.frames")
print(formatter(rows), type(rows) is list)
"""
    before, shown, sums, others, after = in_ipython(program, tmp_path).splitlines()

    assert (before, others, after) == ("None", "[None, None, None, None]", "None True")
    title = "1 CreditTransactionResponse; credits are amounts / 1,000,000"
    assert {"Bot", "1.25", title} <= set(Texts(shown).texts)
    assert "1.25" in Texts(sums).texts


def test_a_traceback_in_ipython_resolves_all_arguments(tmp_path: Path) -> None:
    program = """
for call in (
    "api.get_credit_balance(_request_timeout=1)",
    "api.search_credit_transactions('w', {'limit': 0})",
    "api.get_credit_balance(_request_auth=1)",
):
    shell.run_cell(call)
    print("NEXT")
"""
    *tracebacks, _ = in_ipython(program, tmp_path).split("NEXT")

    assert len(tracebacks) == 3
    for shown in tracebacks:
        assert "Cell In[" in re.sub(r"\x1b\[[0-9;]*m", "", shown)
        assert "failed resolving arguments" not in shown
        assert "5ecret" not in shown
