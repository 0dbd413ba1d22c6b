"""The searches of one workspace, tried again for longer than a single call is, and counted."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from threading import Event, Lock
from typing import Any, TypeVar

from flowhunt.api.credits_api import CreditsApi
from flowhunt.api_response import ApiResponse
from flowhunt.exceptions import ApiException, RateLimitException
from flowhunt.models.credit_daily_chart_response import CreditDailyChartResponse
from flowhunt.models.credit_daily_transaction_response import CreditDailyTransactionResponse
from flowhunt.models.credit_transaction_response import CreditTransactionResponse

R = TypeVar("R")
Sleep = Callable[[float], object]
Search = Callable[[str, dict[str, Any]], ApiResponse[R]]

MORE_TRIES = 5
FIRST_WAIT = 1.0
LONGEST_WAIT = 30.0
LONGEST_RETRY_AFTER = 300.0


class Closed(Exception):
    """Nobody reads on, so nothing more is asked."""


class Patience:
    """How failures that may pass are waited out; the threads of one credential share one.

    :ivar closing: set it, and no call is made any more
    """

    def __init__(self, sleep: Sleep | None = None, closing: Event | None = None) -> None:
        self.closing = closing or Event()
        self._sleep = sleep or self.closing.wait
        self._all_wait = Lock()
        self._waits = 0

    def call(self, call: Callable[[], R]) -> R:
        """Make a call, again a few times where that may help."""
        for failed in range(MORE_TRIES):
            with self._all_wait:
                waits = self._waits
            try:
                return self._once(call)
            except ApiException as error:
                wait = error.retry_after
                if not error.retryable or (wait or 0.0) > LONGEST_RETRY_AFTER:
                    raise
                too_often = isinstance(error, RateLimitException)
            if wait is None:
                ceiling = min(FIRST_WAIT * 2.0**failed, LONGEST_WAIT)
                wait = random.uniform(0, ceiling)  # noqa: S311  no secret
            if too_often:
                self._hold_back_all(wait, waits)
            else:
                self._sleep(wait)
        return self._once(call)

    def _once(self, call: Callable[[], R]) -> R:
        if self.closing.is_set():
            raise Closed
        return call()

    def _hold_back_all(self, wait: float, waits: int) -> None:
        with self._all_wait:
            if self._waits == waits:  # else another thread has waited since this one asked
                self._sleep(wait)
                self._waits += 1


class Calls:
    """The searches of one workspace.

    :ivar made: how many calls were answered
    :ivar requests: how many requests they took, those of failed calls too
    :ivar received: how many transactions came
    """

    def __init__(self, api: CreditsApi, workspace_id: str, patience: Patience) -> None:
        self.patience = patience
        self.made = self.requests = self.received = 0
        self._api = api
        self._workspace_id = workspace_id
        self._counting = Lock()

    def transactions(self, asked: dict[str, Any]) -> list[CreditTransactionResponse]:
        rows = self._call(self._api.search_credit_transactions_with_http_info, asked)
        with self._counting:
            self.received += len(rows)
        return rows

    def sums(self, asked: dict[str, Any]) -> list[CreditDailyTransactionResponse]:
        return self._call(self._api.search_daily_credit_transactions_with_http_info, asked)

    def chart(self, asked: dict[str, Any]) -> CreditDailyChartResponse:
        return self._call(self._api.get_daily_chart_data_with_http_info, asked)

    def _call(self, call: Search[R], asked: dict[str, Any]) -> R:
        answer = self.patience.call(partial(self._counted, call, asked))
        with self._counting:
            self.made += 1
        return answer.data

    def _counted(self, call: Search[R], asked: dict[str, Any]) -> ApiResponse[R]:
        try:
            answer = call(self._workspace_id, asked)
        except ApiException as error:
            self._count(error.tries or 0)
            raise
        self._count(answer.tries)
        return answer

    def _count(self, tries: int) -> None:
        with self._counting:
            self.requests += tries
