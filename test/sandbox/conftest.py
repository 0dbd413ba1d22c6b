from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import urllib3

from flowhunt.sandbox import Sandbox

PATHS = {
    "get_credit_balance": "/v2/credits/balance",
    "get_workspace_credit_balance": "/v2/credits/workspace_balance",
    "search_credit_transactions": "/v2/credits/search",
    "search_daily_credit_transactions": "/v2/credits/search_daily",
    "get_daily_chart_data": "/v2/credits/daily/chart",
}


@pytest.fixture(scope="session")
def pool() -> Iterator[urllib3.PoolManager]:
    with urllib3.PoolManager(retries=False, timeout=30, maxsize=16) as pool:
        yield pool


@pytest.fixture(scope="session")
def call(pool: urllib3.PoolManager) -> Callable[..., urllib3.BaseHTTPResponse]:
    """Call an operation over HTTP, by its name, with nothing of the client in between."""

    def call(
        sandbox: Sandbox,
        operation: str,
        body: dict[str, Any] | None = None,
        workspace_id: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> urllib3.BaseHTTPResponse:
        query = {"workspace_id": workspace_id or sandbox.workspace_id}
        return pool.request(
            "GET" if operation.endswith("balance") else "POST",
            f"{sandbox.url}{PATHS[operation]}?workspace_id={query['workspace_id']}",
            headers={"Authorization": f"Bearer {sandbox.access_token}"}
            if headers is None
            else headers,
            json=None if operation.endswith("balance") else body or {},
        )

    return call


@pytest.fixture(scope="session")
def shared() -> Iterator[Sandbox]:
    """A sandbox for tests that only read."""
    with Sandbox(seed=7, until="2026-06-30") as sandbox:
        yield sandbox
