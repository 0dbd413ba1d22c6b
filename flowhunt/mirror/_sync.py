"""Syncs a table, or compares it: replaces or reports the days that differ."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Mapping
from contextlib import closing
from typing import Literal

from flowhunt._workspaces.clients import Clients, Source
from flowhunt._workspaces.progress import Callback, Progress
from flowhunt.api.credits_api import CreditsApi
from flowhunt.exceptions import OpenApiException
from flowhunt.history import Tally
from flowhunt.history._batch import Key
from flowhunt.history._rounds import Rounds, Task
from flowhunt.mirror._reports import Failure, SumsDifference, TableDifference
from flowhunt.mirror._table import ConcurrentSyncError, MirrorTable, Replacement, TableError
from flowhunt.mirror._workspace import DaysRead, Settings, WorkspaceReader

MirrorTask = Task[WorkspaceReader, DaysRead]
OnError = Literal["continue", "raise"]

ROWS_IN_A_COMMIT = 50_000
"""Rows after which a commit is made, to limit memory."""
DAYS_IN_A_COMMIT = 500
"""Intervals of days after which a commit is made, since each is a condition of the commit."""
ATTEMPTS = 8
"""Attempts of a sync if other processes commit to its workspaces."""


class WorkspaceError(OpenApiException):
    """A workspace could not be read, and ``on_error="raise"`` was asked for.

    ``__cause__`` is the error.

    :ivar workspace_id: the workspace
    """

    def __init__(self, workspace_id: str, reason: str) -> None:
        super().__init__(workspace_id, reason)
        self.workspace_id, self.reason = workspace_id, reason

    def __str__(self) -> str:
        return f"the workspace {self.workspace_id} could not be read: {self.reason}"


class Run:
    """One read of all workspaces, for a sync or a comparison, with what their reports share.

    :param sources: the client or configuration of each workspace
    :param failures: workspaces that have failed before anything was sent
    """

    def __init__(
        self,
        table: MirrorTable,
        clients: Clients,
        sources: Mapping[str, Source],
        failures: Iterable[Failure],
        settings: Settings,
        *,
        workers: int,
        on_error: OnError,
        report: Callback,
    ) -> None:
        self.began = time.monotonic()
        self.table = table
        self.failures = list(failures)
        self.sums_differ: list[SumsDifference] = []
        self.readers: list[WorkspaceReader] = []
        self.workspace_count = len(sources) + len(self.failures)
        self._clients = clients
        self._remaining = dict(sources)
        self._settings = settings
        self._workers = workers
        self.on_error = on_error
        self._report = report
        for failure in self.failures:
            self._raise_if_asked(failure)

    @property
    def rows_read(self) -> int:
        """How many transactions were read."""
        return sum(reader.rows_read for reader in self.readers)

    def reads(self) -> Generator[tuple[MirrorTask, DaysRead | None], None, None]:
        """The days read, and ``None`` at the end of each workspace."""
        snapshot = self.table.snapshot(self._remaining)

        def make_reader(api: CreditsApi, workspace_id: str) -> WorkspaceReader:
            reader = WorkspaceReader(api, workspace_id, snapshot, self._settings)
            self.readers.append(reader)
            return reader

        finished = self.workspace_count - len(self._remaining)
        rounds: Rounds[WorkspaceReader, DaysRead] = Rounds(
            self._clients, dict(self._remaining), make_reader, self._workers, "flowhunt-mirror"
        )
        with closing(rounds.run()) as steps:
            for task, days in steps:
                if isinstance(task.error, TableError):
                    raise task.error
                yield task, days
                finished += days is None
                self._report(Progress(finished, self.workspace_count, self.rows_read))

    def finish(self, task: MirrorTask) -> None:
        """Record that a workspace was read and committed, or that it failed.

        :raises WorkspaceError: it failed, and ``on_error="raise"`` was asked for
        """
        workspace_id = task.reader.workspace_id
        del self._remaining[workspace_id]
        found = task.reader.differences
        self.sums_differ += [SumsDifference(workspace_id, each) for each in found]
        if task.error:
            self.failures.append(Failure(workspace_id, task.error))
            self._raise_if_asked(self.failures[-1])

    def _raise_if_asked(self, failure: Failure) -> None:
        if self.on_error == "raise":
            error = failure.error
            raise WorkspaceError(
                failure.workspace_id, f"{type(error).__name__}: {error}"
            ) from error


class Sync:
    """Replaces days of a table with the rows of the service.

    :ivar changed: the workspaces whose days were replaced
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self.changed: set[str] = set()
        self.rows_written = self.commits = 0
        self._pending: list[Replacement] = []
        self._finished: list[MirrorTask] = []

    def replace_changed_days(self) -> None:
        """Replace all days that differ; start over if another process commits to them.

        :raises ConcurrentSyncError: other processes committed to the table during each attempt
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._attempt()
            except ConcurrentSyncError:
                if attempt == ATTEMPTS:
                    raise
                self._run.table.reload()
            else:
                return

    def _attempt(self) -> None:
        self._pending, self._finished = [], []
        rows = 0
        with closing(self._run.reads()) as reads:
            for task, days in reads:
                if days is None:
                    self._finished.append(task)
                elif days.is_changed:
                    self._pending.append(days.replacement)
                    rows += days.replacement.rows.num_rows
                is_full = rows >= ROWS_IN_A_COMMIT or len(self._pending) >= DAYS_IN_A_COMMIT
                if is_full or (task.error and self._run.on_error == "raise"):
                    self._commit()
                    rows = 0
        self._commit()

    def _commit(self) -> None:
        if self._pending:
            self._run.table.replace(self._pending)
            self.commits += 1
            self.changed |= {each.workspace_id for each in self._pending}
            self.rows_written += sum(each.rows.num_rows for each in self._pending)
            self._pending = []
        for task in self._finished:
            self._run.finish(task)
        self._finished = []


def differences_in(run: Run) -> list[TableDifference]:
    """The days and types on which table and service differ."""
    found: list[TableDifference] = []
    snapshot = run.table.snapshot(())
    with closing(run.reads()) as reads:
        for task, days in reads:
            if days is None:
                run.finish(task)
                continue
            read = days.replacement
            in_table = snapshot.days(read.workspace_id, read.interval)
            found += _differences(read.workspace_id, in_table, snapshot.totals_of(read.rows))
    return found


def _differences(
    workspace_id: str, in_table: Mapping[Key, Tally], in_service: Mapping[Key, Tally]
) -> Generator[TableDifference, None, None]:
    for key in sorted(in_table.keys() | in_service.keys()):
        totals = in_table.get(key, Tally()), in_service.get(key, Tally())
        if totals[0] != totals[1]:
            yield TableDifference(workspace_id, *key, *totals)
