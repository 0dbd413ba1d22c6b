"""Batches of rows: the interface of both row formats, and the format of models."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from itertools import chain, compress
from operator import attrgetter
from typing import Any

from flowhunt.history._errors import Tally
from flowhunt.history._intervals import ALL_TIME, NO_TIME, Interval, datetime_of, micros_of

Key = tuple[date, str]
"""A day, or the first day of a period, and a transaction type."""

_hour_of = attrgetter("hour")


class Batch(ABC):
    """Rows, each with an ID, a timestamp in local time, a transaction type, an amount and a
    workspace.

    :ivar has_distinct_ids: whether it is known that no two rows have one ID
    """

    has_distinct_ids = False

    @abstractmethod
    def __len__(self) -> int:
        """How many rows there are."""

    @property
    @abstractmethod
    def ids(self) -> Sequence[str]:
        """Transaction IDs."""

    @property
    @abstractmethod
    def codes(self) -> Collection[str]:
        """The different transaction types."""

    @property
    @abstractmethod
    def workspace_ids(self) -> Collection[str]:
        """The different workspaces of the rows."""

    @property
    @abstractmethod
    def cover(self) -> Interval:
        """The shortest interval that all rows are in."""

    @abstractmethod
    def micros(self) -> list[int]:
        """The timestamps in microseconds."""

    @abstractmethod
    def count(self, interval: Interval) -> int:
        """How many rows are in an interval."""

    @abstractmethod
    def every(self, step: int) -> list[int]:
        """Every nth timestamp, in microseconds."""

    @abstractmethod
    def hours(self) -> Mapping[int, int]:
        """How many rows are in each hour of the day."""

    @abstractmethod
    def totals(self) -> dict[Key, Tally]:
        """Rows and amount of each day and transaction type."""

    @abstractmethod
    def keys(self) -> Iterable[tuple[Any, ...]]:
        """What distinguishes transactions: ID, timestamp, transaction type and amount."""

    @abstractmethod
    def take(self, indices: Sequence[int]) -> Batch:
        """The rows at some indices, in that order."""

    @abstractmethod
    def in_order(self, *, newest_first: bool = False) -> Batch:
        """The rows by timestamp and ID."""

    @abstractmethod
    def of_code(self, code: str) -> Batch:
        """The rows of one transaction type."""

    @abstractmethod
    def concatenated(self, others: Sequence[Any]) -> Batch:
        """These rows, then those of other batches of the same class."""

    @abstractmethod
    def _where(self, interval: Interval, *, inside: bool) -> Batch:
        """The rows that are, or are not, in an interval of one microsecond or more."""

    def between(self, interval: Interval) -> Batch:
        """The rows in an interval."""
        return self._selected(interval.overlap(ALL_TIME), inside=True)

    def outside(self, interval: Interval) -> Batch:
        """The rows that are not in an interval."""
        return self._selected(interval.overlap(ALL_TIME), inside=False)

    def distinct(self) -> Batch:
        """Each transaction once: of equal rows, the one received last is kept.

        Rows of one ID that differ in time, type or amount are all kept: only the sums show whether
        they are one transaction that has changed, or several.
        """
        repeated = self._repeated()
        if not repeated:
            return self
        last = dict(zip(self.take(repeated).keys(), repeated, strict=True))
        if len(last) == len(repeated):
            return self
        dropped = {*repeated} - {*last.values()}
        return self.take([index for index in range(len(self)) if index not in dropped])

    def ambiguous(self) -> Batch:
        """The rows whose ID another row has too."""
        return self.take(self._repeated())

    def _repeated(self) -> list[int]:
        """The indices of rows whose ID another row has too."""
        if self.has_distinct_ids:
            return []
        ids = self.ids
        if len(set(ids)) == len(ids):
            self.has_distinct_ids = True
            return []
        count = Counter(ids)
        return [index for index, row_id in enumerate(ids) if count[row_id] > 1]

    def _selected(self, interval: Interval, *, inside: bool) -> Batch:
        if not len(self):
            return self
        cover = self.cover
        if interval.covers(cover):
            return self if inside else self.take([])
        if not cover.overlap(interval).length:
            return self.take([]) if inside else self
        rows = self._where(interval, inside=inside)
        rows.has_distinct_ids = self.has_distinct_ids
        return rows


class ListBatch(Batch):
    """Rows as models, with lists of the fields that the reader needs.

    :ivar columns: IDs, timestamps in local time without UTC offsets, transaction types, amounts and
        workspace IDs
    :ivar models: the model of each row
    """

    def __init__(self, columns: Sequence[Sequence[Any]], models: Sequence[Any]) -> None:
        self.columns = columns
        self.models = models

    @classmethod
    def empty(cls) -> ListBatch:
        """No rows."""
        return cls([()] * 5, ())

    def __len__(self) -> int:
        return len(self.models)

    @property
    def ids(self) -> Sequence[str]:
        return self.columns[0]

    @property
    def codes(self) -> Collection[str]:
        return set(self.columns[2])

    @property
    def workspace_ids(self) -> Collection[str]:
        return set(self.columns[4])

    @property
    def cover(self) -> Interval:
        timestamps = self._timestamps
        if not timestamps:
            return NO_TIME
        return Interval(micros_of(min(timestamps)), micros_of(max(timestamps)) + 1)

    def micros(self) -> list[int]:
        return list(map(micros_of, self._timestamps))

    def count(self, interval: Interval) -> int:
        return len(self.between(interval))

    def every(self, step: int) -> list[int]:
        return list(map(micros_of, self._timestamps[::step]))

    def hours(self) -> Mapping[int, int]:
        return Counter(map(_hour_of, self._timestamps))

    def totals(self) -> dict[Key, Tally]:
        totals: dict[Key, list[int]] = {}
        _, timestamps, codes, amounts, _ = self.columns
        days = map(datetime.date, timestamps)
        for key, amount in zip(zip(days, codes, strict=True), amounts, strict=True):
            if total := totals.get(key):
                total[0] += 1
                total[1] += amount
            else:
                totals[key] = [1, amount]
        return {key: Tally(rows, amount) for key, (rows, amount) in totals.items()}

    def keys(self) -> Iterable[tuple[Any, ...]]:
        return zip(*self.columns[:4], strict=True)

    def take(self, indices: Sequence[int]) -> ListBatch:
        columns = [[column[index] for index in indices] for column in self.columns]
        return ListBatch(columns, [self.models[index] for index in indices])

    def in_order(self, *, newest_first: bool = False) -> ListBatch:
        keys = list(zip(self._timestamps, self.ids, strict=True))
        return self.take(sorted(range(len(self)), key=keys.__getitem__, reverse=newest_first))

    def of_code(self, code: str) -> ListBatch:
        if set(self.codes) <= {code}:
            return self
        return self.where([each == code for each in self.columns[2]])

    def concatenated(self, others: Sequence[Any]) -> ListBatch:
        batches: list[ListBatch] = [self, *others]
        columns = zip(*(batch.columns for batch in batches), strict=True)
        return ListBatch(
            [list(chain.from_iterable(pieces)) for pieces in columns],
            list(chain.from_iterable(batch.models for batch in batches)),
        )

    def where(self, keep: Sequence[bool]) -> ListBatch:
        """The rows whose entry in ``keep`` is true."""
        columns = [list(compress(column, keep)) for column in self.columns]
        return ListBatch(columns, list(compress(self.models, keep)))

    @property
    def _timestamps(self) -> Sequence[datetime]:
        return self.columns[1]

    def _where(self, interval: Interval, *, inside: bool) -> ListBatch:
        first, last = datetime_of(interval.start), datetime_of(interval.end - 1)
        return self.where([(first <= at <= last) is inside for at in self._timestamps])


def joined(batches: Sequence[Batch]) -> Batch:
    """All rows of one batch or more, each of them once."""
    return _concatenated(batches).distinct()


def joined_between(batches: Sequence[Batch], interval: Interval) -> Batch:
    """The rows of one batch or more in an interval, each of them once."""
    every = _concatenated(batches)
    distinct = every.distinct()
    if distinct is not every:
        return distinct.between(interval)
    # Most batches are completely inside, so nothing is copied for them.
    inside = _concatenated([batch.between(interval) for batch in batches])
    inside.has_distinct_ids = every.has_distinct_ids
    return inside


def _concatenated(batches: Sequence[Batch]) -> Batch:
    first, *others = [batch for batch in batches if len(batch)] or batches[:1]
    return first.concatenated(others) if others else first
