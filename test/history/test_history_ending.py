"""Readers end when they are told to, and with the program, also while the service is silent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from contextvars import ContextVar
from typing import Any

import pytest

from flowhunt.history import iter_credit_transactions
from test_history_hostile import HISTORY, Case, api_of, models
from test_history_troubles import readers
from wrong_service import WORKSPACE, Request, Search, WrongService, evenly

SOON = 20.0
"""Seconds in which a process ends that ends at once, on a busy machine."""


def child(service: WrongService, program: str) -> subprocess.Popen[str]:
    """A process that reads, with ``api`` and ``rows`` at hand."""
    begin = f"""
        import atexit, os, sys, tempfile, threading
        import flowhunt
        from flowhunt.export import export_credit_transactions
        from flowhunt.history import iter_credit_transactions
        configuration = flowhunt.Configuration(
            host={service.url!r}, api_key="key", trust_env=False
        )
        api = flowhunt.CreditsApi(flowhunt.ApiClient(configuration))
        def rows(workers):
            return iter_credit_transactions(api, {WORKSPACE!r}, page_size=10, workers=workers)
        """
    source = textwrap.dedent(begin) + textwrap.dedent(program)
    return subprocess.Popen(
        [sys.executable, "-c", source], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def stalls_after(requests: int, held: int = 0) -> Any:
    """A search that stalls; one request before may be held until others have read ahead."""
    ahead = threading.Event()

    def search(request: Request) -> Search:
        if request.nth > requests:
            ahead.set()
        elif request.nth == held:
            ahead.wait(20)
        return Search(stall=request.nth > requests)

    return search


READING = {
    "an iterator": "for row in rows({workers}): pass",
    "an export": """
        with tempfile.TemporaryDirectory() as directory:
            export_credit_transactions(
                api, "workspace-1", directory + "/t.csv", "2025-01-01", "2026-01-01",
                workers={workers}, page_size=10, progress=False,
            )
        """,
}


@pytest.mark.parametrize("reading", READING)
@pytest.mark.parametrize("workers", [1, 4])
def test_ctrl_c_ends_a_process_whose_service_is_silent(reading: str, workers: int) -> None:
    with WrongService(HISTORY, search=stalls_after(3)) as service:
        process = child(service, READING[reading].format(workers=workers))
        assert service.stalled.wait(20)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
        assert time.monotonic() - began < SOON
        assert process.returncode == -signal.SIGINT or "KeyboardInterrupt" in errors


@pytest.mark.parametrize("workers", [1, 4])
def test_a_program_ends_although_an_iterator_is_half_read_and_the_service_silent(
    workers: int,
) -> None:
    # The first part is read by then, and more is under way where threads read.
    search = stalls_after(25, held=15 if workers > 1 else 0)
    with WrongService(HISTORY, search=search) as service:
        process = child(service, f"found = rows({workers})\nprint(next(found).transaction_id)")
        if workers > 1:
            assert service.stalled.wait(20)
        began = time.monotonic()
        output, errors = process.communicate(timeout=30)
        assert time.monotonic() - began < SOON
        assert (process.returncode, errors) == (0, "")
        assert output.strip() == Case().wanted[0]


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("how", ["close", "break"])
def test_closing_does_not_wait_for_a_silent_service(workers: int, how: str) -> None:
    with WrongService(HISTORY, search=stalls_after(25)) as service, api_of(service) as api:
        rows = iter_credit_transactions(api, WORKSPACE, page_size=10, workers=workers)
        next(rows)
        if workers > 1:
            assert service.stalled.wait(20)
        began = time.monotonic()
        if how == "close":
            rows.close()
        else:
            for _ in rows:
                break
            del rows
        assert time.monotonic() - began < SOON
        service.release.set()


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize(
    "program",
    [
        "atexit.register(lambda: print(sum(1 for row in rows({workers}))))",
        """
        def read():
            threading.main_thread().join()
            print(sum(1 for row in rows({workers})))
        threading.Thread(target=read).start()
        """,
    ],
    ids=["at exit", "in a thread that outlives the main one"],
)
def test_reading_works_while_the_interpreter_ends(program: str, workers: int) -> None:
    with WrongService(HISTORY) as service:
        process = child(service, textwrap.dedent(program.format(workers=workers)))
        output, errors = process.communicate(timeout=60)
        assert (process.returncode, output.strip(), errors) == (0, str(len(HISTORY)), "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.parametrize(("workers", "told"), [(1, str(len(HISTORY) - 1)), (4, "forked")])
def test_a_half_read_iterator_does_not_hang_in_a_forked_child(workers: int, told: str) -> None:
    with WrongService(HISTORY) as service:
        process = child(
            service,
            f"""
            found = rows({workers})
            next(found)
            if os.fork():
                os.wait()
                found.close()
            else:
                try:
                    print(sum(1 for row in found), flush=True)
                except flowhunt.history.HistoryError as error:
                    print(error, flush=True)
                os._exit(0)
            """,
        )
        output, errors = process.communicate(timeout=60)
        assert told in output, errors


def test_one_worker_needs_no_thread() -> None:
    with WrongService(HISTORY) as service, api_of(service) as api:
        before = threading.active_count()
        for _ in models(api, Case(page_size=10)):
            assert threading.active_count() <= before + 1  # of the service, for the connection
        assert readers() == []


def test_one_heavy_day_is_read_by_all_threads_at_once() -> None:
    """Eight requests are there at once, or the first of them would wait in vain."""
    rows = evenly(4000, 1)
    together = threading.Barrier(8)
    met = threading.Event()

    def meet(request: Request) -> Search:
        if request.nth > 20 and not met.is_set():
            together.wait(10)
            met.set()
        return Search()

    with WrongService(rows, search=meet) as service, api_of(service) as api:
        assert list(models(api, Case(rows), workers=8)) == Case(rows).wanted
    assert met.is_set()


def test_threads_of_a_reader_keep_the_context_of_the_caller() -> None:
    context: ContextVar[str] = ContextVar("context", default="none")
    seen: set[str] = set()
    context.set("the caller's")
    with WrongService(HISTORY) as service, api_of(service) as api:
        token = api.api_client.configuration
        token.api_key["APIKeyHeader"] = lambda: seen.add(context.get()) or "key"  # type: ignore[func-returns-value]
        assert len(list(models(api, Case(page_size=10), workers=4))) == len(HISTORY)
    assert seen == {"the caller's"}
