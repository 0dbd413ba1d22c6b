"""What the three searches ask alike: a window in time and a transaction type."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from flowhunt.models._base import Request
from flowhunt.models.transaction_type import TransactionType


class Window(Request):
    """A window in time and a transaction type.

    A datetime goes out as it is: with its UTC offset, or without one where it has none. Which zone
    the service takes a naive one for, the contract does not say.
    """

    created_at_from: datetime | None = Field(
        default=None, description="Only transactions created at or after this moment"
    )
    created_at_to: datetime | None = Field(
        default=None, description="Only transactions created at or before this moment"
    )
    transaction_type: TransactionType | None = Field(
        default=None, description="Only transactions of this type"
    )

    def model_post_init(self, context: Any, /) -> None:
        super().model_post_init(context)
        start, end = self.created_at_from, self.created_at_to
        # A naive and an aware moment cannot be compared: which is earlier, only the service knows.
        if start and end and (start.tzinfo is None) == (end.tzinfo is None) and end < start:
            raise ValueError(
                f"the window ends before it begins: created_at_to {end.isoformat()} "
                f"is before created_at_from {start.isoformat()}"
            )
