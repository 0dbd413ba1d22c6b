"""Shares threads among workspaces: which one a free thread reads next."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack
from threading import Lock
from typing import Any, Generic, Protocol, TypeVar

from flowhunt._workspaces.clients import Clients, Source
from flowhunt.api.credits_api import CreditsApi
from flowhunt.exceptions import OpenApiException
from flowhunt.history._workers import Workers

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
R = TypeVar("R", bound="Reader[Any]")


class Reader(Protocol[T_co]):
    """Reads one workspace, some days at a time."""

    def reads(self) -> Generator[T_co, None, None]:
        """The results, in order."""
        ...

    def close(self) -> None:
        """Send no more requests, from any thread."""


class Task(Generic[R, T]):
    """A workspace that is read, some days at a time.

    :ivar error: why it could not be read
    """

    def __init__(self, reader: R, source: Source) -> None:
        self.reader = reader
        self.source = source
        self.error: OpenApiException | None = None
        self._reads: Generator[T, None, None] = reader.reads()
        self._is_closed = False
        self._stepping = Lock()

    def step(self) -> tuple[Task[R, T], T | None]:
        """Read some more days, in any thread; ``None`` if there are no more."""
        try:
            with self._stepping:
                return self, next(self._reads, None)
        except OpenApiException as error:
            self.error = error
            return self, None
        finally:
            if self._is_closed:
                self._close_reads()

    def close(self) -> None:
        """End its threads; those of a step that is under way end after the current request."""
        self._is_closed = True
        self.reader.close()
        self._close_reads()

    def _close_reads(self) -> None:
        # No generator can be closed while it runs: then the step closes it.
        if self._stepping.acquire(blocking=False):
            try:
                self._reads.close()
            finally:
                self._stepping.release()


class Rounds(Generic[R, T]):
    """Reads workspaces with some threads.

    Results of one workspace are in order; those of several are mixed.

    A free thread takes the credential with the fewest threads, so that a throttled credential does
    not hold up all threads. Workspaces that were begun come first, so that few clients are open.

    :param sources: what the requests of each workspace are sent with
    :param make_reader: called as soon as a thread is free for a workspace
    :param name: what the names of the threads begin with
    """

    def __init__(
        self,
        clients: Clients,
        sources: Mapping[str, Source],
        make_reader: Callable[[CreditsApi, str], R],
        workers: int,
        name: str,
    ) -> None:
        self._clients = clients
        self._sources = sources
        self._make_reader = make_reader
        self._workers = workers
        self._name = name
        # By the `id` of a source: its threads, its unfinished workspaces, and tasks that wait.
        self._busy = Counter[int]()
        self._unfinished = Counter(map(id, sources.values()))
        self._waiting: dict[int, deque[Task[R, T] | str]] = {}
        self._begun: set[Task[R, T]] = set()
        for workspace_id, source in sources.items():
            self._waiting.setdefault(id(source), deque()).append(workspace_id)

    def run(self) -> Generator[tuple[Task[R, T], T | None], None, None]:
        """The results, and at the end of each workspace ``None``."""
        with ExitStack() as stack:
            threads: Workers[tuple[Task[R, T], T | None]] = stack.enter_context(
                Workers(self._workers, self._name)
            )
            stack.callback(self._stop)  # before the threads are waited for
            while self._waiting or threads.is_busy:
                while self._waiting and threads.is_idle:
                    threads.submit(self._next().step)
                task, read = threads.next()
                self._busy[id(task.source)] -= 1
                if read is None:
                    self._finish(task)
                else:
                    self._put_first(task)
                yield task, read

    def _next(self) -> Task[R, T]:
        """The task for a thread that is free."""
        idle = (source_id for source_id in self._waiting if not self._busy[source_id])
        source_id = next(idle, None) or min(self._waiting, key=self._busy.__getitem__)
        tasks = self._waiting[source_id]
        task = tasks.popleft()
        if not tasks:
            del self._waiting[source_id]
        self._busy[source_id] += 1
        return self._begin(task) if isinstance(task, str) else task

    def _begin(self, workspace_id: str) -> Task[R, T]:
        source = self._sources[workspace_id]
        reader = self._make_reader(self._clients.api(source), workspace_id)
        task: Task[R, T] = Task(reader, source)
        self._begun.add(task)
        return task

    def _put_first(self, task: Task[R, T]) -> None:
        source_id = id(task.source)
        tasks = self._waiting.pop(source_id, deque())
        tasks.appendleft(task)
        self._waiting = {source_id: tasks, **self._waiting}

    def _finish(self, task: Task[R, T]) -> None:
        source_id = id(task.source)
        self._begun.discard(task)
        self._unfinished[source_id] -= 1
        if not self._unfinished[source_id]:
            self._clients.close(task.source)

    def _stop(self) -> None:
        for task in self._begun:
            task.close()
