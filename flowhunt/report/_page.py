"""The page of a report: its figures and tables, and the file it is written to."""

from __future__ import annotations

import errno
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from os import PathLike
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, StrictUndefined, Template

from flowhunt._tables.display import Sheet, plain, quantity, value_text
from flowhunt._tables.files import atomic_write
from flowhunt._tables.locations import target_of
from flowhunt.exceptions import ApiTypeError
from flowhunt.report._picture import days_svg
from flowhunt.spend import Result, Spending
from flowhunt.spend._result import sheet_of
from flowhunt.spend._spending import BudgetPeriod, Key

_WEEKS = 12
_TOPS: tuple[tuple[str, Key], ...] = (
    ("Types", "type"),
    ("Contexts", "context"),
    ("Users", "user"),
    ("Workspaces", "workspace"),
)


class _Fact(NamedTuple):
    """A figure at the top of the page."""

    label: str
    value: str
    caption: str


def write_report(
    spending: Spending,
    path: str | PathLike[str],
    *,
    title: str = "FlowHunt credits",
    balance: int | None = None,
    budget: int | None = None,
    period: BudgetPeriod = "month",
) -> Path:
    """Write one HTML file: totals, a picture of the days, weeks, top tables and odd days.

    The file is replaced once the new one is complete.

    :param spending: the spending to report; its assumptions are on the page
    :param path: the file
    :param title: the heading
    :param balance: what is left, in the unit of the amounts; adds how many days it lasts
    :param budget: a budget, in the unit of the amounts; adds the share spent and the projected one
    :param period: of the budget: ``"week"``, ``"month"``, ``"quarter"`` or ``"year"``
    :return: the file
    :raises ApiTypeError: ``spending`` is no ``Spending``
    :raises OSError: the file cannot be written
    """
    if not isinstance(spending, Spending):
        raise ApiTypeError(
            f"write_report takes a Spending, not {type(spending).__name__}: Spending(relation)"
        )
    file = _checked_path(Path(path))
    facts = _facts(spending)
    if balance is not None:
        facts.append(_runway(spending.runway(balance)))
    if budget is not None:
        facts.append(_budget(spending.budget(budget, period)))
    page = _template().render(
        title=str(title),
        facts=facts,
        picture=days_svg(spending),
        sections=_sections(spending),
        assumptions=spending.assumptions,
        made=datetime.now(UTC),
    )
    with atomic_write(file) as out:
        out.write(page.encode("utf-8", "backslashreplace"))
    return file


# Figures and tables


def _facts(spending: Spending) -> list[_Fact]:
    (total,) = spending.total().in_credits().to_dicts()
    last = total["until"] - timedelta(days=1) if total["until"] else None
    count = quantity(total["transactions"], "transaction")
    days = f"{total['since']} to {last}, {count}" if last else "no transactions"
    return [
        _Fact("credits spent", f"{total['spent']:,.2f}", days),
        _Fact("credits returned", f"{total['returned']:,.2f}", "amounts of the other sign"),
        _last_week(spending.weeks()),
    ]


def _last_week(weeks: Result) -> _Fact:
    complete = [week for week in weeks.in_credits().to_dicts() if not week["partial"]]
    if not complete:
        return _Fact("last complete week", "-", "too little history")
    week = complete[-1]
    percent = week["change_percent"]
    change = "no week to compare with" if percent is None else f"{percent:+.1f} % in a week"
    return _Fact(
        "last complete week", f"{week['spent']:,.2f}", f"from Monday {week['week']}, {change}"
    )


def _runway(runway: Result) -> _Fact:
    (found,) = runway.in_credits().to_dicts()
    fewest, most = found["days_at_busiest"], found["days_at_quietest"]
    caption = f"{found['balance']:,.2f} credits at the pace of {found['of_days']} days"
    if fewest is not None:
        caption += f"; {fewest:,.0f} to {_rounded(most)} at the busiest and quietest week of them"
    return _Fact("days left", _rounded(found["days_left"]), found["note"] or caption)


def _budget(budget: Result) -> _Fact:
    (found,) = budget.in_credits().to_dicts()
    spent = f"{found['spent']:,.2f} of {found['budget']:,.2f} credits since {found['since']}"
    percent = found["projected_percent"]
    end = found["note"] or f"{percent:,.0f} % at its end"
    return _Fact("of the budget", f"{found['percent']:,.0f} %", f"{spent}; {end}")


def _rounded(days: float | None) -> str:
    return "-" if days is None else f"{days:,.0f}"


def _sections(spending: Spending) -> list[tuple[str, Sheet]]:
    weeks = spending.weeks()
    latest = Result(weeks.to_arrow()[-_WEEKS:], weeks.unit)
    tops = [(heading, spending.top(key)) for heading, key in _TOPS]
    return [
        (f"The last {_WEEKS} weeks", sheet_of(latest)),
        ("Odd days", sheet_of(spending.odd_days())),
        *((heading, sheet_of(top)) for heading, top in tops if _names_any(top)),
    ]


def _names_any(top: Result) -> bool:
    return any(row["name"] is not None for row in top.to_dicts())


# Writing


def _template() -> Template:
    pages = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters.update(plain=plain, value_text=value_text)
    page = files("flowhunt.report").joinpath("page.html")
    return pages.from_string(page.read_text(encoding="utf-8"))


def _checked_path(path: Path) -> Path:
    """The file to replace, where a symbolic link leads.

    :raises OSError: no file can be written there
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a folder, and a report is one file", str(path))
    target = target_of(path)
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder", str(target.parent))
    return target
