"""Transactions with weekdays, one odd day, and texts that would like to be markup."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pyarrow

from flowhunt.history.arrow import TRANSACTION_SCHEMA

FIRST = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday
DAYS = 98
ODD = 80  # of the days, a Thursday

HOSTILE = (
    "<script>document.title='hacked'</script>",
    "<img src=x onerror=\"document.title='hacked'\">",
    "</td></table><b id=hacked>bold</b>",
    "{{ 7 * 7 }} & $\\href{javascript:alert(1)}{x}$",
)
HARMLESS = ("Support chatbot", "SEO articles", "Invoice reader", "Blog writer")
CONTEXTS = (*HARMLESS[:3], *HOSTILE)


def history(contexts: Sequence[str] = CONTEXTS, users: Sequence[str] = HOSTILE) -> pyarrow.Table:
    """All of it, the same each time."""
    chances = Random(1)  # noqa: S311  it is to be the same
    rows: list[dict[str, Any]] = []
    for day in range(DAYS):
        count = (12 if day % 7 < 5 else 4) * (6 if day == ODD else 1)
        for number in range(count):
            context = chances.randrange(len(contexts))
            rows.append(
                {
                    "transaction_id": f"{day}-{number}",
                    "workspace_id": "workspace-1" if number % 4 else "workspace-2",
                    "user_id": users[number % len(users)] if number % 5 == 0 else "user-1",
                    "created_at": FIRST + timedelta(days=day, seconds=chances.randrange(86_400)),
                    "transaction_type": "G" if number % 3 else "K",
                    "context_id": f"context-{context}",
                    "context_desc": contexts[context],
                    "amount": 300_000 + chances.randrange(200_000),
                    "extra": None,
                }
            )
    return pyarrow.Table.from_pylist(rows, schema=TRANSACTION_SCHEMA)
