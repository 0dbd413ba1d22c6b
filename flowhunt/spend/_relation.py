"""Opens paths, frames and batches of transactions as Arrow tables or datasets for DuckDB."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset

from flowhunt._extras import extra
from flowhunt._tables.arrow import TRANSACTION_COLUMNS
from flowhunt.exceptions import ApiTypeError, ApiValueError

COLUMNS = {
    "created_at": "NULL::TIMESTAMPTZ",
    "amount": "NULL::BIGINT",
    "cnt": "1::BIGINT",
    "transaction_type": "NULL::VARCHAR",
    "context_id": "NULL::VARCHAR",
    "context_desc": "NULL::VARCHAR",
    "user_id": "NULL::VARCHAR",
    "workspace_id": "NULL::VARCHAR",
}
"""The columns that are read, each with the SQL to use if it is missing."""
_REQUIRED = ("created_at", "amount")
_INTEGERS = ("amount", "cnt")

_TYPES: dict[str, Any] = {**dict.fromkeys(TRANSACTION_COLUMNS, pa.string()), "cnt": pa.int64()}
_TYPES["amount"] = pa.int64()
"""Types of columns in CSV and JSON Lines, where DuckDB reads timestamps from text."""

_SUFFIXES = (".parquet", ".csv", ".jsonl")


def open_relation(relation: Any) -> Any:
    """An Arrow table or dataset of a relation.

    :raises ApiTypeError: it is no relation
    :raises ApiValueError: a path has no files that can be read, or a column is missing or has the
        wrong type
    """
    try:
        source = _source(relation)
    except pa.ArrowInvalid as error:
        raise ApiTypeError(f"{type(relation).__name__} is no table: {error}") from error
    names = source.schema.names
    if repeated := [name for name in COLUMNS if names.count(name) > 1]:
        raise ApiValueError(f"the relation has several columns {repeated[0]}")
    missing = [name for name in _REQUIRED if name not in names]
    if missing:
        raise ApiValueError(
            f"the relation has no column {missing[0]}: its columns are {', '.join(names)}"
        )
    for name in _INTEGERS:
        if name in names and not _is_integer(kind := source.schema.field(name).type):
            raise ApiValueError(f"{name} must be a column of integers, not of {kind}")
    return source


def select(columns: Sequence[str]) -> str:
    """SQL that selects ``COLUMNS`` from a relation ``source`` that has some of them."""
    selected = (
        name if name in columns else f"{missing} AS {name}" for name, missing in COLUMNS.items()
    )
    return f"SELECT {', '.join(selected)} FROM source"  # noqa: S608  names of this module alone


def _is_integer(kind: pa.DataType) -> bool:
    has_no_fraction = pa.types.is_decimal(kind) and getattr(kind, "scale", None) == 0
    return has_no_fraction or pa.types.is_integer(kind) or pa.types.is_null(kind)


def _source(relation: Any) -> Any:
    if isinstance(relation, str | PathLike):
        return _from_path(Path(relation).expanduser())
    if isinstance(relation, pyarrow.dataset.Dataset):
        return relation
    if hasattr(relation, "to_pyarrow_dataset"):  # a Delta table
        return relation.to_pyarrow_dataset()
    if isinstance(relation, pa.RecordBatchReader):
        return _from_batches(relation, relation.schema)
    if hasattr(relation, "__arrow_c_stream__"):
        return pa.table(relation)
    if isinstance(relation, Iterable):
        return _from_batches(relation)
    raise ApiTypeError(
        f"a relation has columns, but {type(relation).__name__} has none: pass a path, a frame, a "
        "table or batches of Arrow"
    )


def _from_batches(batches: Iterable[Any], schema: Any = None) -> Any:
    """The columns of batches that are read, so that the others need no memory."""
    selected: list[Any] = []
    for index, batch in enumerate(batches):
        if not isinstance(batch, pa.RecordBatch):
            raise ApiTypeError(
                f"item {index} of the relation is {type(batch).__name__} and not a RecordBatch: "
                "for rows of a search, use frames.transactions(rows)"
            )
        selected.append(_with_read_columns(batch))
    if not selected and schema is None:
        raise ApiValueError("the relation has no batch, so its columns are unknown: pass a table")
    if not selected:
        return _with_read_columns(schema.empty_table())
    return pa.Table.from_batches(selected)


def _with_read_columns(rows: Any) -> Any:
    return rows.select([name for name in rows.schema.names if name in COLUMNS])


def _from_path(path: Path) -> Any:
    if (path / "_delta_log").is_dir():
        with extra("mirror"):
            from deltalake import DeltaTable
        return DeltaTable(path).to_pyarrow_dataset()
    files = [path] if path.is_file() else _files_below(path)
    kinds = {file.suffix for file in files}
    if len(kinds) != 1 or not kinds <= set(_SUFFIXES):
        found = ", ".join(sorted(kinds)) or "none"
        raise ApiValueError(
            f"{path} must hold files of one kind of {', '.join(_SUFFIXES)}; found: {found}"
        )
    return _from_files([str(file) for file in sorted(files)], *kinds)


def _files_below(folder: Path) -> list[Path]:
    """The files of a folder, without hidden files and folders."""
    return [
        file
        for file in folder.rglob("*")
        if file.is_file()
        and not any(part.startswith(("_", ".")) for part in file.relative_to(folder).parts)
    ]


def _from_files(files: list[str], suffix: str) -> Any:
    if suffix == ".parquet":
        return pyarrow.dataset.dataset(files, format="parquet")
    form = _text_format(suffix)
    try:
        names = pyarrow.dataset.dataset(files, format=form).schema.names
    except pa.ArrowException as error:
        raise ApiValueError(f"{files[0]} cannot be read: {error}") from error
    # Arrow would guess types, and take an ID of digits for a number.
    schema = pa.schema([(name, _TYPES[name]) for name in names if name in COLUMNS])
    return pyarrow.dataset.dataset(files, schema=schema, format=form)


def _text_format(suffix: str) -> Any:
    if suffix == ".jsonl":
        return pyarrow.dataset.JsonFileFormat()
    nulls = pyarrow.csv.ConvertOptions(strings_can_be_null=True, quoted_strings_can_be_null=False)
    dataset: Any = pyarrow.dataset  # its stubs require every option
    options = dataset.CsvFragmentScanOptions(convert_options=nulls)
    return dataset.CsvFileFormat(default_fragment_scan_options=options)
