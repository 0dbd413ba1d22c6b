"""Whether to try again, and how long to wait before."""

from __future__ import annotations

import random
from threading import Lock
from typing import NamedTuple

import urllib3
from urllib3.exceptions import MaxRetryError
from urllib3.response import BaseHTTPResponse

from flowhunt.exceptions import seconds_to_wait

DEFAULT_RETRIES = 2
FIRST_WAIT = 0.5
LONGEST_WAIT = 8.0
LONGEST_RETRY_AFTER = 60.0

# All five endpoints only read, also the searches by POST, so all may be sent again.
RETRIED_STATUSES = frozenset({408, 429, 500, 502, 503, 504})

BUDGET = 100
PRICE_OF_RETRY = 5
REWARD_OF_SUCCESS = 1


class Retry(urllib3.Retry):
    """This package's policy in urllib3's terms; its waits grow and have full jitter."""

    # urllib3's default would send a 413 with a Retry-After again.
    RETRY_AFTER_STATUS_CODES = frozenset()

    def get_backoff_time(self) -> float:
        ceiling: float = self.backoff_factor * 2.0 ** (len(self.history) - 1)
        return random.uniform(0, min(ceiling, self.backoff_max))  # noqa: S311  no secret


def policy_for(retries: int | urllib3.Retry | None) -> urllib3.Retry:
    """The policy for ``Configuration.retries``."""
    if isinstance(retries, urllib3.Retry):
        return retries
    return Retry(
        total=DEFAULT_RETRIES if retries is None else int(retries),
        allowed_methods=None,
        status_forcelist=RETRIED_STATUSES,
        backoff_factor=FIRST_WAIT,
        backoff_max=LONGEST_WAIT,
    )


class NextTry(NamedTuple):
    """The policy for the tries that are left, and the seconds to wait before the next."""

    policy: urllib3.Retry
    wait: float


def next_try(
    policy: urllib3.Retry,
    method: str,
    url: str,
    *,
    response: BaseHTTPResponse | None = None,
    error: BaseException | None = None,
) -> NextTry | None:
    """What comes after an answer or an error, ``None`` if that was the last try."""
    asked = None
    if response is not None:
        retry_after = response.headers.get("Retry-After")
        if not policy.is_retry(method, response.status, retry_after is not None):
            return None
        if policy.respect_retry_after_header:
            asked = seconds_to_wait(retry_after)
    try:
        policy = policy.increment(method, url, response=response, error=error)  # type: ignore[arg-type]
    except MaxRetryError:
        return None
    except Exception as raised:
        if raised is error:  # the policy does not retry it
            return None
        raise  # a failure of the caller's own policy
    if asked is None:
        return NextTry(policy, policy.get_backoff_time())
    return NextTry(policy, asked) if asked <= LONGEST_RETRY_AFTER else None


class RetryBudget:
    """Tokens that the retries of one client draw on, so that they do not multiply an outage.

    A retry costs tokens and a call that succeeds brings one back, as in botocore's standard mode.
    Without tokens a call still goes out, once.
    """

    def __init__(self) -> None:
        self.spent = 0
        self._lock = Lock()

    def pay(self) -> bool:
        """Take the price of a retry; whether there was enough."""
        with self._lock:
            enough = self.spent + PRICE_OF_RETRY <= BUDGET
            self.spent += PRICE_OF_RETRY if enough else 0
            return enough

    def reward(self) -> None:
        """Put back what a success earns."""
        with self._lock:
            self.spent = max(0, self.spent - REWARD_OF_SUCCESS)


class Pauses(dict[int, float]):
    """Until when each credential has to wait, since the service said that it asks too often."""

    def begin(self, credential: int, end: float) -> None:
        """No call with this credential goes out before then."""
        self[credential] = max(end, self.get(credential, end))

    def left(self, credential: int, now: float) -> float:
        """The seconds to wait."""
        for other, end in [*self.items()]:
            if end <= now:
                self.pop(other, None)
        return max(0.0, self.get(credential, now) - now)
