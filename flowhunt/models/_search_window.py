"""SearchWindow: the fields of all three searches, a window in time and a transaction type."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from flowhunt.models._base import RequestModel, Timestamp
from flowhunt.models.transaction_type import TransactionType

_is_date = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII).fullmatch
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _end_of_day(value: Any) -> Any:
    """The last microsecond of a date, which may be a text: ``created_at_to`` includes its end."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")  # pydantic takes bytes as text
    if isinstance(value, str) and _is_date(value):
        value = date.fromisoformat(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime.combine(value, time.max)
    return value


class SearchWindow(RequestModel):
    """A window in time and a transaction type.

    A datetime is sent as it is: with its UTC offset, or without one if it has none. The API
    specification does not say which time zone the service assumes for a naive one. A ``date``, or
    a text such as ``"2026-06-30"``, is a whole day.
    """

    created_at_from: Timestamp | None = Field(
        default=None, description="Only transactions created at or after this timestamp"
    )
    created_at_to: Annotated[Timestamp | None, BeforeValidator(_end_of_day)] = Field(
        default=None,
        description="Only transactions created at or before this timestamp; a date is a whole day",
    )
    transaction_type: TransactionType | None = Field(
        default=None, description="Only transactions of this type"
    )

    def model_post_init(self, context: Any, /) -> None:
        super().model_post_init(context)
        start, end = self.created_at_from, self.created_at_to
        # Which of a naive and an aware timestamp is earlier, only the service knows.
        if start and end and (start.tzinfo is None) == (end.tzinfo is None) and _before(end, start):
            raise ValueError(
                f"the window ends before it begins: created_at_to {end.isoformat()} "
                f"is before created_at_from {start.isoformat()}"
            )


def _before(one: datetime, other: datetime) -> bool:
    """Whether a timestamp is earlier. Python would compare local time if both have one zone."""
    if one.tzinfo is None:
        return one < other
    return one - _EPOCH < other - _EPOCH
