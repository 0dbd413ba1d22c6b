"""Spending by plain Python, as slow and as simple as can be."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime, timedelta, tzinfo
from statistics import median_low
from typing import Any, NamedTuple

Row = dict[str, Any]
WEEK = timedelta(days=7)


class Day(NamedTuple):
    """The total of a day."""

    spent: int
    returned: int
    transactions: int
    partial: bool


def days_of(
    rows: Sequence[Row], sign: int, zone: tzinfo, since: datetime | None, until: datetime | None
) -> dict[date, Day]:
    """Each day; bounds are midnights of the zone."""
    of_day: dict[date, list[int]] = defaultdict(list)
    for row in rows:
        at = row["created_at"].astimezone(zone)
        if (since is None or at.timestamp() >= since.timestamp()) and (
            until is None or at.timestamp() < until.timestamp()
        ):
            of_day[at.date()].append(row["amount"] * sign)
    if not of_day and (since is None or until is None):
        return {}
    first = since.date() if since else min(of_day)
    end = until.date() if until else max(of_day) + timedelta(days=1)
    days = [first + timedelta(days=n) for n in range((end - first).days)]
    return {
        day: Day(
            sum(amount for amount in of_day[day] if amount > 0),
            sum(-amount for amount in of_day[day] if amount < 0),
            len(of_day[day]),
            (since is None and day == first) or (until is None and day == days[-1]),
        )
        for day in days
    }


def weeks_of(days: dict[date, Day]) -> list[Row]:
    """Each week from Monday."""
    weeks: dict[date, list[Day]] = defaultdict(list)
    for day, found in days.items():
        weeks[day - timedelta(days=day.weekday())].append(found)
    rows: list[Row] = []
    for week, in_week in sorted(weeks.items()):
        spent = sum(day.spent for day in in_week)
        whole = sum(not day.partial for day in in_week) == 7
        before = rows[-1] if rows and whole and not rows[-1]["partial"] else None
        rows.append(
            {
                "week": week,
                "spent": spent,
                "returned": sum(day.returned for day in in_week),
                "transactions": sum(day.transactions for day in in_week),
                "change": spent - before["spent"] if before else None,
                "partial": not whole,
            }
        )
    return rows


def odd_days_of(days: dict[date, Day], weeks: int, least: int, k: float) -> dict[date, int]:
    """The odd days, and what is usual for them."""
    odd: dict[date, int] = {}
    for day, found in days.items():
        like = [
            days[other].spent
            for other in (day - n * WEEK for n in range(1, weeks + 1))
            if other in days and not days[other].partial
        ]
        if found.partial or len(like) < least:
            continue
        usual = median_low(like)
        spread = 1.4826 * median_low([abs(spent - usual) for spent in like])
        off = abs(found.spent - usual)
        if off > k * spread and 2 * off > usual:
            odd[day] = usual
    return odd


def top_of(
    rows: Sequence[Row], key: str, sign: int, zone: tzinfo, days: Sequence[date]
) -> dict[str | None, int]:
    """What each name spent on some days."""
    spent: dict[str | None, int] = defaultdict(int)
    for row in rows:
        if row["created_at"].astimezone(zone).date() in days:
            spent[row[key]] += max(row["amount"] * sign, 0)
    return dict(spent)
