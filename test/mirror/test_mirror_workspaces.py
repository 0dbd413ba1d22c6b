"""Many workspaces: failures of one, throttled keys, progress, reports, Ctrl-C."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from datetime import date
from io import StringIO
from pathlib import Path

import pytest

import flowhunt
from flowhunt.export import Progress
from flowhunt.history import Difference, Tally
from flowhunt.mirror import Failure, SumsDifference, SyncReport, WorkspaceError, verify
from mirrors import configuration_for, facts, facts_by_duckdb, facts_in, html_of, served, sync
from wrong_service import WORKSPACE, Request, Row, Search, WrongService, evenly

IDS = ["workspace-a", "workspace-b", "workspace-c"]
CHILD = Path(__file__).with_name("interrupted_child.py")


def rows_of(*workspace_ids: str, count: int = 60) -> list[Row]:
    return [
        row
        for workspace_id in workspace_ids
        for row in evenly(count, 60, workspace_id=workspace_id, prefix=f"{workspace_id}-")
    ]


def refusing(workspace_id: str) -> Callable[[Request], Search]:
    return lambda request: Search(status=401 if request.workspace_id == workspace_id else 200)


# Failures


def test_a_workspace_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    with served(rows_of(*IDS), search=refusing(IDS[1])) as (service, configuration):
        report = sync(tmp_path / "t", configuration, IDS)
        kept = [row for row in service.rows if row["workspace_id"] != IDS[1]]
        assert facts_by_duckdb(tmp_path / "t") == facts(kept)
    (failure,) = report.failures
    assert failure.workspace_id == IDS[1]
    assert isinstance(failure.error, flowhunt.UnauthorizedException)
    assert not report.ok
    assert f"{IDS[1]}: UnauthorizedException" in str(report)
    assert report.changed == (IDS[0], IDS[2])


def test_the_rows_that_a_workspace_had_before_it_failed_stay(tmp_path: Path) -> None:
    failing = False

    def search(request: Request) -> Search:
        return Search(status=401 if failing and request.workspace_id == IDS[1] else 200)

    rows = rows_of(*IDS)
    with served(rows, search=search) as (service, configuration):
        sync(tmp_path / "t", configuration, IDS)
        failing = True
        service.remove(*(row["transaction_id"] for row in rows[::7]))
        assert [
            each.workspace_id for each in sync(tmp_path / "t", configuration, IDS).failures
        ] == [IDS[1]]
        kept = [row for row in service.rows if row["workspace_id"] != IDS[1]]
        kept += [row for row in rows if row["workspace_id"] == IDS[1]]
        assert facts_in(tmp_path / "t") == facts(kept)


def test_an_error_that_is_asked_for_names_the_workspace(tmp_path: Path) -> None:
    with served(rows_of(*IDS), search=refusing(IDS[1])) as (_, configuration):
        with pytest.raises(WorkspaceError, match=f"{IDS[1]}.*401") as caught:
            sync(tmp_path / "t", configuration, IDS, on_error="raise")
        assert caught.value.workspace_id == IDS[1]
        assert isinstance(caught.value.__cause__, flowhunt.UnauthorizedException)
        with pytest.raises(WorkspaceError, match=IDS[1]):
            verify(IDS, tmp_path / "t", configuration=configuration, on_error="raise")


def test_a_function_that_has_no_key_for_one_workspace_does_not_stop_the_others(
    tmp_path: Path,
) -> None:
    with served(rows_of(*IDS)) as (service, configuration):

        def of(workspace_id: str) -> flowhunt.Configuration:
            if workspace_id == IDS[0]:
                raise KeyError("no such secret")
            return configuration

        report = sync(tmp_path / "t", of, IDS)
        assert [each.workspace_id for each in report.failures] == [IDS[0]]
        kept = [row for row in service.rows if row["workspace_id"] != IDS[0]]
        assert facts_in(tmp_path / "t") == facts(kept)
        with pytest.raises(WorkspaceError, match=IDS[0]):
            sync(tmp_path / "t", of, IDS, on_error="raise")


def test_each_workspace_is_called_with_its_own_configuration(tmp_path: Path) -> None:
    with WrongService(rows_of(IDS[0])) as one, WrongService(rows_of(IDS[1])) as two:
        workspaces = {IDS[0]: configuration_for(one), IDS[1]: configuration_for(two)}
        sync(tmp_path / "t", None, workspaces)
        assert {request.workspace_id for request in one.requests} == {IDS[0]}
        assert {request.workspace_id for request in two.requests} == {IDS[1]}
        assert facts_in(tmp_path / "t") == facts([*one.rows, *two.rows])
        with pytest.raises(TypeError, match="configuration"):
            sync(tmp_path / "t", configuration_for(one), workspaces)
        with pytest.raises(TypeError, match=f"{IDS[1]}.*NoneType"):
            sync(tmp_path / "u", None, {**workspaces, IDS[1]: None})
        assert not (tmp_path / "u").exists()


def test_a_workspace_more_or_fewer_is_the_same_call(tmp_path: Path) -> None:
    with served(rows_of(*IDS)) as (service, configuration):
        for ids in (IDS[:2], IDS, IDS[2:]):
            sync(tmp_path / "t", configuration, ids)
        assert facts_in(tmp_path / "t") == facts(service.rows)


def test_many_small_workspaces_share_commits(tmp_path: Path) -> None:
    ids = [f"workspace-{number}" for number in range(40)]
    with served(rows_of(*ids, count=10)) as (service, configuration):
        report = sync(tmp_path / "t", configuration, ids)
        assert report.commits == 1
        before = len(service.requests)
        assert sync(tmp_path / "t", configuration, ids).commits == 0
        assert len(service.requests) - before <= 3 * len(ids)
        assert facts_in(tmp_path / "t") == facts(service.rows)


# Threads


def test_a_throttled_key_does_not_hold_all_threads(tmp_path: Path) -> None:
    """All workspaces of one key wait until those of the other key are finished."""
    slow, fast = [f"1-slow-{n}" for n in range(6)], [f"2-fast-{n}" for n in range(6)]
    others_are_done = threading.Event()

    asked = Counter[str | None]()

    def search(request: Request) -> Search:
        asked[request.workspace_id] += 1
        return Search(status=429 if asked[request.workspace_id] == 1 else 200)

    with WrongService(rows_of(*slow), search=search) as one, WrongService(rows_of(*fast)) as two:
        limited, own = configuration_for(one), configuration_for(two)

        def sleep(seconds: float) -> None:
            assert others_are_done.wait(15)

        def report_progress(now: Progress) -> None:
            if now.workspaces == len(fast):
                others_are_done.set()

        report = sync(
            tmp_path / "t",
            {**dict.fromkeys(slow, limited), **dict.fromkeys(fast, own)}.__getitem__,
            [*slow, *fast],
            workers=3,
            sleep=sleep,
            progress=report_progress,
        )
        assert not report.failures
        assert report.failed_requests == len(slow)
        assert facts_in(tmp_path / "t") == facts([*one.rows, *two.rows])


def test_one_large_workspace_is_read_by_several_threads(tmp_path: Path) -> None:
    both = threading.Barrier(2)
    met = threading.Event()

    def search(request: Request) -> Search:
        if request.nth > 3 and not met.is_set():
            try:
                both.wait(10)
                met.set()
            except threading.BrokenBarrierError:
                pass
        return Search()

    with served(evenly(600, 60), search=search) as (service, configuration):
        sync(tmp_path / "t", configuration, workers=4)
        assert met.is_set()
        assert facts_in(tmp_path / "t") == facts(service.rows)


# Progress and reports


def test_progress_counts_workspaces_and_rows(tmp_path: Path) -> None:
    reported: list[Progress] = []
    with served(rows_of(*IDS)) as (_, configuration):
        sync(tmp_path / "t", configuration, IDS, progress=reported.append)
    assert reported[-1].rows == 180
    assert {now.workspaces_in_all for now in reported} == {3}
    assert [now.rows for now in reported] == sorted(now.rows for now in reported)


@pytest.mark.parametrize("stderr", [None, "closed", "ascii"])
def test_a_bar_that_cannot_be_drawn_does_not_end_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stderr: str | None
) -> None:
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

        def write(self, text: str) -> int:
            text.encode("ascii")
            return super().write(text)

    output = Terminal() if stderr else None
    if output and stderr == "closed":
        output.close()
    monkeypatch.setattr(sys, "stderr", output)
    with served(rows_of(*IDS)) as (_, configuration):
        report = sync(tmp_path / "t", configuration, IDS, progress=True)
    assert report.rows_written == 180


def test_a_bar_shows_on_a_terminal_and_starts_no_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    output = Terminal()
    monkeypatch.setattr(sys, "stderr", output)
    with served(rows_of(*IDS)) as (_, configuration):
        sync(tmp_path / "t", configuration, IDS, progress=True)
    assert "180 rows" in output.getvalue()
    assert "TMonitor" not in {type(each).__name__ for each in threading.enumerate()}


def test_no_bar_is_written_to_a_stream_that_cannot_say_whether_it_is_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []

    class Log:
        def write(self, text: str) -> None:
            written.append(text)

    monkeypatch.setattr(sys, "stderr", Log())
    with served(rows_of(*IDS)) as (_, configuration):
        report = sync(tmp_path / "t", configuration, IDS, progress=True)
    assert report.rows_written == 180
    assert not written


def test_a_report_is_a_value_that_json_and_notebooks_take(tmp_path: Path) -> None:
    script = "<script>alert(1)</script>"
    with served(rows_of(IDS[0]), search=refusing(script)) as (_, configuration):
        report = sync(tmp_path / "t", configuration, [IDS[0], script])
    as_json = json.loads(json.dumps(report.to_dict()))
    assert as_json["failures"][0]["workspace_id"] == script
    assert as_json["failures"][0]["error"]["type"] == "UnauthorizedException"
    assert as_json["changed"] == [IDS[0]]
    html = html_of(report)
    assert "&lt;script&gt;" in html
    assert "<script>" not in html


def test_a_long_report_says_how_much_more_there_is() -> None:
    found = Difference(date(2026, 1, 31), "G", Tally(1, 2), Tally(3, 4))
    report = SyncReport(
        table="t",
        version=1,
        workspaces=30,
        failures=tuple(Failure(f"w{n}", ValueError("no")) for n in range(30)),
        sums_differ=tuple(SumsDifference(f"w{n}", found) for n in range(3)),
        rows_read=0,
        requests=0,
        failed_requests=0,
        seconds=0.0,
        changed=(),
        rows_written=0,
        commits=0,
    )
    assert "w9: ValueError: no" in str(report)
    assert "w10: ValueError" not in str(report)
    assert "and 20 more" in str(report)
    assert str(report).count("the sums say 3 with 4") == 3


def test_credentials_are_in_no_report_and_no_error(tmp_path: Path) -> None:
    with served(rows_of(*IDS), search=refusing(IDS[1])) as (service, _):
        configuration = configuration_for(service, api_key="planted-secret-key")
        report = sync(tmp_path / "t", configuration, IDS)
        assert len(report.failures) == 1
        shown = [str(report), repr(report), html_of(report), json.dumps(report.to_dict())]
        assert not [text for text in shown if "planted-secret-key" in text]


# Ctrl-C and processes without standard error


@pytest.mark.skipif(sys.platform == "win32", reason="it sends SIGINT")
@pytest.mark.parametrize("what", ["sync", "export"])
def test_ctrl_c_ends_within_the_call_under_way(tmp_path: Path, what: str) -> None:
    rows = evenly(300, 60)

    def search(request: Request) -> Search:
        return Search(stall=request.nth > 5)

    with WrongService(rows, search=search) as service:
        command = [sys.executable, str(CHILD), what, service.url, str(tmp_path / "t")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            try:
                assert service.stalled.wait(60)
                child.send_signal(signal.SIGINT)
                service.release.set()
                out, _ = child.communicate(timeout=60)
            finally:
                child.kill()
        assert out == "interrupted, left: []\n"
        if what == "export":
            assert list(tmp_path.iterdir()) == []
        else:
            assert facts_in(tmp_path / "t") == []
            sync(tmp_path / "t", configuration_for(service))
            assert facts_in(tmp_path / "t") == facts(rows)


def test_a_process_without_standard_error_syncs(tmp_path: Path) -> None:
    with WrongService(evenly(100, 60)) as service:
        command = [sys.executable, str(CHILD), "silent", service.url, str(tmp_path / "t")]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=100)
        assert done.stdout == "finished\n"
        assert facts_in(tmp_path / "t") == facts(service.rows)


def test_no_thread_is_left_after_a_sync(tmp_path: Path) -> None:
    with served(rows_of(*IDS), search=refusing(IDS[1])) as (_, configuration):
        before = set(threading.enumerate())
        sync(tmp_path / "t", configuration, IDS)
        started = set(threading.enumerate()) - before
        assert not [each.name for each in started if each.name.startswith("flowhunt")]


def test_no_thread_is_left_while_the_error_that_ended_a_sync_is_handled(tmp_path: Path) -> None:
    def stop(now: Progress) -> None:
        raise InterruptedError

    with served(evenly(600, 60)) as (_, configuration):
        before = set(threading.enumerate())
        with pytest.raises(InterruptedError) as caught:
            sync(tmp_path / "t", configuration, workers=4, progress=stop)
        for thread in set(threading.enumerate()) - before:
            if thread.name.startswith("flowhunt"):
                thread.join(10)
                assert not thread.is_alive()
        assert caught.traceback  # whose frames keep all that was in use


def test_the_default_workspace_id_is_an_id_like_any(tmp_path: Path) -> None:
    with served(evenly(10, 5)) as (service, configuration):
        flowhunt.ApiClient.set_default(flowhunt.ApiClient(configuration))
        sync(tmp_path / "t", None, WORKSPACE)
        assert facts_in(tmp_path / "t") == facts(service.rows)
