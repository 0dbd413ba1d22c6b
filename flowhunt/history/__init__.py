"""Every transaction of a workspace, each exactly once, proven against the service's own sums.

::

    from flowhunt.history import iter_credit_transactions

    for row in iter_credit_transactions(api, workspace_id):
        ...

A search returns at most ``limit`` rows. The contract does not say in which order, how
``pagination`` goes on, how large ``limit`` may be, or whether the bounds of a window are in it, so
nothing here relies on any of these. Time is cut into windows that hold fewer rows than come at
once, and what was read is compared, day by day and type by type, with the daily sums, and these
with the chart, which has no limit.

One thing is assumed, and can be said otherwise with ``zone``: that moments without a UTC offset,
and the days of the sums, are those of UTC.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timezone, tzinfo
from itertools import chain
from threading import Event
from typing import Any, Literal, NamedTuple, TypeVar

from flowhunt.api.credits_api import CreditsApi
from flowhunt.exceptions import ApiValueError
from flowhunt.history._calls import Calls
from flowhunt.history._rows import (
    PAGES_IN_A_BLOCK,
    Difference,
    Reading,
    RowsReader,
    Tally,
)
from flowhunt.history._spans import ALWAYS, Span, Zone, period
from flowhunt.history._sums import HistoryError, SumsReader, packed
from flowhunt.models.credit_daily_transaction_response import CreditDailyTransactionResponse
from flowhunt.models.credit_daily_transaction_search_request import (
    CreditDailyTransactionSearchRequest,
)
from flowhunt.models.credit_transaction_response import CreditTransactionResponse
from flowhunt.models.credit_transaction_search_request import CreditTransactionSearchRequest
from flowhunt.models.grouping_period import GroupingPeriod

__all__ = [
    "CrowdedInstantError",
    "Difference",
    "DifferenceError",
    "DifferenceWarning",
    "HistoryError",
    "Reconciliation",
    "Tally",
    "iter_credit_transactions",
    "iter_daily_credit_transactions",
    "reconcile",
]

T = TypeVar("T")
Sleep = Callable[[float], object]

PAGE_SIZE = 100
_SHOWN = 5
_BEYOND_THE_SUMS = ("transaction_id", "context_id", "context_desc")


class DifferenceError(HistoryError):
    """Transactions and sums still differ after both were read again.

    :ivar differences: each day and type with both counts and both amounts
    """

    def __init__(self, differences: Sequence[Difference]) -> None:
        super().__init__(differences)
        self.differences = differences

    def __str__(self) -> str:
        more = len(self.differences) - _SHOWN
        return "; ".join(
            [*map(str, self.differences[:_SHOWN]), *([f"and {more} more"] if more > 0 else [])]
        )


class CrowdedInstantError(DifferenceError):
    """More transactions in one instant than come at once, and no way to ask for the rest.

    :ivar instant: the instant
    :ivar read: how many of its transactions were read
    """

    def __init__(self, differences: Sequence[Difference], instant: datetime, read: int) -> None:
        super().__init__(differences)
        self.args = (differences, instant, read)
        self.instant, self.read = instant, read

    def __str__(self) -> str:
        return (
            f"only {self.read} of the transactions of {self.instant.isoformat()} could be read: "
            f"the service returns no more at once, and pagination brings no others. "
            f"{super().__str__()}"
        )


class DifferenceWarning(UserWarning):
    """A ``DifferenceError``, for those who asked for a warning."""


class Reconciliation(NamedTuple):
    """What ``reconcile`` found.

    :ivar read: what the transactions add up to, by day and transaction type
    :ivar differences: where the sums say something else
    """

    read: dict[tuple[str, str], Tally]
    differences: list[Difference]


OnDifference = Literal["raise", "warn", "ignore"]


@dataclass(frozen=True)
class _Part:
    """Some rows in order, and what is wrong with them."""

    rows: list[CreditTransactionResponse]
    error: DifferenceError | None = None


def iter_credit_transactions(
    api: CreditsApi,
    workspace_id: str,
    request: CreditTransactionSearchRequest | Mapping[str, Any] | None = None,
    *,
    page_size: int = PAGE_SIZE,
    on_difference: OnDifference = "raise",
    zone: tzinfo = timezone.utc,
    sleep: Sleep | None = None,
) -> Generator[CreditTransactionResponse, None, None]:
    """Every transaction that matches, each exactly once, oldest first.

    A thread reads ahead by one block: about ten pages, or a day where that has more. Close the
    iterator, or read it to its end, to end the thread. Days that have their first transaction
    after the start are not read, if they are after all others.

    Filters that the sums do not take (``transaction_id``, ``context_id``, ``context_desc``) leave
    nothing to compare with; every window is proven all the same.

    :param request: the filters; ``limit`` and ``pagination`` have no place in it
    :param page_size: the ``limit`` to ask with; the service may return fewer at once
    :param on_difference: what to do where transactions and sums differ: raise a
        ``DifferenceError``, warn with a ``DifferenceWarning``, or do not compare unless the count
        alone tells that nothing is missing
    :param zone: the zone of moments without a UTC offset and of the days of the sums; it must have
        the same offset all year
    :param sleep: waits between tries, in place of the iterator's own way
    :raises HistoryError: the history cannot be read whole; rows before that have been returned
    :raises ApiException: a call failed, and again when it was tried again
    """
    history = _History(api, workspace_id, request, page_size, on_difference, zone, sleep)
    return _flat(history)


def _flat(history: _History) -> Generator[CreditTransactionResponse, None, None]:
    with closing(_ahead(history.parts(), history.calls.closing)) as parts:
        for part in parts:
            if part.error and history.on_difference == "warn":
                warnings.warn(str(part.error), DifferenceWarning, stacklevel=2)
            elif part.error:
                raise part.error
            yield from part.rows


def iter_daily_credit_transactions(
    api: CreditsApi,
    workspace_id: str,
    request: CreditDailyTransactionSearchRequest | Mapping[str, Any] | None = None,
    *,
    page_size: int = PAGE_SIZE,
    zone: tzinfo = timezone.utc,
    sleep: Sleep | None = None,
) -> Generator[CreditDailyTransactionResponse, None, None]:
    """Every sum that matches, each exactly once, oldest first; the chart tells which there are.

    A week or month is cut by nothing but the request's own bounds. No ``grouping`` means days.

    :param request: the filters; ``limit`` and ``pagination`` have no place in it
    :param page_size: a tenth of the ``limit`` to ask with
    :param zone: the zone of moments without a UTC offset and of the periods
    :param sleep: waits between tries, in place of the iterator's own way
    :raises HistoryError: the chart has sums that cannot be read
    :raises ApiException: a call failed, and again when it was tried again
    """
    asked = _checked(CreditDailyTransactionSearchRequest, request, page_size, zone)
    zone_of = Zone(zone, _has_offset(asked))
    calls = Calls(api, workspace_id, sleep)
    span = _span(asked, zone_of)
    bounds = (span.start if asked.created_at_from else -1, span.end - bool(asked.created_at_to))
    limit = PAGES_IN_A_BLOCK * page_size
    sums = SumsReader(calls, zone_of, bounds, asked.transaction_type, limit)
    grouping = asked.grouping or GroupingPeriod.DATE
    return _chained(_ahead(_sums(sums, grouping, limit), calls.closing))


def _sums(
    reader: SumsReader, grouping: GroupingPeriod, most: int
) -> Iterator[list[CreditDailyTransactionResponse]]:
    if grouping is not GroupingPeriod.DATE:
        yield list(reader.read(ALWAYS, grouping).values())
        return
    for months in packed(reader.read(ALWAYS, GroupingPeriod.MONTH), most):
        first, last = (period(pick(months)[0], GroupingPeriod.MONTH) for pick in (min, max))
        yield list(reader.read(Span(first.start, last.end), grouping).values())


def reconcile(
    api: CreditsApi,
    workspace_id: str,
    request: CreditTransactionSearchRequest | Mapping[str, Any] | None = None,
    *,
    page_size: int = PAGE_SIZE,
    on_difference: Literal["raise", "warn"] = "raise",
    zone: tzinfo = timezone.utc,
    sleep: Sleep | None = None,
) -> Reconciliation:
    """Compare all transactions with the daily sums, by day and transaction type.

    A difference is read again, since transactions may have come meanwhile, before it is one.

    :param request: the filters; only those that the sums take too
    :return: what the transactions add up to, and with ``on_difference="warn"`` the differences
    :raises DifferenceError: they differ, with day, type, both counts and both amounts of each
    :raises ApiValueError: a filter that the sums do not take
    """
    history = _History(api, workspace_id, request, page_size, on_difference, zone, sleep)
    if history.filters:
        raise ApiValueError(f"the sums cannot be filtered by {', '.join(history.filters)}")
    read: dict[tuple[str, str], Tally] = {}
    differences: list[Difference] = []
    with closing(_ahead(history.parts(), history.calls.closing)) as parts:
        for part in parts:
            for (day, code), tally in history.rows.tally(part.rows).items():
                read[day.isoformat(), code] = tally
            differences += part.error.differences if part.error else []
            if isinstance(part.error, CrowdedInstantError) and on_difference == "raise":
                raise part.error
    if differences and on_difference == "raise":
        raise DifferenceError(differences)
    if differences:
        warnings.warn(str(DifferenceError(differences)), DifferenceWarning, stacklevel=2)
    return Reconciliation(read, differences)


class _History:
    """One read of transactions, with all it needs."""

    def __init__(
        self,
        api: CreditsApi,
        workspace_id: str,
        request: CreditTransactionSearchRequest | Mapping[str, Any] | None,
        page_size: int,
        on_difference: OnDifference,
        zone: tzinfo,
        sleep: Sleep | None,
    ) -> None:
        asked = _checked(CreditTransactionSearchRequest, request, page_size, zone)
        if on_difference not in ("raise", "warn", "ignore"):
            raise ApiValueError(f"on_difference cannot be {on_difference!r}")
        self.on_difference = on_difference
        self.filters = {
            name: value for name in _BEYOND_THE_SUMS if (value := getattr(asked, name)) is not None
        }
        self.calls = Calls(api, workspace_id, sleep)
        self._zone = Zone(zone, _has_offset(asked))
        self._span = span = _span(asked, self._zone)
        # The sums may or may not count what is on a bound, so the bounds are just beyond.
        bounds = (span.start - 1, span.end)
        limit = PAGES_IN_A_BLOCK * page_size
        sums = SumsReader(self.calls, self._zone, bounds, asked.transaction_type, limit)
        self.rows = RowsReader(self.calls, self._zone, sums, asked, span, page_size)

    def parts(self) -> Iterator[_Part]:
        """All rows, in parts that are in order."""
        for reading in self._readings():
            rows = [(self._zone.tick(row.created_at), row) for row in reading.rows.values()]
            inside = [pair for pair in rows if self._span.holds(pair[0])]
            inside.sort(key=lambda pair: (pair[0], pair[1].transaction_id))
            yield _Part([row for _, row in inside], _error(reading))

    def _readings(self) -> Iterator[Reading]:
        if not self.filters:
            verify = self.on_difference != "ignore"
            for block in self.rows.blocks():
                yield self.rows.proven(block, verify=verify)
        elif (whole := self.rows.whole()).length:
            yield from self.rows.filtered(whole, self.filters)


def _error(reading: Reading) -> DifferenceError | None:
    if reading.crowd:
        return CrowdedInstantError(reading.differences, *reading.crowd)
    return DifferenceError(reading.differences) if reading.differences else None


R = TypeVar("R", CreditTransactionSearchRequest, CreditDailyTransactionSearchRequest)


def _checked(
    kind: type[R], request: R | Mapping[str, Any] | None, page_size: int, zone: tzinfo
) -> R:
    if isinstance(page_size, bool) or not isinstance(page_size, int) or page_size < 1:
        raise ApiValueError(f"page_size must be a positive integer, not {page_size!r}")
    if zone.utcoffset(None) is None:
        raise ApiValueError(f"zone must have the same UTC offset all year, {zone!r} has not")
    asked = kind.model_validate({} if request is None else request)
    if asked.pagination is not None or asked.limit not in (None, kind().limit):
        raise ApiValueError("all is read, so limit and pagination have no place; see page_size")
    return asked


def _has_offset(
    asked: CreditTransactionSearchRequest | CreditDailyTransactionSearchRequest,
) -> bool:
    bounds = (asked.created_at_from, asked.created_at_to)
    return any(bound is not None and bound.utcoffset() is not None for bound in bounds)


def _span(
    asked: CreditTransactionSearchRequest | CreditDailyTransactionSearchRequest, zone: Zone
) -> Span:
    """What the caller asked for, both bounds in it."""
    first, last = asked.created_at_from, asked.created_at_to
    start = zone.tick(first) if first else ALWAYS.start
    end = zone.tick(last) + 1 if last else ALWAYS.end
    return Span(start, max(start, end))


def _ahead(parts: Iterator[T], ended: Event) -> Generator[T, None, None]:
    """Read one part ahead in a thread, which ends with this generator."""
    thread = ThreadPoolExecutor(1, thread_name_prefix="flowhunt-history")
    try:
        coming = thread.submit(next, parts, None)
        while (part := coming.result()) is not None:
            coming = thread.submit(next, parts, None)
            yield part
    finally:
        ended.set()
        thread.shutdown()


def _chained(parts: Generator[list[T], None, None]) -> Generator[T, None, None]:
    with closing(parts):
        yield from chain.from_iterable(parts)
