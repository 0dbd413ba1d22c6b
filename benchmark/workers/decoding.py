"""Decodes transactions to models: through the package, and by hand with what the package adds.

The arguments are a file with the JSON text, the case, and the collector, ``on`` or ``off``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, create_model
from steps import counted, set_collector

from flowhunt.api.credits_api import SEARCH_CREDIT_TRANSACTIONS
from flowhunt.models import TransactionType
from flowhunt.models._base import Integer

Decode = Callable[[bytes], Any]


def _by_hand(kind: Any = str, integer: Any = int, **config: Any) -> Decode:
    fields: dict[str, Any] = {
        "transaction_id": (str, ...),
        "workspace_id": (str, ...),
        "user_id": (str, ...),
        "created_at": (datetime, ...),
        "transaction_type": (kind, ...),
        "context_id": (str, ...),
        "context_desc": (str | None, None),
        "amount": (integer, ...),
    }
    model: type[BaseModel] = create_model("Transaction", __config__=ConfigDict(**config), **fields)
    settings = ConfigDict(cache_strings=config.get("cache_strings", "all"))
    row: Any = list[model]  # type: ignore[valid-type]
    return TypeAdapter(row, config=settings).validate_json


CASES: dict[str, Callable[[], Decode]] = {
    "ours": lambda: SEARCH_CREDIT_TRANSACTIONS.decode,
    "by hand": _by_hand,
    "TransactionType": lambda: _by_hand(kind=TransactionType),
    "Integer": lambda: _by_hand(integer=Integer),
    'extra="allow"': lambda: _by_hand(extra="allow"),
    "hide_input_in_errors": lambda: _by_hand(hide_input_in_errors=True),
    'cache_strings="keys"': lambda: _by_hand(cache_strings="keys"),
    "all of these": lambda: _by_hand(
        kind=TransactionType,
        integer=Integer,
        extra="allow",
        hide_input_in_errors=True,
        cache_strings="keys",
    ),
}


def main() -> None:
    """Decode everything, once to warm up and once to count."""
    file, case, collector = sys.argv[1:]
    body = Path(file).read_bytes()
    decode = CASES[case]()
    decode(body)
    set_collector(collector)
    counted(case, lambda: decode(body))


if __name__ == "__main__":
    main()
