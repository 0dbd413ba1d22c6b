"""Transactions and sums of a workspace as Arrow columns.  [extra: frames]

::

    from flowhunt.history.arrow import iter_transaction_batches

    for batch in iter_transaction_batches(api, workspace_id, "2026-01-01", "2026-07-01"):
        ...

Transactions are read and verified as by ``flowhunt.history``, without a model for each row.
The columns are those of ``TRANSACTION_SCHEMA`` and ``SUM_SCHEMA``, also where there are no rows.
``created_at`` is in UTC; a timestamp without a UTC offset is taken to be of ``zone``. Fields that
the API specification does not have are JSON text in ``extra``.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from datetime import UTC
from typing import Any, NamedTuple, cast

from flowhunt._extras import extra
from flowhunt._tables.arrow import SUM_COLUMNS, TRANSACTION_COLUMNS, array, json_text
from flowhunt.api.credits_api import CreditsApi
from flowhunt.history import PAGE_SIZE, Window, iter_daily_credit_transactions
from flowhunt.history._arguments import OnDifference, Timestamp, ZoneName, check_count, zone_of
from flowhunt.history._batch import Batch
from flowhunt.history._errors import CrowdedInstantError, Difference, DifferenceError
from flowhunt.history._history import History
from flowhunt.history._intervals import ALL_TIME, NO_TIME, Interval, Zone
from flowhunt.history._plan import WindowReader
from flowhunt.history._reading import results_of, verified_results
from flowhunt.history._requests import Requests, RetryPolicy, Sleep
from flowhunt.models.grouping_period import GroupingPeriod
from flowhunt.models.transaction_type import TransactionType

with extra("frames"):
    import pyarrow as pa

    from flowhunt.history._columns import COLUMNS, EXTRA, TIMESTAMP, ArrowBatch

__all__ = [
    "SUM_SCHEMA",
    "TRANSACTION_SCHEMA",
    "iter_transaction_batches",
    "read_sums",
    "read_window",
]


def __dir__() -> list[str]:
    return __all__


def _schema(names: Sequence[str]) -> pa.Schema:
    types: dict[str, Any] = {"created_at": TIMESTAMP, "amount": pa.int64(), "cnt": pa.int64()}
    return pa.schema([(name, types.get(name, pa.string())) for name in (*names, EXTRA)])


TRANSACTION_SCHEMA = _schema(TRANSACTION_COLUMNS)
"""The columns of transactions: texts, ``created_at`` in microseconds UTC, ``amount`` as int64."""

_NO_ROWS = pa.RecordBatch.from_pylist([], schema=TRANSACTION_SCHEMA)

SUM_SCHEMA = _schema(SUM_COLUMNS)
"""The columns of sums: the same, and ``cnt``, the number of transactions, as int64."""


def iter_transaction_batches(
    api: CreditsApi,
    workspace_id: str,
    since: Timestamp | None = None,
    until: Timestamp | None = None,
    *,
    transaction_type: TransactionType | str | None = None,
    page_size: int = PAGE_SIZE,
    newest_first: bool = False,
    workers: int = 1,
    on_difference: OnDifference = "raise",
    zone: ZoneName = UTC,
    sleep: Sleep | None = None,
) -> Generator[pa.RecordBatch, None, None]:
    """Yield every transaction of a period, each exactly once, in batches of about ten pages.

    There is at least one batch, which may have no rows. A day that has to agree with the sums is
    never split between batches, so a busy one makes a larger batch.

    :param since: the first timestamp; ``None`` for all transactions before ``until``
    :param until: the timestamp after the last; ``None`` for all transactions from ``since`` on
    :param transaction_type: only transactions of this type
    :param page_size: the ``limit`` to ask with
    :param newest_first: the order, of the batches and of the rows in them
    :param workers: how many threads send requests; the client needs as many connections
    :param on_difference: as in ``iter_credit_transactions``
    :param zone: the time zone, or its name, of timestamps without a UTC offset and of the days of
        the sums
    :param sleep: called with seconds to wait between attempts, instead of the default wait
    :raises HistoryError: the transactions cannot be read completely; those before that were yielded
    :raises ApiException: a call failed, and so did its retries
    :raises ApiValueError: an argument cannot be used, or an amount needs more than 64 bits
    """
    return batches_of(
        Requests(api, workspace_id, RetryPolicy(sleep)),
        since,
        until,
        transaction_type=transaction_type,
        page_size=page_size,
        newest_first=newest_first,
        workers=workers,
        on_difference=on_difference,
        zone=zone,
    )


def batches_of(
    requests: Requests,
    since: Timestamp | None,
    until: Timestamp | None,
    *,
    transaction_type: TransactionType | str | None = None,
    page_size: int,
    newest_first: bool = False,
    workers: int,
    on_difference: OnDifference,
    zone: ZoneName,
) -> Generator[pa.RecordBatch, None, None]:
    """The batches of ``iter_transaction_batches``, by requests that the caller can end."""
    check_count("workers", workers)
    history = History(
        requests,
        COLUMNS,
        {"transaction_type": transaction_type},
        page_size,
        zone,
        since=since,
        until=until,
        on_difference=on_difference,
        newest_first=newest_first,
    )
    return _batches(history, requests, workers, on_difference)


def _batches(
    history: History, requests: Requests, workers: int, on_difference: OnDifference
) -> Generator[pa.RecordBatch, None, None]:
    is_empty = True
    with closing(verified_results(history, requests, workers, on_difference)) as results:
        for result in results:
            if len(result.batch):
                is_empty = False
                yield _record_batch(result.batch)
    if is_empty:
        yield _NO_ROWS


def read_window(
    api: CreditsApi,
    workspace_id: str,
    window: Window,
    *,
    page_size: int = PAGE_SIZE,
    verify: bool = True,
    zone: ZoneName = UTC,
    sleep: Sleep | None = None,
) -> pa.RecordBatch:
    """Read the transactions of a window of a plan, oldest first.

    :param window: as ``plan_credit_transactions`` returns it, for the same workspace
    :param page_size: the ``limit`` to ask with
    :param verify: compare the whole days in it with the sums of the window
    :param zone: the zone that the plan was made for
    :param sleep: called with seconds to wait between attempts, instead of the default wait
    :raises HistoryError: the transactions cannot be read completely, or disagree with the sums
    :raises ApiException: a call failed, and so did its retries
    """
    check_count("page_size", page_size)
    requests = Requests(api, workspace_id, RetryPolicy(sleep))
    zone_sent = Zone(zone_of(zone), sends_offset=window.since.tzinfo is not None)
    result = WindowReader(requests, COLUMNS, zone_sent, page_size).read(window, verify=verify)
    if result.error:
        raise result.error
    return _record_batch(result.batch)


def read_sums(
    api: CreditsApi,
    workspace_id: str,
    since: Timestamp | None = None,
    until: Timestamp | None = None,
    *,
    grouping: GroupingPeriod | str = GroupingPeriod.DATE,
    transaction_type: TransactionType | str | None = None,
    page_size: int = PAGE_SIZE,
    zone: ZoneName = UTC,
    sleep: Sleep | None = None,
) -> pa.Table:
    """Read the sums of a period, oldest first.

    :param since: the first timestamp; ``None`` for all sums before ``until``
    :param until: the timestamp after the last; ``None`` for all sums from ``since`` on
    :param grouping: the length of one sum: ``"date"``, ``"week"`` or ``"month"``
    :param transaction_type: only sums of this type
    :param page_size: the ``limit`` to ask with
    :param zone: the zone of timestamps without a UTC offset and of the periods
    :param sleep: called with seconds to wait between attempts, instead of the default wait
    :raises HistoryError: the chart has an amount for a period and type without a sum
    :raises ApiException: a call failed, and so did its retries
    """
    request = {"grouping": grouping, "transaction_type": transaction_type}
    sums = iter_daily_credit_transactions(
        api,
        workspace_id,
        request,
        since=since,
        until=until,
        page_size=page_size,
        zone=zone,
        sleep=sleep,
    )
    rows = list(sums)
    in_utc = Zone(zone_of(zone)).in_utc
    columns: dict[str, Sequence[Any]] = {
        name: [getattr(row, name) for row in rows] for name in SUM_COLUMNS
    }
    columns["created_at"] = [in_utc(timestamp) for timestamp in columns["created_at"]]
    columns[EXTRA] = [json_text(row.model_extra) for row in rows]
    arrays = [
        array(name, columns[name]).cast(SUM_SCHEMA.field(name).type) for name in SUM_SCHEMA.names
    ]
    return pa.Table.from_arrays(arrays, schema=SUM_SCHEMA)


def _record_batch(batch: Batch) -> pa.RecordBatch:
    if not len(batch):
        return _NO_ROWS
    table = cast("ArrowBatch", batch).table.select(TRANSACTION_SCHEMA.names)
    record_batch: pa.RecordBatch = table.combine_chunks().to_batches()[0]
    return record_batch


class VerifiedBatch(NamedTuple):
    """All transactions of some whole days.

    :ivar interval: its days, in local time of the zone; ``NO_TIME`` if it has only differences
    :ivar batch: its transactions, with the columns of ``TRANSACTION_SCHEMA``
    :ivar differences: where the sums still disagree after both were read again; without an
        interval, those of earlier batches
    """

    interval: Interval
    batch: pa.RecordBatch
    differences: Sequence[Difference] = ()


def iter_verified_batches(
    requests: Requests,
    interval: Interval,
    zone: Zone,
    *,
    page_size: int,
    workers: int = 1,
    newest_first: bool = False,
) -> Generator[VerifiedBatch, None, None]:
    """Yield all transactions of whole days, in batches that follow each other without a gap.

    Sums that disagree are in ``differences``: the rows are the evidence.

    :param interval: whole days, in local time of the zone
    :raises HistoryError: the transactions cannot be read completely
    """
    since, until = (
        zone.sent(micros) if ALL_TIME.start < micros < ALL_TIME.end else None for micros in interval
    )
    history = History(
        requests,
        COLUMNS,
        None,
        page_size,
        zone.info,
        since=since,
        until=until,
        on_difference="warn",
        newest_first=newest_first,
    )
    edge = interval.end if newest_first else interval.start
    with closing(results_of(history, requests, workers)) as results:
        for result in results:
            error = result.error
            if error and (
                isinstance(error, CrowdedInstantError) or not isinstance(error, DifferenceError)
            ):
                raise error
            differences = error.differences if isinstance(error, DifferenceError) else ()
            start, end = interval = result.interval
            # The final check of a history returns differences of days that were returned before.
            is_returned = end > edge if newest_first else start < edge
            if is_returned:
                interval = NO_TIME
            else:
                edge = start if newest_first else end
            yield VerifiedBatch(interval, _record_batch(result.batch), differences)
