"""Transactions and sums of many workspaces as Arrow batches, for any engine.  [extra: frames]

::

    from flowhunt.slices import Slice, configurations, read_transactions

    slices = [Slice("workspace-1", "2026-01-01", "2026-07-01")]
    for batch in read_transactions(slices, configurations("acme.keys:configuration")):
        ...

A ``Slice`` is all that travels to another process or machine. It holds no credential: the function
that returns the configuration of a workspace is called where the workspace is read. Every batch
has the columns of ``TRANSACTION_SCHEMA`` or ``SUM_SCHEMA``, whatever the service returns.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC
from importlib import import_module
from operator import attrgetter
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

from flowhunt._extras import extra
from flowhunt._workspaces.shared_limit import SharedLimitClient
from flowhunt.api.credits_api import CreditsApi
from flowhunt.configuration import Configuration
from flowhunt.exceptions import ApiTypeError, ApiValueError, OpenApiException
from flowhunt.history._arguments import (
    OnDifference,
    Timestamp,
    ZoneName,
    check_choice,
    check_count,
    half_open,
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

Grouping = Literal["date", "week", "month"]
OnError = Literal["raise", "row"]

Configurations: TypeAlias = Callable[[str], Configuration]
"""A function that takes a workspace ID and returns its configuration."""

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
``error`` says why a workspace has no sums."""

PAGE_SIZE = 100
SUMS_PAGE_SIZE = 1000
"""One response of this size holds the monthly sums of years."""


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


def configurations(path: str) -> Configurations:
    """Name a function that returns the configuration of a workspace.

    The module is imported where the result is called, so only the name is pickled.

    :param path: ``"package.module:function"``; the function is called with a workspace ID
    :raises ApiValueError: the path is not of that form
    """
    return _Named(path)


def from_environment(workspace_id: str) -> Configuration:
    """The configuration of a workspace as the ``FLOWHUNT_*`` variables of this process say."""
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

    Slices of one workspace and type that touch or overlap are read as one. Slices of all types and
    of a single type are read apart.

    A 429 is retried, until all requests have had a 429 for 15 minutes.

    :param configurations: returns the configuration of a workspace
    :param page_size: the ``limit`` to ask with
    :param workers: how many threads send requests
    :param on_difference: as of ``flowhunt.history.iter_credit_transactions``
    :param zone: the zone of timestamps without a UTC offset and of the days of the sums, or its
        name, such as ``"Europe/Prague"``
    :param sleep: called with seconds to wait between attempts, instead of the default wait
    :raises HistoryError: the transactions cannot be read completely; those before that were yielded
    :raises ApiException: a call failed, also when it was retried
    :raises ApiValueError: an argument cannot be used
    """
    check_count("workers", workers)
    check_count("page_size", page_size)
    check_choice("on_difference", on_difference, ("raise", "warn", "ignore"))
    pieces = _joined(slices, zone)
    options = {
        "page_size": page_size,
        "workers": workers,
        "on_difference": on_difference,
        "zone": zone,
        "sleep": sleep,
    }
    return _transactions(pieces, _Clients(configurations, workers, sleep), options)


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

    Use them to plan a read, to find changes, to audit a table, or to check credentials.

    :param configurations: returns the configuration of a workspace
    :param grouping: the length of a period: ``"date"``, ``"week"`` or ``"month"``
    :param on_error: what to do where a workspace cannot be read: raise the error, or yield a row
        that has it as text in ``error`` and no sums
    :param page_size: the ``limit`` to ask with
    :param zone: the zone of timestamps without a UTC offset and of the periods
    :param sleep: called with seconds to wait between attempts, instead of the default wait
    :raises HistoryError: the chart has an amount for a period and type without a sum
    :raises ApiException: a call failed, also when it was retried
    :raises ApiValueError: an argument cannot be used
    """
    check_count("page_size", page_size)
    check_choice("grouping", grouping, get_args(Grouping))
    check_choice("on_error", on_error, ("raise", "row"))
    pieces = _joined(slices, zone)
    options = {"grouping": grouping, "page_size": page_size, "zone": zone, "sleep": sleep}
    return _sums(pieces, _Clients(configurations, 1, sleep), options, on_error)


def _transactions(
    slices: Sequence[Slice], clients: _Clients, options: dict[str, Any]
) -> Generator[pa.RecordBatch, None, None]:
    for piece in slices:
        with clients.api_of(piece.workspace_id) as api:
            batches = arrow.iter_transaction_batches(
                api,
                piece.workspace_id,
                piece.since,
                piece.until,
                transaction_type=piece.transaction_type,
                **options,
            )
            with closing(batches):
                for batch in batches:
                    if batch.num_rows:
                        yield batch


def _sums(
    slices: Sequence[Slice], clients: _Clients, options: dict[str, Any], on_error: OnError
) -> Generator[pa.RecordBatch, None, None]:
    for piece in slices:
        try:
            with clients.api_of(piece.workspace_id) as api:
                sums = arrow.read_sums(
                    api,
                    piece.workspace_id,
                    piece.since,
                    piece.until,
                    transaction_type=piece.transaction_type,
                    **options,
                )
        except OpenApiException as error:
            if on_error == "raise":
                raise
            row = {"workspace_id": piece.workspace_id, "error": f"{type(error).__name__}: {error}"}
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


def _joined(slices: Iterable[Slice], zone: ZoneName) -> list[Slice]:
    """The slices; those of one workspace and type that touch or overlap are one.

    :raises ApiValueError: a slice has no time in it
    """
    sends_offset = False
    found: dict[tuple[str, str | None], list[Interval]] = {}
    for piece in slices:
        asked = half_open(piece.since, piece.until, zone)
        sends_offset |= asked.zone.sends_offset
        key = piece.workspace_id, piece.transaction_type
        found.setdefault(key, []).append(asked.interval)
    sent = Zone(zone_of(zone), sends_offset).sent
    return [
        Slice(
            workspace_id,
            sent(start) if start > ALL_TIME.start else None,
            sent(end) if end < ALL_TIME.end else None,
            transaction_type,
        )
        for (workspace_id, transaction_type), intervals in found.items()
        for start, end in neighbours_joined(intervals)
    ]


# Clients


@dataclass(frozen=True)
class _Named:
    """A function by its name, which is all that is pickled of it."""

    path: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[\w.]+:[\w.]+", self.path):
            raise ApiValueError(  # without the value: what stands in the wrong place may be a key
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
    """Clients for workspaces.

    :param workers: how many connections each needs
    """

    def __init__(self, configurations: Configurations, workers: int, sleep: Sleep | None) -> None:
        self._configurations = configurations
        self._workers = workers
        self._sleep = sleep

    @contextmanager
    def api_of(self, workspace_id: str) -> Generator[CreditsApi, None, None]:
        """The endpoints of a workspace, while the context lasts.

        :raises ApiValueError: the function of configurations failed
        :raises ApiTypeError: it returned something else
        """
        try:
            configuration = self._configurations(workspace_id)
        except OpenApiException:
            raise
        except Exception as error:  # its text may hold a credential
            raise ApiValueError(
                f"there is no configuration for the workspace {workspace_id!r}: the function of "
                f"configurations raised {type(error).__name__}"
            ) from error
        if not isinstance(configuration, Configuration):
            raise ApiTypeError(
                f"the function of configurations must return a flowhunt.Configuration for "
                f"{workspace_id!r}, not a {type(configuration).__name__}"
            )
        if configuration.connection_pool_maxsize < self._workers:
            configuration = copy.copy(configuration)
            configuration.connection_pool_maxsize = self._workers
        with SharedLimitClient(configuration, self._sleep) as client:
            yield CreditsApi(client)
