"""One read of all transactions that match a request: planned by the sums, verified by the rows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from itertools import groupby
from typing import Any

from flowhunt.exceptions import ApiException
from flowhunt.history._arguments import (
    OnDifference,
    Timestamp,
    ZoneName,
    asked_for,
    check_choice,
)
from flowhunt.history._batch import Batch, Key, ListBatch, joined
from flowhunt.history._errors import Difference, DifferenceError, HistoryError, Tally
from flowhunt.history._formats import RowFormat, models_in
from flowhunt.history._intervals import (
    ALL_TIME,
    DAY,
    NO_TIME,
    Interval,
    day_interval,
    day_of,
    neighbours_joined,
    period,
    shares,
)
from flowhunt.history._planner import PAGES_IN_A_PART, Planner, Section, by_first_day
from flowhunt.history._queue import Tile
from flowhunt.history._requests import Requests
from flowhunt.history._rows import TileWorkers, part_of
from flowhunt.history._sums import rows_in
from flowhunt.history._tiling import Page
from flowhunt.history._verified import (
    Check,
    Part,
    Tallies,
    VerifiedReader,
    by_month,
    differences_of,
    differing_days,
    error_of,
    expectations_of,
    tallies_in,
)
from flowhunt.models.credit_transaction_search_request import CreditTransactionSearchRequest
from flowhunt.models.grouping_period import GroupingPeriod

_FILTERS_WITHOUT_SUMS = ("transaction_id", "context_id", "context_desc")


class History:
    """One read of transactions, with all it needs."""

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
        asked, self.zone, self._interval, _, _ = asked_for(
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
        self._checks: list[Check] = []
        self._read: dict[Key, Tally] = {}
        self._months: dict[Key, Tally] = {}
        self._planned: dict[Key, Tally] = {}
        self._disputed: set[date] = set()
        self._sums_are_newer = False

    def parts(self, workers: TileWorkers) -> Iterator[Part]:
        """All transactions that match, in order; each part is verified."""
        if not self._interval.length:
            return
        if self.filters:
            yield from self._filtered(workers)
            return
        for part in self._verified_parts(workers):
            for key, tally in part.tallies.items():
                known = self._read.get(key)
                self._read[key] = known.plus(tally) if known else tally
            yield part
        if self._compare and not self._sums_are_newer:
            yield from self._final_check()

    def verified_by(
        self,
        read: Mapping[tuple[str, str], Tally],
        charted: Mapping[Key, int],
        by_sums_alone: Collection[date],
    ) -> dict[str, tuple[str, ...]]:
        """The witnesses that agree on each day that was read.

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
            return {}  # it is not among the witnesses then

    # What to read

    def _tiles(self) -> Iterator[Tile]:
        """All time that is asked for, in tiles that one response each should hold."""
        rows = self._reader.rows
        page = rows.verified(rows.fetch(self._interval), self._interval)
        if page.complete:
            yield self._tile_of_few_rows(page)
            return
        planner = Planner(
            self._tallies,
            self._page_size,
            by_day=self._by_day,
            prefers_days=lambda: rows.limits.in_bursts,
        )
        months = planner.months(self._interval)
        self._months = {
            key: tally
            for month, sums in months.items()
            if self._interval.covers(period(month, GroupingPeriod.MONTH))
            for key, tally in sums.items()
        }
        total = rows_in(tally for sums in months.values() for tally in sums.values())
        if page.size < self._page_size and page.size >= total:
            yield self._tile_of_few_rows(page)
            return
        self._reader.sums.capacity = rows.limits.capacity
        if not self._newest_first and self._interval.end == ALL_TIME.end:
            self._fix_the_end(page, months)
        rows.limits.see_spread(page.batch, _rows_of_months(months))
        sections = planner.sections(self._interval, months, newest_first=self._newest_first)
        rest, expectations = NO_TIME, dict[Interval, float]()
        for section in sections:
            self._checks += section.checks(self._interval.whole_days)
            left = dict(shares(expectations, rest))
            expectations = dict(sorted({**left, **self._expectations(section)}.items()))
            time = neighbours_joined([part for part in (rest, section.interval) if part.length])
            rest = yield from rows.tiles(
                time[0],
                expectations,
                newest_first=self._newest_first,
                more_follows=True,
                received=page.batch,
            )
        yield from rows.tiles(
            rest, expectations, newest_first=self._newest_first, received=page.batch
        )

    def _tile_of_few_rows(self, page: Page) -> Tile:
        """A tile whose response was received already, and may be complete."""
        whole_days = self._interval.whole_days
        days = self._tallies(whole_days, GroupingPeriod.DATE)
        self._checks += Section(self._interval, days, by_month=False).checks(whole_days)
        self._sums_are_newer = page.complete
        # The sums have been asked for the same time, so an empty response is not asked for again.
        return Tile(self._interval, expectations_of(days), page=page, is_repeated=True)

    def _tallies(self, interval: Interval, grouping: GroupingPeriod) -> Tallies:
        """The sums; none if they cannot be read and need not be compared."""
        try:
            return self._reader.sums.tallies(interval, grouping, strict=False)
        except ApiException:
            if self._compare:
                raise
            return {}

    def _fix_the_end(self, page: Page, months: Mapping[date, Tallies]) -> None:
        """End with the last day that has rows now, if it is found: later rows may arrive."""
        if not months:
            return
        last_month = period(max(months), GroupingPeriod.MONTH)
        last = page.batch.cover.end - 1
        if last >= last_month.start and not self._has_rows_after(last):
            return
        days = expectations_of(self._tallies(last_month, GroupingPeriod.DATE))
        last_day = max((day.start for day in days), default=last)
        if last_day > last:
            self._has_rows_after(last_day)

    def _has_rows_after(self, micros: int) -> bool:
        """Whether there are rows after a day; if two responses have none, that time is not read."""
        end = Interval(micros, micros + 1).touched_days.end
        tail = Interval(end, self._interval.end)
        for is_second in False, True:  # one wrong response must not hide all that follows
            page = self._reader.rows.fetch(tail)
            if not page.complete or len(page.batch.between(tail)):
                return not is_second  # else they may just have arrived, and the end stays open
        self._interval = Interval(self._interval.start, end)
        return False

    def _expectations(self, section: Section) -> dict[Interval, float]:
        """Where the rows of a section are expected."""
        if section.by_month:
            return dict(shares(_rows_of_months(by_first_day(section.sums)), section.interval))
        return dict(shares(expectations_of(section.sums), section.interval))

    # What was read

    def _verified_parts(self, workers: TileWorkers) -> Iterator[Part]:
        """Finished tiles together, about ten pages at a time, but whole days where compared."""
        finished: list[Tile] = []
        rows = self._reader.rows
        for tile in rows.run(self._tiles(), workers, newest_first=self._newest_first):
            finished.append(tile)
            if sum(len(each.batch or ()) for each in finished) >= PAGES_IN_A_PART * self._page_size:
                interval = self._presentable(finished)
                if interval.length:
                    yield self._part(interval, finished)
                    finished = [
                        each.beyond(interval)
                        for each in finished
                        if not interval.covers(each.interval)
                    ]
        if finished:
            yield self._part(_interval_of(finished), finished)

    def _presentable(self, finished: Sequence[Tile]) -> Interval:
        """The time of finished tiles, without a day or month that is only partly read."""
        start, end = _interval_of(finished)
        checks = [check.interval for check in self._checks] if self._compare else []
        if self._newest_first:
            start = -(-start // DAY) * DAY if self._compare else start
            start = max([start, *(c.end for c in checks if c.start < start < c.end)])
        else:
            end = end // DAY * DAY if self._compare and end < ALL_TIME.end else end
            end = min([end, *(c.start for c in checks if c.start < end < c.end)])
        return Interval(start, max(start, end))

    def _part(self, interval: Interval, tiles: Sequence[Tile]) -> Part:
        batch, unverified = part_of(tiles, interval)
        self._reader.limits.see_all(batch, interval)
        checks = [check for check in self._checks if interval.covers(check.interval)]
        for check in checks:
            self._planned.update(check.sums)
        self._checks = [check for check in self._checks if not interval.covers(check.interval)]
        part = self._reader.part(
            interval,
            batch,
            unverified,
            checks,
            compare=interval.within(self._interval.whole_days) if self._compare else NO_TIME,
            cut=self._sums_of_cut_days(interval) if self._compare else (),
            newest_first=self._newest_first,
        )
        if part.is_settled:
            self._sums_are_newer = False
        return self._disputing(part)

    def _sums_of_cut_days(self, interval: Interval) -> list[Check]:
        """The sums of the days of which the request asks for a part."""
        checks: list[Check] = []
        for part in self._interval.cut_days:
            if interval.covers(part):
                sums = self._reader.sums.within(part.start, part.end - 1)
                of_part = sums.tallies(part, GroupingPeriod.DATE, strict=False)
                checks.append(Check(part, of_part))
        return checks

    def _final_check(self) -> Iterator[Part]:
        """Compare all that was read with the sums as they are now: a row that arrived meanwhile
        may have stood in for one that was never returned."""
        whole_days = self._interval.whole_days
        read = tallies_in(whole_days, self._read)
        for month in self._reader.differing_months(read, whole_days):
            inside = tallies_in(month, read)
            now = self._reader.sums.tallies(month, GroupingPeriod.DATE, strict=False)
            days = {
                day
                for day in differing_days(inside, now)
                if day_of(day.start) not in self._disputed
            }
            for run in neighbours_joined(days):
                settled = self._reader.settle(run, before=tallies_in(run, now))
                changed = self._changed(tallies_in(run, read), settled.batch.tally())
                settled.differences = settled.differences or changed
                if error := error_of([settled]):
                    yield self._disputing(Part(run, ListBatch.empty(), {}, error))

    def _changed(self, read: Tallies, now: Tallies) -> list[Difference]:
        """The differences between the rows read and the rows of now.

        A row that only arrived is no difference. But if fewer rows were read than planned, it may
        be one of the missing rows, with another timestamp.
        """
        return [
            difference
            for difference in differences_of(read, now)
            if difference.summed.rows <= difference.read.rows or self._lacks_planned_rows()
        ]

    def _lacks_planned_rows(self) -> bool:
        """Whether fewer rows of some month were read than there were at first."""
        disputed = {day.replace(day=1) for day in self._disputed}
        read = by_month(self._read)
        return any(
            read.get(key, Tally()).rows < planned.rows
            for key, planned in {**by_month(self._planned), **self._months}.items()
            if key[0] not in disputed
        )

    def _disputing(self, part: Part) -> Part:
        """A part; the days of its error are recorded."""
        if isinstance(part.error, DifferenceError):
            self._disputed.update(difference.day for difference in part.error.differences)
        return part

    # With filters that the sums do not take

    def _filtered(self, workers: TileWorkers) -> Iterator[Part]:
        """The rows that match; without sums, only the rows can show that none is missing."""
        rows = self._reader.rows.matching(**self.filters)
        tiles = [Tile(self._interval, {})]
        for tile in rows.run(tiles, workers, newest_first=self._newest_first):
            batch, unverified = part_of([tile], tile.interval)
            error: HistoryError | None = None
            if unverified:
                self._check_filters(tile.batch or batch)
            for part in unverified:
                whole = self._all_in(part)
                error = error or whole.error
                batch = joined([batch, self._matching(whole.batch)])
            yield Part(tile.interval, batch.in_order(newest_first=self._newest_first), {}, error)

    def _all_in(self, interval: Interval) -> Part:
        """All rows of some time, whether they match or not."""
        batch, unverified = self._reader.rows.read(interval, {})
        return self._reader.part(interval, batch, unverified, [], compare=NO_TIME)

    def _matching(self, batch: Batch) -> Batch:
        """The rows that have the values of the filters."""
        matches = [
            all(getattr(model, name) == value for name, value in self.filters.items())
            for model in models_in(batch)
        ]
        return batch.take([index for index, match in enumerate(matches) if match])

    def _check_filters(self, found: Batch) -> None:
        """Check that the rows received have the values of the filters.

        :raises HistoryError: some do not
        """
        if len(self._matching(found)) < len(found):
            raise HistoryError(
                f"the service returned rows that do not match {self.filters}: read without these "
                "filters, and filter the rows yourself"
            )


def _rows_of_months(months: Mapping[date, Tallies]) -> dict[Interval, float]:
    return {
        period(month, GroupingPeriod.MONTH): rows_in(sums.values())
        for month, sums in months.items()
    }


def _interval_of(tiles: Sequence[Tile]) -> Interval:
    """The time that tiles cover."""
    intervals = [tile.interval for tile in tiles]
    return Interval(min(intervals).start, max(intervals).end)
