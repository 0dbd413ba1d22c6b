"""Where to split time, so that each response holds many rows and is not full.

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
    between_edges,
    expected,
    first_edges,
    last_edges,
    shares,
)

Order = Literal["newest", "oldest", "any"]
"""Which rows of an interval a full response holds."""
Planned = tuple[Interval, Expectations]

FILL, LEAST_FILL, MOST_FILL = 0.8, 0.5, 0.96
"""How full a response is planned to be: at first, at least and at most."""
FILL_GAINED, FILL_LOST = 0.003, 0.04
"""How the plan changes with a response that was not full, and with one that was."""
TRUSTED_PARTS = 8
"""The most parts of a split that only the sums suggest."""
TRUSTED_WASTE = 3
"""How many responses with far fewer rows than expected are no reason to doubt the sums."""
DENSE_FILL = 0.85
"""How full a response is planned to be where another one shows how close its rows lie."""
MOST_PARTS = 24
"""The most parts of a split that a full response suggests."""
PRIOR = 2.0
"""Hours that count as read, with many rows, before any is."""
SAMPLE = 16
"""Timestamps of a response that show how its rows are spread."""
RUN, LEAST_RUN, LONGEST_RUN = 3.0, 1.5, 30.0
"""How many responses it takes to hold rows that lie close together: at first, at least, at most."""
FURTHER = 0.2
"""The rows assumed beyond those of a response that is full against the plan, as a share of them."""


class Page(NamedTuple):
    """A response.

    :ivar batch: all rows received, also those outside of the interval that was asked for
    :ivar size: how many rows count towards the limit: all, or all different ones beyond it
    :ivar inside: how many rows are in the interval
    :ivar limit: the ``limit`` that was asked with
    :ivar complete: whether it holds all rows of the interval
    """

    batch: Batch
    size: int
    inside: int
    limit: int
    complete: bool = False


@dataclass
class Run:
    """Rows that lie close together, of which a full response held some.

    :ivar shown: how many that response held
    :ivar parts: how many parts of its time are not complete yet
    :ivar rows: how many rows the complete parts have
    """

    shown: int
    parts: int = 0
    rows: int = 0


@dataclass
class ServiceLimits:
    """What the responses so far show of the service. Threads may share it.

    A lost update only makes a response count as incomplete.

    :ivar page_size: the ``limit`` of requests
    :ivar largest: the most rows that one response has held
    :ivar most_inside: the most rows of the interval asked for
    :ivar is_capped: whether that is less than a page
    :ivar before: the overlap with the interval before, 0 where bounds are inclusive
    :ivar after: the overlap with the interval after
    :ivar observed: whether all time was asked for, to see how many rows are returned at once
    :ivar larger_helps: whether a larger limit returns more rows; ``None`` if not attempted yet
    :ivar received: how many rows were received for the intervals they are in
    :ivar wasted: planned responses with far fewer rows than expected, less those with as many
    :ivar fill: how full a response is planned to be
    :ivar order: which rows a full response holds
    :ivar in_bursts: whether rows lie closer together than expected
    :ivar run: how many responses it takes to hold rows that lie close together
    :ivar hours: how many rows were seen in each hour of the day
    :ivar hours_seen: how much of each hour of the day was read, in hours
    """

    page_size: int
    largest: int = 1
    most_inside: int = 1
    is_capped: bool = False
    before: int = 1
    after: int = 1
    observed: bool = False
    larger_helps: bool | None = None
    received: int = 0
    wasted: int = 0
    fill: float = FILL
    order: Order | None = None
    in_bursts: bool = False
    run: float = RUN
    hours: Counter[int] = field(default_factory=Counter)
    hours_seen: list[float] = field(default_factory=lambda: [0.0] * 24)
    _full: list[tuple[Interval, int, int, int]] = field(default_factory=list)

    def shows_complete(self, page: Page) -> bool:
        """Whether a response holds all rows of its interval: it holds fewer rows, and fewer of its
        interval, than others have held."""
        return page.size < min(page.limit, self.largest) and page.inside < self.most_inside

    def see_sizes(self, page: Page) -> None:
        """Observe how many rows one response holds."""
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
    def trusted_parts(self) -> int:
        """How many parts an interval may be split into: more, the more rows were received."""
        return TRUSTED_PARTS + self.received // self.capacity

    @property
    def usual_hours(self) -> list[float]:
        """Rows an hour in each hour of the day; more than the mean where little was read."""
        likely = 1.5 * self.hours.total() / max(1.0, sum(self.hours_seen))
        return [
            (self.hours[hour] + PRIOR * likely) / (seen + PRIOR)
            for hour, seen in enumerate(self.hours_seen)
        ]

    def see_rows(self, batch: Batch, time: Iterable[Interval]) -> None:
        """Observe from all rows of an interval at which time of the day rows are made.

        :param time: the parts of the interval where rows were expected
        """
        self.received += len(batch)
        self.hours.update(batch.hours())
        for part in time:
            days, left = divmod(part.length, DAY)
            at = part.start % DAY
            if days:
                self.hours_seen = [seen + days for seen in self.hours_seen]
            while left > 0:
                step = min(HOUR - at % HOUR, left)
                self.hours_seen[at // HOUR % 24] += step / HOUR
                at, left = at + step, left - step

    def see_planned(
        self, batch: Batch, rows: float, expectations: Expectations, *, complete: bool
    ) -> None:
        """Observe the response for an interval that was planned from the sums.

        :param batch: its rows in the interval
        :param rows: how many rows were expected
        """
        if complete:
            self.fill = min(self.fill + FILL_GAINED, MOST_FILL)
        elif rows < self.capacity < self.received:  # else it is not known yet when rows are made
            self.fill = max(self.fill - FILL_LOST, LEAST_FILL)
        if rows > self.capacity / 2:
            is_wasted = len(batch) < min(rows, self.capacity) / 4
            self.wasted = self.wasted + 1 if is_wasted else max(0, self.wasted - 1)
        if rows:
            self.see_spread(batch, expectations)

    def see_full(self, interval: Interval, found: Sequence[int]) -> None:
        """Observe a response that may lack rows of an interval.

        :param found: the timestamps of the rows received, in the order received
        """
        in_order = sorted(found)
        if self.order is None:
            newest = found == in_order[::-1]
            self.order = "newest" if newest else "oldest" if found == in_order else "any"
        self._full.append((interval, in_order[0], in_order[-1], len(in_order)))

    def see_all(self, batch: Batch, interval: Interval) -> None:
        """Observe what full responses did not hold, once all rows of an interval are known."""
        for asked, first, last, rows in self._full:
            if not interval.covers(Interval(first, last)):
                continue
            older = batch.count(Interval(asked.start, first))
            newer = batch.count(Interval(last + 1, asked.end))
            hidden = batch.count(asked) - rows
            if hidden > 0:
                outside = older + newer
                self.order = (
                    "any" if outside < hidden / 2 else "newest" if older > newer else "oldest"
                )
        self._full = [
            full for full in self._full if not interval.covers(Interval(full[1], full[2]))
        ]

    def see_part(self, run: Run, rows: int) -> None:
        """Observe a complete part of a run."""
        run.parts -= 1
        run.rows += rows
        if not run.parts:
            self.run = (self.run + min(max(run.rows / run.shown, LEAST_RUN), LONGEST_RUN)) / 2

    def see_spread(self, batch: Batch, expectations: Expectations) -> None:
        """Observe whether rows lie closer together, or with larger gaps, than expected."""
        rows = len(batch)
        if rows < SAMPLE:
            return
        sample = sorted(batch.every(rows // SAMPLE))
        there = expected(expectations, Interval(sample[0], sample[-1] + 1))
        gap = max(pairwise(sample), key=lambda pair: pair[1] - pair[0], default=(0, 0))
        in_gap = expected(expectations, Interval(*gap))
        if there < rows / 4:
            self.in_bursts = True
        elif in_gap < rows / 3:  # else there may be two bursts
            self.in_bursts = False


def by_usual_hours(limits: ServiceLimits, days: Expectations, near: Interval) -> Expectations:
    """What is expected of whole days, spread over their hours as rows usually are.

    :param near: where it is spread: the rest is not planned yet
    """
    if not limits.hours or limits.in_bursts or sum(days.values()) * 3 < limits.capacity * len(days):
        return days  # a response holds several days
    weights = limits.usual_hours
    total = sum(weights)
    spread: dict[Interval, float] = {}
    for day, rows in days.items():
        if day.length == DAY and rows and near.contains(day.start):
            hours = zip(day.parts(24), weights, strict=True)
            spread |= {hour: rows * weight / total for hour, weight in hours}
        else:
            spread[day] = rows
    return spread


def _near(expectations: Expectations, rows: float, *, newest_first: bool) -> Interval:
    """The first expectations that so many rows are in, or the last ones."""
    parts = list(expectations)
    found = 0.0
    for part in reversed(parts) if newest_first else parts:
        found += expectations[part]
        if found > rows:
            return Interval(part.start, parts[-1].end) if newest_first else Interval(0, part.end)
    return ALL_TIME


def planned(
    limits: ServiceLimits,
    interval: Interval,
    expectations: Expectations,
    *,
    newest_first: bool,
    more_follows: bool,
) -> Generator[Planned, None, Interval]:
    """Split an interval into parts that one response each should hold, in the order to read.

    Each part is planned by what the responses to those before it have shown.

    :param expectations: of days, or of other periods
    :param more_follows: whether a part at the end that one response could hold is left over
    :return: what is left over
    """
    rest = interval
    limits.wasted = 0
    while rest.length:
        known = _expected_next(limits, expectations, rest, newest_first=newest_first)
        rows = sum(known.values())
        if more_follows and rows < limits.planned_rows and not limits.in_bursts:
            return rest
        edges = _next_edges(limits, known, rest, newest_first=newest_first, evenly=not more_follows)
        parts = between_edges(rest, edges)
        if newest_first:
            parts.reverse()
        is_split = len(parts) > 1  # edges that are closer than a microsecond split nothing
        for part in parts[:-1] if is_split else parts:
            yield part, dict(shares(known, part))
        if not is_split:
            return NO_TIME
        rest = parts[-1]
    return rest


def _expected_next(
    limits: ServiceLimits, expectations: Expectations, rest: Interval, *, newest_first: bool
) -> dict[Interval, float]:
    """What is expected of some time; of what comes next, by the hours of the day."""
    days = {day: rows for day, rows in expectations.items() if day.within(rest).length}
    most = 2 * TRUSTED_PARTS * limits.capacity
    near = _near(dict(shares(days, rest)), most, newest_first=newest_first)
    return dict(shares(by_usual_hours(limits, days, near), rest))


def _next_edges(
    limits: ServiceLimits,
    known: Expectations,
    rest: Interval,
    *,
    newest_first: bool,
    evenly: bool,
) -> list[int]:
    """Where to split some time next: after a few parts; what is left is split later.

    :param evenly: so that all parts should hold as many rows
    """
    doubt = max(0, limits.wasted - TRUSTED_WASTE)
    at_once = TRUSTED_PARTS if not doubt and min(limits.hours_seen) else 2
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


def goes_on(limits: ServiceLimits, interval: Interval, found: Sequence[int]) -> bool:
    """Whether rows of a full response may lie where the last split has cut a run of them.

    :param found: the timestamps of the rows received, in order
    """
    run = _run_in(found)
    gap = min(interval.end - run[-1], run[0] - interval.start)
    return limits.order == "any" or gap * len(run) <= 5 * (run[-1] - run[0])


def _run_in(found: Sequence[int]) -> Sequence[int]:
    """Some timestamps; of those that one long gap divides, the larger part."""
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
    :param depth: how many splits of the same run of rows the interval comes from
    :return: the parts, and the time near the rows received
    """
    total = expected(expectations, interval)
    # An interval that is still full after a split has more rows than expected.
    least = len(found) * (FURTHER if total else 1.0) * 2.0 ** min(depth, 16)
    more = max(total - len(found), least)
    if limits.order != "any":
        more = min(more, (limits.run - 1) * len(found) * 1.5 ** min(depth, 16))
    dense, near = _density(limits, interval, found, more)
    rows = expected(dense, near)
    before, after = Interval(interval.start, near.start), Interval(near.end, interval.end)
    if total and total - rows < limits.capacity / 5:  # nearly all that is expected lies near
        near, before, after = interval, NO_TIME, NO_TIME
    edges = [*near, *_even_edges(dense, near, limits.capacity * DENSE_FILL, MOST_PARTS)]
    for side in before, after:
        if not limits.in_bursts and expected(expectations, side) >= limits.capacity:
            edges += _even_edges(expectations, side, limits.planned_rows, limits.trusted_parts)
    if found[0] == found[-1]:
        edges = [found[0], found[0] + 1]
    parts = between_edges(interval, edges)
    if len(parts) < 2:
        middle = found[len(found) // 2]
        parts = between_edges(interval, [found[0], middle, middle + 1])
    outside = {**dict(shares(expectations, before)), **dict(shares(expectations, after))}
    hidden = before if limits.order == "newest" else after
    if hidden.length and total - rows > sum(outside.values()):
        outside = {hidden: total - rows}
    known = dict(sorted({**outside, **dense}.items()))
    return [(part, dict(shares(known, part))) for part in parts], near


def _density(
    limits: ServiceLimits, interval: Interval, found: Sequence[int], more: float
) -> tuple[dict[Interval, float], Interval]:
    """Where the rows of a full response and some more like them are expected, and the interval
    that this says something about.

    :param more: how many rows there may be besides those received
    """
    count = len(found)
    scale = 1.0 + more / count if limits.order == "any" else 1.0
    edges = sorted({*found[:: max(1, count // SAMPLE)], found[-1] + 1})
    dense = {
        Interval(start, end): (bisect_left(found, end) - bisect_left(found, start)) * scale
        for start, end in pairwise(edges)
    }
    if limits.order == "any":
        return dense, interval
    first, last = edges[0], edges[-1]
    more = min(more, (MOST_PARTS - 1) * DENSE_FILL * limits.capacity)
    run = _run_in(found)
    length = int((run[-1] - run[0]) * more / len(run)) + 1
    if limits.order == "newest":
        extension = Interval(first - length, first).within(interval)
        near = Interval(extension.start, interval.end)
    else:
        extension = Interval(last, last + length).within(interval)
        near = Interval(interval.start, extension.end)
    if extension.length:
        dense[extension] = more * extension.length / length
    return dict(sorted(dense.items())), near


def _even_edges(
    expectations: Expectations, interval: Interval, rows: float, most: int
) -> list[int]:
    """Where to split an interval, so that parts should hold about so many rows."""
    total = expected(expectations, interval)
    count = min(max(2, math.ceil(total / rows)), most)
    return first_edges(expectations, interval, total / count, count - 1)


def _edges_between(expectations: Expectations, interval: Interval, most: float) -> list[int]:
    """Edges between expectations, so that no part expects more than ``most`` rows if possible."""
    edges: list[int] = []
    rows = 0.0
    for part, more in shares(expectations, interval):
        if rows and rows + more > most:
            edges.append(part.start)
            rows = 0.0
        rows += more
    return edges
