"""A client whose rate limit is shared with other processes, on this machine or on others.

All of them receive the same ``Retry-After``. Clients that wait exactly so long send their next
requests together, and the service refuses all but one. So each client adds a random wait, and keeps
an interval between its requests: a refusal doubles the interval, responses shorten it.
"""

from __future__ import annotations

import copy
import random
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from threading import Event, Lock, Semaphore
from typing import Any

from flowhunt._waits import wait_for
from flowhunt.api_client import ApiClient
from flowhunt.api_response import ApiResponse
from flowhunt.configuration import Configuration
from flowhunt.exceptions import RateLimitException

SLOW_DOWN = 2.0
"""The factor by which a refusal lengthens the interval."""
RESPONSES_TO_UNDO = 4
"""Responses that undo a refusal: in the long run, one request of five is refused."""
SECONDS_TO_UNDO = 4.0
"""The time that this takes at least: a refusal costs a second, the shortest ``Retry-After``, so a
client spends a fifth of its time at most on such waits."""
ASSUMED_CLIENTS = 6
"""The number of clients that share a credential, which a first refusal does not show."""
SPACING = 2.0
"""The factor by which the first interval is longer than the limit requires. Clients that send at
random times, together at half the rate of the limit, have a third of their requests refused; at the
full rate, half."""
LONGEST_WITHOUT_RESPONSE = 900.0
"""Seconds in which the service refuses all requests of a client before the client gives up."""
LONGEST_INTERVAL = LONGEST_WITHOUT_RESPONSE / 15
"""Seconds. A client that gives up was refused about 15 times, so not by chance."""
SHORTEST_INTERVAL = 0.001
"""Seconds; a shorter interval counts as none."""
LONGEST_RETRY_AFTER = 300.0
"""Seconds; a client gives up if the service asks for a longer wait."""


Sleep = Callable[[float], object]


class Pace:
    """Computes the time of the next request, and does not wait itself.

    All times are seconds of one monotonic clock.
    """

    def __init__(self, now: float) -> None:
        self._interval = 0.0
        self._next = now
        self._refusals = 0
        self._responses = 0
        self._began = now
        self._refused_since: float | None = None

    def wait(self, now: float) -> float:
        """Seconds until the next request may be sent; 0 or less if it may be sent now."""
        return self._next - now

    def sent(self, now: float) -> int:
        """Count a request; return the number to pass to ``refused``."""
        self._next = max(self._next, now + self._interval * random.uniform(0.5, 1.5))  # noqa: S311  no secret
        return self._refusals

    def responded(self) -> None:
        """Count a response, of whatever status but 429."""
        self._refused_since = None
        self._responses += 1
        if self._interval:
            undone_by = max(RESPONSES_TO_UNDO, SECONDS_TO_UNDO / self._interval)
            self._interval /= SLOW_DOWN ** (1 / undone_by)
        if self._interval < SHORTEST_INTERVAL:
            self._interval = 0.0

    def refused(self, now: float, retry_after: float, number: int) -> None:
        """Count a 429. Requests that were under way together slow the client down once.

        :param number: what ``sent`` returned for the request
        """
        if self._refused_since is None:
            self._refused_since = now
        if number == self._refusals:
            self._refusals += 1
            interval = SLOW_DOWN * self._interval or self._first_interval(now, retry_after)
            self._interval = min(interval, LONGEST_INTERVAL)
            self._responses, self._began = 0, now + retry_after
        self._next = max(self._next, now + retry_after + random.uniform(0, self._interval))  # noqa: S311  no secret

    def gives_up(self, now: float, retry_after: float) -> bool:
        """Whether to raise the 429 instead of retrying the request."""
        refused_for = 0.0 if self._refused_since is None else now - self._refused_since
        return retry_after > LONGEST_RETRY_AFTER or refused_for > LONGEST_WITHOUT_RESPONSE

    def _first_interval(self, now: float, retry_after: float) -> float:
        """The interval after a first refusal, from the time per response so far."""
        seconds = now - self._began + max(1.0, retry_after)
        return SPACING * ASSUMED_CLIENTS * seconds / max(1, self._responses)


class SharedLimit:
    """The pace of one credential, for all clients and threads of this process that use it.

    The first request is sent alone. Each response lets one more request be under way.

    :param sleep: called with seconds to wait, in place of waiting until the client is closed
    """

    def __init__(self, sleep: Sleep | None = None) -> None:
        self._sleep = sleep
        self._skipped_seconds = 0.0
        self._under_way = Semaphore()
        self._waiting = Lock()
        self._counting = Lock()
        self._pace = Pace(self._now())

    @contextmanager
    def request(self, closing: Event) -> Generator[int, None, None]:
        """Wait until a request may be sent; yield the number to pass to ``refused``.

        :param closing: ends the wait once it is set
        """
        with self._under_way:
            with self._waiting:
                while not closing.is_set() and (wait := self._pace.wait(self._now())) > 0:
                    self._wait(wait, closing)
                with self._counting:
                    number = self._pace.sent(self._now())
            yield number

    def responded(self) -> None:
        """Count a response, of whatever status but 429."""
        with self._counting:
            self._pace.responded()
        self._under_way.release()

    def refused(self, retry_after: float, number: int) -> bool:
        """Count a 429; return whether to retry the request."""
        with self._counting:
            now = self._now()
            self._pace.refused(now, retry_after, number)
            return not self._pace.gives_up(now, retry_after)

    def _now(self) -> float:
        return time.monotonic() + self._skipped_seconds

    def _wait(self, seconds: float, closing: Event) -> None:
        """Wait. Seconds that ``sleep`` skips count as waited."""
        end = self._now() + seconds
        if self._sleep:
            self._sleep(seconds)
        else:
            wait_for(closing, seconds)
        if not closing.is_set():
            self._skipped_seconds += max(0.0, end - self._now())


class SharedLimitClient(ApiClient):
    """A client that retries 429s for 15 minutes, and raises other errors.

    If the configuration does not set ``retries``, this client retries nothing else: the reader of a
    history does.

    :param limit: the limit that clients with the same credential share; by default a new one
    """

    def __init__(self, configuration: Configuration, limit: SharedLimit | None = None) -> None:
        if configuration.retries is None:
            configuration = copy.copy(configuration)
            configuration.retries = 0
        super().__init__(configuration)
        self._closing = Event()
        self._limit = limit or SharedLimit()

    def execute(self, *arguments: Any, **named: Any) -> ApiResponse[Any]:
        """Make a call; retry a 429 until the service has refused all calls for 15 minutes."""
        while True:
            with self._limit.request(self._closing) as number:
                try:
                    response = super().execute(*arguments, **named)
                except RateLimitException as error:
                    if not self._limit.refused(error.retry_after or 0.0, number):
                        raise
                else:
                    self._limit.responded()
                    return response

    def close(self) -> None:
        """Close all connections and end all waits."""
        self._closing.set()
        super().close()
