"""How long it takes to read 100,000 transactions, each answer 50 ms away.

    python benchmark/history.py

The service is a sandbox in the same process, so its own work is in the time too.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta

import flowhunt
from flowhunt.history import iter_credit_transactions
from flowhunt.sandbox import Sandbox

ROWS = 100_000
LATENCY = 0.05
PAGE_SIZES = (100, 1000)
START = datetime(2024, 1, 1)
STEP = timedelta(days=730) / ROWS


def main() -> None:
    """Read all, once for each page size, and print what it took."""
    history = [
        {"created_at": (START + STEP * number).isoformat(), "amount": number}
        for number in range(ROWS)
    ]
    with (
        Sandbox(history=history, workspaces=1) as sandbox,
        flowhunt.ApiClient(sandbox.configuration()) as client,
    ):
        for page_size in PAGE_SIZES:
            measure(sandbox, flowhunt.CreditsApi(client), page_size)


def measure(sandbox: Sandbox, api: flowhunt.CreditsApi, page_size: int) -> None:
    """Read all and print what it took."""
    sandbox.reset()
    sandbox.faults.add(latency=LATENCY)
    began = time.monotonic()
    rows = sum(1 for _ in iter_credit_transactions(api, sandbox.workspace_id, page_size=page_size))
    seconds = time.monotonic() - began
    assert rows == ROWS
    requests = len(sandbox.requests)
    print(
        f"page_size={page_size}: {seconds:.1f} s, {rows / seconds:,.0f} rows/s, "
        f"{requests} requests, {requests * page_size / rows:.2f} a page, "
        f"{requests * LATENCY / seconds:.0%} latency"
    )


if __name__ == "__main__":
    main()
