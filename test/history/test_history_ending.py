"""Readers end when they are closed, and with the program, even if the service is silent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from typing import Any

import pytest

from flowhunt.history import iter_credit_transactions
from test_history_failures import readers
from test_history_hostile import HISTORY, Case, api_of, models
from wrong_service import START, WORKSPACE, Request, Search, WrongService, evenly

AFTER_THE_FIRST_PART = (START + timedelta(days=15)).isoformat()
"""Ten pages of 10 rows are those of 11 days and a half."""
SOON = 20.0
"""Seconds in which a process ends that ends at once, on a busy machine."""


@contextmanager
def child(service: WrongService, program: str) -> Generator[subprocess.Popen[str], None, None]:
    """A process that reads, with ``api`` and ``rows`` at hand; it is killed if it does not end."""
    begin = f"""
        import atexit, os, sys, tempfile, threading
        import flowhunt
        from flowhunt.history import iter_credit_transactions
        configuration = flowhunt.Configuration(
            host={service.url!r}, api_key="key", trust_env=False
        )
        api = flowhunt.CreditsApi(flowhunt.ApiClient(configuration))
        def rows(workers):
            return iter_credit_transactions(api, {WORKSPACE!r}, page_size=10, workers=workers)
        """
    source = textwrap.dedent(begin) + textwrap.dedent(program)
    command = [sys.executable, "-c", source]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()  # nothing happens if it has ended


def stalls_after(requests: int) -> Any:
    def search(request: Request) -> Search:
        return Search(stall=request.nth > requests)

    return search


def stalls_after_the_first_part(workers: int) -> Any:
    """A search that stalls for time that is not in the first part, whichever thread asks for it.

    Where threads read, the first part is not finished before one of them has asked for such time.
    """
    ahead = threading.Event()

    def search(request: Request) -> Search:
        since, until = (request.body.get(f"created_at_{end}") or "" for end in ("from", "to"))
        is_late = until != "" and since > AFTER_THE_FIRST_PART
        if is_late:
            ahead.set()
        elif workers > 1 and request.nth == 15:
            ahead.wait(20)
        return Search(stall=is_late)

    return search


READING = {
    "an iterator": "for row in rows({workers}): pass",
    "an export": """
        from flowhunt.export import export_credit_transactions
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
        with child(service, READING[reading].format(workers=workers)) as process:
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
    program = f"found = rows({workers})\nprint(next(found).transaction_id)"
    with WrongService(HISTORY, search=stalls_after_the_first_part(workers)) as service:
        with child(service, program) as process:
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
    search = stalls_after_the_first_part(workers)
    with WrongService(HISTORY, search=search) as service, api_of(service) as api:
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


def test_reading_works_while_the_interpreter_ends() -> None:
    program = """
        def read(when, workers):
            if when == "in a thread that outlives the main one":
                threading.main_thread().join()
            print(when, workers, sum(1 for row in rows(workers)))
        for workers in 1, 4:
            when = "in a thread that outlives the main one"
            threading.Thread(target=read, args=(when, workers)).start()
            atexit.register(read, "at exit", workers)
        """
    with WrongService(HISTORY) as service:
        with child(service, program) as process:
            output, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert sorted(output.splitlines()) == [
        f"{when} {workers} {len(HISTORY)}"
        for when in ("at exit", "in a thread that outlives the main one")
        for workers in (1, 4)
    ]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.parametrize(("workers", "reported"), [(1, str(len(HISTORY) - 1)), (4, "forked")])
def test_a_half_read_iterator_does_not_hang_in_a_forked_child(workers: int, reported: str) -> None:
    program = f"""
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
        """
    with WrongService(HISTORY) as service:
        with child(service, program) as process:
            output, errors = process.communicate(timeout=60)
        assert reported in output, errors


def test_one_worker_needs_no_thread() -> None:
    with WrongService(HISTORY) as service, api_of(service) as api:
        before = threading.active_count()
        for _ in models(api, Case(page_size=10)):
            assert threading.active_count() <= before + 1  # of the service, for the connection
        assert readers() == []


def test_one_heavy_day_is_read_by_all_threads_at_once() -> None:
    """Eight requests are under way at once; else the first of them would get no response."""
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
