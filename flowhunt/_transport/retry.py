"""The retry policy: whether to retry a call, how long to wait before, and the budget for it."""

from __future__ import annotations

import random
from threading import Lock
from typing import NamedTuple

import urllib3
from urllib3.exceptions import MaxRetryError
from urllib3.response import BaseHTTPResponse

from flowhunt.exceptions import seconds_to_wait

DEFAULT_RETRIES = 2
# Seconds.
FIRST_WAIT = 0.5
LONGEST_WAIT = 8.0
LONGEST_RETRY_AFTER = 60.0

RETRIED_STATUSES = frozenset({408, 429, 500, 502, 503, 504})

# Tokens of the budget.
BUDGET = 100
RETRY_COST = 5
SUCCESS_REFUND = 1


class Retry(urllib3.Retry):
    """This package's policy as a ``urllib3.Retry``: exponential waits with full jitter."""

    # By default, urllib3 would retry a 413 with a Retry-After.
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
        allowed_methods=None,  # also POST: all five endpoints only read
        status_forcelist=RETRIED_STATUSES,
        backoff_factor=FIRST_WAIT,
        backoff_max=LONGEST_WAIT,
    )


def is_policy(value: object) -> bool:
    """Whether a value is a ``urllib3.Retry``, for modules that do not load urllib3."""
    return isinstance(value, urllib3.Retry)


class NextAttempt(NamedTuple):
    """The policy for the retries that are left, and the seconds to wait before the next."""

    policy: urllib3.Retry
    wait: float


def next_attempt(
    policy: urllib3.Retry,
    method: str,
    url: str,
    *,
    response: BaseHTTPResponse | None = None,
    error: BaseException | None = None,
) -> NextAttempt | None:
    """The next attempt after a response or an error, ``None`` if it is not retried."""
    retry_after = None
    if response is not None:
        header = response.headers.get("Retry-After")
        if not policy.is_retry(method, response.status, header is not None):
            return None
        if policy.respect_retry_after_header:
            retry_after = seconds_to_wait(header)
    try:
        policy = policy.increment(method, url, response=response, error=error)  # type: ignore[arg-type]
    except MaxRetryError:
        return None
    except Exception as raised:
        if raised is error:  # the policy does not retry it
            return None
        raise  # a failure of the caller's own policy
    if retry_after is None:
        return NextAttempt(policy, policy.get_backoff_time())
    return NextAttempt(policy, retry_after) if retry_after <= LONGEST_RETRY_AFTER else None


class RetryBudget:
    """A token bucket that all retries of one client share, so that they do not multiply an outage.

    Its numbers are those of botocore's standard mode.
    """

    def __init__(self) -> None:
        self.spent = 0
        self._lock = Lock()

    def acquire(self) -> bool:
        """Take the tokens for a retry; false if there are too few."""
        with self._lock:
            is_enough = self.spent + RETRY_COST <= BUDGET
            self.spent += RETRY_COST if is_enough else 0
            return is_enough

    def refund(self) -> None:
        """Return the token that a success earns."""
        with self._lock:
            self.spent = max(0, self.spent - SUCCESS_REFUND)
