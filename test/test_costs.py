"""What calls cost, counted: Python calls, turns of other threads, connections, memory, schemas."""

from __future__ import annotations

import contextlib
import gc
import json
import socket
import ssl
import sys
import threading
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import pydantic
import pytest
import trustme

import flowhunt
import raw_server
from certificates import pem, server_context
from flowhunt.history._columns import SEARCH_COLUMNS
from raw_server import Connect, Connection, RawServer, response

MOST_CALLS = 24
MOST_FRAMES = 4
MOST_BYTES = 64 * 1024  # 32 for each of the calls below, which no object fits in
CALLS = 2_000

ASKING_THE_SYSTEM = {"recv_into", "sendall", "setblocking", "settimeout"}


class Called(NamedTuple):
    """A Python function that ran.

    :ivar files: where its frame and the frames that led there are, the innermost first
    """

    name: str
    files: list[str]

    def is_of(self, package: str) -> bool:
        return self.files[0].startswith(package)

    def frames_of(self, package: str) -> int:
        return sum(file.startswith(package) for file in self.files)


def folder_of(module_file: str | None) -> str:
    return str(Path(str(module_file)).parent) + "/"


OURS = folder_of(flowhunt.__file__)
PYDANTIC = folder_of(pydantic.__file__)


def calls_of(work: Callable[[], object]) -> list[Called]:
    """Every Python function that runs in this thread while work does."""
    called: list[Called] = []

    def profile(frame: FrameType, event: str, argument: object) -> None:
        if event == "call":
            called.append(Called(frame.f_code.co_name, list(files_from(frame))))

    profiled(work, profile)
    return called


def profiled(work: Callable[[], object], profile: Callable[[FrameType, str, Any], None]) -> None:
    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)


def turns_given_by(work: Callable[[], object]) -> Counter[str]:
    """How often work asks the system about a socket: each time other threads get a turn."""
    turns = Counter[str]()

    def profile(frame: FrameType, event: str, argument: Any) -> None:
        if event == "c_call" and isinstance(getattr(argument, "__self__", None), socket.socket):
            turns[argument.__name__] += argument.__name__ in ASKING_THE_SYSTEM

    profiled(work, profile)
    return +turns


def files_from(frame: FrameType | None) -> Iterator[str]:
    while frame is not None:
        yield frame.f_code.co_filename
        frame = frame.f_back


def test_a_warm_get_makes_few_calls_inside_the_package(connect: Connect) -> None:
    with RawServer() as server:
        api = connect(server)
        api.get_credit_balance()

        inside = [call.name for call in calls_of(api.get_credit_balance) if call.is_of(OURS)]

    assert "get_credit_balance" in inside
    assert len(inside) <= MOST_CALLS, inside


def test_the_way_from_an_endpoint_to_urllib3_is_short(connect: Connect) -> None:
    with RawServer() as server:
        api = connect(server)

        calls = calls_of(api.get_credit_balance)

    (sending,) = (call for call in calls if call.name == "urlopen")
    assert 0 < sending.frames_of(OURS) <= MOST_FRAMES


@pytest.mark.parametrize("request_body", [{"limit": 1}, None], ids=["search", "balance"])
def test_a_warm_call_builds_no_schema_again(
    connect: Connect, request_body: dict[str, int] | None
) -> None:
    def ask() -> object:
        if request_body is None:
            return api.get_credit_balance()
        return api.search_credit_transactions("w-1", request_body)

    with RawServer(
        response([raw_server.TRANSACTION] if request_body else raw_server.BALANCE)
    ) as server:
        api = connect(server)
        ask()

        run = [call.name for call in calls_of(ask) if call.is_of(PYDANTIC)]

    assert set(run) <= {"__instancecheck__"}  # older ones of pydantic's classes ask in Python


def test_a_warm_get_gives_other_threads_a_turn_to_send_and_one_to_receive(
    connect: Connect,
) -> None:
    with RawServer() as server:
        api = connect(server)
        api.get_credit_balance()

        assert turns_given_by(api.get_credit_balance) == {"sendall": 1, "recv_into": 1}


def test_a_page_is_received_at_once(connect: Connect) -> None:
    page = response([raw_server.TRANSACTION] * 60)
    assert len(page) > 8 * 1024  # what Python receives at once by itself, before 3.14
    with RawServer(page) as server:
        api = connect(server)
        api.search_credit_transactions("w-1", {})

        turns = turns_given_by(lambda: api.search_credit_transactions("w-1", {}))

    assert turns == {"sendall": 2, "recv_into": 1}  # urllib3 sends head and body one by one


def test_calls_in_a_row_share_one_connection(connect: Connect) -> None:
    with RawServer() as server:
        api = connect(server)
        for _ in range(50):
            api.get_credit_balance()

        assert server.connections == 1
        assert len(server.requests) == 50


def test_threads_open_no_more_connections_than_the_pool_holds(connect: Connect) -> None:
    at_once, threads = 3, 15
    begin, meeting = threading.Barrier(threads), threading.Barrier(at_once)

    def answer_once_all_are_busy(connection: Connection) -> None:
        meeting.wait(timeout=30)
        connection.send(response())

    with RawServer(answer_once_all_are_busy) as server:
        api = connect(server)
        api.api_client.configuration.connection_pool_maxsize = at_once

        def ask(_: int) -> int:
            begin.wait(timeout=30)
            return api.get_credit_balance().credits

        with ThreadPoolExecutor(threads) as pool:
            assert len(list(pool.map(ask, range(threads)))) == threads

        assert server.connections == at_once


def test_calls_leave_no_memory_behind(connect: Connect) -> None:
    not_of_tests = [
        tracemalloc.Filter(False, file)
        for file in (__file__, raw_server.__file__, "*/threading.py")
    ]

    def held() -> int:
        gc.collect()
        traces = tracemalloc.take_snapshot().filter_traces(not_of_tests)
        return sum(line.size for line in traces.statistics("filename"))

    with RawServer() as server:
        api = connect(server)
        tracemalloc.start()
        try:
            for _ in range(50):
                api.get_credit_balance()
            before = held()
            for _ in range(CALLS):
                api.get_credit_balance()
            grown = held() - before
        finally:
            tracemalloc.stop()

    assert grown < MOST_BYTES


@pytest.fixture
def collections() -> Iterator[list[int]]:
    """The generation of each garbage collection."""
    generations: list[int] = []

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            generations.append(info["generation"])

    gc.callbacks.append(note)
    yield generations
    gc.callbacks.remove(note)


def test_columns_give_the_garbage_collector_nothing_to_look_through(
    collections: list[int],
) -> None:
    text = json.dumps([raw_server.TRANSACTION] * 10_000).encode()
    SEARCH_COLUMNS.decode(text)
    collections.clear()
    ids = SEARCH_COLUMNS.decode(text)["transaction_id"]

    assert len(ids) == 10_000
    assert len(collections) < 50  # two short-lived tuples a row; it is over a hundred with models


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize(
    "rows",
    [[raw_server.TRANSACTION] * 1_000, [raw_server.TRANSACTION] * 1_000 + [{}]],
    ids=["good", "broken"],
)
def test_a_long_response_leaves_the_garbage_collector_as_it_was(
    rows: list[Any], enabled: bool, connect: Connect
) -> None:
    with RawServer(response(rows)) as server:
        api = connect(server)
        if not enabled:
            gc.disable()
        try:
            with contextlib.suppress(flowhunt.InvalidResponseException):
                api.search_credit_transactions("w-1", {})
            assert gc.isenabled() is enabled
        finally:
            gc.enable()


def test_all_connections_of_a_client_share_one_tls_context(connect: Connect) -> None:
    def answer_and_leave(connection: Connection) -> None:
        connection.send(response(headers={"Connection": "close"}))
        connection.close()

    def ask_thrice() -> None:
        for _ in range(3):
            api.get_credit_balance()

    authority = trustme.CA()
    with RawServer(answer_and_leave, tls=server_context(authority)) as server:
        api = connect(server, ca_cert_data=pem(authority))
        calls = calls_of(ask_thrice)

        assert server.connections == 3

    contexts = [call for call in calls if call.name == "__new__" and call.is_of(ssl.__file__)]
    assert len(contexts) == 1
