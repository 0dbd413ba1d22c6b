"""The sums of a workspace: they show where rows are, and are compared with them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from flowhunt.history._batch import Key
from flowhunt.history._errors import Tally
from flowhunt.history._intervals import (
    ALL_TIME,
    Interval,
    Zone,
    first_day_of,
    period,
    split_at,
    touched_periods,
)
from flowhunt.history._requests import Requests
from flowhunt.models.credit_daily_transaction_response import CreditDailyTransactionResponse
from flowhunt.models.grouping_period import GroupingPeriod
from flowhunt.models.transaction_type import TransactionType

Sums = dict[Key, CreditDailyTransactionResponse]


class SumsReader:
    """Reads the sums of whole periods, split only at the outer bounds.

    A response that is as large as the largest one so far may lack sums. Then fewer periods are
    requested at once, and at last each transaction type of one period.

    Neighbouring requests overlap by a microsecond until a response shows that bounds are inclusive.

    :param bounds: the first and last microsecond to ask for; those beyond all time are not sent
    :param limit: the ``limit`` to ask with
    :ivar capacity: how many rows a response is known to hold
    :ivar codes: transaction types, to request one by one where a response cannot hold all
    :ivar duplicates: keys that one response held twice
    """

    def __init__(
        self,
        requests: Requests,
        zone: Zone,
        transaction_type: TransactionType | None,
        limit: int,
        bounds: tuple[int, int] = (-1, ALL_TIME.end),
        codes: set[str] | None = None,
        capacity: int | None = None,
    ) -> None:
        self.capacity = capacity or limit
        self.codes: set[str] = set() if codes is None else codes
        self._requests = requests
        self._zone = zone
        self._first, self._last = bounds
        self._type = transaction_type
        self._limit = limit
        self._largest = 1  # rows in the largest response so far
        self._before = self._after = 1  # overlap with neighbouring requests, in microseconds
        self.duplicates: set[Key] = set()

    def within(self, first: int, last: int) -> SumsReader:
        """A reader that asks for nothing before the first or after the last microsecond."""
        return SumsReader(
            self._requests,
            self._zone,
            self._type,
            self._limit,
            (first, last),
            self.codes,
            self.capacity,
        )

    def of_days(self, days: Interval) -> SumsReader:
        """A reader that asks for nothing outside of whole days."""
        last = days.end - 1 if days.end < ALL_TIME.end else days.end
        return self.within(days.start or -1, last)

    def of_type(self, code: str) -> SumsReader:
        """A reader of one transaction type."""
        bounds = (self._first, self._last)
        return SumsReader(self._requests, self._zone, TransactionType(code), self._limit, bounds)

    def read(self, interval: Interval, grouping: GroupingPeriod, *, strict: bool = True) -> Sums:
        """The sums of the periods that an interval overlaps, in order.

        :param strict: take a response as complete only if it is smaller than another one was;
            otherwise, if it is smaller than ``capacity``
        """
        if not interval.length:
            return {}
        found = self._read(touched_periods(interval, grouping), grouping, strict=strict)
        return dict(sorted(found.items()))

    def totals(
        self, interval: Interval, grouping: GroupingPeriod, *, strict: bool = True
    ) -> dict[Key, Tally]:
        """The sums that are not zero, as totals."""
        sums = self.read(interval, grouping, strict=strict)
        return {
            key: Tally(row.cnt, row.amount) for key, row in sums.items() if row.cnt or row.amount
        }

    def charted(self, interval: Interval, grouping: GroupingPeriod) -> dict[Key, int]:
        """The amounts that the chart has for the periods in an interval; 0 is left out.

        A row whose date cannot be read is left out too.
        """
        chart = self._requests.chart(self._body(interval, self._type, grouping))
        amounts: dict[Key, int] = {}
        for row in chart.per_day:
            try:
                first_day = first_day_of(date.fromisoformat(row.var_date[:10]), grouping)
            except ValueError:
                continue
            if interval.contains(period(first_day, grouping).start):
                for code, amount in row.transaction_types.items():
                    if amount:
                        amounts[first_day, code] = amounts.get((first_day, code), 0) + amount
        self.codes.update(code for _, code in amounts)
        return dict(sorted(amounts.items()))

    def _read(self, interval: Interval, grouping: GroupingPeriod, *, strict: bool) -> Sums:
        found, complete = self._ask(interval, self._type, grouping, strict=strict)
        if complete or not found:  # none of the interval: a split would return the same
            return found
        if halves := _split(interval, found, grouping):
            for half in halves:
                found |= self._read(half, grouping, strict=strict)
        elif self._type is None:
            self.charted(interval, grouping)  # it may know more types
            for code in sorted(self.codes):
                found |= self._ask(interval, TransactionType(code), grouping, strict=strict)[0]
        return found

    def _ask(
        self,
        interval: Interval,
        transaction_type: TransactionType | None,
        grouping: GroupingPeriod,
        *,
        strict: bool,
    ) -> tuple[Sums, bool]:
        """The sums of one response, and whether it is complete."""
        before, after, largest = self._before, self._after, self._largest
        body = {**self._body(interval, transaction_type, grouping), "limit": self._limit}
        rows, limit = self._requests.sums(body)
        self._largest = max(largest, len(rows))
        found: Sums = {}
        days = self._zone.days([row.created_at for row in rows])
        for row, day in zip(rows, days, strict=True):
            key = first_day_of(day, grouping), row.transaction_type._value_
            if key in found:
                self.duplicates.add(key)
            found[key] = row
        self.codes.update(code for _, code in found)
        first_days = {first_day for first_day, _ in found}
        starts = {first_day: period(first_day, grouping).start for first_day in first_days}
        times = starts.values()
        early = before and self._first < interval.start and min(times, default=0) < interval.start
        late = after and interval.end <= self._last and max(times, default=0) >= interval.end
        if starts and (early or late):
            # Bounds are inclusive. Without the overlap, its sums take no room in the response.
            self._before = 0 if early else before
            self._after = 0 if late else after
            return self._ask(interval, transaction_type, grouping, strict=strict)
        inside = {
            key: row
            for key, row in found.items()
            if interval.contains(starts[key[0]]) and transaction_type in (None, key[1])
        }
        return inside, len(rows) < min(limit, largest if strict else self.capacity)

    def _body(
        self, interval: Interval, transaction_type: TransactionType | None, grouping: GroupingPeriod
    ) -> dict[str, Any]:
        first = max(self._first, interval.start - self._before)
        last = min(self._last, interval.end - 1 + self._after)
        since, until = self._zone.bounds(Interval(first, last + 1))
        return {
            "created_at_from": since,
            "created_at_to": until,
            "transaction_type": transaction_type,
            "grouping": grouping,
        }


def _split(interval: Interval, found: Sums, grouping: GroupingPeriod) -> list[Interval]:
    """An interval of several periods, split in two, with most of the sums found on one side."""
    starts = sorted(period(first_day, grouping).start for first_day, _ in found)
    older, newer = starts[0] - interval.start, interval.end - starts[-1]
    share = 1 / 8 if older > newer else 7 / 8  # the missing sums are probably on that side
    edge = starts[int(len(starts) * share)]
    if edge == interval.start:
        edge = touched_periods(Interval(edge, edge + 1), grouping).end
    return split_at(interval, [edge]) if interval.contains(edge) else []


def rows_in(totals: Iterable[Tally]) -> int:
    """How many rows totals count; a negative count is none."""
    return sum(max(0, total.rows) for total in totals)
