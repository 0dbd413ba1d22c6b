"""What one would write by hand with urllib3 and pydantic, and no more."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import urllib3
from pydantic import BaseModel, TypeAdapter


class Balance(BaseModel):
    """A balance, with plain fields."""

    user_id: str
    credits: int


class Transaction(BaseModel):
    """A transaction, with plain fields."""

    transaction_id: str
    workspace_id: str
    user_id: str
    created_at: datetime
    transaction_type: str
    context_id: str
    context_desc: str | None = None
    amount: int


def _pool(ca: str | None = None, **settings: Any) -> urllib3.PoolManager:
    headers = {"Api-Key": "key-1", "Accept": "application/json"}
    return urllib3.PoolManager(headers=headers, ca_certs=ca, **settings)


def first_balance(url: str) -> None:
    """All that a script does for its first balance."""
    response = _pool().request("GET", f"{url}/v2/credits/balance")
    print(Balance.model_validate_json(response.data).credits)


def balance(url: str, ca: str | None = None) -> Callable[[], object]:
    """One balance on a warm connection."""
    pool, url = _pool(ca), f"{url}/v2/credits/balance"
    return lambda: json.loads(pool.request("GET", url).data)


def balance_shared(url: str) -> Callable[[], object]:
    """The same from a pool that many threads share, and that opens no connection beyond."""
    pool = _pool(maxsize=max(16, (os.cpu_count() or 1) * 5), block=True)
    url = f"{url}/v2/credits/balance"
    return lambda: json.loads(pool.request("GET", url).data)


def page(url: str) -> Callable[[], object]:
    """A page of 100 transactions."""
    pool, url = _pool(), f"{url}/v2/credits/search?workspace_id=workspace-1"
    decode = TypeAdapter(list[Transaction]).validate_json
    return lambda: decode(pool.request("POST", url, json={"limit": 100}).data)


def decoding(path: str) -> Callable[[], object]:
    """A whole body to models."""
    body = Path(path).read_bytes()
    decode = TypeAdapter(list[Transaction]).validate_json
    return lambda: decode(body)
