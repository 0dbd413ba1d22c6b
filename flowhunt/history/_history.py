"""One read of all transactions that match a request: planned by the sums, verified by the rows.

``Planner`` groups the days of the read into sections. ``RowsReader.tiles`` splits a section into
tiles, and ``RowsReader.run`` sends one request for each. A tile whose response may lack rows is
split again. ``VerifiedReader.verify`` compares the rows of finished tiles with the sums, and reads
days again that disagree.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from itertools import groupby
from typing import Any

from flowhunt.exceptions import ApiException
from flowhunt.history._arguments import (
    OnDifference,
    Timestamp,
    ZoneName,
    check_choice,
    checked_request,
)
from flowhunt.history._batch import Batch, Key, ListBatch, joined
from flowhunt.history._errors import Difference, DifferenceError, HistoryError, Tally
from flowhunt.history._formats import RowFormat, models_in
from flowhunt.history._intervals import (
    ALL_TIME,
    NO_TIME,
    Interval,
    day_interval,
    day_of,
    midnight_from,
    midnight_until,
    neighbours_joined,
    period,
    shares,
)
from flowhunt.history._planner import PAGES_PER_SECTION, Planner, Section, by_first_day
from flowhunt.history._queue import Tile
from flowhunt.history._requests import Requests
from flowhunt.history._rows import TileWorkers, rows_of
from flowhunt.history._sums import rows_in
from flowhunt.history._tiling import Page
from flowhunt.history._verified import (
    Check,
    Result,
    Totals,
    VerifiedReader,
    by_month,
    differences_of,
    differing_days,
    error_of,
    expectations_of,
    totals_in,
)
from flowhunt.models.credit_transaction_search_request import CreditTransactionSearchRequest
from flowhunt.models.grouping_period import GroupingPeriod

_FILTERS_WITHOUT_SUMS = ("transaction_id", "context_id", "context_desc")


class History:
    """One read of all transactions that match a request. ``results`` may be called once."""

    def __init__(
        self,
        requests: Requests,
        form: RowFormat[Any],
        request: CreditTransactionSearchRequest | Mapping[str, Any] | None,
        page_size: int,
        zone: ZoneName,
        *,
        since: Timestamp | None = None,
        until: Timestamp | None = None,
        on_difference: OnDifference,
        newest_first: bool = False,
        by_day: bool = False,
    ) -> None:
        asked, self.zone, self._interval, _, _ = checked_request(
            CreditTransactionSearchRequest, request, since, until, page_size, zone
        )
        check_choice("on_difference", on_difference, ("raise", "warn", "ignore"))
        self.filters = {
            name: value
            for name in _FILTERS_WITHOUT_SUMS
            if (value := getattr(asked, name)) is not None
        }
        self._compare = on_difference != "ignore"
        self._newest_first = newest_first
        self._page_size = page_size
        self._by_day = by_day
        kind = asked.transaction_type
        self._reader = VerifiedReader(
            requests, form, self.zone, page_size, {"transaction_type": kind} if kind else {}
        )
        # Sums that are not compared yet, and sums that were; and those of months at the beginning.
        self._checks: list[Check] = []
        self._compared: dict[Key, Tally] = {}
        self._months: dict[Key, Tally] = {}
        # Totals of the rows returned so far, and the days whose sums still differ from them.
        self._read: dict[Key, Tally] = {}
        self._disputed: set[date] = set()
        # Whether all sums were read after all rows. A final check would find nothing then.
        self._sums_are_newer = False

    def results(self, workers: TileWorkers) -> Iterator[Result]:
        """All transactions that match, in order."""
        if not self._interval.length:
            return
        if self.filters:
            yield from self._filtered(workers)
            return
        for result in self._verified_results(workers):
            for key, total in result.totals.items():
                known = self._read.get(key)
                self._read[key] = known.plus(total) if known else total
            yield result
        if self._compare and not self._sums_are_newer:
            yield from self._final_check()

    def verified_by(
        self,
        read: Mapping[tuple[str, str], Tally],
        charted: Mapping[Key, int],
        by_sums_alone: Collection[date],
    ) -> dict[str, tuple[str, ...]]:
        """The witnesses (rows, sums, chart) that agree on each day that was read.

        :param charted: the amounts of the chart
        :param by_sums_alone: the days that the rows do not verify
        """
        whole_days = self._interval.whole_days
        verified: dict[str, tuple[str, ...]] = {}
        for text, keys in groupby(sorted(read), key=lambda key: key[0]):
            day = date.fromisoformat(text)
            amounts = {(day, code): read[text, code].amount for _, code in keys}
            is_whole = whole_days.covers(day_interval(day))
            on_chart = {key: amount for key, amount in charted.items() if key[0] == day}
            witnesses = {
                "rows": day not in by_sums_alone,
                "sums": is_whole and day not in self._disputed,
                "chart": is_whole and on_chart == {k: v for k, v in amounts.items() if v},
            }
            verified[text] = tuple(name for name, agrees in witnesses.items() if agrees)
        return verified

    def charted(self) -> dict[Key, int]:
        """The amounts of the chart, by day and transaction type."""
        try:
            return self._reader.sums.charted(self._interval.whole_days, GroupingPeriod.DATE)
        except ApiException:
            return {}  # without it, days are verified by rows and sums

    # Tiles to read

    def _tiles(self) -> Iterator[Tile]:
        """Split the interval into tiles that one response each should hold."""
        rows = self._reader.rows
        page = rows.reconsidered(rows.fetch(self._interval), self._interval)
        if page.complete:
            yield self._tile_of_few_rows(page)
            return
        planner = Planner(
            self._totals,
            self._page_size,
            by_day=self._by_day,
            prefers_days=lambda: rows.limits.in_bursts,
        )
        months = planner.months(self._interval)
        self._months = {
            key: total
            for month, sums in months.items()
            if self._interval.covers(period(month, GroupingPeriod.MONTH))
            for key, total in sums.items()
        }
        counted = rows_in(total for sums in months.values() for total in sums.values())
        if counted <= page.size < self._page_size:  # the sums count no other rows
            yield self._tile_of_few_rows(page)
            return
        self._reader.sums.capacity = rows.limits.capacity
        if not self._newest_first and self._interval.end == ALL_TIME.end:
            self._fix_the_end(page, months)
        rows.limits.observe_spread(page.batch, _rows_of_months(months))
        sections = planner.sections(self._interval, months, newest_first=self._newest_first)
        yield from self._tiles_of(sections, page.batch)

    def _tiles_of(self, sections: Iterable[Section], received: Batch) -> Iterator[Tile]:
        """Split sections into tiles. The rest of one is planned together with the next section."""
        tiles = partial(self._reader.rows.tiles, newest_first=self._newest_first, received=received)
        rest, expectations = NO_TIME, dict[Interval, float]()
        for section in sections:
            self._checks += section.checks(self._interval.whole_days)
            left = dict(shares(expectations, rest))
            expectations = dict(sorted({**left, **self._expectations(section)}.items()))
            time = [each for each in (rest, section.interval) if each.length]
            rest = yield from tiles(neighbours_joined(time)[0], expectations, more_follows=True)
        yield from tiles(rest, expectations)

    def _tile_of_few_rows(self, page: Page) -> Tile:
        """A tile with a response that was received already and may be complete."""
        whole_days = self._interval.whole_days
        days = self._totals(whole_days, GroupingPeriod.DATE)
        self._checks += Section(self._interval, days, by_month=False).checks(whole_days)
        self._sums_are_newer = page.complete
        # A second request would show that an empty response is right. The sums show it already.
        return Tile(self._interval, expectations_of(days), page=page, is_repeated=True)

    def _totals(self, interval: Interval, grouping: GroupingPeriod) -> Totals:
        """The sums; none if they cannot be read and need not be compared."""
        try:
            return self._reader.sums.totals(interval, grouping, strict=False)
        except ApiException:
            if self._compare:
                raise
            return {}

    def _fix_the_end(self, page: Page, months: Mapping[date, Totals]) -> None:
        """End with the last day that has rows now, if it is found. Rows may arrive later."""
        if not months:
            return
        last_month = period(max(months), GroupingPeriod.MONTH)
        last = page.batch.cover.end - 1
        if last >= last_month.start and self._end_after(last):
            return
        days = expectations_of(self._totals(last_month, GroupingPeriod.DATE))
        last_day = max((day.start for day in days), default=last)
        if last_day > last:
            self._end_after(last_day)

    def _end_after(self, micros: int) -> bool:
        """End after the day of a timestamp, if two responses have no later rows.

        :return: false if the first response has later rows: then another day may be the last
        """
        end = Interval(micros, micros + 1).touched_days.end
        tail = Interval(end, self._interval.end)
        for is_second in False, True:  # one wrong response must not hide all that follows
            page = self._reader.rows.fetch(tail)
            if not page.complete or len(page.batch.between(tail)):
                return is_second  # later rows of the second one may just have arrived
        self._interval = Interval(self._interval.start, end)
        return True

    def _expectations(self, section: Section) -> dict[Interval, float]:
        """Where the rows of a section are expected."""
        if section.by_month:
            return dict(shares(_rows_of_months(by_first_day(section.sums)), section.interval))
        return dict(shares(expectations_of(section.sums), section.interval))

    # Rows that were read

    def _verified_results(self, workers: TileWorkers) -> Iterator[Result]:
        """The rows of finished tiles, about ten pages at a time. A compared day is never split."""
        finished: list[Tile] = []
        rows = self._reader.rows
        for tile in rows.run(self._tiles(), workers, newest_first=self._newest_first):
            finished.append(tile)
            received = sum(len(each.batch or ()) for each in finished)
            if received >= PAGES_PER_SECTION * self._page_size:
                interval = self._comparable(finished)
                if interval.length:
                    yield self._result(interval, finished)
                    finished = [
                        each.beyond(interval)
                        for each in finished
                        if not interval.covers(each.interval)
                    ]
        if finished:
            yield self._result(_interval_of(finished), finished)

    def _comparable(self, finished: Sequence[Tile]) -> Interval:
        """The time of finished tiles, without a day or month that is only partly read."""
        start, end = time = _interval_of(finished)
        if not self._compare:
            return time
        checks = [check.interval for check in self._checks]
        if self._newest_first:
            start = midnight_from(start)
            start = max([start, *(c.end for c in checks if c.start < start < c.end)])
        else:
            end = midnight_until(end) if end < ALL_TIME.end else end
            end = min([end, *(c.start for c in checks if c.start < end < c.end)])
        return Interval(start, max(start, end))

    def _result(self, interval: Interval, tiles: Sequence[Tile]) -> Result:
        batch, unverified = rows_of(tiles, interval)
        self._reader.limits.observe_hidden(batch, interval)
        checks = [check for check in self._checks if interval.covers(check.interval)]
        for check in checks:
            self._compared.update(check.sums)
        self._checks = [check for check in self._checks if not interval.covers(check.interval)]
        result = self._reader.verify(
            interval,
            batch,
            unverified,
            checks,
            compare=interval.overlap(self._interval.whole_days) if self._compare else NO_TIME,
            partial_days=self._checks_of_partial_days(interval) if self._compare else (),
            newest_first=self._newest_first,
        )
        if result.is_settled:
            self._sums_are_newer = False
        return self._disputing(result)

    def _checks_of_partial_days(self, interval: Interval) -> list[Check]:
        """The sums of the partial days at the bounds of the request."""
        checks: list[Check] = []
        for time in self._interval.partial_days:
            if interval.covers(time):
                sums = self._reader.sums.within(time.start, time.end - 1)
                checks.append(Check(time, sums.totals(time, GroupingPeriod.DATE, strict=False)))
        return checks

    def _final_check(self) -> Iterator[Result]:
        """Compare all rows read with the current sums.

        Earlier sums may have agreed although a row was never returned: if they did not count
        another row yet, which arrived in time to be read.
        """
        whole_days = self._interval.whole_days
        read = totals_in(whole_days, self._read)
        for month in self._reader.differing_months(read, whole_days):
            inside = totals_in(month, read)
            now = self._reader.sums.totals(month, GroupingPeriod.DATE, strict=False)
            days = {
                day
                for day in differing_days(inside, now)
                if day_of(day.start) not in self._disputed
            }
            for consecutive in neighbours_joined(days):
                settled = self._reader.settle(consecutive, before=totals_in(consecutive, now))
                changed = self._changed(totals_in(consecutive, read), settled.batch.totals())
                settled.differences = settled.differences or changed
                if error := error_of([settled]):
                    yield self._disputing(Result(consecutive, ListBatch.empty(), {}, error))

    def _changed(self, read: Totals, now: Totals) -> list[Difference]:
        """The differences between the rows read before and the rows read now.

        A new row is no difference. But if fewer rows were read than the sums counted at first, it
        may be one of the missing rows, with another timestamp.
        """
        return [
            difference
            for difference in differences_of(read, now)
            if difference.summed.rows <= difference.read.rows or self._lacks_planned_rows()
        ]

    def _lacks_planned_rows(self) -> bool:
        """Whether fewer rows of some month were read than its sums counted at first."""
        disputed = {day.replace(day=1) for day in self._disputed}
        read = by_month(self._read)
        return any(
            read.get(key, Tally()).rows < planned.rows
            for key, planned in {**by_month(self._compared), **self._months}.items()
            if key[0] not in disputed
        )

    def _disputing(self, result: Result) -> Result:
        """Record the days on which a result differs from the sums, and return it."""
        if isinstance(result.error, DifferenceError):
            self._disputed.update(difference.day for difference in result.error.differences)
        return result

    # With filters that the sums do not take

    def _filtered(self, workers: TileWorkers) -> Iterator[Result]:
        """The rows that match. There are no sums to compare with."""
        rows = self._reader.rows.matching(**self.filters)
        tiles = [Tile(self._interval, {})]
        for tile in rows.run(tiles, workers, newest_first=self._newest_first):
            batch, unverified = rows_of([tile], tile.interval)
            error: HistoryError | None = None
            if unverified:
                self._check_filters(tile.batch or batch)
            for time in unverified:
                unfiltered = self._all_in(time)
                error = error or unfiltered.error
                batch = joined([batch, self._matching(unfiltered.batch)])
            yield Result(tile.interval, batch.in_order(newest_first=self._newest_first), {}, error)

    def _all_in(self, interval: Interval) -> Result:
        """All rows of an interval, without filters."""
        batch, unverified = self._reader.rows.read(interval, {})
        return self._reader.verify(interval, batch, unverified, [], compare=NO_TIME)

    def _matching(self, batch: Batch) -> Batch:
        """The rows that match the filters."""
        matches = [
            all(getattr(model, name) == value for name, value in self.filters.items())
            for model in models_in(batch)
        ]
        return batch.take([index for index, match in enumerate(matches) if match])

    def _check_filters(self, found: Batch) -> None:
        """Check that the rows received match the filters.

        :raises HistoryError: some do not
        """
        if len(self._matching(found)) < len(found):
            raise HistoryError(
                f"the service returned rows that do not match {self.filters}: read without these "
                "filters, and filter the rows yourself"
            )


def _rows_of_months(months: Mapping[date, Totals]) -> dict[Interval, float]:
    return {
        period(month, GroupingPeriod.MONTH): rows_in(sums.values())
        for month, sums in months.items()
    }


def _interval_of(tiles: Sequence[Tile]) -> Interval:
    """The time that tiles cover."""
    intervals = [tile.interval for tile in tiles]
    return Interval(min(intervals).start, max(intervals).end)
