"""The time limits of a call, and the clock they are measured with."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

SHORTEST_TIMEOUT = 0.001
"""Seconds; urllib3 takes no timeout of 0."""

# Real time, also in a program whose tests replace `time.monotonic`.
if hasattr(time, "clock_gettime"):
    _monotonic: Callable[[], float] = partial(time.clock_gettime, time.CLOCK_MONOTONIC)
else:
    _monotonic = time.monotonic


class Clock(NamedTuple):
    """The source of time; tests pass their own."""

    monotonic: Callable[[], float] = _monotonic
    sleep: Callable[[float], object] | None = None
    """Waits between attempts; by default the wait also ends when the client is closed."""


class Deadline(float):
    """A timeout for urllib3, in seconds between two reads, that carries all limits of a call.

    urllib3 limits each read from a socket, but not all of them together: a server that sends a byte
    now and then would keep a call for ever. urllib3 passes a timeout to its connection and socket
    unchanged. Those of this package read the other limits from it.

    :ivar connect: seconds to connect
    :ivar end: the deadline of the call, in seconds of the clock
    :ivar shortened_after: from this time on, less than this timeout is left until ``end``
    """

    __slots__ = ("clock", "connect", "end", "shortened_after")
    clock: Clock
    connect: float
    end: float
    shortened_after: float

    @classmethod
    def of(cls, connect: float, read: float, end: float, clock: Clock) -> Deadline:
        """The limits of one attempt; each of its steps is over at ``end``."""
        left = end - clock.monotonic()
        self = cls(max(min(read, left), SHORTEST_TIMEOUT))
        self.connect = max(min(connect, left), SHORTEST_TIMEOUT)
        self.end = end
        self.shortened_after = end - self
        self.clock = clock
        return self

    def limit(self, sock: socket.socket) -> None:
        """Give a socket the time that is left for its next step.

        :raises TimeoutError: no time is left
        """
        left = self.end - self.clock.monotonic()
        if left <= 0:
            raise TimeoutError("the time is over")
        sock.settimeout(min(self, left))
