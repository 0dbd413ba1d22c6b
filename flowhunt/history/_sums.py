"""The sums of a history, all of them: the chart, which has no limit, tells which there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import groupby
from typing import Any

from flowhunt.history._calls import Calls
from flowhunt.history._errors import HistoryError
from flowhunt.history._spans import Span, Zone, period
from flowhunt.models.credit_daily_transaction_response import CreditDailyTransactionResponse
from flowhunt.models.grouping_period import GroupingPeriod
from flowhunt.models.transaction_type import TransactionType

Key = tuple[date, str]
"""The first day of a period, and a transaction type."""
Sums = dict[Key, CreditDailyTransactionResponse]


class SumsReader:
    """Reads the sums of whole periods, cut only at the outer bounds.

    Neighbouring windows overlap by a microsecond, so that it does not matter whether the bounds
    are in a window, until an answer shows that they are.

    :param bounds: the first and last tick to ask for at all
    :param limit: how many sums to ask for at once
    """

    def __init__(
        self,
        calls: Calls,
        zone: Zone,
        bounds: tuple[int, int],
        transaction_type: TransactionType | None,
        limit: int,
    ) -> None:
        self._calls = calls
        self._zone = zone
        self._first, self._last = bounds
        self._type = transaction_type
        self._limit = limit
        self._before = self._after = 1

    def until(self, day: date) -> None:
        """Ask for nothing after this day, but for the overlap."""
        self._last = min(self._last, period(day, GroupingPeriod.DATE).end)

    @property
    def span(self) -> Span:
        """All ticks that are asked for."""
        return Span(self._first, self._last + 1)

    def days(self, span: Span, grouping: GroupingPeriod) -> dict[date, set[Key]]:
        """The periods in a span that have transactions, in order, with the keys of their sums."""
        chart = self._calls.chart(self._asked(span, self._type, grouping))
        found: dict[date, set[Key]] = {}
        for row in sorted(chart.per_day, key=lambda row: row.var_date):
            first_day = date.fromisoformat(row.var_date)
            if span.holds(period(first_day, grouping).start):
                keys = {(first_day, code) for code in row.transaction_types}
                found.setdefault(first_day, set()).update(keys)
        return found

    def read(self, span: Span, grouping: GroupingPeriod) -> Sums:
        """The sums of the periods that begin in a span, in order."""
        keys = self.days(span, grouping)
        wanted = {key for of_period in keys.values() for key in of_period}
        found = self._all(list(keys), wanted, grouping) if wanted else {}
        return dict(sorted(found.items()))

    def _all(self, periods: Sequence[date], wanted: set[Key], grouping: GroupingPeriod) -> Sums:
        found = self._ask(periods, self._type, grouping)
        if not (missing := wanted - found.keys()):
            return found
        if len(periods) > 1:
            middle = len(periods) // 2
            for half in periods[:middle], periods[middle:]:
                if part := {key for key in missing if key[0] in half}:
                    found |= self._all(half, part, grouping)
            return found
        for _, code in sorted(missing):
            found |= self._ask(periods, TransactionType(code), grouping)
        if missing := wanted - found.keys():
            lost = ", ".join(f"{first_day} {code}" for first_day, code in sorted(missing))
            raise HistoryError(f"the chart has {lost}, and the sums do not return it")
        return found

    def _ask(
        self, periods: Sequence[date], code: TransactionType | None, grouping: GroupingPeriod
    ) -> Sums:
        span = Span(period(periods[0], grouping).start, period(periods[-1], grouping).end)
        asked = self._asked(span, code, grouping)
        found: Sums = {}
        for row in self._calls.sums({**asked, "limit": self._limit}):
            key = self._zone.day(row.created_at), row.transaction_type.value
            if key in found:
                raise HistoryError(f"there are two sums of {key[0]} {key[1]}")
            found[key] = row
        starts = [self._zone.tick(row.created_at) for row in found.values()]
        early = self._before and self._first < span.start and min(starts, default=0) < span.start
        late = self._after and span.end <= self._last and max(starts, default=0) >= span.end
        if starts and (early or late):
            # What is on a bound comes: no more overlap, whose sums could crowd out others.
            self._before = 0 if early else self._before
            self._after = 0 if late else self._after
            return self._ask(periods, code, grouping)
        return {key: row for key, row in found.items() if periods[0] <= key[0] <= periods[-1]}

    def _asked(
        self, span: Span, code: TransactionType | None, grouping: GroupingPeriod
    ) -> dict[str, Any]:
        first = max(self._first, span.start - self._before)
        last = min(self._last, span.end - 1 + self._after)
        since, until = self._zone.bounds(first, last)
        return {
            "created_at_from": since,
            "created_at_to": until,
            "transaction_type": code,
            "grouping": grouping,
        }


def in_order(sums: Sums, *, newest_first: bool) -> Sums:
    """Sums that are in order, in the order that is wanted."""
    return dict(reversed(sums.items())) if newest_first else sums


def packed(sums: Sums, most: int) -> Iterator[Sums]:
    """Sums of neighbouring periods together, of as many as have no more than so many rows."""
    pack: Sums = {}
    rows = 0
    for _, items in groupby(sums.items(), key=lambda item: item[0][0]):
        of_period = dict(items)
        count = sum(row.cnt for row in of_period.values())
        if pack and rows + count > most:
            yield pack
            pack, rows = {}, 0
        pack |= of_period
        rows += count
    if pack:
        yield pack
