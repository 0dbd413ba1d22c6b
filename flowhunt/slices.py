"""Transactions and sums of many workspaces as Arrow batches, for any engine.  [extra: frames]

::

    from flowhunt.slices import Slice, configurations, read_transactions

    slices = [Slice("workspace-1", "2026-01-01", "2026-07-01")]
    for batch in read_transactions(slices, configurations("acme.keys:configuration")):
        ...

Only a ``Slice`` is sent to another process or machine, and it holds no credential. The process that
reads a workspace calls your function for its configuration. Every batch has the columns of
``TRANSACTION_SCHEMA`` or ``SUM_SCHEMA``.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from traceback import extract_tb
from typing import Any, Literal, NamedTuple, get_args

from flowhunt._extras import extra
from flowhunt._workspaces.clients import Configurations, ids_of
from flowhunt._workspaces.shared_limit import SharedLimit, SharedLimitClient
from flowhunt.api.credits_api import CreditsApi
from flowhunt.configuration import Configuration
from flowhunt.exceptions import ApiTypeError, ApiValueError, OpenApiException
from flowhunt.history import PAGE_SIZE
from flowhunt.history._arguments import (
    OnDifference,
    Timestamp,
    ZoneName,
    check_choice,
    check_count,
    checked_period,
    zone_of,
)
from flowhunt.history._intervals import ALL_TIME, Interval, Zone, first_day_of, neighbours_joined
from flowhunt.history._requests import Sleep
from flowhunt.models.grouping_period import GroupingPeriod

with extra("frames"):
    import pyarrow as pa

    from flowhunt.history import arrow
    from flowhunt.history.arrow import TRANSACTION_SCHEMA

__all__ = [
    "SUM_SCHEMA",
    "TRANSACTION_SCHEMA",
    "Configurations",
    "Slice",
    "configurations",
    "from_environment",
    "read_sums",
    "read_transactions",
]


def __dir__() -> list[str]:
    return __all__


Grouping = Literal["date", "week", "month"]
OnError = Literal["raise", "row"]

_SUM_TYPES: dict[str, pa.DataType] = {
    "workspace_id": pa.string(),
    "period": pa.date32(),
    "transaction_type": pa.string(),
    "cnt": pa.int64(),
    "amount": pa.int64(),
    "extra": pa.string(),
    "error": pa.string(),
}
SUM_SCHEMA = pa.schema(_SUM_TYPES)
"""The columns of sums: ``period`` is the first day of a period, ``cnt`` the number of transactions;
``error`` states why a workspace has no sums."""

SUMS_PAGE_SIZE = 1000
"""One response of this size holds the monthly sums of years."""
MOST_CONNECTIONS = 1000
"""Each connection that a pool may have takes memory. Further workers wait for a free one."""


class Slice(NamedTuple):
    """A period of one workspace. It holds no credential, so it can be sent anywhere.

    :ivar since: the first timestamp; ``None`` for all time before ``until``
    :ivar until: the timestamp after the last; ``None`` for all time from ``since`` on
    :ivar transaction_type: only transactions of this type; ``None`` for all
    """

    workspace_id: str
    since: Timestamp | None = None
    until: Timestamp | None = None
    transaction_type: str | None = None


def configurations(path: str) -> Callable[[str], Configuration]:
    """Name a function that returns the configuration of a workspace.

    The module is imported where the result is called, so only the name is pickled.

    :param path: ``"package.module:function"``; the function is called with a workspace ID
    :raises ApiValueError: the path is not of that form
    """
    return _NamedFunction(path)


def from_environment(workspace_id: str) -> Configuration:
    """The configuration of a workspace, from the ``FLOWHUNT_*`` variables of this process."""
    return Configuration.from_env(workspace_id=workspace_id)


def read_transactions(
    slices: Iterable[Slice],
    configurations: Configurations,
    *,
    page_size: int = PAGE_SIZE,
    workers: int = 1,
    on_difference: OnDifference = "raise",
    zone: ZoneName = UTC,
    sleep: Sleep | None = None,
) -> Generator[pa.RecordBatch, None, None]:
    """Yield every transaction of slices, each exactly once, in batches of ``TRANSACTION_SCHEMA``.

    Slices of one workspace that touch or overlap are read as one. A slice of one type leaves
    out the time of slices of all types.

    A 429 is retried, until every request of 15 minutes has had a 429.

    :param configurations: the configuration of each workspace: a function of its ID, or a mapping
    :param page_size: the ``limit`` to ask with
    :param workers: how many threads send requests
    :param on_difference: as in ``flowhunt.history.iter_credit_transactions``
    :param zone: the zone of timestamps without a UTC offset and of the days of the sums, or its
        name, such as ``"Europe/Prague"``
    :param sleep: called with seconds to wait between attempts, instead of the default wait
    :raises HistoryError: the transactions cannot be read completely; those before that were yielded
    :raises ApiException: a call failed, and so did its retries
    :raises ApiValueError: an argument cannot be used
    """
    check_count("workers", workers)
    check_count("page_size", page_size)
    check_choice("on_difference", on_difference, ("raise", "warn", "ignore"))
    disjoint = _disjoint(slices, zone)
    options = {
        "page_size": page_size,
        "workers": workers,
        "on_difference": on_difference,
        "zone": zone,
        "sleep": sleep,
    }
    return _transactions(disjoint, _Clients(configurations, workers, sleep), options)


def read_sums(
    slices: Iterable[Slice],
    configurations: Configurations,
    *,
    grouping: Grouping = "month",
    on_error: OnError = "raise",
    page_size: int = SUMS_PAGE_SIZE,
    zone: ZoneName = UTC,
    sleep: Sleep | None = None,
) -> Generator[pa.RecordBatch, None, None]:
    """Yield the sums of slices by period and type, in batches of ``SUM_SCHEMA``.

    Use them to plan a read, to find changes, to audit a table, or to check credentials. A period
    with a gap between two slices has a row for each part.

    :param configurations: the configuration of each workspace: a function of its ID, or a mapping
    :param grouping: the length of a period: ``"date"``, ``"week"`` or ``"month"``
    :param on_error: what to do if a workspace cannot be read: raise the error, or yield a row
        without sums that has the error as text in ``error``
    :param page_size: the ``limit`` to ask with
    :param zone: the zone of timestamps without a UTC offset and of the periods
    :param sleep: called with seconds to wait between attempts, instead of the default wait
    :raises HistoryError: the chart has an amount for a period and type without a sum
    :raises ApiException: a call failed, and so did its retries
    :raises ApiValueError: an argument cannot be used
    """
    check_count("page_size", page_size)
    check_choice("grouping", grouping, get_args(Grouping))
    check_choice("on_error", on_error, ("raise", "row"))
    disjoint = _disjoint(slices, zone)
    options = {"grouping": grouping, "page_size": page_size, "zone": zone, "sleep": sleep}
    return _sums(disjoint, _Clients(configurations, 1, sleep), options, on_error)


def _transactions(
    slices: Sequence[Slice], clients: _Clients, options: dict[str, Any]
) -> Generator[pa.RecordBatch, None, None]:
    for each in slices:
        with clients.api_of(each.workspace_id) as api:
            batches = arrow.iter_transaction_batches(
                api,
                each.workspace_id,
                each.since,
                each.until,
                transaction_type=each.transaction_type,
                **options,
            )
            with closing(batches):
                for batch in batches:
                    if batch.num_rows:
                        yield batch


def _sums(
    slices: Sequence[Slice], clients: _Clients, options: dict[str, Any], on_error: OnError
) -> Generator[pa.RecordBatch, None, None]:
    for each in slices:
        try:
            with clients.api_of(each.workspace_id) as api:
                sums = arrow.read_sums(
                    api,
                    each.workspace_id,
                    each.since,
                    each.until,
                    transaction_type=each.transaction_type,
                    **options,
                )
        except OpenApiException as error:
            if on_error == "raise":
                raise
            row = {"workspace_id": each.workspace_id, "error": f"{type(error).__name__}: {error}"}
            yield pa.RecordBatch.from_pylist([row], schema=SUM_SCHEMA)
        else:
            zone = Zone(zone_of(options["zone"]))
            yield from _by_period(sums, GroupingPeriod(options["grouping"]), zone).to_batches()


def _by_period(sums: pa.Table, grouping: GroupingPeriod, zone: Zone) -> pa.Table:
    """Sums with the columns of ``SUM_SCHEMA``."""
    timestamps: list[Any] = sums["created_at"].to_pylist()
    days = zone.days(timestamps)
    columns: dict[str, Any] = {
        **{name: sums[name] for name in sums.column_names},
        "period": pa.array([first_day_of(day, grouping) for day in days], pa.date32()),
        "error": pa.nulls(sums.num_rows, pa.string()),
    }
    return pa.table([columns[name] for name in SUM_SCHEMA.names], schema=SUM_SCHEMA)


# Slices


def _disjoint(slices: Iterable[Slice], zone: ZoneName) -> list[Slice]:
    """Slices of the same time and types, of which no two have a transaction in common.

    :raises ApiTypeError: one is no slice
    :raises ApiValueError: one has no workspace, an empty period, or a type that cannot be sent
    """
    sends_offset = False
    by_workspace: dict[str, dict[str | None, list[Interval]]] = {}
    for each in slices:
        if not isinstance(each, Slice):
            raise ApiTypeError(
                f"expected slices, such as Slice(workspace_id, since, until), not {each!r}"
            )
        ids_of([each.workspace_id])
        _check_type(each.transaction_type)
        requested = checked_period(each.since, each.until, zone)
        sends_offset |= requested.zone.sends_offset
        by_type = by_workspace.setdefault(each.workspace_id, {})
        by_type.setdefault(each.transaction_type, []).append(requested.interval)
    sent = Zone(zone_of(zone), sends_offset).sent
    return [
        Slice(
            workspace_id,
            sent(start) if start > ALL_TIME.start else None,
            sent(end) if end < ALL_TIME.end else None,
            transaction_type,
        )
        for workspace_id, by_type in by_workspace.items()
        for transaction_type, (start, end) in _disjoint_intervals(by_type)
    ]


def _check_type(transaction_type: object) -> None:
    is_text = isinstance(transaction_type, str) and transaction_type.isprintable()
    if transaction_type is not None and not (is_text and transaction_type):
        raise ApiValueError(
            "transaction_type must be a text such as 'G', or None for all, not "
            f"{transaction_type!r}"
        )


def _disjoint_intervals(
    by_type: Mapping[str | None, list[Interval]],
) -> Iterator[tuple[str | None, Interval]]:
    """The intervals to read of each type. Those of all types are left out of single types."""
    of_all = neighbours_joined(by_type.get(None, ()))
    for transaction_type, intervals in by_type.items():
        for interval in neighbours_joined(intervals):
            for remaining in _without(interval, of_all if transaction_type else ()):
                yield transaction_type, remaining


def _without(interval: Interval, others: Iterable[Interval]) -> Iterator[Interval]:
    """The intervals that remain of one without the others, which are in order."""
    start, end = interval
    for other in others:
        if start < min(other.start, end):
            yield Interval(start, min(other.start, end))
        start = max(start, other.end)
    if start < end:
        yield Interval(start, end)


# Clients


@dataclass(frozen=True)
class _NamedFunction:
    """A function that is imported by its name when it is called. Only the name is pickled."""

    path: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\w+(\.\w+)*:\w+(\.\w+)*", str(self.path)):
            raise ApiValueError(  # without the value: it may be a key, passed by mistake
                "the function that returns configurations must be named as "
                "'package.module:function'"
            )

    def __call__(self, workspace_id: str) -> Configuration:
        module, _, name = self.path.partition(":")
        try:
            function = attrgetter(name)(import_module(module))
        except (ImportError, AttributeError) as error:
            raise ApiValueError(
                f"{self.path} cannot be imported ({error}): install its package on every machine "
                "that reads"
            ) from error
        configuration: Configuration = function(workspace_id)
        return configuration


class _Clients:
    """Makes the clients of workspaces. Those with the same credential share a rate limit.

    :param workers: how many connections each client needs
    :raises ApiTypeError: the configurations are neither a function nor a mapping
    """

    def __init__(self, configurations: Configurations, workers: int, sleep: Sleep | None) -> None:
        if not (callable(configurations) or isinstance(configurations, Mapping)):
            raise ApiTypeError(
                "configurations must be a function of a workspace ID or a mapping, not "
                f"{type(configurations).__name__}; configurations('package.module:function') "
                "names a function"
            )
        self._configurations = configurations
        self._workers = workers
        self._sleep = sleep
        self._limits: dict[int, SharedLimit] = {}

    @contextmanager
    def api_of(self, workspace_id: str) -> Generator[CreditsApi, None, None]:
        """A client for a workspace, closed at the end of the block.

        :raises ApiValueError: it has no configuration
        :raises ApiTypeError: its configuration is another object
        """
        configuration = self._configuration_of(workspace_id)
        connections = min(self._workers, MOST_CONNECTIONS)
        if configuration.connection_pool_maxsize < connections:
            configuration = copy.copy(configuration)
            configuration.connection_pool_maxsize = connections
        with SharedLimitClient(configuration, self._limit_of(configuration)) as client:
            yield CreditsApi(client)

    def _configuration_of(self, workspace_id: str) -> Configuration:
        source = self._configurations
        try:
            found: object = (
                source[workspace_id] if isinstance(source, Mapping) else source(workspace_id)
            )
        except OpenApiException:
            raise
        except Exception as error:
            frame = extract_tb(error.__traceback__)[-1]
            raise ApiValueError(
                f"there is no configuration for the workspace {workspace_id!r}: looking for it "
                f"raised {type(error).__name__} ({Path(frame.filename).name}, line {frame.lineno})"
            ) from None  # its text may quote a credential
        if not isinstance(found, Configuration):
            raise ApiTypeError(
                f"the configuration of the workspace {workspace_id!r} must be a "
                f"flowhunt.Configuration, not {type(found).__name__}"
            )
        return found

    def _limit_of(self, configuration: Configuration) -> SharedLimit:
        credential = hash((configuration.host, *configuration.auth_headers().values()))
        return self._limits.setdefault(credential, SharedLimit(self._sleep))
