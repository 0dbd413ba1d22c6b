"""Runs several iterables at once, and yields their results in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, Queue, SimpleQueue
from threading import Thread
from typing import Generic, TypeVar

T = TypeVar("T")

_THREADS = 8
_PREFETCHED = 1_000  # rows of one of them that wait for their reader


@dataclass(frozen=True)
class Failure:
    """Why one of them was interrupted."""

    error: Exception


class _Finished:
    """Nothing more follows."""


class _Work(Generic[T]):
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


def side_by_side(starts: Sequence[Callable[[], Iterable[T]]]) -> Iterator[Iterator[T | Failure]]:
    """Run all at once, and yield the results of each, in the order of ``starts``.

    The threads are daemons: Ctrl-C waits for none of them.
    """
    works = [_Work(start) for start in starts]
    waiting: SimpleQueue[_Work[T]] = SimpleQueue()
    for work in works:
        waiting.put(work)

    def serve() -> None:
        with suppress(Empty):
            while True:
                waiting.get_nowait().run()

    for _ in range(min(_THREADS, len(works))):
        Thread(target=serve, daemon=True).start()
    return (work.results() for work in works)
