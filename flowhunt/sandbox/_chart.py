"""The chart: sums of periods, with what the options leave out of it or fill into it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import date, timedelta

from flowhunt.sandbox._options import Options, Order
from flowhunt.sandbox._schemas import Grouping

_FILLED_DAYS = 31
"""Days around the sums that `filled_into_chart` fills too."""

Periods = dict[str, dict[str, int]]
"""The amount of each type, by the first day of a period."""


def chart_of(sums: bytes, grouping: Grouping, options: Options) -> bytes:
    """The JSON of a chart.

    :param sums: the JSON of all sums, in the order that the chart is to have
    """
    periods: Periods = {}
    for row in json.loads(sums):
        amounts = periods.setdefault(row["created_at"][:10], {})
        amounts[row["transaction_type"]] = row["amount"]
    if options.zero_totals == "filled_into_chart" and periods:
        periods = _filled(periods, grouping, options.order)
    if options.chart_periods is not None:
        newest_first = options.chart_keeps == "newest"
        kept = sorted(periods, reverse=newest_first)[: options.chart_periods]
        periods = {day: amounts for day, amounts in periods.items() if day in kept}
    chart = {
        "per_day": [
            {"date": day, "transaction_types": amounts} for day, amounts in periods.items()
        ],
        "transaction_types": sorted(_types_in(periods)),
    }
    return json.dumps(chart, separators=(",", ":")).encode()


def _filled(periods: Periods, grouping: Grouping, order: Order) -> Periods:
    """The periods and those between and around them, each with every type."""
    zeros = dict.fromkeys(sorted(_types_in(periods)), 0)
    every = dict.fromkeys([*periods, *_starts_around(periods, grouping)])
    if order != "shuffled":
        every = dict.fromkeys(sorted(every, reverse=order == "newest_first"))
    return {day: zeros | periods.get(day, {}) for day in every}


def _starts_around(days: Iterable[str], grouping: Grouping) -> Iterator[str]:
    """The first days of all periods from before the earliest of the days to after the latest."""
    ordinals = [date.fromisoformat(day).toordinal() for day in days]
    first = max(min(ordinals) - _FILLED_DAYS, 1)
    last = min(max(ordinals) + _FILLED_DAYS, date.max.toordinal())
    for day in map(date.fromordinal, range(first, last + 1)):
        yield _start_of(day, grouping).isoformat()


def _start_of(day: date, grouping: Grouping) -> date:
    if grouping == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if grouping == "month" else day


def _types_in(periods: Periods) -> set[str]:
    return {code for amounts in periods.values() for code in amounts}
