"""What an export does when something fails: the file is complete, or does not exist."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import flowhunt
from flowhunt.export import ExportReport, Progress, export_credit_transactions, export_table
from flowhunt.history import DifferenceError, DifferenceWarning, UnverifiedError
from flowhunt.sandbox import Sandbox
from raw_server import clock_without_waits
from test_export_files import OTHER, export, source, unusual_rows
from wrong_service import SEARCH, WORKSPACE, Request, Search, Sums, WrongService, evenly, rows_at

CHILD = Path(__file__).parents[1] / "mirror" / "interrupted_child.py"


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# Failures


def test_one_revoked_key_of_several_is_named_and_leaves_no_file(tmp_path: Path) -> None:
    def search(request: Request) -> Search:
        return Search(status=401 if request.workspace_id == WORKSPACE else 200)

    (tmp_path / "rows.csv").write_text("as before")
    with WrongService(unusual_rows(), search=search) as service:
        with pytest.raises(flowhunt.UnauthorizedException) as caught:
            export(service, tmp_path / "rows.csv")
    assert f"while exporting the workspace {WORKSPACE}" in caught.value.__notes__
    assert left_in(tmp_path) == ["rows.csv"]
    assert (tmp_path / "rows.csv").read_text() == "as before"


def test_failing_calls_that_pass_are_waited_out(tmp_path: Path) -> None:
    with Sandbox(workspaces=1, transactions=2000) as sandbox:
        with flowhunt.ApiClient(sandbox.configuration()) as client:
            clock = clock_without_waits()
            client.rest_client.clock = clock
            faults: list[dict[str, Any]] = [
                {"status": 429, "retry_after": "0"},
                {"status": 503},
                {"reset": True},
            ]
            for fault in faults:
                sandbox.faults.add(probability=0.02, **fault)
            report = export_credit_transactions(
                flowhunt.CreditsApi(client),
                sandbox.workspace_id,
                tmp_path / "rows.jsonl",
                page_size=20,
                progress=False,
                sleep=clock.sleep,
            )
            assert any(request.faults for request in sandbox.requests)
        found = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
        kept = [row["transaction_id"] for row in sandbox.transactions()]
    assert sorted(row["transaction_id"] for row in found) == sorted(kept)
    assert report.rows == 2000


@pytest.mark.parametrize("on_difference", ["raise", "warn", "ignore"])
def test_rows_and_sums_that_differ(tmp_path: Path, on_difference: Any) -> None:
    rows = evenly(30, 10)
    wrong = Sums(counts={("2025-02-02", "G"): 9, ("2025-02-01", "G"): 99})
    path = tmp_path / "rows.csv"
    settings: Any = {"workspace_id": WORKSPACE, "on_difference": on_difference}
    with WrongService(rows, sums=wrong) as service, warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        if on_difference == "raise":
            with pytest.raises(DifferenceError):
                export(service, path, **settings)
            assert left_in(tmp_path) == []
        else:
            assert export(service, path, **settings).rows == 30
    kinds = {each.category for each in shown}
    assert (DifferenceWarning in kinds) is (on_difference == "warn")


def test_amounts_of_more_than_64_bits_are_an_error(tmp_path: Path) -> None:
    rows = [row | {"amount": 2**63} for row in evenly(3, 3)]
    with WrongService(rows) as service:
        with pytest.raises(flowhunt.ApiValueError, match="64-bit"):
            export(service, tmp_path / "rows.csv", workspace_id=WORKSPACE)
    assert left_in(tmp_path) == []


def test_a_folder_that_is_deleted_during_the_work_is_no_success(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()

    def delete(service: WrongService, request: Request) -> None:
        if folder.exists():
            shutil.rmtree(folder)

    with WrongService(unusual_rows(), before=delete) as service:
        with pytest.raises(OSError, match=r"rows\.csv"):
            export(service, folder / "rows.csv")


def test_another_working_directory_does_not_move_the_file(
    tmp_path: Path, leave: Callable[..., None]
) -> None:
    with WrongService(unusual_rows(), before=leave) as service:
        report = export(service, Path("rows.csv"))
    assert report.path == tmp_path / "rows.csv"
    assert left_in(tmp_path) == ["elsewhere", "rows.csv"]


@pytest.mark.skipif(sys.platform == "win32", reason="it sends SIGKILL")
def test_a_killed_export_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("as before")

    def search(request: Request) -> Search:
        return Search(stall=request.nth > 5)

    with WrongService(evenly(300, 60), search=search) as service:
        command = [sys.executable, str(CHILD), "export", service.url, str(tmp_path / "rows")]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
            assert service.stalled.wait(60)
            child.send_signal(signal.SIGKILL)
            child.communicate(timeout=60)
        assert path.read_text() == "as before"
        service.release.set()
        export(service, path, workspace_id=WORKSPACE)
    assert path.read_text().count("\n") == 301


def test_a_timestamp_that_cannot_be_read_completely_is_no_success(tmp_path: Path) -> None:
    crowded = rows_at([datetime(2025, 2, 3)] * 50)
    with WrongService(crowded, search=Search(max_limit=5)) as service:
        with pytest.raises((DifferenceError, UnverifiedError)):
            export(service, tmp_path / "rows.csv", workspace_id=WORKSPACE)
    assert left_in(tmp_path) == []


def test_a_slow_workspace_does_not_hold_up_the_others_and_the_order_stays(tmp_path: Path) -> None:
    """Requests of the first workspace wait until late rows of the second one are asked for."""
    others = threading.Event()
    waited: list[bool] = []
    rows = [*evenly(300, 45), *evenly(40, 45, workspace_id=OTHER, prefix="other-")]

    def search(request: Request) -> Search:
        if request.workspace_id == OTHER:
            waited.append(others.wait(10))
        elif (request.body.get("created_at_to") or "9") > "2025-03":
            others.set()
        return Search()

    with WrongService(rows, search=search) as service:
        for path in (tmp_path / "slow.csv", tmp_path / "quick.csv"):
            export(service, path, page_size=10)
    assert all(waited)
    assert (tmp_path / "slow.csv").read_bytes() == (tmp_path / "quick.csv").read_bytes()
    ids = [line.split(",")[1] for line in (tmp_path / "slow.csv").read_text().splitlines()[1:]]
    assert ids == [f'"{OTHER}"'] * 40 + [f'"{WORKSPACE}"'] * 300
    assert left_in(tmp_path) == ["quick.csv", "slow.csv"]


# What is refused before any request


@pytest.mark.parametrize(
    "uri",
    [
        *("s3://bucket/a.csv", "gs://b/a.csv", "abfss://c@d.example/a.csv", "memory://a.csv"),
        *("s3:/b/a.csv", "s3:a.csv", "file://machine/a.csv", "file:///a.csv#b", "C:/a.csv", ""),
    ],
)
def test_object_stores_are_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uri: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    with WrongService(unusual_rows()) as service:
        with pytest.raises(
            flowhunt.ApiValueError, match=uri.split("@")[-1].split("#")[0] or "empty"
        ):
            export(service, uri)
        assert not service.requests
    assert left_in(tmp_path) == []


def test_a_file_uri_is_a_path(tmp_path: Path) -> None:
    path = tmp_path / "a name with ž and %20.csv"
    with WrongService(unusual_rows()) as service:
        assert export(service, path.as_uri()).path == path  # type: ignore[arg-type]
    assert left_in(tmp_path) == [path.name]


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"path": "rows.txt"}, r"rows\.txt"),
        ({"format": "xml"}, "xml"),
        ({"unit": "euro"}, "unit"),
        ({"columns": ["amount", "amount"]}, "different"),
        ({"columns": ["amounts"]}, "amounts"),
        ({"columns": ["credits"]}, "credits"),
        ({"columns": "amount"}, "columns"),
        ({"columns": []}, "columns"),
        ({"path": "rows.parquet", "spreadsheet": True}, "spreadsheet"),
        ({"path": "."}, "folder"),
        ({"path": "nowhere/rows.csv"}, "no folder"),
        ({"path": "x" * 300 + ".csv"}, "xxx"),
        ({"path": "rows\0.csv"}, "character"),
        ({"path": "rows\ud800.csv"}, "character"),
        ({"path": "~nobody-has-this-name/rows.csv"}, "home"),
        ({"workers": 0}, "workers"),
        ({"page_size": True}, "page_size"),
        ({"on_difference": "shrug"}, "on_difference"),
        ({"since": "2025-01-01", "until": "2025-01-01"}, "no time"),
        ({"workspace_id": []}, "workspace"),
    ],
)
def test_arguments_are_checked_before_anything_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with WrongService(unusual_rows()) as service:
        with pytest.raises(flowhunt.ApiValueError, match=text):
            export(service, **{"path": Path("rows.csv"), **settings})
        assert not service.requests
    assert left_in(tmp_path) == []


def test_a_working_directory_that_was_removed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "here").rmdir()
    with WrongService(unusual_rows()) as service:
        with pytest.raises(flowhunt.ApiValueError, match="working directory"):
            export(service, Path("rows.csv"))
        assert not service.requests


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_an_export_does_not_take_the_place_of_a_pipe_or_a_device(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "rows.csv")
    with WrongService(unusual_rows()) as service:
        with pytest.raises(flowhunt.ApiValueError, match="pipe"):
            export(service, tmp_path / "rows.csv")
        assert not service.requests
    assert (tmp_path / "rows.csv").is_fifo()


def test_a_symbolic_link_stays_and_its_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "rows.csv").write_text("as before")
    (tmp_path / "rows.csv").symlink_to(tmp_path / "store" / "rows.csv")
    with WrongService(unusual_rows()) as service:
        report = export(service, tmp_path / "rows.csv")
    assert (tmp_path / "rows.csv").is_symlink()
    assert (tmp_path / "store" / "rows.csv").stat().st_size == report.bytes
    assert left_in(tmp_path / "store") == ["rows.csv"]


@pytest.mark.parametrize("target", ["link.csv", "nowhere/rows.csv"])
def test_a_link_to_nothing_that_can_be_written_is_refused(tmp_path: Path, target: str) -> None:
    (tmp_path / "link.csv").symlink_to(tmp_path / target)
    with WrongService(unusual_rows()) as service:
        with pytest.raises(flowhunt.ApiValueError, match=target.split("/")[0]):
            export(service, tmp_path / "link.csv")
        assert not service.requests


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
def test_a_private_file_that_is_replaced_stays_private(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").touch(0o600)

    def look(service: WrongService, request: Request) -> None:
        assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}

    with WrongService(unusual_rows(), before=look) as service:
        export(service, tmp_path / "rows.csv")
    assert (tmp_path / "rows.csv").stat().st_mode & 0o777 == 0o600


def test_a_workspace_without_a_configuration_is_refused(tmp_path: Path) -> None:
    with WrongService(unusual_rows()) as service:
        only = {WORKSPACE: source(service)(WORKSPACE)}
        with pytest.raises(flowhunt.ApiValueError, match=OTHER):
            export_credit_transactions(only, [WORKSPACE, OTHER], tmp_path / "rows.csv")
        wrong: list[Any] = ["key", None, str.upper]
        for api in wrong:
            with pytest.raises(TypeError):
                export_credit_transactions(api, WORKSPACE, tmp_path / "a.csv")
        assert not service.requests


@pytest.mark.parametrize(
    ("module", "extra_name"), [("xlsxwriter", "xlsx"), ("tqdm", "export"), ("deltalake", "mirror")]
)
def test_without_its_extra_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, extra_name: str
) -> None:
    hidden = ("flowhunt.mirror", f"{module}.")
    for name in [name for name in sys.modules if name.startswith(hidden)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    message = rf"{module}.*pip install '\.\[{extra_name}\]'"
    with WrongService(evenly(3, 3)) as service:
        calls: dict[str, Callable[[], object]] = {
            "deltalake": lambda: export_table(tmp_path / "table", tmp_path / "rows.csv"),
            "tqdm": lambda: export(service, tmp_path / "rows.csv", progress=True),
            "xlsxwriter": lambda: export(service, tmp_path / "rows.xlsx"),
        }
        with pytest.raises(ImportError, match=message):
            calls[module]()
    assert left_in(tmp_path) == []


# Progress and the report


def test_progress_and_report_count_rows_and_workspaces(tmp_path: Path) -> None:
    reported: list[Progress] = []
    with WrongService(unusual_rows()) as service:
        report = export(service, tmp_path / "rows.csv", progress=reported.append, page_size=5)
    assert reported[-1] == Progress(2, 2, 340)
    assert (Progress(1, 2, 40) in reported) or reported[0].workspaces == 0
    assert len(reported) > 5
    assert (report.rows, report.workspaces, report.format) == (340, 2, "csv")
    assert report.bytes == (tmp_path / "rows.csv").stat().st_size
    assert json.loads(json.dumps(report.to_dict()))["first"] == "2025-01-01T00:00:00+00:00"
    assert "340 of 2 workspaces" in str(report)


def test_what_the_callers_function_raises_ends_the_export(tmp_path: Path) -> None:
    def stop(now: Progress) -> None:
        raise InterruptedError

    with WrongService(unusual_rows()) as service:
        with pytest.raises(InterruptedError):
            export(service, tmp_path / "rows.csv", progress=stop)
        assert len(service.asked(SEARCH)) < 30
    assert left_in(tmp_path) == []


def test_a_report_escapes_what_it_shows_in_a_notebook() -> None:
    report: Any = ExportReport(Path("<b>.csv"), "csv", 1, 0, 0, None, None, 0, 0.0)
    assert "<b>" not in report._repr_html_()
    assert "timestamps    none" in str(report)
