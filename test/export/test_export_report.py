"""What an export tells of itself: on its way, and at its end."""

from __future__ import annotations

import os
import struct
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from children import exporting
from exports import SEARCH, Relay, export, manifest_of, spread, without
from flowhunt.export import Progress
from flowhunt.sandbox import Sandbox
from histories import books

HISTORY = spread(600)


class Listener:
    """Remembers what it was told, and in which thread."""

    def __init__(self) -> None:
        self.told: list[Progress] = []
        self.threads: set[threading.Thread] = set()

    def __call__(self, now: Progress) -> None:
        self.told.append(now)
        self.threads.add(threading.current_thread())


def test_a_callback_is_told_of_every_window_in_the_thread_of_the_caller(tmp_path: Path) -> None:
    listener = Listener()
    with books(history=HISTORY) as served:
        report = export(served.api, served.workspace_id, tmp_path, progress=listener)
    rows = [now.rows for now in listener.told]
    assert rows == sorted(rows)
    assert rows[-1] == report.rows == 600
    assert [now.windows for now in listener.told] == [*range(1, report.windows + 1)]
    assert {now[1::2] for now in listener.told} == {(600, report.windows)}
    assert listener.threads == {threading.current_thread()}


def test_a_callback_is_told_of_what_was_there_before(tmp_path: Path) -> None:
    first, second = Listener(), Listener()
    with books(history=HISTORY) as served:
        export(served.api, served.workspace_id, tmp_path, until="2025-04-01", progress=first)
        export(served.api, served.workspace_id, tmp_path, progress=second)
        there, windows = first.told[-1].rows, first.told[-1].windows
        assert second.told[0].rows > there > 0
        assert second.told[0].windows == windows + 1
        assert second.told[-1] == Progress(600, 600, *[len(manifest_of(tmp_path))] * 2)


@pytest.mark.parametrize("progress", [True, False])
def test_nothing_is_shown_where_there_is_no_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], progress: bool
) -> None:
    with books(history=HISTORY) as served:
        export(served.api, served.workspace_id, tmp_path, progress=progress)
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(sys.platform == "win32", reason="it has no pseudo-terminals")
@pytest.mark.parametrize("bar", [True, False])
def test_a_terminal_shows_a_bar_if_it_is_wanted(tmp_path: Path, bar: bool) -> None:
    import fcntl
    import termios

    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, 120, 0, 0))
    with Sandbox(workspaces=1, history=HISTORY) as sandbox:
        with exporting(sandbox, tmp_path, bar=bar, stderr=theirs) as child:
            os.close(theirs)
            shown = _all_of(ours)
            assert child.wait() == 0, shown
    assert ("transactions" in shown and "600/600" in shown) is bar
    assert bool(shown) is bar


def _all_of(terminal: int) -> str:
    shown = b""
    try:
        while data := os.read(terminal, 4096):
            shown += data
    except OSError:
        pass  # how Linux says that nobody holds the other end
    os.close(terminal)
    return shown.decode()


def test_a_report_counts_what_was_done(tmp_path: Path) -> None:
    with books(history=HISTORY) as served:
        began = time.monotonic()
        report = export(served.api, served.workspace_id, tmp_path)
        took = time.monotonic() - began
        kept = served.kept()
        assert report.destination == tmp_path
        assert report.windows == report.windows_read == len(manifest_of(tmp_path)) > 5
        assert report.rows == report.rows_read == len(kept)
        assert report.amount == sum(row["amount"] for row in kept)
        assert report.requests == len(served.sandbox.requests)
        assert report.retries == 0
        assert report.differences == ()
        assert 0 < report.seconds <= took


def test_a_report_counts_what_was_there_before_apart(tmp_path: Path) -> None:
    with books(history=HISTORY) as served:
        first = export(served.api, served.workspace_id, tmp_path, until="2025-04-01")
        before = len(served.sandbox.requests)
        second = export(served.api, served.workspace_id, tmp_path)
        assert second.rows == 600
        assert second.rows_read == 600 - first.rows
        assert second.windows_read == second.windows - first.windows
        assert second.requests == len(served.sandbox.requests) - before


def test_a_report_counts_what_came_more_often_than_once(tmp_path: Path) -> None:
    came = []

    def count(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        came.append(len(rows))
        return rows

    with books(history=HISTORY) as served, Relay(served.sandbox.url, page=count) as relay:
        apis = {served.workspace_id: served.sandbox.configuration(host=relay.url)}
        report = export(apis, served.workspace_id, tmp_path)
    assert report.dropped == sum(came) - 600 > 0


def test_a_report_counts_requests_that_had_to_be_sent_again(tmp_path: Path) -> None:
    with books(history=HISTORY) as served:
        served.sandbox.faults.add(status=429, retry_after="0", requests=[3, 9], operation=SEARCH)
        served.sandbox.faults.add(reset=True, requests=[20])
        report = export(served.api, served.workspace_id, tmp_path)
        assert report.retries == 3
        assert report.requests == len(served.sandbox.requests)


def test_the_text_of_a_report_has_its_numbers(tmp_path: Path) -> None:
    with books(history=HISTORY) as served:
        hidden = served.kept()[100]
        with Relay(served.sandbox.url, page=without(hidden["transaction_id"])) as relay:
            apis = {served.workspace_id: served.sandbox.configuration(host=relay.url)}
            with pytest.warns(UserWarning, match=hidden["created_at"][:10]):
                report = export(apis, served.workspace_id, tmp_path, on_difference="warn")
    text = str(report)
    for part in (
        str(tmp_path),
        "599, 599 of them read now",
        f"{report.windows}, {report.windows} of them",
        f"{report.amount:,}",
        f"{report.requests:,}, 0 of them again",
        f"{report.dropped:,} ",
        f"{report.seconds:.1f}",
        served.workspace_id,
        str(report.differences[0][1]),
    ):
        assert part in text
    assert len(text.splitlines()) < 12
