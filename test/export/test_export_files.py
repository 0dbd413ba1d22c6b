"""The file holds exactly the rows, for every program that the page names."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal, FloatOperation, Inexact, Rounded, localcontext
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

import flowhunt
from flowhunt.export import _formats, export_credit_transactions, export_table
from flowhunt.history.arrow import TRANSACTION_SCHEMA
from flowhunt.mirror import _table, sync_credit_transactions
from wrong_service import WORKSPACE, Row, Search, WrongService, evenly, rows_at

FORMATS = ("csv", "jsonl", "parquet", "xlsx")
OTHER = "workspace-0"
TEXTS = [
    "=HYPERLINK(\"http://a\",\"b\")", "=1+1", " =1+1", "\t=1", "\n=1", "\r-1", "-1", "+1", "@a",
    "\ufe0f=1", "\u3164=1", "\ufe661", "\uff1d1", "\uff0b1", "\uff0d1", "\uff20a", "\u200b=1",
    "\ufeff=1", "\u00a0@a",
]  # fmt: skip
HARMLESS = ["", "a=1", "'=1", 'a "word", and\nmore', "NA", "null", "\\N", "žluť 🟡", "00123", "1e5"]


def unusual_rows() -> list[Row]:
    """Nothing but nulls for long, then texts that formats stumble over."""
    rows = evenly(300, 45, datetime(2025, 1, 1))
    for row in rows[:200]:
        row["context_desc"] = None
    for row, text in zip(rows[200:], [*TEXTS, *HARMLESS], strict=False):
        row["context_desc"] = text
    rows[250]["amount"], rows[251]["amount"] = 2**63 - 1, -(2**63)
    rows[299]["a new field"] = [1, {"b": None}]
    other = evenly(40, 45, datetime(2025, 1, 1), workspace_id=OTHER, prefix="other-")
    return [*rows, *other]


def source(service: WrongService) -> Callable[[str], flowhunt.Configuration]:
    configuration = flowhunt.Configuration(
        host=service.url, api_key="key-1", trust_env=False, retries=0
    )
    return lambda workspace_id: configuration


def export(service: WrongService, path: Path, **settings: Any) -> Any:
    given: dict[str, Any] = {"workspace_id": [WORKSPACE, OTHER], "progress": False}
    return export_credit_transactions(source(service), path=path, **given | settings)


def expected(rows: list[Row]) -> list[Row]:
    """Rows as files have them, by workspace and time."""
    names = [name for name in TRANSACTION_SCHEMA.names if name != "extra"]
    found = [
        {name: row.get(name) for name in names}
        | {"created_at": datetime.fromisoformat(row["created_at"]).replace(tzinfo=UTC)}
        | {"extra": '{"a new field":[1,{"b":null}]}' if "a new field" in row else None}
        for row in rows
    ]
    return sorted(
        found, key=lambda row: (row["workspace_id"], row["created_at"], row["transaction_id"])
    )


# Every documented way to read a file

POLARS: dict[str, Any] = {
    "transaction_id": pl.String,
    "workspace_id": pl.String,
    "user_id": pl.String,
    "created_at": pl.String,
    "transaction_type": pl.String,
    "context_id": pl.String,
    "context_desc": pl.String,
    "amount": pl.Int64,
    "extra": pl.String,
}
DUCKDB = dict.fromkeys(POLARS, "VARCHAR") | {"created_at": "TIMESTAMPTZ", "amount": "BIGINT"}


def by_polars(path: Path) -> list[Row]:
    if path.suffix == ".parquet":
        frame = pl.scan_parquet(path).collect()
    elif path.suffix == ".csv":
        frame = pl.scan_csv(path, schema=POLARS).collect()
    else:
        frame = pl.scan_ndjson(path, schema=POLARS).collect()
    if path.suffix != ".parquet":
        frame = frame.with_columns(pl.col("created_at").str.to_datetime(time_zone="UTC"))
    return frame.to_dicts()


def by_duckdb(path: Path) -> list[Row]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        if path.suffix == ".parquet":
            found = connection.read_parquet(str(path))
        elif path.suffix == ".csv":
            columns = ", ".join(f"'{name}': '{kind}'" for name, kind in DUCKDB.items())
            found = connection.sql(
                f"FROM read_csv('{path}', columns = {{{columns}}}, header = true, "
                "quote = '\"', escape = '\"', delim = ',', allow_quoted_nulls = false)"
            )
        else:
            columns = ", ".join(f"'{name}': '{kind}'" for name, kind in DUCKDB.items())
            found = connection.sql(f"FROM read_json('{path}', columns = {{{columns}}})")
        return list(found.to_arrow_table().to_pylist())


def by_pyarrow(path: Path) -> list[Row]:
    if path.suffix == ".parquet":
        return list(pyarrow.parquet.read_table(path).to_pylist())
    convert = pyarrow.csv.ConvertOptions(
        column_types=TRANSACTION_SCHEMA,
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    parse = pyarrow.csv.ParseOptions(newlines_in_values=True)
    return list(
        pyarrow.csv.read_csv(path, convert_options=convert, parse_options=parse).to_pylist()
    )


def by_pandas(path: Path) -> list[Row]:
    frame = pd.read_parquet(path)
    rows: Any = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return list(rows)


def by_python(path: Path) -> list[Row]:
    with path.open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [row | {"created_at": datetime.fromisoformat(row["created_at"])} for row in rows]


WAYS: list[tuple[str, Callable[[Path], list[Row]]]] = [
    *((format, by) for format in ("csv", "jsonl", "parquet") for by in (by_polars, by_duckdb)),
    ("csv", by_pyarrow),
    ("parquet", by_pyarrow),
    ("parquet", by_pandas),
    ("jsonl", by_python),
]


@pytest.mark.parametrize(("format", "read"), WAYS)
def test_each_documented_way_reads_unusual_rows(
    tmp_path: Path, format: str, read: Callable[[Path], list[Row]]
) -> None:
    path = tmp_path / f"rows.{format}"
    rows = unusual_rows()
    with WrongService(rows) as service:
        export(service, path)
        found = read(path)
        assert [row["created_at"] for row in found] == [r["created_at"] for r in expected(rows)]
        for row, wanted in zip(found, expected(rows), strict=True):
            assert dict(row) == wanted


@pytest.mark.parametrize(("format", "read"), WAYS)
def test_the_types_do_not_depend_on_the_rows(
    tmp_path: Path, format: str, read: Callable[[Path], list[Row]]
) -> None:
    path = tmp_path / f"rows.{format}"
    with WrongService() as service:
        report = export(service, path)
    assert (report.rows, report.first, report.amount) == (0, None, 0)
    if format != "jsonl":
        assert read(path) == []
    if format == "parquet":
        assert pyarrow.parquet.read_schema(path).equals(TRANSACTION_SCHEMA)


def test_excel_shows_text_as_text_and_rounds_no_number(tmp_path: Path) -> None:
    rows = unusual_rows()
    with WrongService(rows) as service:
        export(service, tmp_path / "rows.xlsx", unit="credits")
    book = openpyxl.load_workbook(tmp_path / "rows.xlsx")
    header, *found = book["transactions"].iter_rows()
    names = [str(cell.value) for cell in header]
    assert names == [*TRANSACTION_SCHEMA.names[:-1], "credits", "extra"]
    for cells, wanted in zip(found, expected(rows), strict=True):
        row = dict(zip(names, cells, strict=True))
        assert {cell.data_type for cell in cells} <= {"s", "n", "d"}
        made = wanted["created_at"].replace(tzinfo=None)
        assert abs(row["created_at"].value - made) < timedelta(milliseconds=1)
        amount = row["amount"].value
        assert amount == (
            str(wanted["amount"]) if abs(wanted["amount"]) > 10**15 else wanted["amount"]
        )
        text = wanted["context_desc"]
        if "\r" not in (text or ""):  # openpyxl shows it as Excel encodes it
            assert row["context_desc"].value == text


def test_more_rows_than_a_sheet_holds_go_on_in_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_formats, "ROWS_IN_A_SHEET", 150)
    with WrongService(unusual_rows()) as service:
        export(service, tmp_path / "rows.xlsx")
    book = openpyxl.load_workbook(tmp_path / "rows.xlsx")
    assert {sheet.title: sheet.max_row for sheet in book} == {
        "transactions": 151,
        "transactions 2": 151,
        "transactions 3": 41,
    }


def test_text_that_no_cell_can_hold_is_an_error_and_no_file(tmp_path: Path) -> None:
    rows = evenly(3, 3)
    rows[1]["context_desc"] = "\U0001f7e1" * 20_000
    with WrongService(rows) as service:
        with pytest.raises(flowhunt.ApiValueError, match="40,000 characters"):
            export(service, tmp_path / "rows.xlsx", workspace_id=WORKSPACE)
        export(service, tmp_path / "rows.csv", workspace_id=WORKSPACE)
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


# Forms


def spreadsheet(service: WrongService, path: Path, **settings: Any) -> list[Row]:
    export(service, path, spreadsheet=True, **settings)
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_a_spreadsheet_sees_no_formula(tmp_path: Path) -> None:
    rows = unusual_rows()
    with WrongService(rows) as service:
        found = spreadsheet(service, tmp_path / "rows.csv")
    assert (tmp_path / "rows.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    for row, wanted in zip(found, expected(rows), strict=True):
        text = wanted["context_desc"] or ""
        assert row["context_desc"] == ("'" + text if text in TEXTS else text)
        made = wanted["created_at"].strftime("%Y-%m-%d %H:%M:%S")
        assert (row["created_at"], row["amount"]) == (made, str(wanted["amount"]))


def test_the_plain_form_is_what_was_received(tmp_path: Path) -> None:
    rows = unusual_rows()
    with WrongService(rows) as service:
        export(service, tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open(encoding="utf-8", newline="") as file:
        found = [row["context_desc"] for row in csv.DictReader(file)]
    assert found == [row["context_desc"] or "" for row in expected(rows)]


@pytest.mark.parametrize("format", FORMATS)
def test_credits_are_exact_decimals_beside_the_integers(tmp_path: Path, format: str) -> None:
    path = tmp_path / f"rows.{format}"
    amounts = [1, -1, 1_250_000, 2**63 - 1, -(2**63), 0]
    rows = [row | {"amount": amount} for row, amount in zip(evenly(6, 6), amounts, strict=True)]
    few_digits = Context(prec=3, traps=[FloatOperation, Inexact, Rounded])
    with WrongService(rows) as service, localcontext(few_digits):
        export(service, path, workspace_id=WORKSPACE, unit="credits", columns=["amount"])
    found: list[tuple[Any, Any]]
    if format == "csv":
        lines = path.read_text().splitlines()
        assert lines[0] == '"amount","credits"'
        found = [(int(a), Decimal(b)) for a, b in (line.split(",") for line in lines[1:])]
    elif format == "jsonl":
        parsed = [json.loads(line) for line in path.read_text().splitlines()]
        found = [(row["amount"], Decimal(row["credits"])) for row in parsed]
    elif format == "parquet":
        table = pyarrow.parquet.read_table(path)
        assert table.schema.field("credits").type == pa.decimal128(25, 6)
        found = [(row["amount"], row["credits"]) for row in table.to_pylist()]
    else:
        cells = openpyxl.load_workbook(path)["transactions"].iter_rows(min_row=2, values_only=True)
        found = [(int(str(a)), Decimal(str(b))) for a, b in cells]
    assert found == [(amount, Decimal(amount).scaleb(-6)) for amount in amounts]


def test_columns_are_those_asked_for_in_their_order(tmp_path: Path) -> None:
    with WrongService(evenly(3, 3)) as service:
        columns = ["amount", "created_at"]
        export(service, tmp_path / "rows.parquet", columns=columns, workspace_id=WORKSPACE)
        assert pyarrow.parquet.read_schema(tmp_path / "rows.parquet").names == columns
        export(service, tmp_path / "a.parquet", columns=["user_id"], unit="credits")
        assert pyarrow.parquet.read_schema(tmp_path / "a.parquet").names == ["user_id", "credits"]


def test_the_same_rows_are_the_same_bytes(tmp_path: Path) -> None:
    with WrongService(unusual_rows()) as service:
        for format in ("csv", "jsonl", "parquet"):
            export(service, tmp_path / f"a.{format}", workers=1, page_size=20)
            export(service, tmp_path / f"b.{format}", workers=8, page_size=20)
            a, b = ((tmp_path / f"{name}.{format}").read_bytes() for name in "ab")
            if format != "parquet":  # whose row groups are those of the batches
                assert a == b


@pytest.mark.parametrize("timestamps", ["naive", "Z", "+02:00", "mixed"])
def test_timestamps_are_in_utc_whatever_their_offset(tmp_path: Path, timestamps: Any) -> None:
    rows = rows_at([datetime(2025, 3, 1, 1, 2, 3, 4)])
    with WrongService(rows, search=Search(timestamps=timestamps)) as service:
        export(service, tmp_path / "rows.parquet", workspace_id=WORKSPACE)
    (row,) = pyarrow.parquet.read_table(tmp_path / "rows.parquet").to_pylist()
    assert row["created_at"] == datetime(2025, 3, 1, 1, 2, 3, 4, UTC)


# From a mirror


@pytest.mark.parametrize("format", ["csv", "jsonl"])
@pytest.mark.parametrize("rows_at_once", [200_000, 10])
def test_a_mirror_gives_the_same_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str, rows_at_once: int
) -> None:
    monkeypatch.setattr(_table, "ROWS_AT_ONCE", rows_at_once)
    period: Any = {"since": "2025-01-03T04:05:06.000700", "until": "2025-02-04T11:00:00"}
    here, there = tmp_path / f"here.{format}", tmp_path / f"there.{format}"
    rows = [*unusual_rows(), *rows_at([datetime(2025, 1, 3, 4, 5, 6, 700)], prefix="first-")]
    rows += rows_at([datetime(2025, 1, 3, 4, 5, 6, 699)], prefix="before-")
    with WrongService(rows) as service:
        ids = [WORKSPACE, OTHER]
        configuration = source(service)
        sync_credit_transactions(
            ids, tmp_path / "table", configuration=configuration, progress=False
        )
        direct = export(service, here, **period)
        requests = len(service.requests)
        from_table = export_table(tmp_path / "table", there, progress=False, **period)
        assert len(service.requests) == requests
        assert here.read_bytes() == there.read_bytes()
        assert (direct.rows, direct.amount) == (from_table.rows, from_table.amount)
        assert 0 < direct.rows < len(rows)
        export_table(tmp_path / "table", there, workspace_id=OTHER, progress=False)
        export(service, here, workspace_id=OTHER)
        assert here.read_bytes() == there.read_bytes()
    with pytest.raises(flowhunt.ApiValueError, match="no Delta table"):
        export_table(tmp_path / "nowhere", there)
