"""One Delta table that has all transactions of one workspace or of thousands.  [extra: mirror]

::

    from flowhunt.mirror import sync_credit_transactions

    report = sync_credit_transactions(workspace_id, "credits", configuration=configuration)
    print(report)

The table is the only state. A sync compares the sums of the service with those of the table, reads
the days that differ, and replaces them in commits that each hold many days. So one call handles the
first load, late rows, changed amounts, deleted rows, a longer period, other workspaces and the
restart after a crash.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from datetime import UTC
from typing import Any
from zoneinfo import ZoneInfo

from flowhunt._extras import extra
from flowhunt._tables.locations import Location
from flowhunt._workspaces.clients import Clients, Configurations, Source, ids_of
from flowhunt._workspaces.progress import Callback, progress_callback
from flowhunt.api.credits_api import CreditsApi
from flowhunt.configuration import Configuration
from flowhunt.exceptions import ApiTypeError, ApiValueError
from flowhunt.history import PAGE_SIZE
from flowhunt.history._arguments import (
    Timestamp,
    ZoneName,
    check_choice,
    check_count,
    checked_period,
)
from flowhunt.history._intervals import Zone
from flowhunt.history._requests import Sleep

with extra("mirror"):
    from flowhunt.mirror._reports import (
        CompactReport,
        Failure,
        SumsDifference,
        SyncReport,
        TableDifference,
        VerifyReport,
    )
    from flowhunt.mirror._sync import (
        OnError,
        Run,
        Sync,
        WorkspaceError,
        differences_in,
    )
    from flowhunt.mirror._table import (
        SCHEMA,
        ConcurrentSyncError,
        MirrorTable,
        StorageOptions,
        TableError,
    )
    from flowhunt.mirror._workspace import Settings

__all__ = [
    "SCHEMA",
    "CompactReport",
    "ConcurrentSyncError",
    "Failure",
    "SumsDifference",
    "SyncReport",
    "TableDifference",
    "TableError",
    "VerifyReport",
    "WorkspaceError",
    "compact",
    "sync_credit_transactions",
    "verify",
]


def __dir__() -> list[str]:
    return __all__


WORKERS = 8

Workspaces = Mapping[str, Configuration] | str | Iterable[str]
Authentication = CreditsApi | Configuration | Callable[[str], Configuration]


def sync_credit_transactions(
    workspaces: Workspaces,
    table: Location,
    *,
    configuration: Authentication | None = None,
    since: Timestamp | None = None,
    until: Timestamp | None = None,
    on_error: OnError = "continue",
    workers: int = WORKERS,
    page_size: int = PAGE_SIZE,
    progress: bool | Callback = True,
    zone: ZoneName = UTC,
    storage_options: StorageOptions | None = None,
    sleep: Sleep | None = None,
) -> SyncReport:
    """Bring a Delta table up to date with the transactions of the service, in few requests.

    The table is created if its location is empty. Days are replaced as a whole, so each version of
    the table has each transaction of a day exactly once. Rows outside the period, and of workspaces
    that are not named, stay as they are.

    :param workspaces: the configuration of each workspace by its ID, or one ID or several
    :param table: a path, or a URI such as ``s3://bucket/credits``
    :param configuration: with IDs: one ``Configuration`` for all, a function of the ID, or a
        ``CreditsApi``; the default client if none
    :param since: the first timestamp, and all of its day is read; ``None`` for all transactions
        before ``until``
    :param until: the timestamp after the last, and all of its day is read; ``None`` for all
        transactions up to now
    :param on_error: if a workspace fails: ``"continue"`` with the others and report it, or
        ``"raise"`` a ``WorkspaceError``
    :param workers: how many threads send requests
    :param page_size: the ``limit`` to ask for transactions with
    :param progress: show a bar if the output is a terminal or a notebook; or a function to call
        with a ``Progress``
    :param zone: the zone of timestamps without a UTC offset and of the days of the sums, or its
        name, such as ``"Europe/Prague"``
    :param storage_options: options of the store, as ``deltalake`` takes them; never shown
    :param sleep: called with seconds to wait between attempts, instead of the default wait
    :raises ApiValueError: an argument cannot be used, or the location holds something else
    :raises TableError: the store failed
    :raises ConcurrentSyncError: another process keeps replacing days of the same workspaces
    :raises WorkspaceError: a workspace could not be read, with ``on_error="raise"``
    """
    settings = _settings(since, until, workers, page_size, zone, sleep)
    check_choice("on_error", on_error, ("continue", "raise"))
    with _run(
        workspaces,
        configuration,
        lambda: MirrorTable(table, settings.zone, storage_options, create=True),
        settings,
        workers,
        on_error,
        progress,
    ) as run:
        sync = Sync(run)
        sync.replace_changed_days()
        return SyncReport(
            **_common_fields(run),
            changed=tuple(sorted(sync.changed)),
            rows_written=sync.rows_written,
            commits=sync.commits,
        )


def verify(
    workspaces: Workspaces,
    table: Location,
    *,
    configuration: Authentication | None = None,
    since: Timestamp | None = None,
    until: Timestamp | None = None,
    on_error: OnError = "continue",
    workers: int = WORKERS,
    page_size: int = PAGE_SIZE,
    progress: bool | Callback = True,
    zone: ZoneName = UTC,
    storage_options: StorageOptions | None = None,
    sleep: Sleep | None = None,
) -> VerifyReport:
    """Compare a table with the service as a sync does, and write nothing.

    The parameters are those of ``sync_credit_transactions``.

    :return: the days and transaction types that a sync would change
    :raises ApiValueError: an argument cannot be used, or there is no such table
    :raises TableError: the store failed
    :raises WorkspaceError: a workspace could not be read, with ``on_error="raise"``
    """
    settings = _settings(since, until, workers, page_size, zone, sleep)
    check_choice("on_error", on_error, ("continue", "raise"))
    with _run(
        workspaces,
        configuration,
        lambda: MirrorTable(table, settings.zone, storage_options),
        settings,
        workers,
        on_error,
        progress,
    ) as run:
        differences = differences_in(run)
        return VerifyReport(**_common_fields(run), differences=tuple(differences))


def compact(
    table: Location,
    *,
    storage_options: StorageOptions | None = None,
    keep_days: int = 7,
) -> CompactReport:
    """Join small files of a table, and delete files that only earlier versions use.

    :param keep_days: files of versions that were current in the last so many days are kept, for
        readers that still use them
    :raises ApiValueError: there is no such table
    :raises TableError: the store failed
    :raises ConcurrentSyncError: a sync has replaced the same files
    """
    check_count("keep_days", keep_days)
    opened = MirrorTable(table, Zone(UTC), storage_options)
    before = opened.files
    deleted = opened.compact(keep_days)
    return CompactReport(opened.name, opened.version, before, opened.files, deleted)


def _settings(
    since: Timestamp | None,
    until: Timestamp | None,
    workers: int,
    page_size: int,
    zone: ZoneName,
    sleep: Sleep | None,
) -> Settings:
    check_count("workers", workers)
    check_count("page_size", page_size)
    requested = checked_period(since, until, zone)
    if requested.zone.varies and not isinstance(requested.zone.info, ZoneInfo):
        raise ApiValueError(
            f"the days of a mirror need a zone that has a name, not {zone!r}: "
            "pass a ZoneInfo, or the name"
        )
    return Settings(requested.interval.touched_days, requested.zone, page_size, workers, sleep)


@contextmanager
def _run(
    workspaces: Workspaces,
    configuration: Authentication | None,
    open_table: Callable[[], MirrorTable],
    settings: Settings,
    workers: int,
    on_error: OnError,
    progress: bool | Callback,
) -> Generator[Run, None, None]:
    ids, source = _ids_and_source(workspaces, configuration)
    with Clients(source) as clients, progress_callback(progress, "mirror") as report:
        sources: dict[str, Source] = {}
        failures: list[Failure] = []
        for workspace_id in ids:
            try:
                sources[workspace_id] = clients.source_of(workspace_id)
            except Exception as error:  # the caller's function may raise anything
                if isinstance(source, Mapping):
                    raise
                failures.append(Failure(workspace_id, error))
        yield Run(
            open_table(),
            clients,
            sources,
            failures,
            settings._replace(workers=max(1, workers // len(ids))),
            workers=workers,
            on_error=on_error,
            report=report,
        )


def _ids_and_source(
    workspaces: Workspaces, configuration: Authentication | None
) -> tuple[list[str], Source | Configurations]:
    """The workspace IDs, and the client or the configurations for their requests."""
    if not isinstance(workspaces, Mapping):
        return ids_of(workspaces), CreditsApi() if configuration is None else configuration
    if configuration is not None:
        raise ApiTypeError("workspaces has a configuration for each ID: leave configuration out")
    return ids_of(workspaces), workspaces


def _common_fields(run: Run) -> dict[str, Any]:
    """The fields that all reports have."""
    return {
        "table": run.table.name,
        "version": run.table.version,
        "workspaces": run.workspace_count,
        "failures": tuple(run.failures),
        "sums_differ": tuple(run.sums_differ),
        "rows_read": run.rows_read,
        "requests": sum(reader.sent for reader in run.readers),
        "failed_requests": sum(reader.failed_requests for reader in run.readers),
        "seconds": time.monotonic() - run.began,
    }
