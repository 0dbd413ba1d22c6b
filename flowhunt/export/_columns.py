"""The columns of an exported file. Their types do not depend on the rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import pyarrow as pa

from flowhunt._tables.arrow import in_credits
from flowhunt.exceptions import ApiValueError
from flowhunt.history.arrow import TRANSACTION_SCHEMA

Unit = Literal["raw", "credits"]

AMOUNT, CREDITS = "amount", "credits"
CREDITS_TYPE = pa.decimal128(25, 6)


class Columns:
    """The columns to write.

    :param names: their names; all if ``None``
    :param unit: with ``"credits"``, there is a column of decimals too, after ``amount``
    :raises ApiValueError: there is no such column, or one is named twice
    """

    def __init__(self, names: Iterable[str] | None, unit: Unit) -> None:
        if isinstance(names, str):
            raise ApiValueError(f"columns must be several names, not the text {names!r}")
        known = dict(zip(TRANSACTION_SCHEMA.names, TRANSACTION_SCHEMA.types, strict=True))
        requested = list(known if names is None else names)
        if unit == "credits":
            known[CREDITS] = CREDITS_TYPE
            if CREDITS not in requested:
                requested.insert(
                    requested.index(AMOUNT) + 1 if AMOUNT in requested else len(requested), CREDITS
                )
        if unknown := [name for name in requested if name not in known]:
            raise ApiValueError(f"there is no column {unknown[0]!r}; there are {', '.join(known)}")
        if not requested or len(set(requested)) < len(requested):
            raise ApiValueError(f"columns must be different names, at least one: {requested}")
        self.schema = pa.schema([(name, known[name]) for name in requested])

    def of(self, rows: pa.Table) -> pa.Table:
        """These columns of some rows."""
        columns = [
            in_credits(rows[AMOUNT]).cast(CREDITS_TYPE) if name == CREDITS else rows[name]
            for name in self.schema.names
        ]
        return pa.table(columns, schema=self.schema)
