"""Makes calls in threads, or one by one without threads."""

from __future__ import annotations

import contextvars
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Generic, Self, TypeVar

from flowhunt._waits import LONGEST_UNINTERRUPTED
from flowhunt.history._errors import HistoryError

T = TypeVar("T")
Outcome = tuple[T | None, BaseException | None]

CLOSING_WAIT = 0.5
"""Seconds that closing waits for calls under way; after that they end on their own."""


class Workers(Generic[T]):
    """Makes calls, several at once, and returns their results as they finish.

    The threads are daemons, so a program can end while the service is silent. With a count of 1, or
    if no thread can be started any more, the thread that takes the results makes the calls.

    :param count: how many calls are made at once
    :param name: what the names of the threads begin with
    """

    def __init__(self, count: int, name: str = "flowhunt-history") -> None:
        self._name = name
        self.count = count
        self._waiting: deque[Callable[[], T]] = deque()
        self._tasks: SimpleQueue[Callable[[], T] | None] = SimpleQueue()
        self._outcomes: SimpleQueue[Outcome[T]] = SimpleQueue()
        self._threads: list[Thread] = []
        self._under_way = 0
        self._process = os.getpid()

    @property
    def is_idle(self) -> bool:
        """Whether one more call can be made now."""
        return self._under_way + len(self._waiting) < self.count

    @property
    def is_busy(self) -> bool:
        """Whether there is a result to wait for."""
        return self._under_way + len(self._waiting) > 0

    def submit(self, call: Callable[[], T]) -> None:
        """Have a call made."""
        if self.count > 1 and self._has_thread():
            self._under_way += 1
            self._tasks.put(call)
        else:
            self._waiting.append(call)

    def next(self) -> T:
        """Wait for the result of any call.

        :raises HistoryError: the process was forked since; threads do not survive that
        """
        if self._waiting:
            return self._waiting.popleft()()
        result, error = self._outcome()
        self._under_way -= 1
        if error is not None:
            raise error
        return result  # type: ignore[return-value]  # there is one where there is no error

    def completed(self, calls: Iterable[Callable[[], T]]) -> Iterator[T]:
        """Make calls and yield their results as they finish. Each call is taken when it is due."""
        for call in calls:
            while not self.is_idle:
                yield self.next()
            self.submit(call)
        while self.is_busy:
            yield self.next()

    def close(self) -> None:
        """End the threads. Wait for their calls, but not long: a thread ends after its call."""
        if os.getpid() != self._process:
            return
        self._tasks.put(None)  # each thread passes it on
        end = time.monotonic() + CLOSING_WAIT
        for thread in self._threads:
            with suppress(RuntimeError):  # an interpreter that is ending waits for no daemon
                thread.join(max(0.0, end - time.monotonic()))
        self._threads.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _has_thread(self) -> bool:
        """Start one more thread if there are fewer than calls to make at once."""
        if len(self._threads) < self.count:
            context = contextvars.copy_context()
            name = f"{self._name}-{len(self._threads) + 1}"
            thread = Thread(target=context.run, args=(self._work,), name=name, daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the interpreter is ending, or the system has no more threads
                return bool(self._threads)
            self._threads.append(thread)
        return True

    def _work(self) -> None:
        while (call := self._tasks.get()) is not None:
            outcome: Outcome[T]
            try:
                outcome = call(), None
            except BaseException as error:
                outcome = None, error
            self._outcomes.put(outcome)
            del call, outcome  # the queue is all that keeps a result
        self._tasks.put(None)

    def _outcome(self) -> Outcome[T]:
        while True:
            try:
                return self._outcomes.get(timeout=LONGEST_UNINTERRUPTED)
            except Empty:
                if os.getpid() != self._process:
                    raise HistoryError(
                        "the process was forked while threads were reading: start a new reader "
                        "in the child process, or read with workers=1"
                    ) from None
