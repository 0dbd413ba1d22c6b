"""Rows as a table for people, or as JSON, JSON Lines or CSV for programs."""

from __future__ import annotations

import csv
import difflib
import io
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import chain
from typing import Any, Literal, TextIO

import click

from flowhunt._tables.display import plain
from flowhunt.cli._errors import note
from flowhunt.cli._session import Session
from flowhunt.cli._text import encodable, write
from flowhunt.credits import to_decimal

FORMATS = ("table", "json", "jsonl", "csv")

_UNLIMITED = 1_000_000  # characters in a line, so that no line is wrapped

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """A column of the rows that a command shows.

    :ivar kind: ``credits`` are integers of the API, shown as credits unless ``--raw`` is given
    :ivar in_table: whether a table has it without ``--fields``
    """

    name: str
    kind: Literal["text", "number", "credits"] = "text"
    in_table: bool = True


def show(
    session: Session,
    columns: Sequence[Column],
    rows: Iterable[Row],
    nothing: str = "nothing was found",
    *,
    by_profile: bool = True,
) -> None:
    """Write rows to standard output. No request is sent before the fields are checked.

    :param nothing: the note if there is no row
    :param by_profile: whether each row is of one profile
    :raises click.UsageError: ``--fields`` names an unknown column
    """
    if by_profile and session.all_profiles and Column("profile") not in columns:
        columns = [Column("profile"), *columns]
    columns = _chosen(session, columns)
    stream = sys.stdout
    values: Iterator[list[Any]] = (
        [_value(session, column, row) for column in columns] for row in rows
    )
    first = next(values, None)  # before any output: after an error, standard output is empty
    if first is None and session.exit_code:
        return
    values = chain([] if first is None else [first], values)
    if session.output != "table":
        for line in _WRITERS[session.output](columns, values):
            write(stream, line)
    elif first is None:
        note(session, nothing)
    else:
        write(stream, _table(columns, [list(map(_cell, each)) for each in values], stream))


def _chosen(session: Session, columns: Sequence[Column]) -> Sequence[Column]:
    if not session.fields:
        return [c for c in columns if c.in_table or session.output != "table"]
    by_name = {column.name: column for column in columns}
    for name in session.fields:
        if name not in by_name:
            close = difflib.get_close_matches(name, by_name, 1)
            meant = f"did you mean {close[0]}?" if close else f"there are {', '.join(by_name)}"
            raise click.UsageError(f"there is no field {name!r}: {meant}")
    return [by_name[name] for name in session.fields]


def _value(session: Session, column: Column, row: Row) -> Any:
    value = row.get(column.name)
    if column.kind == "credits" and isinstance(value, int) and not session.raw:
        return to_decimal(value, session.unit)
    return value.isoformat() if isinstance(value, date) else value


def _json_lines(columns: Sequence[Column], rows: Iterable[list[Any]]) -> Iterator[str]:
    return (f"{_json_object(columns, values)}\n" for values in rows)


def _json_array(columns: Sequence[Column], rows: Iterable[list[Any]]) -> Iterator[str]:
    separator = "[\n"
    for values in rows:
        yield f"{separator}  {_json_object(columns, values)}"
        separator = ",\n"
    yield "[]\n" if separator == "[\n" else "\n]\n"


def _json_object(columns: Sequence[Column], values: list[Any]) -> str:
    pairs = (
        f"{json.dumps(c.name)}: {_json_value(v)}" for c, v in zip(columns, values, strict=True)
    )
    return f"{{{', '.join(pairs)}}}"


def _json_value(value: Any) -> str:
    """JSON in ASCII, which is harmless to a terminal; credits as an exact number."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    return json.dumps(value)


def _csv_lines(columns: Sequence[Column], rows: Iterable[list[Any]]) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([column.name for column in columns])
    for values in rows:
        yield _drained(buffer)
        writer.writerow([_csv_value(value) for value in values])
    yield _drained(buffer)


def _drained(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text


def _csv_value(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:f}" if isinstance(value, Decimal) else plain(str(value))


_WRITERS = {"json": _json_array, "jsonl": _json_lines, "csv": _csv_lines}


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return f"{value:,.6f}"
    return f"{value:,}" if isinstance(value, int | float) else plain(str(value))


def _table(columns: Sequence[Column], rows: list[list[str]], stream: TextIO | None) -> str:
    """A table, or a line a field if the terminal is too narrow for it.

    All text is shown, and without a terminal no line is wrapped.
    """
    from rich import box
    from rich.console import Console, detect_legacy_windows
    from rich.table import Table
    from rich.text import Text

    is_terminal = stream is not None and stream.isatty()
    console = Console(
        file=stream or io.StringIO(),
        width=None if is_terminal else _UNLIMITED,
        highlight=False,
        legacy_windows=False,
        # An old console of Windows would print escape sequences as text.
        color_system=None if detect_legacy_windows() else "auto",
    )
    headings = [column.name.replace("_", " ") for column in columns]
    rows = [[encodable(cell, console.encoding) for cell in cells] for cells in rows]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading, column in zip(headings, columns, strict=True):
        table.add_column(heading, justify="left" if column.kind == "text" else "right")
    for cells in rows:
        table.add_row(*map(Text, cells))
    unlimited = console.options.update(max_width=_UNLIMITED)
    if console.measure(table, options=unlimited).maximum > console.width:
        return _records(headings, rows)
    with console.capture() as captured:
        console.print(table)
    return "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines() if line.strip())


def _records(headings: list[str], rows: list[list[str]]) -> str:
    width = max(map(len, headings))
    return "\n".join(
        "".join(f"{name:<{width}}  {cell}\n" for name, cell in zip(headings, cells, strict=True))
        for cells in rows
    )


def timestamp(value: datetime) -> str:
    """A timestamp for people, to the second, with its UTC offset if it has one."""
    return value.isoformat(" ", "seconds")
