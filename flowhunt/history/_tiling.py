"""Decides where to split time, so that each response holds many rows and is not full.

Nothing here decides whether rows are complete: a bad split costs requests, but loses no rows.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal, NamedTuple

from flowhunt.history._batch import Batch
from flowhunt.history._intervals import (
    ALL_TIME,
    DAY,
    HOUR,
    NO_TIME,
    Expectations,
    Interval,
    expected,
    first_edges,
    last_edges,
    shares,
    split_at,
)

Order = Literal["newest", "oldest", "any"]
"""Which rows of an interval a full response holds."""
Planned = tuple[Interval, Expectations]
"""An interval to request, and where its rows are expected."""

FIRST_FILL, LEAST_FILL, MOST_FILL = 0.8, 0.5, 0.96
"""How full a response is planned to be, as a share of its limit: at first, at least, at most."""
FILL_GAINED, FILL_LOST = 0.003, 0.04
"""How much this share grows after a response that was not full, and shrinks after one that was."""
TRUSTED_SPLIT = 8
"""How many intervals are split off at once by the sums alone, before later responses are known."""
TRUSTED_WASTE = 3
"""From more responses than these with far fewer rows than expected, the sums are doubted."""
DENSE_FILL = 0.85
"""How full a response is planned to be where the rows of another one show their density."""
MOST_SPLIT = 24
"""How many intervals a full response may be split into at once."""
PRIOR_HOURS = 2.0
"""How many hours, of each hour of the day, count as read with many rows before any is read."""
SAMPLE = 16
"""How many timestamps of a response show how its rows are spread."""
FIRST_RUN, LEAST_RUN, LONGEST_RUN = 3.0, 1.5, 30.0
"""How many responses hold a run of rows: at first, at least, at most."""
ROWS_BEYOND = 0.2
"""How many rows an unexpectedly full response is assumed to lack, as a share of its rows."""


class Page(NamedTuple):
    """A response.

    :ivar batch: all rows received, also those outside of the interval requested
    :ivar size: how many rows count towards the limit; if there are more, only different ones do
    :ivar inside: how many rows are in the interval
    :ivar limit: the ``limit`` of the request
    :ivar complete: whether all rows of the interval are in it
    """

    batch: Batch
    size: int
    inside: int
    limit: int
    complete: bool = False


@dataclass
class Run:
    """Rows that lie close together, some of which a full response held.

    :ivar shown: how many that response held
    :ivar tiles: how many tiles of the run are not complete yet
    :ivar rows: how many rows the complete tiles have
    """

    shown: int
    tiles: int = 0
    rows: int = 0


class FullResponse(NamedTuple):
    """A response that may lack rows of its interval.

    :ivar first: the timestamp of its first row
    :ivar last: the timestamp of its last row
    """

    interval: Interval
    first: int
    last: int
    rows: int


@dataclass
class ServiceLimits:
    """The limits of the service that responses have shown so far. Threads may share it.

    If two threads update it at once, one update may be lost: then a response counts as incomplete.

    :ivar page_size: the ``limit`` of requests
    :ivar largest: the most rows that one response has held
    :ivar most_inside: the most rows of its own interval that one response has held
    :ivar is_capped: whether a full response was smaller than a page
    :ivar before: microseconds of overlap with the interval before; 0 if bounds are inclusive
    :ivar after: likewise, the interval after
    :ivar all_time_observed: whether all time was requested, to see how many rows one response holds
    :ivar received: how many rows were received for the intervals they are in
    :ivar wasted: how many planned responses had far fewer rows than expected, minus how many had
        enough
    :ivar fill: how full a response is planned to be
    :ivar order: which rows a full response holds; ``None`` if there was none yet
    :ivar in_bursts: whether rows lie closer together than expected
    :ivar run: how many responses hold a run of rows
    :ivar hours: how many rows each hour of the day had so far
    :ivar hours_seen: how much of each hour of the day was read, in hours
    """

    page_size: int
    largest: int = 1
    most_inside: int = 1
    is_capped: bool = False
    before: int = 1
    after: int = 1
    all_time_observed: bool = False
    received: int = 0
    wasted: int = 0
    fill: float = FIRST_FILL
    order: Order | None = None
    in_bursts: bool = False
    run: float = FIRST_RUN
    hours: Counter[int] = field(default_factory=Counter)
    hours_seen: list[float] = field(default_factory=lambda: [0.0] * 24)
    _full: list[FullResponse] = field(default_factory=list)

    def shows_complete(self, page: Page) -> bool:
        """Whether all rows of its interval are in a response.

        They are if it has fewer rows than its limit and than another response, and fewer of its
        interval than another response had of its own.
        """
        return page.size < min(page.limit, self.largest) and page.inside < self.most_inside

    def observe_sizes(self, page: Page) -> None:
        """Observe how many rows a response has."""
        self.largest = max(self.largest, page.size)
        self.most_inside = max(self.most_inside, page.inside)

    @property
    def capacity(self) -> int:
        """How many rows a response is expected to hold: a page, until responses show less."""
        return self.largest if self.is_capped else self.page_size

    @property
    def planned_rows(self) -> float:
        """How many rows a response is planned to hold."""
        return max(1.0, self.capacity * self.fill)

    @property
    def trusted_split(self) -> int:
        """How many intervals may be split off at once: more, the more rows were received."""
        return TRUSTED_SPLIT + self.received // self.capacity

    @property
    def usual_hours(self) -> list[float]:
        """Rows per hour in each hour of the day; above the mean where little was read."""
        likely = 1.5 * self.hours.total() / max(1.0, sum(self.hours_seen))
        return [
            (self.hours[hour] + PRIOR_HOURS * likely) / (seen + PRIOR_HOURS)
            for hour, seen in enumerate(self.hours_seen)
        ]

    def observe_rows(self, batch: Batch, times: Iterable[Interval]) -> None:
        """Observe in which hours of the day all rows of an interval are.

        :param times: when rows were expected in the interval
        """
        self.received += len(batch)
        self.hours.update(batch.hours())
        for time in times:
            days, left = divmod(time.length, DAY)
            at = time.start % DAY
            if days:
                self.hours_seen = [seen + days for seen in self.hours_seen]
            while left > 0:
                step = min(HOUR - at % HOUR, left)
                self.hours_seen[at // HOUR % 24] += step / HOUR
                at, left = at + step, left - step

    def observe_planned(
        self, batch: Batch, rows: float, expectations: Expectations, *, complete: bool
    ) -> None:
        """Observe the response for an interval that was planned from the sums.

        :param batch: its rows in the interval
        :param rows: how many rows were expected
        """
        if complete:
            self.fill = min(self.fill + FILL_GAINED, MOST_FILL)
        elif rows < self.capacity < self.received:  # else the usual hours are not known yet
            self.fill = max(self.fill - FILL_LOST, LEAST_FILL)
        if rows > self.capacity / 2:
            is_wasted = len(batch) < min(rows, self.capacity) / 4
            self.wasted = self.wasted + 1 if is_wasted else max(0, self.wasted - 1)
        if rows:
            self.observe_spread(batch, expectations)

    def observe_full(self, interval: Interval, found: Sequence[int]) -> None:
        """Observe a response that may lack rows of an interval.

        :param found: the timestamps of the rows received, in the order received
        """
        in_order = sorted(found)
        if self.order is None:
            if found == in_order[::-1]:
                self.order = "newest"
            else:
                self.order = "oldest" if found == in_order else "any"
        self._full.append(FullResponse(interval, in_order[0], in_order[-1], len(in_order)))

    def observe_hidden(self, batch: Batch, interval: Interval) -> None:
        """Observe which rows full responses lacked, once all rows of an interval are known."""
        for requested, first, last, rows in self._full:
            if not interval.covers(Interval(first, last)):
                continue
            older = batch.count(Interval(requested.start, first))
            newer = batch.count(Interval(last + 1, requested.end))
            hidden = batch.count(requested) - rows
            if hidden <= 0:
                continue
            if older + newer < hidden / 2:
                self.order = "any"
            else:
                self.order = "newest" if older > newer else "oldest"
        self._full = [
            full for full in self._full if not interval.covers(Interval(full.first, full.last))
        ]

    def observe_run(self, run: Run, rows: int) -> None:
        """Observe that a tile of a run is complete or was split.

        :param rows: how many rows it has; 0 if it was split
        """
        run.tiles -= 1
        run.rows += rows
        if not run.tiles:
            self.run = (self.run + min(max(run.rows / run.shown, LEAST_RUN), LONGEST_RUN)) / 2

    def observe_spread(self, batch: Batch, expectations: Expectations) -> None:
        """Observe whether rows lie closer together, or with larger gaps, than expected."""
        rows = len(batch)
        if rows < SAMPLE:
            return
        sample = sorted(batch.every(rows // SAMPLE))
        in_sample = expected(expectations, Interval(sample[0], sample[-1] + 1))
        gap = max(pairwise(sample), key=lambda pair: pair[1] - pair[0], default=(0, 0))
        in_gap = expected(expectations, Interval(*gap))
        if in_sample < rows / 4:
            self.in_bursts = True
        elif in_gap < rows / 3:  # otherwise, there may be two bursts with a gap between
            self.in_bursts = False


def _by_usual_hours(limits: ServiceLimits, days: Expectations, near: Interval) -> Expectations:
    """The rows expected on each day, spread over its hours as rows usually are.

    :param near: the days to spread; the others are not planned yet
    """
    if not limits.hours or limits.in_bursts or sum(days.values()) * 3 < limits.capacity * len(days):
        return days  # a response holds several days
    weights = limits.usual_hours
    total = sum(weights)
    spread: dict[Interval, float] = {}
    for day, rows in days.items():
        if day.length == DAY and rows and near.contains(day.start):
            hours = zip(day.split(24), weights, strict=True)
            spread |= {hour: rows * weight / total for hour, weight in hours}
        else:
            spread[day] = rows
    return spread


def _interval_of_next(expectations: Expectations, rows: float, *, newest_first: bool) -> Interval:
    """The interval of the next expectations that add up to so many rows."""
    times = list(expectations)
    found = 0.0
    for time in reversed(times) if newest_first else times:
        found += expectations[time]
        if found > rows:
            return Interval(time.start, times[-1].end) if newest_first else Interval(0, time.end)
    return ALL_TIME


def planned(
    limits: ServiceLimits,
    interval: Interval,
    expectations: Expectations,
    *,
    newest_first: bool,
    more_follows: bool,
) -> Generator[Planned, None, Interval]:
    """Split an interval into shorter ones that one response each should hold, in reading order.

    Each is planned as late as possible, by what the responses before it have shown.

    :param expectations: of days, or of other periods
    :param more_follows: whether a rest that one response could hold is left over
    :return: the rest, to be planned with the time that follows
    """
    rest = interval
    limits.wasted = 0
    while rest.length:
        known = _expected_next(limits, expectations, rest, newest_first=newest_first)
        rows = sum(known.values())
        if more_follows and rows < limits.planned_rows and not limits.in_bursts:
            return rest
        edges = _next_edges(limits, known, rest, newest_first=newest_first, evenly=not more_follows)
        times = split_at(rest, edges)
        if newest_first:
            times.reverse()
        is_split = len(times) > 1  # edges that are closer than a microsecond split nothing
        for time in times[:-1] if is_split else times:
            yield time, dict(shares(known, time))
        if not is_split:
            return NO_TIME
        rest = times[-1]
    return rest


def _expected_next(
    limits: ServiceLimits, expectations: Expectations, rest: Interval, *, newest_first: bool
) -> dict[Interval, float]:
    """The rows expected in an interval. Those of the next days are by the hour."""
    days = {day: rows for day, rows in expectations.items() if day.overlap(rest).length}
    most = 2 * TRUSTED_SPLIT * limits.capacity
    near = _interval_of_next(dict(shares(days, rest)), most, newest_first=newest_first)
    return dict(shares(_by_usual_hours(limits, days, near), rest))


def _next_edges(
    limits: ServiceLimits,
    known: Expectations,
    rest: Interval,
    *,
    newest_first: bool,
    evenly: bool,
) -> list[int]:
    """Where to split an interval next: only a few shorter ones are split off.

    :param evenly: whether all intervals should hold the same number of rows
    """
    doubt = max(0, limits.wasted - TRUSTED_WASTE)
    # Few, while the sums are doubted or the usual hours are not known.
    at_once = TRUSTED_SPLIT if not doubt and min(limits.hours_seen) else 2
    if limits.in_bursts and all(period.length <= DAY for period in known):
        edges = _edges_between(known, rest, limits.capacity - 1)
        return edges[-at_once:] if newest_first else edges[:at_once]
    rows = sum(known.values())
    step = limits.planned_rows * 4.0 ** min(doubt, 64)
    if rows < limits.capacity or rows <= step:
        return []
    count = math.ceil(rows / step)
    edges_of = last_edges if newest_first else first_edges
    return edges_of(known, rest, rows / count if evenly else step, min(at_once, count - 1))


def is_run_split(limits: ServiceLimits, interval: Interval, found: Sequence[int]) -> bool:
    """Whether the rows of a full response may go on beyond a bound of their interval.

    :param found: the timestamps of the rows received, in order
    """
    run = _run_in(found)
    gap = min(interval.end - run[-1], run[0] - interval.start)
    return limits.order == "any" or gap * len(run) <= 5 * (run[-1] - run[0])


def _run_in(found: Sequence[int]) -> Sequence[int]:
    """Timestamps without a long gap: if there is one, the larger group beside it."""
    gaps = ((later - earlier, at) for at, (earlier, later) in enumerate(pairwise(found), 1))
    gap, at = max(gaps, default=(0, 0))
    if 2 * gap <= found[-1] - found[0]:
        return found
    return max(found[:at], found[at:], key=len)


def split(
    limits: ServiceLimits,
    interval: Interval,
    expectations: Expectations,
    found: Sequence[int],
    depth: int,
) -> tuple[list[Planned], Interval]:
    """Split an interval whose response was full, in the order of time.

    :param found: the timestamps of the rows received, in order
    :param depth: how many splits of the same run of rows lead to the interval
    :return: the shorter intervals, and the time near the rows received
    """
    # How many rows the response may lack. An interval that is still full after a split has more
    # rows than expected.
    total = expected(expectations, interval)
    least = len(found) * (ROWS_BEYOND if total else 1.0) * 2.0 ** min(depth, 16)
    lacking = max(total - len(found), least)
    if limits.order != "any":
        lacking = min(lacking, (limits.run - 1) * len(found) * 1.5 ** min(depth, 16))
    # The time near the rows received, and the time before and after it.
    dense, near = _density(limits, interval, found, lacking)
    rows_near = expected(dense, near)
    before, after = Interval(interval.start, near.start), Interval(near.end, interval.end)
    if total and total - rows_near < limits.capacity / 5:  # nearly all that is expected lies near
        near, before, after = interval, NO_TIME, NO_TIME
    # The rows received show where to split near them, and the sums show it elsewhere.
    edges = [*near, *_even_edges(dense, near, limits.capacity * DENSE_FILL, MOST_SPLIT)]
    for side in before, after:
        if not limits.in_bursts and expected(expectations, side) >= limits.capacity:
            edges += _even_edges(expectations, side, limits.planned_rows, limits.trusted_split)
    if found[0] == found[-1]:
        edges = [found[0], found[0] + 1]
    times = split_at(interval, edges)
    if len(times) < 2:
        middle = found[len(found) // 2]
        times = split_at(interval, [found[0], middle, middle + 1])
    # Rows that are expected and not near lie on both sides, or on the side that was not returned.
    outside = {**dict(shares(expectations, before)), **dict(shares(expectations, after))}
    hidden = before if limits.order == "newest" else after
    if hidden.length and total - rows_near > sum(outside.values()):
        outside = {hidden: total - rows_near}
    known = dict(sorted({**outside, **dense}.items()))
    return [(time, dict(shares(known, time))) for time in times], near


def _density(
    limits: ServiceLimits, interval: Interval, found: Sequence[int], lacking: float
) -> tuple[dict[Interval, float], Interval]:
    """Where the rows of a full response are expected, and those that it lacks.

    :param lacking: how many rows there may be besides those received
    :return: the expectations, and the interval that they apply to
    """
    count = len(found)
    scale = 1.0 + lacking / count if limits.order == "any" else 1.0
    edges = sorted({*found[:: max(1, count // SAMPLE)], found[-1] + 1})
    dense = {
        Interval(start, end): (bisect_left(found, end) - bisect_left(found, start)) * scale
        for start, end in pairwise(edges)
    }
    if limits.order == "any":
        return dense, interval
    first, last = edges[0], edges[-1]
    lacking = min(lacking, (MOST_SPLIT - 1) * DENSE_FILL * limits.capacity)
    run = _run_in(found)
    length = int((run[-1] - run[0]) * lacking / len(run)) + 1
    if limits.order == "newest":
        extension = Interval(first - length, first).overlap(interval)
        near = Interval(extension.start, interval.end)
    else:
        extension = Interval(last, last + length).overlap(interval)
        near = Interval(interval.start, extension.end)
    if extension.length:
        dense[extension] = lacking * extension.length / length
    return dict(sorted(dense.items())), near


def _even_edges(
    expectations: Expectations, interval: Interval, rows: float, most: int
) -> list[int]:
    """Where to split an interval, so that each shorter one should hold about so many rows."""
    total = expected(expectations, interval)
    count = min(max(2, math.ceil(total / rows)), most)
    return first_edges(expectations, interval, total / count, count - 1)


def _edges_between(expectations: Expectations, interval: Interval, most: float) -> list[int]:
    """Edges between expectations, with at most ``most`` rows between two if possible."""
    edges: list[int] = []
    rows = 0.0
    for time, more in shares(expectations, interval):
        if rows and rows + more > most:
            edges.append(time.start)
            rows = 0.0
        rows += more
    return edges
