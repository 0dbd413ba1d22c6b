"""A client whose rate limit is shared with other processes, on this machine or on others.

All of them receive the same ``Retry-After``. Clients that obey it to the second send their next
requests together, and all but one are refused again. So each client waits longer by chance, and
spaces its requests out: a refusal doubles the interval between them, a response shortens it.
"""

from __future__ import annotations

import copy
import random
import time
from collections.abc import Callable
from threading import Event, Lock
from typing import Any

from flowhunt.api_client import ApiClient
from flowhunt.api_response import ApiResponse
from flowhunt.configuration import Configuration
from flowhunt.exceptions import RateLimitException

SLOW_DOWN = 2.0
SPEED_UP = 0.85
FIRST_INTERVAL = 6.0
"""Seconds, for each second of ``Retry-After``, where too few responses show a rate."""
ENOUGH_RESPONSES = 3
SHORTEST_INTERVAL = 0.001
LONGEST_INTERVAL = 60.0
LONGEST_RETRY_AFTER = 300.0
LONGEST_WITHOUT_RESPONSE = 900.0
"""Seconds in which the service refuses all requests of a client before the client gives up."""
LONGEST_UNSEEN = 0.5
"""Seconds of a wait in which Windows does not see Ctrl-C."""


class Pace:
    """The time of the next request. It does not wait itself.

    All times are seconds of one monotonic clock.
    """

    def __init__(self, now: float) -> None:
        self._interval = 0.0
        self._next = now
        self._refusals = 0
        self._responses = 0
        self._counted_since = now
        self._last_response = now

    def wait(self, now: float) -> float:
        """Seconds until the next request may be sent; 0 or less if it may be sent now."""
        return self._next - now

    def sent(self, now: float) -> int:
        """Count a request; returns the number to report its refusal with."""
        self._next = max(self._next, now + self._interval * random.uniform(0.5, 1.5))  # noqa: S311  no secret
        return self._refusals

    def responded(self, now: float) -> None:
        """Count a response, of whatever status but 429."""
        self._last_response = now
        self._responses += 1
        self._interval *= SPEED_UP
        if self._interval < SHORTEST_INTERVAL:
            self._interval = 0.0

    def refused(self, now: float, retry_after: float, number: int) -> None:
        """Count a 429. Requests that were under way together slow the client down once.

        :param number: what ``sent`` returned for the request
        """
        if number == self._refusals:
            self._refusals += 1
            interval = SLOW_DOWN * max(self._interval, self._observed_interval(now))
            first = 0.0 if interval else FIRST_INTERVAL * max(1.0, retry_after)
            self._interval = min(interval or first, LONGEST_INTERVAL)
            self._responses = 0
            self._counted_since = now + retry_after
        self._next = max(self._next, now + retry_after + random.uniform(0, self._interval))  # noqa: S311  no secret

    def gives_up(self, now: float, retry_after: float) -> bool:
        """Whether waiting any longer is of no use."""
        silence = now - self._last_response
        return retry_after > LONGEST_RETRY_AFTER or silence > LONGEST_WITHOUT_RESPONSE

    def _observed_interval(self, now: float) -> float:
        """Seconds between two responses since the last refusal; 0 if there are too few."""
        if self._responses < ENOUGH_RESPONSES:
            return 0.0
        return max(0.0, now - self._counted_since) / self._responses


class SharedLimitClient(ApiClient):
    """A client that waits out 429s by time, and leaves other failures to its caller.

    Where the configuration does not set ``retries``, the client sends a call once: whoever reads
    a history retries it.

    :param sleep: called with seconds to wait, in place of waiting until the client is closed
    """

    def __init__(
        self, configuration: Configuration, sleep: Callable[[float], object] | None = None
    ) -> None:
        if configuration.retries is None:
            configuration = copy.copy(configuration)
            configuration.retries = 0
        super().__init__(configuration)
        self._closing = Event()
        self._sleep = sleep or self._sleep_until_closed
        self._skipped = 0.0
        self._gate = Lock()
        self._pace = Pace(self._now())

    def execute(self, *arguments: Any, **named: Any) -> ApiResponse[Any]:
        """Make a call; a 429 is retried until the service has refused all for 15 minutes."""
        while True:
            with self._gate:
                while not self._closing.is_set() and (wait := self._pace.wait(self._now())) > 0:
                    self._wait(wait)
                number = self._pace.sent(self._now())
            try:
                response = super().execute(*arguments, **named)
            except RateLimitException as error:
                retry_after = error.retry_after or 0.0
                self._pace.refused(self._now(), retry_after, number)
                if self._pace.gives_up(self._now(), retry_after):
                    raise
            else:
                self._pace.responded(self._now())
                return response

    def close(self) -> None:
        """Close all connections and end all waits."""
        self._closing.set()
        super().close()

    def _now(self) -> float:
        return time.monotonic() + self._skipped

    def _wait(self, seconds: float) -> None:
        """Wait; time that ``sleep`` did not take counts as if it had."""
        end = self._now() + seconds
        self._sleep(seconds)
        if not self._closing.is_set():
            self._skipped += max(0.0, end - self._now())

    def _sleep_until_closed(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self._closing.wait(min(left, LONGEST_UNSEEN)):
                return
