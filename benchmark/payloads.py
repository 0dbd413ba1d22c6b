"""The bodies that the canned server responds with and the decoders read."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

BALANCE = "balance.json"
PAGE = "page.json"
PAGE_GZIPPED = "page.json.gz"
MANY = "20000.json"
MANY_UNKNOWN = "20000-unknown.json"
MOST = "100000.json"

_LISTED = ("G", "K", "V", "FT_I", "DDG", "CE_GC", "TOOL_ARXIV", "SEQUENTIAL_AGENT", "S_SM", "M_T")
_UNKNOWN = tuple(f"NEW_CODE_{number}" for number in range(50))


def write(folder: Path) -> None:
    """Write every body into a folder, by the names above."""
    balance = {"user_id": "5f1d7a0c9be34c2f8d3e6a71", "credits": 2_500_000}
    (folder / BALANCE).write_bytes(_json(balance))
    (folder / PAGE).write_bytes(_transactions(100, _LISTED))
    (folder / PAGE_GZIPPED).write_bytes(gzip.compress((folder / PAGE).read_bytes()))
    (folder / MANY).write_bytes(_transactions(20_000, _LISTED))
    (folder / MANY_UNKNOWN).write_bytes(_transactions(20_000, _UNKNOWN))
    (folder / MOST).write_bytes(_transactions(100_000, _LISTED))


def _transactions(count: int, codes: tuple[str, ...]) -> bytes:
    return _json([_transaction(number, codes[number % len(codes)]) for number in range(count)])


def _transaction(number: int, code: str) -> dict[str, object]:
    day, second = 1 + number % 28, number % 60
    return {
        "transaction_id": f"{number:024x}",
        "workspace_id": "0b8c2f9e-6a54-4c1e-9d57-3f2a1b0c4d5e",
        "user_id": "5f1d7a0c9be34c2f8d3e6a71",
        "created_at": f"2026-03-{day:02}T12:{second:02}:07.{number % 1_000_000:06}",
        "transaction_type": code,
        "context_id": f"{number % 500:024x}",
        "context_desc": f"Chatbot {number % 500}" if number % 3 else None,
        "amount": number * 37 % 90_001,
    }


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
