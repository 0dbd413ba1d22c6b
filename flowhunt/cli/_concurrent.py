"""Reads several iterables at once, in threads, and yields their results in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, Queue, SimpleQueue
from threading import Thread
from typing import Generic, TypeVar

T = TypeVar("T")

_THREADS = 8
_PREFETCHED = 1_000  # results of one iterable that wait for the caller


@dataclass(frozen=True)
class Failure:
    """The error that interrupted an iterable."""

    error: Exception


class _Finished:
    """The end of the results."""


class _Job(Generic[T]):
    """An iterable, and its results that the caller has not taken yet."""

    def __init__(self, start: Callable[[], Iterable[T]]) -> None:
        self._start = start
        self._results: Queue[T | Failure | _Finished] = Queue(_PREFETCHED)

    def run(self) -> None:
        try:
            for result in self._start():
                self._results.put(result)
        except Exception as error:
            self._results.put(Failure(error))
        finally:
            self._results.put(_Finished())

    def results(self) -> Iterator[T | Failure]:
        while not isinstance(result := self._results.get(), _Finished):
            yield result


def run_concurrently(
    starts: Sequence[Callable[[], Iterable[T]]],
) -> Iterator[Iterator[T | Failure]]:
    """Call all functions at once, and yield the results of each, in the order of ``starts``.

    The threads are daemons, so the process does not wait for them after Ctrl-C.
    """
    jobs = [_Job(start) for start in starts]
    waiting: SimpleQueue[_Job[T]] = SimpleQueue()
    for job in jobs:
        waiting.put(job)

    def run_jobs() -> None:
        with suppress(Empty):
            while True:
                waiting.get_nowait().run()

    for _ in range(min(_THREADS, len(jobs))):
        Thread(target=run_jobs, daemon=True).start()
    return (job.results() for job in jobs)
