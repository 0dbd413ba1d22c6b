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
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from datetime import datetime, timezone, tzinfo
from functools import partial
from itertools import chain, repeat
from typing import Any, Literal, NamedTuple

from flowhunt.api.credits_api import CreditsApi
from flowhunt.exceptions import ApiValueError
from flowhunt.history._ahead import ahead
from flowhunt.history._calls import Calls, Patience, Sleep
from flowhunt.history._errors import (
    CrowdedInstantError,
    Difference,
    DifferenceError,
    DifferenceWarning,
    HistoryError,
    Tally,
)
from flowhunt.history._history import (
    History,
    OnDifference,
    Part,
    check_count,
    checked,
    has_offset,
    span_of,
)
from flowhunt.history._plan import Plan, Window, WindowReader, period_asked
from flowhunt.history._rows import PAGES_IN_A_BLOCK, tally
from flowhunt.history._spans import ALWAYS, Span, Zone, period
from flowhunt.history._sums import Sums, SumsReader, in_order, packed
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
    "Plan",
    "Reconciliation",
    "Tally",
    "Window",
    "iter_credit_transactions",
    "iter_daily_credit_transactions",
    "plan_credit_transactions",
    "reconcile",
]

PAGE_SIZE = 100


class Reconciliation(NamedTuple):
    """What ``reconcile`` found.

    :ivar read: what the transactions add up to, by day and transaction type
    :ivar differences: where the sums say something else
    """

    read: dict[tuple[str, str], Tally]
    differences: list[Difference]


def iter_credit_transactions(
    api: CreditsApi,
    workspace_id: str,
    request: CreditTransactionSearchRequest | Mapping[str, Any] | None = None,
    *,
    page_size: int = PAGE_SIZE,
    newest_first: bool = False,
    workers: int = 1,
    on_difference: OnDifference = "raise",
    zone: tzinfo = timezone.utc,
    sleep: Sleep | None = None,
) -> Generator[CreditTransactionResponse, None, None]:
    """Every transaction that matches, each exactly once, oldest first or newest first.

    Threads read ahead by one block each: about ten pages, or a day where that has more. Close the
    iterator, or read it to its end, to end the threads. Days that have their first transaction
    after the start are not read, if they are after all others.

    Filters that the sums do not take (``transaction_id``, ``context_id``, ``context_desc``) leave
    nothing to compare with; every window is proven all the same, one after the other.

    :param request: the filters; ``limit`` and ``pagination`` have no place in it
    :param page_size: the ``limit`` to ask with; the service may return fewer at once
    :param newest_first: the order
    :param workers: how many threads read; the client needs as many connections
    :param on_difference: what to do where transactions and sums differ: raise a
        ``DifferenceError``, warn with a ``DifferenceWarning``, or do not compare unless the count
        alone tells that nothing is missing
    :param zone: the zone of moments without a UTC offset and of the days of the sums; it must have
        the same offset all year
    :param sleep: waits between tries, in place of the iterator's own way
    :raises HistoryError: the history cannot be read whole; rows before that have been returned
    :raises ApiException: a call failed, and again when it was tried again
    """
    check_count("workers", workers)
    calls = Calls(api, workspace_id, Patience(sleep))
    history = History(
        calls, request, page_size, zone, on_difference=on_difference, newest_first=newest_first
    )
    parts = ahead(history.tasks(), 1 if history.filters else workers, calls.patience.closing)
    return _flat(parts, on_difference)


def _flat(
    parts: Generator[Part, None, None], on_difference: OnDifference
) -> Generator[CreditTransactionResponse, None, None]:
    with closing(parts):
        for part in parts:
            if part.error and on_difference == "warn":
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
    newest_first: bool = False,
    zone: tzinfo = timezone.utc,
    sleep: Sleep | None = None,
) -> Generator[CreditDailyTransactionResponse, None, None]:
    """Every sum that matches, each exactly once, in order; the chart tells which there are.

    A week or month is cut by nothing but the request's own bounds. No ``grouping`` means days.

    :param request: the filters; ``limit`` and ``pagination`` have no place in it
    :param page_size: a tenth of the ``limit`` to ask with
    :param newest_first: the order of the periods, and of the types in one
    :param zone: the zone of moments without a UTC offset and of the periods
    :param sleep: waits between tries, in place of the iterator's own way
    :raises HistoryError: the chart has sums that cannot be read
    :raises ApiException: a call failed, and again when it was tried again
    """
    asked = checked(CreditDailyTransactionSearchRequest, request, page_size, zone)
    zone_of = Zone(zone, has_offset(asked))
    calls = Calls(api, workspace_id, Patience(sleep))
    span = span_of(asked, zone_of)
    bounds = (span.start if asked.created_at_from else -1, span.end - bool(asked.created_at_to))
    limit = PAGES_IN_A_BLOCK * page_size
    reader = SumsReader(calls, zone_of, bounds, asked.transaction_type, limit)
    grouping = asked.grouping or GroupingPeriod.DATE
    sums = (
        list(in_order(some, newest_first=newest_first).values())
        for some in _sums(reader, grouping, limit, newest_first=newest_first)
    )
    return _chained(ahead(repeat(partial(next, sums, None)), 1, calls.patience.closing))


def _sums(
    reader: SumsReader, grouping: GroupingPeriod, most: int, *, newest_first: bool
) -> Iterator[Sums]:
    if grouping is not GroupingPeriod.DATE:
        yield reader.read(ALWAYS, grouping)
        return
    all_months = in_order(reader.read(ALWAYS, GroupingPeriod.MONTH), newest_first=newest_first)
    for months in packed(all_months, most):
        first, last = (period(pick(months)[0], GroupingPeriod.MONTH) for pick in (min, max))
        yield reader.read(Span(first.start, last.end), grouping)


def _chained(
    parts: Generator[list[CreditDailyTransactionResponse], None, None],
) -> Generator[CreditDailyTransactionResponse, None, None]:
    with closing(parts):
        yield from chain.from_iterable(parts)


def reconcile(
    api: CreditsApi,
    workspace_id: str,
    request: CreditTransactionSearchRequest | Mapping[str, Any] | None = None,
    *,
    page_size: int = PAGE_SIZE,
    workers: int = 1,
    on_difference: Literal["raise", "warn"] = "raise",
    zone: tzinfo = timezone.utc,
    sleep: Sleep | None = None,
) -> Reconciliation:
    """Compare all transactions with the daily sums, by day and transaction type.

    A difference is read again, since transactions may have come meanwhile, before it is one.

    :param request: the filters; only those that the sums take too
    :param workers: how many threads read
    :return: what the transactions add up to, and with ``on_difference="warn"`` the differences
    :raises DifferenceError: they differ, with day, type, both counts and both amounts of each
    :raises ApiValueError: a filter that the sums do not take
    """
    check_count("workers", workers)
    calls = Calls(api, workspace_id, Patience(sleep))
    history = History(calls, request, page_size, zone, on_difference=on_difference)
    if history.filters:
        raise ApiValueError(f"the sums cannot be filtered by {', '.join(history.filters)}")
    read: dict[tuple[str, str], Tally] = {}
    differences: list[Difference] = []
    with closing(ahead(history.tasks(), workers, calls.patience.closing)) as parts:
        for part in parts:
            for (day, code), of_day in tally(part.placed).items():
                read[day.isoformat(), code] = of_day
            differences += part.error.differences if part.error else []
            if isinstance(part.error, CrowdedInstantError) and on_difference == "raise":
                raise part.error
    if differences and on_difference == "raise":
        raise DifferenceError(differences)
    if differences:
        warnings.warn(str(DifferenceError(differences)), DifferenceWarning, stacklevel=2)
    return Reconciliation(read, differences)


def plan_credit_transactions(
    api: CreditsApi,
    workspace_id: str,
    since: datetime | str,
    until: datetime | str,
    *,
    page_size: int = PAGE_SIZE,
    zone: tzinfo = timezone.utc,
    sleep: Sleep | None = None,
) -> Plan:
    """What there is to read, by the sums alone: few requests, and no transaction.

    :param since: the first moment
    :param until: the moment after the last
    :param page_size: a window has about ten pages of this size
    :param zone: the zone of moments without a UTC offset and of the days of the sums
    :raises HistoryError: the chart has sums that cannot be read
    :raises ApiException: a call failed, and again when it was tried again
    """
    first, last, zone_of = period_asked(since, until, page_size, zone)
    reader = WindowReader(Calls(api, workspace_id, Patience(sleep)), zone_of, page_size)
    return reader.plan(workspace_id, first, last)
