"""An export that ended before its time goes on where it was, and ends as if it never had."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import flowhunt
from children import exporting
from exports import (
    MANIFEST,
    SEARCH,
    TICK,
    Relay,
    bytes_of,
    export,
    ids_in,
    manifest_of,
    spans_done,
    spread,
    window_files,
)
from flowhunt.export import Progress
from flowhunt.sandbox import Sandbox
from histories import books, ids
from raw_server import clock_without_waits

HISTORY = spread(2000)
BESIDE = 4 * TICK
"""Windows overlap by no more than this, so that it does not matter whether bounds are in them."""


def goes_on(sandbox: Sandbox, interrupted: Path, whole: Path) -> None:
    """Run an export to its end: only what is missing is read, with the same files at the end."""
    done = spans_done(interrupted)
    with Relay(sandbox.url) as relay:
        configuration = sandbox.configuration(host=relay.url)
        apis = {sandbox.workspace_id: configuration}
        report = export(apis, sandbox.workspace_id, interrupted)
        assert report.windows_read == report.windows - len(done)
        assert [
            (window, asked)
            for asked in relay.searched
            for window in done
            if window.shares(asked) > BESIDE
        ] == []
        assert bool(relay.searched) == (report.windows_read > 0)
        if not whole.exists():
            export(apis, sandbox.workspace_id, whole)
    assert report.rows == len(HISTORY)
    assert bytes_of(interrupted) == bytes_of(whole)


@pytest.mark.skipif(sys.platform == "win32", reason="it has no SIGKILL")
@pytest.mark.parametrize("windows", [1, 5, 14])
def test_an_export_that_was_killed_goes_on(tmp_path: Path, windows: int) -> None:
    with Sandbox(workspaces=1, history=HISTORY) as sandbox:
        sandbox.faults.add(latency=0.02, operation=SEARCH)
        with exporting(sandbox, tmp_path / "killed") as child:
            assert child.stdout is not None
            for line in child.stdout:
                if int(line) >= windows:
                    child.send_signal(signal.SIGKILL)
                    break
            assert child.wait() == -signal.SIGKILL
        assert windows <= len(manifest_of(tmp_path / "killed")) < 20
        sandbox.faults.clear()
        goes_on(sandbox, tmp_path / "killed", tmp_path / "whole")


@pytest.mark.skipif(sys.platform == "win32", reason="it has no SIGKILL")
@pytest.mark.parametrize("searches", [0, 7, 60])
def test_an_export_that_was_killed_while_it_waited_for_an_answer_goes_on(
    tmp_path: Path, searches: int
) -> None:
    reached, leave = threading.Event(), threading.Event()
    asked = iter(range(10_000))

    def hold() -> None:
        if next(asked) >= searches:
            reached.set()
            leave.wait(30)

    with Sandbox(workspaces=1, history=HISTORY) as sandbox:
        with Relay(sandbox.url, meet=hold) as relay:
            with exporting(sandbox, tmp_path / "killed", host=relay.url, workers=2) as child:
                assert reached.wait(30)
                child.kill()
                leave.set()
        assert (tmp_path / "killed" / "_plan.json").exists()
        goes_on(sandbox, tmp_path / "killed", tmp_path / "whole")


@pytest.mark.parametrize(
    "left", [["_lock"], ["_manifest.ndjson"], ["__manifest.ndjson.part"], ["__plan.json.part"]]
)
def test_an_export_that_was_killed_before_it_had_a_plan_begins_anew(
    tmp_path: Path, left: list[str]
) -> None:
    for name in left:
        (tmp_path / name).touch()
    with books(history=spread(10)) as served:
        assert export(served.api, served.workspace_id, tmp_path).rows == 10
        assert ids_in(tmp_path) == ids(served.kept())


def test_an_export_that_a_callback_ends_goes_on(tmp_path: Path) -> None:
    def stop(now: Progress) -> None:
        if now.windows == 3:
            raise KeyboardInterrupt

    with Sandbox(workspaces=1, history=HISTORY) as sandbox:
        with flowhunt.ApiClient(sandbox.configuration()) as client:
            api = flowhunt.CreditsApi(client)
            with pytest.raises(KeyboardInterrupt):
                export(api, sandbox.workspace_id, tmp_path / "ended", progress=stop, workers=2)
        assert len(manifest_of(tmp_path / "ended")) < 10  # what was not begun is not read any more
        goes_on(sandbox, tmp_path / "ended", tmp_path / "whole")


# Damage to an export that is complete; each returns how many windows have to be read again


def tear_the_last_line(directory: Path) -> int:
    manifest = directory / MANIFEST
    manifest.write_bytes(manifest.read_bytes()[:-20])
    return 1


def lose_the_manifest(directory: Path) -> int:
    count = len(manifest_of(directory))
    (directory / MANIFEST).unlink()
    return count


def delete_a_file(directory: Path) -> int:
    window_files(directory)[3].unlink()
    return 1


def change_a_file(directory: Path) -> int:
    path = window_files(directory)[4]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    return 1


def cut_a_file(directory: Path) -> int:
    path = window_files(directory)[-1]
    path.write_bytes(path.read_bytes()[:-1])
    return 1


def leave_a_part(directory: Path) -> int:
    path = window_files(directory)[5]
    path.rename(path.with_name(f"_{path.name}.part"))
    return 1


def leave_a_file_without_a_line(directory: Path) -> int:
    path = window_files(directory)[6]
    path.with_name("2020-01-01.parquet").write_bytes(path.read_bytes())
    (directory / f"_{MANIFEST}.part").write_bytes(b"{")
    return 0


@pytest.mark.parametrize(
    "damage",
    [
        tear_the_last_line,
        lose_the_manifest,
        delete_a_file,
        change_a_file,
        cut_a_file,
        leave_a_part,
        leave_a_file_without_a_line,
    ],
)
def test_only_what_was_damaged_is_read_again(tmp_path: Path, damage: Callable[[Path], int]) -> None:
    with books(history=HISTORY) as served:
        export(served.api, served.workspace_id, tmp_path)
        whole = bytes_of(tmp_path)
        again = damage(tmp_path)
        report = export(served.api, served.workspace_id, tmp_path)
        assert report.windows_read == again
        assert bytes_of(tmp_path) == whole


@pytest.mark.parametrize("faults", [{"status": 401}, {"malformed_json": True}])
def test_what_was_done_before_a_failure_stays_done(tmp_path: Path, faults: Any) -> None:
    with books(history=HISTORY) as served:
        served.sandbox.faults.add(operation=SEARCH, requests=range(60, 10_000), **faults)
        sleep = clock_without_waits().sleep
        with pytest.raises(flowhunt.ApiException):
            export(served.api, served.workspace_id, tmp_path / "failed", sleep=sleep)
        assert 0 < len(manifest_of(tmp_path / "failed")) < 20
        served.sandbox.faults.clear()
        goes_on(served.sandbox, tmp_path / "failed", tmp_path / "whole")
