"""Sends and counts the requests of one workspace, with more retries than a single call."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable
from functools import partial
from threading import Event, Lock
from typing import Any, TypeVar

from flowhunt.api.credits_api import CreditsApi
from flowhunt.api_response import ApiResponse
from flowhunt.exceptions import (
    ApiException,
    BadRequestException,
    RateLimitException,
    UnprocessableEntityException,
)
from flowhunt.history._errors import WorkspaceMismatchError
from flowhunt.models.credit_daily_chart_response import CreditDailyChartResponse
from flowhunt.models.credit_daily_transaction_response import CreditDailyTransactionResponse

R = TypeVar("R")
Sleep = Callable[[float], object]
Body = dict[str, Any]
Call = Callable[[CreditsApi, str, Body], ApiResponse[R]]
"""One endpoint: takes the API, a workspace ID and a request body."""

MORE_ATTEMPTS = 5
# Seconds.
FIRST_WAIT = 1.0
LONGEST_WAIT = 30.0
LONGEST_RETRY_AFTER = 300.0

DEFAULT_LIMIT = 100
"""The default of ``limit`` in the API specification: the service accepts it."""


class Cancelled(Exception):
    """The reader was closed: nothing more is sent."""


class RetryPolicy:
    """Retries calls whose failure may pass. All threads of one credential share one.

    :param sleep: called with seconds to wait, instead of waiting for ``closing``
    :ivar closing: once it is set, no request is sent any more
    """

    def __init__(self, sleep: Sleep | None = None, closing: Event | None = None) -> None:
        self.closing = closing or Event()
        self._sleep = sleep or self.closing.wait
        self._rate_limit_lock = Lock()
        self._shared_waits = 0

    def call(self, call: Callable[[], R]) -> R:
        """Make a call, and retry it where that may help."""
        for failed in range(MORE_ATTEMPTS):
            with self._rate_limit_lock:
                shared_waits = self._shared_waits
            try:
                return self._once(call)
            except ApiException as error:
                wait = error.retry_after
                if not error.retryable or (wait or 0.0) > LONGEST_RETRY_AFTER:
                    raise
                rate_limited = isinstance(error, RateLimitException)
            if wait is None:
                ceiling = min(FIRST_WAIT * 2.0**failed, LONGEST_WAIT)
                wait = random.uniform(0, ceiling)  # noqa: S311  no secret
            if rate_limited:
                self._wait_for_all(wait, shared_waits)
            else:
                self._sleep(wait)
        return self._once(call)

    def _once(self, call: Callable[[], R]) -> R:
        if self.closing.is_set():
            raise Cancelled
        return call()

    def _wait_for_all(self, wait: float, shared_waits: int) -> None:
        """Wait while all threads do: each needs the lock to send.

        If another thread has waited since the request was sent, do not wait once more.

        :param shared_waits: how many of these waits there were before the request was sent
        """
        with self._rate_limit_lock:
            if self._shared_waits == shared_waits:
                self._sleep(wait)
                self._shared_waits += 1


class Requests:
    """The requests of one workspace. Threads may share it.

    :ivar calls: calls that returned a response
    :ivar sent: requests that were sent, those of failed calls included
    :ivar received: transactions that were received
    """

    def __init__(self, api: CreditsApi, workspace_id: str, policy: RetryPolicy) -> None:
        self.policy = policy
        self.workspace_id = workspace_id
        self.calls = self.sent = self.received = 0
        self._api = api
        self._counting = Lock()
        self._largest_limit: dict[object, int] = {}

    def search(self, call: Call[R], body: Body) -> tuple[R, int]:
        """The rows of a response, and the ``limit`` that the service accepted.

        If the service refuses a limit, this and later requests use a smaller one.
        """
        while True:
            limit = min(body["limit"], self._largest_limit.get(call, body["limit"]))
            try:
                return self._call(call, {**body, "limit": limit}), limit
            except (BadRequestException, UnprocessableEntityException) as error:
                if limit == 1 or not _is_about_limit(error):
                    raise
                self._largest_limit[call] = _smaller_limit(error, limit)

    def sums(self, body: Body) -> tuple[list[CreditDailyTransactionResponse], int]:
        """The sums of a response, and the ``limit`` that the service accepted."""
        rows, limit = self.search(_search_sums, body)
        self.check_workspace([row.workspace_id for row in rows])
        return rows, limit

    def chart(self, body: Body) -> CreditDailyChartResponse:
        """The chart."""
        return self._call(_get_chart, body)

    def check_workspace(self, received: Iterable[str]) -> None:
        """Check that rows belong to the workspace that was asked for.

        :raises WorkspaceMismatchError: they do not
        """
        for workspace_id in set(received) - {self.workspace_id}:
            raise WorkspaceMismatchError(self.workspace_id, workspace_id)

    def count_received(self, rows: int) -> None:
        """Count transactions that were received."""
        with self._counting:
            self.received += rows

    def _call(self, call: Call[R], body: Body) -> R:
        response = self.policy.call(partial(self._counted, call, body))
        with self._counting:
            self.calls += 1
        return response.data

    def _counted(self, call: Call[R], body: Body) -> ApiResponse[R]:
        try:
            response = call(self._api, self.workspace_id, body)
        except ApiException as error:
            self._count(error.tries or 0)
            raise
        self._count(response.tries)
        return response

    def _count(self, attempts: int) -> None:
        with self._counting:
            self.sent += attempts


def _search_sums(
    api: CreditsApi, workspace_id: str, body: Body
) -> ApiResponse[list[CreditDailyTransactionResponse]]:
    return api.search_daily_credit_transactions_with_http_info(workspace_id, body)


def _get_chart(
    api: CreditsApi, workspace_id: str, body: Body
) -> ApiResponse[CreditDailyChartResponse]:
    return api.get_daily_chart_data_with_http_info(workspace_id, body)


def _text_of(error: ApiException) -> str:
    body = error.body.decode("latin-1") if isinstance(error.body, bytes) else error.body or ""
    return f"{error.detail or ''} {body}"


def _is_about_limit(error: ApiException) -> bool:
    return re.search(r"\blimit\b", _text_of(error)) is not None


def _smaller_limit(error: ApiException, limit: int) -> int:
    """The largest number below the limit in the error's text, or else a likely one."""
    numbers = [int(digits) for digits in re.findall(r"\d{1,9}", _text_of(error))]
    if smaller := [number for number in numbers if 0 < number < limit]:
        return max(smaller)
    return DEFAULT_LIMIT if limit > DEFAULT_LIMIT else max(1, limit // 2)
