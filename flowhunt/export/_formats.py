"""Transactions as bytes of a file, the same for the same rows."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any, Literal, get_args

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from pydantic_core import to_json

from flowhunt.exceptions import ApiValueError

Format = Literal["parquet", "csv", "jsonl"]


def encoded(table: pa.Table, format: Format) -> bytes:
    """A table in a format."""
    out = BytesIO()
    _WRITERS[format](table, out)
    return out.getvalue()


def check_format(format: str) -> None:
    """Whether there is such a format.

    :raises ApiValueError: there is none
    """
    if format not in _WRITERS:
        raise ApiValueError(f"format is one of {', '.join(get_args(Format))}, not {format!r}")


def _write_json_lines(table: pa.Table, out: BytesIO) -> None:
    for row in table.to_pylist():
        out.write(to_json(row) + b"\n")


_WRITERS: dict[str, Callable[[Any, Any], object]] = {
    "parquet": pyarrow.parquet.write_table,
    "csv": pyarrow.csv.write_csv,
    "jsonl": _write_json_lines,
}
