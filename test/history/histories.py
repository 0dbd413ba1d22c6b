"""Histories to read: a sandbox that has them, a client for it, and the expected rows."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import flowhunt
from flowhunt.history import iter_credit_transactions, iter_daily_credit_transactions
from flowhunt.sandbox import Sandbox

CODES = ("G", "K", "TOOL_REDDIT", "TOOL_WEATHER")
LISTED_CODES = CODES[:3]


@dataclass(frozen=True)
class Ledger:
    """A running sandbox and a client for it."""

    sandbox: Sandbox
    api: flowhunt.CreditsApi

    @property
    def workspace_id(self) -> str:
        return self.sandbox.workspace_id

    def kept(self, **fields: Any) -> list[dict[str, Any]]:
        """What the database has, oldest first: all, or what has these values."""
        rows = self.sandbox.transactions()
        return [row for row in rows if all(row[name] == value for name, value in fields.items())]

    def fail_sometimes(self) -> None:
        """From now on one request of twenty fails."""
        faults: list[dict[str, Any]] = [
            {"status": 429, "retry_after": "0"},
            {"status": 503},
            {"reset": True},
            {"truncate": True},
        ]
        for fault in faults:
            self.sandbox.faults.add(probability=0.0125, **fault)

    def failed(self) -> int:
        """How many requests have failed so far."""
        return sum(bool(request.faults) for request in self.sandbox.requests)

    def read(self, request: Any = None, **settings: Any) -> list[str]:
        """The IDs that the iterator yields."""
        rows = iter_credit_transactions(self.api, self.workspace_id, request, **settings)
        return [row.transaction_id for row in rows]

    def read_sums(self, request: Any = None, **settings: Any) -> list[tuple[str, str, int, int]]:
        """Day, type, count and amount of each sum that the iterator yields."""
        rows = iter_daily_credit_transactions(self.api, self.workspace_id, request, **settings)
        return [
            (row.created_at.date().isoformat(), row.transaction_type.value, row.cnt, row.amount)
            for row in rows
        ]


@contextmanager
def ledger(**settings: Any) -> Generator[Ledger, None, None]:
    with (
        Sandbox(workspaces=1, **settings) as sandbox,
        flowhunt.ApiClient(sandbox.configuration()) as client,
    ):
        yield Ledger(sandbox, flowhunt.CreditsApi(client))


def ids(rows: Iterable[dict[str, Any]]) -> list[str]:
    return [row["transaction_id"] for row in rows]


def made_at(timestamps: Iterable[datetime], codes: tuple[str, ...] = CODES) -> list[dict[str, Any]]:
    """A history with a transaction at each timestamp, no two of the same amount."""
    return [
        {
            "created_at": timestamp.isoformat(),
            "transaction_type": codes[number * 7 % len(codes)],
            "context_id": f"context-{number % 3}",
            "context_desc": f"bot {number % 2}",
            "amount": number,
        }
        for number, timestamp in enumerate(timestamps)
    ]


def evenly(count: int, days: float, start: datetime = datetime(2025, 1, 30)) -> list[datetime]:
    return [start + timedelta(days=days) * number / count for number in range(count)]


def sums_of(rows: Iterable[dict[str, Any]], grouping: str) -> list[tuple[str, str, int, int]]:
    """The sums of transactions as JSON objects, as ``Ledger.read_sums`` has them."""
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for row in rows:
        key = (
            _first_day(date.fromisoformat(row["created_at"][:10]), grouping),
            row["transaction_type"],
        )
        count, amount = sums.get(key, (0, 0))
        sums[key] = count + 1, amount + row["amount"]
    return [(*key, *sums[key]) for key in sorted(sums)]


def _first_day(day: date, grouping: str) -> str:
    if grouping == "week":
        day -= timedelta(days=day.weekday())
    return (day.replace(day=1) if grouping == "month" else day).isoformat()
