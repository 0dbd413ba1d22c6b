"""The three searches of one workspace, tried again for longer than a single call is."""

from __future__ import annotations

import random
from collections.abc import Callable
from threading import Event
from typing import Any, TypeVar

from flowhunt.api.credits_api import CreditsApi
from flowhunt.exceptions import ApiException
from flowhunt.models.credit_daily_chart_response import CreditDailyChartResponse
from flowhunt.models.credit_daily_transaction_response import CreditDailyTransactionResponse
from flowhunt.models.credit_transaction_response import CreditTransactionResponse

R = TypeVar("R")

MORE_TRIES = 5
FIRST_WAIT = 1.0
LONGEST_WAIT = 30.0
LONGEST_RETRY_AFTER = 300.0


class Closed(Exception):
    """Nobody reads on, so nothing more is asked."""


class Calls:
    """The searches; each failure that may pass is waited out, a few times.

    :ivar closing: set it, and no call is made any more
    """

    def __init__(
        self, api: CreditsApi, workspace_id: str, sleep: Callable[[float], object] | None
    ) -> None:
        self._api = api
        self._workspace_id = workspace_id
        self.closing = Event()
        self._sleep = sleep or self.closing.wait

    def transactions(self, asked: dict[str, Any]) -> list[CreditTransactionResponse]:
        return self._patiently(self._api.search_credit_transactions, asked)

    def sums(self, asked: dict[str, Any]) -> list[CreditDailyTransactionResponse]:
        return self._patiently(self._api.search_daily_credit_transactions, asked)

    def chart(self, asked: dict[str, Any]) -> CreditDailyChartResponse:
        return self._patiently(self._api.get_daily_chart_data, asked)

    def _patiently(self, call: Callable[[str, dict[str, Any]], R], asked: dict[str, Any]) -> R:
        for failed in range(MORE_TRIES):
            try:
                return self._once(call, asked)
            except ApiException as error:
                wait = error.retry_after
                if not error.retryable or (wait or 0.0) > LONGEST_RETRY_AFTER:
                    raise
            if wait is None:
                ceiling = min(FIRST_WAIT * 2.0**failed, LONGEST_WAIT)
                wait = random.uniform(0, ceiling)  # noqa: S311  no secret
            self._sleep(wait)
        return self._once(call, asked)

    def _once(self, call: Callable[[str, dict[str, Any]], R], asked: dict[str, Any]) -> R:
        if self.closing.is_set():
            raise Closed
        return call(self._workspace_id, asked)
