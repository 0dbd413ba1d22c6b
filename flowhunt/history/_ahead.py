"""Work done ahead of whoever takes its results, by threads, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from threading import Event
from typing import NoReturn, TypeVar

T = TypeVar("T")


def ahead(
    tasks: Iterator[Callable[[], T | None]], workers: int, closing: Event
) -> Generator[T, None, None]:
    """The results of tasks, in their order, until one is ``None`` or the generator is closed.

    :param workers: how many threads there are, and how many results are made ahead
    :param closing: set at the end, so that tasks which nobody waits for stop
    """
    threads = ThreadPoolExecutor(workers, thread_name_prefix="flowhunt-history")
    coming: deque[Future[T | None]] = deque()
    try:
        for task in _with_its_failure(tasks):
            coming.append(threads.submit(task))
            if len(coming) > workers:
                if (result := coming.popleft().result()) is None:
                    return
                yield result
        while coming and (result := coming.popleft().result()) is not None:
            yield result
    finally:
        closing.set()
        threads.shutdown(cancel_futures=True)


def _with_its_failure(
    tasks: Iterator[Callable[[], T | None]],
) -> Iterator[Callable[[], T | None]]:
    """Tasks, and where there is an error instead of one, a task that raises it in its turn."""
    try:
        yield from tasks
    except Exception as error:
        yield partial(_raise, error)


def _raise(error: Exception) -> NoReturn:
    raise error
