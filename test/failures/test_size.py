"""No response takes more memory than the client allows."""

from __future__ import annotations

import gzip
import json
import logging
import struct
import subprocess
import sys
import textwrap
import threading
import zlib
from collections.abc import Callable
from functools import cache, reduce
from types import FrameType
from typing import Any

import pytest
import urllib3

import flowhunt
from failures import ENDPOINTS, ROW, Endpoint
from flowhunt.exceptions import ApiException, ResponseTooLargeException
from raw_server import BALANCE, Connect, Connection, JumpingClock, RawServer, Response, response

LIMIT = 100_000
MEBIBYTE = 1024 * 1024
PIECE = b" " * MEBIBYTE
MUCH = 512  # pieces, if nobody stops it


def endless(
    *lines: str, status: str = "200 OK", before: bytes = b"", after: bytes = b""
) -> Callable[[Connection], None]:
    """A response that goes on far beyond the limit."""

    def respond(connection: Connection) -> None:
        head = "\r\n".join([f"HTTP/1.1 {status}", "Connection: close", *lines, "", ""]).encode()
        connection.send(head)
        for _ in range(MUCH):
            connection.send(before + PIECE + after)
        connection.close()

    return respond


@cache
def bomb(pieces: int) -> bytes:
    """Gzip that opens to so many pieces, made without having or compressing them all."""
    packer = zlib.compressobj(9, wbits=-15)
    piece = packer.compress(PIECE) + packer.flush(zlib.Z_FULL_FLUSH)  # it needs none before it
    checksum = reduce(lambda before, _: zlib.crc32(PIECE, before), range(pieces), 0)
    head, end = gzip.compress(b"")[:10], struct.pack("<II", checksum, pieces * MEBIBYTE % 2**32)
    return head + piece * pieces + packer.flush() + end


def compressed_once(connection: Connection) -> None:
    connection.send(response(bomb(1024), headers={"Content-Encoding": "gzip"}))


def compressed_twice(connection: Connection) -> None:
    body = gzip.compress(bomb(1024))
    connection.send(response(body, headers={"Content-Encoding": "gzip, gzip"}))


CHUNKED = "Transfer-Encoding: chunked"
TOO_LARGE: dict[str, Response] = {
    "1 MB of gzip that opens to 1 GiB": compressed_once,
    "gzip in gzip that opens to 1 GiB": compressed_twice,
    "no end": endless(),
    "no end, in chunks": endless(CHUNKED, before=b"100000\r\n", after=b"\r\n"),
    "no end, in one chunk": endless(CHUNKED, before=b"fffffffffff\r\n"),
    "a declared length": endless(f"Content-Length: {MUCH * MEBIBYTE}"),
    "a declared length, said twice": endless("Content-Length: 5, 5"),
    "a length below zero": endless("Content-Length: -1"),
    "a chunk below zero": endless(CHUNKED, before=b"-1\r\n"),
    "a chunk size without end": endless(CHUNKED, before=b"1;"),
    "a trailer without end": endless(CHUNKED, before=b"0\r\nX: "),
    "no end, not compressed as said": endless("Content-Encoding: br"),
    "an error without end": endless(status="500 No"),
}
TELLS_ITS_GROWTH = """
    import resource, sys
    import flowhunt

    configuration = flowhunt.Configuration(
        host=sys.argv[1], api_key="key-1", max_response_bytes=int(sys.argv[2]), retries=0
    )
    api = flowhunt.CreditsApi(flowhunt.ApiClient(configuration))
    print(api.get_credit_balance().credits)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(int(sys.argv[3])):
        try:
            api.get_credit_balance(_request_timeout=30)
        except flowhunt.ApiException as error:
            growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            print(type(error).__name__, growth)
"""
MOST_GROWTH = 64 * 1024  # KiB


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count ru_maxrss in other units")
def test_responses_beyond_the_limit_take_little_memory() -> None:
    program, arguments = textwrap.dedent(TELLS_ITS_GROWTH), (str(LIMIT), str(len(TOO_LARGE)))
    with RawServer(response(), *TOO_LARGE.values()) as server:
        child = subprocess.run(
            [sys.executable, "-c", program, server.url, *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    credits, *lines = child.stdout.splitlines()

    assert credits == str(BALANCE["credits"])
    for name, line in zip(TOO_LARGE, lines, strict=True):
        error, growth = line.split()
        assert issubclass(getattr(flowhunt, error), ApiException), name
        assert int(growth) < MOST_GROWTH, name


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_a_declared_length_beyond_the_limit_is_refused_before_a_byte_is_read(
    endpoint: Endpoint, connect: Connect, clock: JumpingClock
) -> None:
    def declare(connection: Connection) -> None:
        connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {LIMIT + 1}\r\n\r\n".encode())
        connection.keep_silent()

    with RawServer(declare) as server:
        with pytest.raises(ResponseTooLargeException, match="more than 100,000 bytes") as caught:
            endpoint.call(connect(server, max_response_bytes=LIMIT))

        assert len(server.requests) == 1
    assert caught.value.status == 200
    assert caught.value.body == ""
    assert not clock.sleeps


@pytest.mark.parametrize("form", ["decoded", "read later"])
def test_a_body_that_is_too_large_is_not_received_any_longer(form: str, connect: Connect) -> None:
    left = threading.Event()

    def declare(connection: Connection) -> None:
        connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {LIMIT + 1}\r\n\r\n".encode())
        connection.keep_silent()
        left.set()

    with RawServer(declare) as server:
        api = connect(server, max_response_bytes=LIMIT)
        call: Callable[[], object] = api.get_credit_balance
        if form == "read later":
            call = api.api_client.call_api("GET", f"{server.url}/v2/credits/balance").read
        with pytest.raises(ResponseTooLargeException) as caught:
            call()
        assert left.wait(5)
    assert caught.value.status == 200


def test_a_response_that_is_too_large_is_logged_like_any_other_call(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="flowhunt"), RawServer() as server:
        with pytest.raises(ResponseTooLargeException):
            connect(server, max_response_bytes=5).get_credit_balance()

    assert [record.name for record in caplog.records].count("flowhunt") == 1


@pytest.mark.parametrize("beyond", [0, 1])
@pytest.mark.parametrize("form", ["length", "chunks", "close", "gzip"])
def test_the_limit_is_the_last_size_that_passes(form: str, beyond: int, connect: Connect) -> None:
    body = json.dumps(BALANCE).encode()
    body += b" " * (LIMIT + beyond - len(body))
    compressed = gzip.compress(body)
    responses = {
        "length": response(body),
        "gzip": response(compressed, headers={"Content-Encoding": "gzip"}),
        "chunks": f"HTTP/1.1 200 OK\r\n{CHUNKED}\r\n\r\n{len(body):x}\r\n".encode()
        + body
        + b"\r\n0\r\n\r\n",
    }

    def until_close(connection: Connection) -> None:
        connection.send(b"HTTP/1.1 200 OK\r\n\r\n" + body)
        connection.close()

    with RawServer(responses.get(form, until_close)) as server:
        api = connect(server, max_response_bytes=LIMIT)
        if not beyond:
            assert api.get_credit_balance().to_dict() == BALANCE
            return
        with pytest.raises(ResponseTooLargeException):
            api.get_credit_balance()


def test_a_page_of_a_hundred_thousand_rows_passes_by_default(connect: Connect) -> None:
    rows = 100_000
    with RawServer(response([ROW] * rows)) as server:
        page = connect(server).search_credit_transactions("w-1", {"limit": rows})

    assert len(page) == rows


def test_a_large_bad_response_is_not_parsed_again_for_its_error(connect: Connect) -> None:
    rows = b"[" + b",".join([b"{}"] * 30_000) + b"]"
    with RawServer(response(rows)) as server:
        api = connect(server)
        parsed: list[str] = []

        def note(frame: FrameType, event: str, argument: object) -> None:
            if event == "call" and frame.f_code is json.loads.__code__:
                parsed.append(frame.f_code.co_name)

        sys.setprofile(note)
        try:
            with pytest.raises(flowhunt.InvalidResponseException) as caught:
                api.search_credit_transactions("w-1", {})
            shown = str(caught.value)
        finally:
            sys.setprofile(None)

    assert parsed == []
    assert "does not fit at 0." in shown
    assert caught.value.detail is None


def test_a_long_refusal_of_the_service_keeps_its_detail(connect: Connect) -> None:
    problems = [{"loc": ["body", n], "msg": "no", "type": "t"} for n in range(5_000)]
    with RawServer(response({"detail": problems}, "422 No")) as server:
        with pytest.raises(flowhunt.UnprocessableEntityException) as caught:
            connect(server).search_credit_transactions("w-1", {})

    assert str(caught.value.detail).startswith("body.0: no; body.1: no")
    assert len(caught.value.data.detail) == 5_000


def test_the_connection_of_a_response_that_is_too_large_is_closed_whoever_keeps_the_response(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, kept = urllib3.HTTPConnectionPool.urlopen, []

    def observed(self: Any, *args: Any, **kwargs: Any) -> Any:
        kept.append(original(self, *args, **kwargs))
        return kept[-1]

    monkeypatch.setattr(urllib3.HTTPConnectionPool, "urlopen", observed)
    with RawServer(endless()) as server:
        with pytest.raises(ResponseTooLargeException):
            connect(server, max_response_bytes=LIMIT).get_credit_balance()
    assert [received.closed for received in kept] == [True]
