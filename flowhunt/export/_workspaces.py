"""Reads several workspaces at once, and yields their rows by workspace."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.ipc

from flowhunt._workspaces.clients import Clients, Source
from flowhunt.api.credits_api import CreditsApi
from flowhunt.history._arguments import OnDifference, Timestamp, ZoneName
from flowhunt.history._requests import Requests, RetryPolicy, Sleep
from flowhunt.history._rounds import Rounds
from flowhunt.history.arrow import batches_of

WorkspaceRows = Generator[tuple[str, pa.Table], None, None]
"""Workspace IDs in order, each with some of its rows."""


class Settings(NamedTuple):
    """How workspaces are read."""

    since: Timestamp | None
    until: Timestamp | None
    page_size: int
    workers: int
    on_difference: OnDifference
    zone: ZoneName
    sleep: Sleep | None


class WorkspaceReader:
    """Reads one workspace, batch by batch."""

    def __init__(self, api: CreditsApi, workspace_id: str, settings: Settings) -> None:
        self.workspace_id = workspace_id
        self._settings = settings
        self._requests = Requests(api, workspace_id, RetryPolicy(settings.sleep))

    def reads(self) -> Generator[pa.RecordBatch, None, None]:
        """The batches, oldest first."""
        settings = self._settings
        batches = batches_of(
            self._requests,
            settings.since,
            settings.until,
            page_size=settings.page_size,
            workers=settings.workers,
            on_difference=settings.on_difference,
            zone=settings.zone,
        )
        with closing(batches):
            for batch in batches:
                yield batch
                # Arrow keeps memory that one thread allocated and another freed.
                pa.default_memory_pool().release_unused()

    def close(self) -> None:
        """Send no more requests."""
        self._requests.policy.closing.set()


class Spool:
    """Batches in a temporary file, until it is the turn of their workspace."""

    def __init__(self, file: io.BufferedRandom) -> None:
        self._file = file
        self._offsets: dict[str, list[int]] = {}

    def put(self, workspace_id: str, batch: pa.RecordBatch) -> None:
        """Write a batch to the file."""
        offset = self._file.seek(0, os.SEEK_END)
        options = pyarrow.ipc.IpcWriteOptions(compression="zstd")
        with pyarrow.ipc.new_stream(self._file, batch.schema, options=options) as writer:
            writer.write_batch(batch)
        self._offsets.setdefault(workspace_id, []).append(offset)

    def take(self, workspace_id: str) -> Iterator[pa.Table]:
        """The batches of a workspace, in the order they were written."""
        for offset in self._offsets.pop(workspace_id, ()):
            self._file.seek(offset)
            yield pyarrow.ipc.open_stream(self._file).read_all()


def read_in_order(
    clients: Clients, sources: Mapping[str, Source], settings: Settings, folder: Path
) -> WorkspaceRows:
    """The rows of all workspaces, sorted by workspace and time.

    A slow workspace does not stop the threads that read others. Their rows wait in a file, so that
    memory stays flat.
    """

    def make_reader(api: CreditsApi, workspace_id: str) -> WorkspaceReader:
        workers = max(1, settings.workers // len(sources))
        return WorkspaceReader(api, workspace_id, settings._replace(workers=workers))

    rounds: Rounds[WorkspaceReader, pa.RecordBatch] = Rounds(
        clients, sources, make_reader, settings.workers, "flowhunt-export"
    )
    unfinished = set(sources)
    queue = iter(sorted(sources))
    current: str | None = next(queue)
    # The system deletes the file if the process is killed.
    with tempfile.TemporaryFile(dir=folder) as file, closing(rounds.run()) as steps:
        spool = Spool(file)
        for task, batch in steps:
            workspace_id = task.reader.workspace_id
            if task.error:
                task.error.add_note(f"while exporting the workspace {workspace_id}")
                raise task.error
            if batch is None:
                unfinished.discard(workspace_id)
            elif workspace_id == current:
                yield workspace_id, pa.Table.from_batches([batch])
            else:
                spool.put(workspace_id, batch)
            while current is not None and current not in unfinished:
                current = next(queue, None)
                if current is not None:
                    for rows in spool.take(current):
                        yield current, rows
