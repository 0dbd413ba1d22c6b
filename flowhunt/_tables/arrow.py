"""Columns of responses as Arrow arrays: their names, types and checks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any

from pydantic_core import to_json

from flowhunt._extras import extra
from flowhunt.credits import UNITS_PER_CREDIT
from flowhunt.exceptions import ApiValueError

TRANSACTION_COLUMNS = (
    "transaction_id",
    "workspace_id",
    "user_id",
    "created_at",
    "transaction_type",
    "context_id",
    "context_desc",
    "amount",
)
SUM_COLUMNS = ("created_at", "workspace_id", "transaction_type", "amount", "cnt")

_INT64 = range(-(2**63), 2**63)
_INTEGERS = frozenset({"amount", "cnt"})
_timezone_of = attrgetter("tzinfo")


def pyarrow() -> Any:
    """The module ``pyarrow``.

    :raises ImportError: it is not installed
    """
    with extra("frames"):
        import pyarrow as _pyarrow
    return _pyarrow


def array(name: str, values: Sequence[Any]) -> Any:
    """A column as an Arrow array of the type that belongs to its name.

    :raises ApiValueError: an integer needs more than 64 bits, or some timestamps have a UTC offset
        and others none
    """
    pa = pyarrow()
    if name in _INTEGERS:
        try:
            return pa.array(values, pa.int64())
        except (OverflowError, pa.ArrowException):
            for index, value in enumerate(values):
                check_integer(value, f"rows[{index}].{name}")
            raise
    if name == "created_at":
        return pa.array(values, pa.timestamp("us", tz=_time_zone(values)))
    return pa.array(values, pa.string())


def check_integer(value: int, where: str) -> None:
    """Check that an integer fits into a column.

    :raises ApiValueError: it needs more than 64 bits
    """
    if value not in _INT64:
        raise ApiValueError(f"{where} does not fit into a column of 64-bit integers")


def in_credits(amounts: Any, unit: int = UNITS_PER_CREDIT) -> Any:
    """A column of amounts as exact decimals of credits.

    :param unit: units of an amount that are one credit, a power of ten
    """
    pa = pyarrow()
    from pyarrow import compute

    scale = len(str(unit)) - 1
    credit = pa.scalar(Decimal((0, (1,), -scale)), pa.decimal128(max(scale, 1), scale))
    exact = compute.multiply(amounts.cast(pa.decimal128(19, 0)), credit)
    return exact.cast(pa.decimal128(38, scale))


def json_text(fields: dict[str, Any] | None) -> str | None:
    """Unknown fields as JSON text, ``None`` if there are none."""
    return to_json(fields, inf_nan_mode="null").decode() if fields else None


def _time_zone(timestamps: Sequence[datetime]) -> str | None:
    if set(map(_timezone_of, timestamps)) <= {None}:
        return None
    naive = [timestamp.utcoffset() is None for timestamp in timestamps]
    if any(naive) and not all(naive):
        raise ApiValueError(
            f"rows[{naive.index(False)}].created_at has a UTC offset and "
            f"rows[{naive.index(True)}].created_at has none: a column has one zone or none"
        )
    return None if naive[0] else "UTC"
