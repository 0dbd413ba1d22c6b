"""Every transaction of a workspace, each exactly once, and verified.

::

    from flowhunt.history import iter_credit_transactions

    for row in iter_credit_transactions(api, workspace_id):
        ...

The rows are the transactions that a search returns. The sums are those of the daily search: amount
and number of transactions, by day and transaction type. The chart has the amounts alone.

A search returns at most ``limit`` rows. The API specification does not state their order, how
``pagination`` works, the largest ``limit``, or whether bounds are inclusive. Nothing here relies on
any of these. Time is split, without a gap, into intervals. A response is complete if it has fewer
rows than another response had. The sums show where to split, and are compared with the rows
afterwards. Wrong sums cost requests and are reported, but no row is lost.

``zone`` is the time zone of timestamps without a UTC offset, and of the days of the sums. The API
specification does not state it; UTC is assumed.
"""

from __future__ import annotations

import warnings
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from datetime import UTC, date
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from flowhunt._tables.display import reconciliation_sheet
from flowhunt.api.credits_api import CreditsApi
from flowhunt.exceptions import ApiValueError
from flowhunt.history._arguments import (
    OnDifference,
    Timestamp,
    ZoneName,
    check_choice,
    check_count,
    checked_request,
    plan_bounds,
)
from flowhunt.history._daily import iter_sums
from flowhunt.history._errors import (
    CrowdedInstantError,
    Difference,
    DifferenceError,
    DifferenceWarning,
    HistoryError,
    Tally,
    UnverifiedError,
    WorkspaceMismatchError,
)
from flowhunt.history._formats import MODELS, models_in
from flowhunt.history._history import History
from flowhunt.history._plan import Plan, Window, WindowReader
from flowhunt.history._reading import results_of, verified_results
from flowhunt.history._requests import Requests, RetryPolicy, Sleep
from flowhunt.history._sums import SumsReader
from flowhunt.history._verified import Result
from flowhunt.models.credit_daily_transaction_response import CreditDailyTransactionResponse
from flowhunt.models.credit_daily_transaction_search_request import (
    CreditDailyTransactionSearchRequest,
)
from flowhunt.models.credit_transaction_response import CreditTransactionResponse
from flowhunt.models.credit_transaction_search_request import CreditTransactionSearchRequest
from flowhunt.models.grouping_period import GroupingPeriod

if TYPE_CHECKING:
    import rich.table

__all__ = [
    "CrowdedInstantError",
    "Difference",
    "DifferenceError",
    "DifferenceWarning",
    "HistoryError",
    "Plan",
    "Reconciliation",
    "Tally",
    "UnverifiedError",
    "Window",
    "WorkspaceMismatchError",
    "iter_credit_transactions",
    "iter_daily_credit_transactions",
    "plan_credit_transactions",
    "reconcile",
]

PAGE_SIZE = 100


class Reconciliation(NamedTuple):
    """The result of ``reconcile``.

    :ivar read: total of the transactions that were read, by day and transaction type
    :ivar differences: the days and types for which the sums disagree
    :ivar verified_by: what shows that a day is complete, by day: ``"rows"`` (every response was
        smaller than the largest one), ``"sums"`` and ``"chart"`` (they agree with the rows)
    """

    read: dict[tuple[str, str], Tally]
    differences: list[Difference]
    verified_by: dict[str, tuple[str, ...]]

    def _repr_html_(self) -> str:
        return reconciliation_sheet(self).html()

    def __rich__(self) -> rich.table.Table:
        return reconciliation_sheet(self).rich()


def iter_credit_transactions(
    api: CreditsApi,
    workspace_id: str,
    request: CreditTransactionSearchRequest | Mapping[str, Any] | None = None,
    *,
    since: Timestamp | None = None,
    until: Timestamp | None = None,
    page_size: int = PAGE_SIZE,
    newest_first: bool = False,
    workers: int = 1,
    on_difference: OnDifference = "raise",
    zone: ZoneName = UTC,
    sleep: Sleep | None = None,
) -> Generator[CreditTransactionResponse, None, None]:
    """Yield every transaction that matches, each exactly once, oldest first or newest first.

    With ``workers=1`` all requests are sent by the thread that iterates. With more, that many
    threads prefetch; they are daemons, and ``close()`` ends them.

    Transactions that arrive meanwhile may or may not be yielded. Days after the last one with
    transactions, as found at the start, are not read.

    The filters ``transaction_id``, ``context_id`` and ``context_desc`` have no sums to compare
    with: only the rows show that none is missing.

    :param request: the filters; ``limit`` and ``pagination`` are not allowed in it
    :param since: the first timestamp; a date is its midnight in ``zone``
    :param until: the timestamp after the last, likewise
    :param page_size: the ``limit`` to ask with; a larger one is used only for a timestamp with more
        transactions than one response can hold
    :param newest_first: the order
    :param workers: how many threads send requests; the client needs as many connections
    :param on_difference: what to do if transactions and sums disagree: raise a
        ``DifferenceError`` before these transactions are yielded, warn with a
        ``DifferenceWarning``, or do not compare
    :param zone: the zone, or its name, of timestamps without a UTC offset and of the days of the
        sums; daylight saving time included
    :param sleep: called with seconds to wait between attempts, instead of the default wait
    :raises HistoryError: the transactions cannot be read completely; those before that were yielded
    :raises ApiException: a call failed, and so did its retries
    """
    check_count("workers", workers)
    requests = Requests(api, workspace_id, RetryPolicy(sleep))
    history = History(
        requests,
        MODELS,
        request,
        page_size,
        zone,
        since=since,
        until=until,
        on_difference=on_difference,
        newest_first=newest_first,
    )
    return _models_of(verified_results(history, requests, workers, on_difference))


def _models_of(
    results: Generator[Result, None, None],
) -> Generator[CreditTransactionResponse, None, None]:
    with closing(results):
        for result in results:
            if len(result.batch):
                yield from models_in(result.batch)


def iter_daily_credit_transactions(
    api: CreditsApi,
    workspace_id: str,
    request: CreditDailyTransactionSearchRequest | Mapping[str, Any] | None = None,
    *,
    since: Timestamp | None = None,
    until: Timestamp | None = None,
    page_size: int = PAGE_SIZE,
    newest_first: bool = False,
    zone: ZoneName = UTC,
    sleep: Sleep | None = None,
) -> Generator[CreditDailyTransactionResponse, None, None]:
    """Yield every sum that matches, each exactly once, in order, compared with the chart.

    Only the request's own bounds split a week or month. The default ``grouping`` is days.

    :param request: the filters; ``limit`` and ``pagination`` are not allowed in it
    :param since: the first timestamp; a date is its midnight in ``zone``
    :param until: the timestamp after the last, likewise
    :param page_size: the ``limit`` to ask with
    :param newest_first: the order of the periods, and of the types in one
    :param zone: the zone of timestamps without a UTC offset and of the periods
    :param sleep: called with seconds to wait between attempts, instead of the default wait
    :raises HistoryError: the chart has an amount for a period and type without a sum, or there are
        two sums of one period and type
    :raises ApiException: a call failed, and so did its retries
    """
    asked, zone_asked, interval, has_start, has_end = checked_request(
        CreditDailyTransactionSearchRequest, request, since, until, page_size, zone
    )
    first = interval.start if has_start else -1
    last = interval.end - 1 if has_end else interval.end
    requests = Requests(api, workspace_id, RetryPolicy(sleep))
    reader = SumsReader(requests, zone_asked, asked.transaction_type, page_size, (first, last))
    grouping = asked.grouping or GroupingPeriod.DATE
    return _until_closed(
        iter_sums(reader, interval, grouping, page_size, newest_first=newest_first), requests
    )


def _until_closed(
    sums: Iterator[CreditDailyTransactionResponse], requests: Requests
) -> Generator[CreditDailyTransactionResponse, None, None]:
    try:
        yield from sums
    finally:
        requests.policy.closing.set()


def reconcile(
    api: CreditsApi,
    workspace_id: str,
    request: CreditTransactionSearchRequest | Mapping[str, Any] | None = None,
    *,
    since: Timestamp | None = None,
    until: Timestamp | None = None,
    page_size: int = PAGE_SIZE,
    workers: int = 1,
    on_difference: Literal["raise", "warn"] = "raise",
    zone: ZoneName = UTC,
    sleep: Sleep | None = None,
) -> Reconciliation:
    """Compare all transactions with the daily sums, by day and transaction type.

    If they disagree, both are read again, since transactions may have arrived meanwhile. What
    remains is a difference. A part of a day is verified by its rows alone.

    The parameters are those of ``iter_credit_transactions``, and:

    :param request: the filters; only those that the sums take too
    :param workers: how many threads send requests
    :return: the totals of the transactions, what verified each day, and with
        ``on_difference="warn"`` the differences
    :raises DifferenceError: they disagree; it has day, type, both counts and both amounts
    :raises ApiValueError: a filter that the sums do not take
    """
    check_count("workers", workers)
    check_choice("on_difference", on_difference, ("raise", "warn"))
    requests = Requests(api, workspace_id, RetryPolicy(sleep))
    history = History(
        requests,
        MODELS,
        request,
        page_size,
        zone,
        since=since,
        until=until,
        on_difference=on_difference,
        by_day=True,
    )
    if history.filters:
        raise ApiValueError(
            f"the sums cannot be filtered by {', '.join(history.filters)}: leave it out, or use "
            "iter_credit_transactions"
        )
    read: dict[tuple[str, str], Tally] = {}
    differences: list[Difference] = []
    by_sums_alone: set[date] = set()
    charted = history.charted()
    with closing(results_of(history, requests, workers)) as results:
        for result in results:
            for (day, code), total in result.totals.items():
                key = day.isoformat(), code
                read[key] = read.get(key, Tally()).plus(total)
            if isinstance(result.error, CrowdedInstantError) and on_difference == "raise":
                raise result.error
            if isinstance(result.error, DifferenceError):
                differences += result.error.differences
            elif result.error:
                raise result.error
            by_sums_alone |= result.by_sums_alone
    if differences and on_difference == "raise":
        raise DifferenceError(differences)
    if differences:
        warnings.warn(str(DifferenceError(differences)), DifferenceWarning, stacklevel=2)
    return Reconciliation(read, differences, history.verified_by(read, charted, by_sums_alone))


def plan_credit_transactions(
    api: CreditsApi,
    workspace_id: str,
    since: Timestamp,
    until: Timestamp,
    *,
    page_size: int = PAGE_SIZE,
    zone: ZoneName = UTC,
    sleep: Sleep | None = None,
) -> Plan:
    """Plan a read by the sums alone, in few requests.

    The windows follow each other without a gap, so each transaction of the period is in one of
    them, even if the sums are wrong.

    :param since: the first timestamp
    :param until: the timestamp after the last
    :param page_size: a window has about ten pages of this size
    :param zone: the zone of timestamps without a UTC offset and of the days of the sums
    :param sleep: called with seconds to wait between attempts, instead of the default wait
    :raises ApiException: a call failed, and so did its retries
    """
    first, end, zone_asked = plan_bounds(since, until, page_size, zone)
    requests = Requests(api, workspace_id, RetryPolicy(sleep))
    return WindowReader(requests, MODELS, zone_asked, page_size).plan(first, end)


def __dir__() -> list[str]:
    return __all__
