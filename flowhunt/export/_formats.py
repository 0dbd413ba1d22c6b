"""Writers of the formats. Each takes rows table by table, so that memory stays flat."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Context, Decimal
from importlib import import_module
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, Literal, Self, get_args

import pyarrow as pa
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet
from pydantic_core import to_json

from flowhunt._extras import extra
from flowhunt.exceptions import ApiValueError

pc: Any = pyarrow.compute  # its stubs are too narrow

Format = Literal["csv", "jsonl", "parquet", "xlsx"]

ROWS_IN_A_GROUP = 100_000
"""Rows of a row group of Parquet."""
ROWS_IN_A_SHEET = 1_048_575
"""Rows that a sheet can have below its header."""
CHARACTERS_IN_A_CELL = 32_767

_SUFFIXES: dict[str, str] = {
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".xlsx": "xlsx",
}
# Spreadsheets ignore invisible characters before the sign of a formula.
_INVISIBLE = r"[\pZ\pC\pM\x{115F}\x{1160}\x{2800}\x{3164}\x{FFA0}]"
_SIGN = r"[=+\-@\x{FE62}\x{FE63}\x{FE66}\x{FE6B}\x{FF0B}\x{FF0D}\x{FF1D}\x{FF20}]"
_FORMULA = rf"^({_INVISIBLE}*{_SIGN}|[\t\r\n])"
_BYTE_ORDER_MARK = "\ufeff".encode()
_FIRST_DAY_OF_EXCEL = datetime(1900, 3, 1)  # Excel counts 1900 as a leap year
_EXACT = Context(prec=60)  # the caller's context may have too few digits
_EXACT_INTEGERS = range(-(10**15) + 1, 10**15)
"""Excel keeps 15 digits of a number."""


def format_of(path: Path, format: str | None) -> str:
    """The format asked for, or the one of the file's suffix.

    :raises ApiValueError: there is no such format
    """
    if format is None and (found := _SUFFIXES.get(path.suffix.lower())):
        return found
    if format in WRITERS:
        return format
    wrong = f"format={format!r}" if format is not None else f"the name {path.name!r}"
    raise ApiValueError(f"{wrong} names no format: use one of {', '.join(get_args(Format))}")


class Writer(ABC):
    """Writes tables of one schema to a file, one after the other."""

    @abstractmethod
    def write(self, rows: pa.Table) -> None:
        """Write some rows."""

    @abstractmethod
    def finish(self) -> None:
        """Write what belongs at the end of the file."""

    def abandon(self) -> None:
        """Free all resources after an error: the file is not used."""
        with suppress(Exception):
            self.finish()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, exc_type: type[BaseException] | None, *exc_info: object) -> None:
        if exc_type is None:
            self.finish()
        else:
            self.abandon()


class CsvWriter(Writer):
    """CSV: text is in quotation marks and unchanged, null is empty without quotation marks."""

    def __init__(self, out: BinaryIO, schema: pa.Schema) -> None:
        self._out = pyarrow.csv.CSVWriter(out, schema)

    def write(self, rows: pa.Table) -> None:
        self._out.write_table(rows)

    def finish(self) -> None:
        self._out.close()


class SpreadsheetCsvWriter(CsvWriter):
    """CSV for spreadsheets: with a byte order mark, times to the second, and no formula."""

    def __init__(self, out: BinaryIO, schema: pa.Schema) -> None:
        out.write(_BYTE_ORDER_MARK)
        self._schema = pa.schema(
            [
                (field.name, pa.timestamp("s") if pa.types.is_timestamp(field.type) else field.type)
                for field in schema
            ]
        )
        super().__init__(out, self._schema)

    def write(self, rows: pa.Table) -> None:
        columns = [_for_spreadsheets(column) for column in rows.columns]
        super().write(pa.table(columns, schema=self._schema))


class JsonLinesWriter(Writer):
    """JSON Lines: an object a line, each with all columns."""

    def __init__(self, out: BinaryIO, schema: pa.Schema) -> None:
        self._out = out

    def write(self, rows: pa.Table) -> None:
        self._out.writelines(to_json(row) + b"\n" for row in rows.to_pylist())

    def finish(self) -> None:
        """Nothing belongs at the end."""


class ParquetWriter(Writer):
    """Parquet, in row groups of one size, whatever the size of the tables."""

    def __init__(self, out: BinaryIO, schema: pa.Schema) -> None:
        self._out = pyarrow.parquet.ParquetWriter(out, schema)
        self._schema = schema
        self._waiting: list[pa.Table] = []

    def write(self, rows: pa.Table) -> None:
        self._waiting.append(rows)
        if sum(table.num_rows for table in self._waiting) >= ROWS_IN_A_GROUP:
            self._write_group()

    def finish(self) -> None:
        self._write_group()
        self._out.close()

    def _write_group(self) -> None:
        if self._waiting:
            self._out.write_table(pa.concat_tables(self._waiting), ROWS_IN_A_GROUP)
            self._waiting = []


class XlsxWriter(Writer):
    """Sheets of Excel. Text is never a formula; numbers that Excel would round are text."""

    def __init__(self, out: BinaryIO, schema: pa.Schema) -> None:
        with extra("xlsx"):
            xlsxwriter: Any = import_module("xlsxwriter")  # it has no types
        self._scratch = TemporaryDirectory()  # for the rows of sheets, so that memory stays flat
        options = {
            "constant_memory": True,
            "tmpdir": self._scratch.name,
            "default_date_format": "yyyy-mm-dd hh:mm:ss.000",
        }
        self._book = xlsxwriter.Workbook(out, options)
        self._header = self._book.add_format({"bold": True})
        self._credits = self._book.add_format({"num_format": "#,##0.000000"})
        self._schema = schema
        self._numbers = count(1)
        self._sheet = self._new_sheet()
        self._row = 0

    def write(self, rows: pa.Table) -> None:
        for row in rows.to_pylist():
            if self._row == ROWS_IN_A_SHEET:
                self._sheet = self._new_sheet()
                self._row = 0
            self._row += 1
            for column, (name, value) in enumerate(row.items()):
                if value is not None:
                    self._write_cell(column, name, value)

    def finish(self) -> None:
        self._book.close()
        self._scratch.cleanup()

    def abandon(self) -> None:
        for sheet in self._book.worksheets():
            sheet.row_data_fh.close()
        self._scratch.cleanup()

    def _new_sheet(self) -> Any:
        number = next(self._numbers)
        sheet = self._book.add_worksheet(f"transactions {number}" if number > 1 else "transactions")
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, len(self._schema) - 1, 22)
        for column, name in enumerate(self._schema.names):
            sheet.write_string(0, column, name, self._header)
        return sheet

    def _write_cell(self, column: int, name: str, value: Any) -> None:
        sheet, row = self._sheet, self._row
        if isinstance(value, datetime):
            local = value.astimezone(UTC).replace(tzinfo=None)
            if local >= _FIRST_DAY_OF_EXCEL:
                sheet.write_datetime(row, column, local)
                return
            value = local.isoformat(" ")
        elif isinstance(value, Decimal) and int(value.scaleb(6, _EXACT)) in _EXACT_INTEGERS:
            sheet.write_number(row, column, float(value), self._credits)
            return
        elif isinstance(value, int) and value in _EXACT_INTEGERS:
            sheet.write_number(row, column, value)
            return
        text = str(value)
        length = len(text.encode("utf-16-le")) // 2  # as Excel counts
        if length > CHARACTERS_IN_A_CELL:
            raise ApiValueError(
                f"a {name} has {length:,} characters, and a cell of Excel at most "
                f"{CHARACTERS_IN_A_CELL:,}: use the format csv, or leave the column out"
            )
        sheet.write_string(row, column, text)


WRITERS: dict[str, Any] = {
    "csv": CsvWriter,
    "jsonl": JsonLinesWriter,
    "parquet": ParquetWriter,
    "xlsx": XlsxWriter,
}


def _for_spreadsheets(column: Any) -> Any:
    if pa.types.is_timestamp(column.type):
        return pc.floor_temporal(column.cast(pa.timestamp("us")), unit="second").cast(
            pa.timestamp("s")
        )
    if pa.types.is_string(column.type):
        return pc.replace_substring_regex(column, _FORMULA, r"'\1")
    return column
