"""The files hold exactly the rows, in every format, for every library that reads them."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import pytest

import flowhunt
from exports import (
    SEARCH,
    SINCE,
    UNTIL,
    Rows,
    bytes_of,
    export,
    ids_in,
    manifest_of,
    rows_in,
    spread,
    table_of,
    window_files,
)
from flowhunt.sandbox import Sandbox
from histories import books, ids, made_at
from raw_server import Connect, Connection, RawServer, Request, response

FORMATS = ("parquet", "csv", "jsonl")
ZONES: dict[str, Any] = {"naive": "UTC", "utc": "UTC"}

UNUSUAL: Rows = [
    *spread(60),
    *[
        {"created_at": "2025-03-01T00:00:00.000001", "transaction_type": "K"} | fields
        for fields in [
            {"amount": 2**63 - 1, "transaction_type": "S"},
            {"amount": -(2**63), "transaction_type": "T", "context_desc": ""},
            {"amount": -1, "context_desc": 'a "word", and\nmore'},
            {"amount": 0, "context_desc": " žluť 🟡\t\\N NULL "},
            {"amount": 1, "transaction_type": "TOOL_WEATHER", "context_id": "NA"},
        ]
    ],
]


def schema(zone: Any) -> Any:
    columns: dict[str, Any] = {
        "transaction_id": pa.string(),
        "workspace_id": pa.string(),
        "user_id": pa.string(),
        "created_at": pa.timestamp("us", tz=zone),
        "transaction_type": pa.string(),
        "context_id": pa.string(),
        "context_desc": pa.string(),
        "amount": pa.int64(),
        "extra": pa.string(),
    }
    return pa.schema(columns)


def moment(text: str) -> datetime:
    found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return found.replace(tzinfo=found.tzinfo or timezone.utc)


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """A transaction of the wire as files have it."""
    return row | {"created_at": moment(row["created_at"]), "extra": None}


def read_csv(path: Path, zone: str | None) -> Rows:
    options = pyarrow.csv.ConvertOptions(
        column_types=schema("UTC"),
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    parsing = pyarrow.csv.ParseOptions(newlines_in_values=True)
    rows: Rows = pyarrow.csv.read_csv(
        path, convert_options=options, parse_options=parsing
    ).to_pylist()
    return rows


def read_json_lines(path: Path, zone: str | None) -> Rows:
    rows = [json.loads(line) for line in path.read_text("utf-8").split("\n")[:-1]]
    return [row | {"created_at": moment(row["created_at"])} for row in rows]


READERS: dict[str, Callable[[Path, str | None], Rows]] = {
    "parquet": lambda path, zone: table_of(path).to_pylist(),
    "csv": read_csv,
    "jsonl": read_json_lines,
}


@pytest.mark.parametrize("timestamps", ZONES)
@pytest.mark.parametrize("format", FORMATS)
def test_files_hold_all_fields_of_all_rows_in_their_months(
    tmp_path: Path, format: str, timestamps: Any
) -> None:
    with books(history=UNUSUAL, timestamps=timestamps) as served:
        export(served.api, served.workspace_id, tmp_path, format=format)
        found: Rows = []
        for path in window_files(tmp_path):
            rows = READERS[format](path, ZONES[timestamps])
            assert [row["created_at"] for row in rows] == sorted(row["created_at"] for row in rows)
            months = {row["created_at"].isoformat()[:7] for row in rows}
            assert [f"month={month}" for month in months] == [path.parent.name]
            assert path.parent.parent.name == f"workspace={served.workspace_id}"
            assert path.suffix == f".{format}"
            found += rows
        assert len(window_files(tmp_path)) > 5
        in_order = sorted(found, key=lambda row: (row["created_at"], row["transaction_id"]))
        assert in_order == [shown(row) for row in served.kept()]


@pytest.mark.parametrize("timestamps", ZONES)
def test_the_schema_is_the_same_for_rows_and_for_none(tmp_path: Path, timestamps: Any) -> None:
    with Sandbox(workspaces=2, history=spread(30), timestamps=timestamps) as sandbox:
        everyone = sandbox.configuration(api_key=None)
        with flowhunt.ApiClient(everyone) as client:
            both = [workspace.workspace_id for workspace in sandbox.workspaces]
            export(flowhunt.CreditsApi(client), both, tmp_path)
        tables = [table_of(path) for path in window_files(tmp_path)]
        assert {table.num_rows == 0 for table in tables} == {True, False}
        for table in tables:
            assert table.schema.equals(schema(ZONES[timestamps])), table.schema


def test_the_schema_is_the_same_where_rows_came_after_none(tmp_path: Path) -> None:
    with Sandbox(workspaces=2, history=[], timestamps="utc") as sandbox:
        with flowhunt.ApiClient(sandbox.configuration(api_key=None)) as client:
            api = flowhunt.CreditsApi(client)
            both = [workspace.workspace_id for workspace in sandbox.workspaces]
            assert export(api, both, tmp_path).rows == 0
            for path in window_files(tmp_path):
                assert table_of(path).schema.equals(schema(None))
            sandbox.add_transactions(both[0], spread(1))
            assert export(api, both, tmp_path).rows == 1
        for path in window_files(tmp_path):
            assert table_of(path).schema.equals(schema("UTC")), path


@pytest.mark.parametrize("format", FORMATS)
def test_fields_that_the_contract_does_not_know_are_kept_as_json(
    tmp_path: Path, format: str
) -> None:
    with books(history=made_at([datetime(2025, 2, 1), datetime(2025, 2, 2)])) as served:
        first, second = served.kept()
        answer = [first | {"new": {"a": [1, None]}, "extra": "mine"}, second]
        served.sandbox.faults.add(operation=SEARCH, body=json.dumps(answer))
        export(served.api, served.workspace_id, tmp_path, format=format)
        (path,) = window_files(tmp_path)
        texts = [row["extra"] for row in READERS[format](path, None)]
        assert [text and json.loads(text) for text in texts] == [
            {"new": {"a": [1, None]}, "extra": "mine"},
            None,
        ]


# Read back

COLUMNS = ["transaction_id", "amount", "month"]
Found = list[tuple[str, int, str]]


def by_arrow(directory: Path, format: str) -> Found:
    name: Any = {"jsonl": "json"}.get(format, format)
    found = pyarrow.dataset.dataset(directory, format=name, partitioning="hive")
    return [tuple(row.values()) for row in found.to_table(columns=COLUMNS).to_pylist()]


def by_pandas(directory: Path, format: str) -> Found:
    return list(pd.read_parquet(directory)[COLUMNS].itertuples(index=False, name=None))


def by_polars(directory: Path, format: str) -> Found:
    pattern = f"{directory}/*/*/*.{format}"
    if format == "parquet":
        lazy = pl.scan_parquet(pattern, hive_partitioning=True, try_parse_hive_dates=False)
    elif format == "csv":
        lazy = pl.scan_csv(pattern, include_file_paths="month")
    else:
        lazy = pl.scan_ndjson(pattern, include_file_paths="month")
    return lazy.select(COLUMNS).collect().rows()


def by_duckdb(directory: Path, format: str) -> Found:
    read = {"parquet": "read_parquet", "csv": "read_csv", "jsonl": "read_json"}[format]
    files = f"'{directory}/*/*/*.{format}', hive_partitioning = true, hive_types_autocast = 0"
    with duckdb.connect() as connection:
        return connection.sql(f"FROM {read}({files})").project(", ".join(COLUMNS)).fetchall()


@pytest.mark.parametrize("timestamps", ZONES)
@pytest.mark.parametrize(
    ("read", "format"),
    [(by_pandas, "parquet")]
    + [(read, format) for read in (by_arrow, by_polars, by_duckdb) for format in FORMATS],
)
def test_any_library_reads_all_of_them_at_once(
    tmp_path: Path, read: Callable[[Path, str], Found], format: str, timestamps: Any
) -> None:
    with books(history=spread(60), timestamps=timestamps) as served:
        export(served.api, served.workspace_id, tmp_path, format=format)
        found = {str(row_id): (amount, month) for row_id, amount, month in read(tmp_path, format)}
        kept = served.kept()
        assert found.keys() == set(ids(kept))
        for row in kept:
            amount, month = found[row["transaction_id"]]
            assert amount == row["amount"]
            assert row["created_at"][:7] in month


# Beside the rows


@pytest.mark.parametrize("format", FORMATS)
def test_each_line_of_the_manifest_tells_of_its_file(tmp_path: Path, format: str) -> None:
    with books(history=spread(200)) as served:
        export(served.api, served.workspace_id, tmp_path, format=format)
        lines = manifest_of(tmp_path)
        files = [tmp_path / file["path"] for line in lines for file in line["files"]]
        assert sorted(files) == window_files(tmp_path)
        for line in lines:
            (file,) = line["files"]
            path = tmp_path / file["path"]
            rows = READERS[format](path, None)
            assert line["rows"] == len(rows)
            assert line["amount"] == sum(row["amount"] for row in rows)
            assert file["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
            assert line["workspace_id"] == served.workspace_id
        bounds = [(line["window"]["since"], line["window"]["until"]) for line in lines]
        assert [*bounds[0][:1], *(until for _, until in bounds)] == [
            SINCE,
            *(since for since, _ in bounds[1:]),
            UNTIL,
        ]


def test_ids_with_what_paths_cannot_have_are_quoted(tmp_path: Path, connect: Connect) -> None:
    workspace_id = "../a b/ç:*?%41\\=x"
    row = {
        "transaction_id": "t",
        "workspace_id": workspace_id,
        "user_id": "u",
        "created_at": "2025-02-01T00:00:00",
        "transaction_type": "G",
        "context_id": "c",
        "amount": 1,
    }
    answers = {
        "/v2/credits/search": [row],
        "/v2/credits/search_daily": [row | {"cnt": 1}],
        "/v2/credits/daily/chart": {
            "transaction_types": ["G"],
            "per_day": [{"date": "2025-02-01", "transaction_types": {"G": 1}}],
        },
    }

    def answer(connection: Connection) -> None:
        target = Request.of(connection.request).target
        connection.send(response(answers[target.partition("?")[0]]))

    with RawServer(answer) as server:
        export(connect(server), workspace_id, tmp_path / "credits")
    assert [path.name for path in tmp_path.iterdir()] == ["credits"]
    (path,) = window_files(tmp_path / "credits")
    assert not set(path.parent.parent.name) & set(' /:*?\\çä"<>|')
    (found,) = (
        pyarrow.dataset.dataset(tmp_path / "credits", partitioning="hive")
        .to_table(columns=["workspace", "workspace_id"])
        .to_pylist()
    )
    assert found == {"workspace": workspace_id, "workspace_id": workspace_id}


def test_rows_that_arrive_while_it_runs_are_in_files_of_their_months(tmp_path: Path) -> None:
    history = made_at([datetime(2025, 1, 10), datetime(2025, 4, 5)])
    with books(history=history) as served:
        served.sandbox.faults.add(operation=SEARCH, status=401)
        with pytest.raises(flowhunt.UnauthorizedException):
            export(served.api, served.workspace_id, tmp_path)
        served.sandbox.faults.clear()
        late = ("2025-01-02", "2025-01-20", "2025-03-31", "2025-04-30", "2025-06-30")
        served.sandbox.add_transactions(None, [{"created_at": f"{day}T12:00:00"} for day in late])
        export(served.api, served.workspace_id, tmp_path)
        assert ids_in(tmp_path) == ids(served.kept())
        for path in window_files(tmp_path):
            moments = table_of(path)["created_at"].to_pylist()
            assert {f"month={moment:%Y-%m}" for moment in moments} <= {path.parent.name}


def test_moments_are_microseconds_whether_they_have_an_offset_or_not(tmp_path: Path) -> None:
    with books(history=made_at([datetime(2025, 3, 1, 1, 2, 3, 4)]), timestamps="utc") as served:
        export(served.api, served.workspace_id, tmp_path)
        (row,) = rows_in(tmp_path)
        assert row["created_at"] == datetime(2025, 3, 1, 1, 2, 3, 4, UTC)


def test_the_same_rows_are_the_same_bytes(tmp_path: Path) -> None:
    with books(history=spread(100)) as served:
        for name, workers in ("one", 1), ("two", 8):
            export(served.api, served.workspace_id, tmp_path / name, workers=workers)
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "two")


@pytest.mark.parametrize("module", ["filelock", "pyarrow"])
def test_without_its_extra_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    for name in [name for name in sys.modules if name.startswith("flowhunt.export")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf"{module}.*pip install '\.\[export\]'"):
        import flowhunt.export  # noqa: F401


def test_without_what_draws_bars_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with books(history=spread(3)) as served:
        with pytest.raises(ImportError, match=r"tqdm.*pip install '\.\[export\]'"):
            export(served.api, served.workspace_id, tmp_path, progress=True)
        assert export(served.api, served.workspace_id, tmp_path).rows == 3
