"""The same failures, given to other clients: ``python test/failures/compare_clients.py``.

Prints the outcomes in docs/reliability.md, where one row or column stands for those that are equal.
Clients that are not installed are left out:
``pip install requests httpx openai stripe boto3`` installs them all. Each case has
2 seconds and a process of its own; a cell is its outcome within 10.
"""

# most of these clients are only there where one compares
# mypy: disable-error-code="import-not-found,import-untyped,no-any-return"
# pyright: reportMissingImports=false

from __future__ import annotations

import gzip
import importlib.util
import multiprocessing
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

from raw_server import (  # noqa: E402  the folder of the tests has to be known first
    Connection,
    RawServer,
    Response,
    drip_body,
    response,
    silent_address,
)

SECONDS = 2
LONGEST_WAIT = 10
NAME = "service.test"
KEY = "key-s3cret"

Call = Callable[[str], object]


def flowhunt_call(url: str) -> object:
    import flowhunt

    configuration = flowhunt.Configuration(url, KEY, allow_plain_http=True)
    with flowhunt.ApiClient(configuration) as client:
        return flowhunt.CreditsApi(client).get_credit_balance(_request_timeout=SECONDS).credits


def urllib3_call(url: str) -> object:
    import urllib3

    with urllib3.PoolManager() as pool:
        return pool.request("GET", url, timeout=SECONDS, headers={"Api-Key": KEY}).json()["credits"]


def requests_call(url: str) -> object:
    import requests

    return requests.get(url, timeout=SECONDS, headers={"Api-Key": KEY}).json()["credits"]


def httpx_call(url: str) -> object:
    import httpx

    return httpx.get(url, timeout=SECONDS, headers={"Api-Key": KEY}).json()["credits"]


def openai_call(url: str) -> object:
    import openai

    with openai.OpenAI(api_key=KEY, base_url=url, timeout=SECONDS) as client:
        return client.get("/", cast_to=object)["credits"]


def stripe_call(url: str) -> object:
    import stripe

    transport = stripe.RequestsClient(timeout=SECONDS)
    client = stripe.StripeClient(KEY, base_addresses={"api": url}, http_client=transport)
    return client.raw_request("get", "/v2").data["credits"]


def boto3_call(url: str) -> object:
    import boto3
    from botocore.config import Config
    from botocore.parsers import ResponseParserError

    limits = Config(connect_timeout=SECONDS, read_timeout=SECONDS)
    client = boto3.client(
        "sts",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=KEY,
        aws_secret_access_key=KEY,
        config=limits,
    )
    try:
        return client.get_caller_identity()["ResponseMetadata"]["HTTPStatusCode"]
    except ResponseParserError:  # it expects XML: a response all the same
        return None


CLIENTS: dict[str, Call] = {
    "flowhunt": flowhunt_call,
    "urllib3": urllib3_call,
    "requests": requests_call,
    "httpx": httpx_call,
    "openai": openai_call,
    "stripe": stripe_call,
    "boto3": boto3_call,
}


def drip_head(connection: Connection) -> None:
    connection.drip(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 100_000, interval=0.05)


def continue_without_end(connection: Connection) -> None:
    while not connection.stopping.wait(0.01):
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")


def send_and_close(data: bytes) -> Callable[[Connection], None]:
    def respond(connection: Connection) -> None:
        connection.send(data)
        connection.close()

    return respond


HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
PLUS = b"HTTP/1.1 200 OK\r\nContent-Length: +14\r\n\r\n" + b'{"credits": 1}'
LIMITED = response({}, "429 No", {"Retry-After": "0"})
MANY = {f"X-{number}": "x" for number in range(1_000)}
BUSY = response({}, "503 Busy", {"Retry-After": "0"})
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
HALF = b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"credits": 1'
TWO_LENGTHS = b"HTTP/1.1 200 OK\r\nContent-Length: 14\r\nContent-Length: 90\r\n\r\n"
ZIPPED = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
BOMB = gzip.compress(b" " * 100_000_000 + b'{"credits": 1}')

# The failure, what the server sends, and what is right.
CASES: dict[str, tuple[tuple[Response, ...], str]] = {
    "no failure": ((response(),), "response"),
    "a body that drips, limit 2 s": ((drip_body,), "error in time"),
    "103 Early Hints before the response": ((HINTS + response(),), "response"),
    "503 once": ((BUSY, response()), "response"),
    "Content-Length: +14": ((PLUS,), "error in time"),
    "two values of Content-Length": ((TWO_LENGTHS + b'{"credits": 1}',), "error in time"),
    "chunk size 0x0e": ((CHUNKED + b'0x0e\r\n{"credits": 1}\r\n0\r\n\r\n',), "error in time"),
    "the last chunk is missing": (
        (send_and_close(CHUNKED + b'e\r\n{"credits": 1}\r\n'),),
        "error in time",
    ),
    "a reset once": ((Connection.reset, response()), "response"),
    "closed without a response once": ((Connection.close, response()), "response"),
    "half of the body once": ((send_and_close(HALF), response()), "response"),
    "429 once": ((LIMITED, response()), "response"),
    "no response, limit 2 s": ((Connection.keep_silent,), "error in time"),
    "a head that drips, limit 2 s": ((drip_head,), "error in time"),
    "100 Continue without end, limit 2 s": ((continue_without_end,), "error in time"),
    "1,000 header lines": ((response(headers=MANY),), "error in time"),
    "100 MB from 100 kB of gzip": ((response(BOMB, headers=ZIPPED),), "error in time"),
    "gzip that is not gzip": ((response(b'{"credits": 1}', headers=ZIPPED),), "error in time"),
    "first address swallows packets": ((response(),), "response"),
    "a resolver that never responds, limit 2 s": ((response(),), "error in time"),
}


def run(
    client: str, healthy: str, url: str, addresses: list[tuple[str, int]] | None, result: Pipe
) -> None:
    """Make a call with a resolver that knows these addresses, and send the outcome.

    A call to a healthy server comes first: importing a client may take seconds.
    """
    CLIENTS[client](healthy)
    result.send("ready")

    def getaddrinfo(host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        if host != NAME:
            return list(system(host, port, *args, **kwargs))
        if addresses is None:
            threading.Event().wait(60)
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*kind, address) for address in addresses or []]

    system: Any = socket.getaddrinfo
    module: Any = socket
    module.getaddrinfo = getaddrinfo
    try:
        CLIENTS[client](url)
    except Exception:
        result.send("error in time")
    else:
        result.send("response")


def outcome(client: str, case: str) -> str:
    responses, _ = CASES[case]
    with RawServer() as healthy, RawServer(*responses) as server, silent_address() as dead:
        addresses: list[tuple[str, int]] | None = [("127.0.0.1", server.port)]
        if case.startswith("first address"):
            addresses = [dead, ("127.0.0.1", server.port)]
        if case.startswith("a resolver"):
            addresses = None
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        url = f"http://{NAME}:{server.port}"
        arguments = (client, healthy.url, url, addresses, theirs)
        process = context.Process(target=run, args=arguments, daemon=True)
        process.start()
        ours.recv()
        began = time.monotonic()
        found: str = ours.recv() if ours.poll(LONGEST_WAIT) else "no end"
        process.kill()
        process.join()
        late = time.monotonic() - began > 3 * SECONDS
    return "late" if found == "error in time" and late else found


def main() -> None:
    """Print the table, a row at a time."""
    installed = [name for name in CLIENTS if importlib.util.find_spec(name)]
    write_row(["", *installed])
    write_row(["---"] * (len(installed) + 1))
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for case, (_, right) in CASES.items():
            outcomes = threads.map(outcome, installed, repeat(case))
            write_row([case, *("kept" if each == right else each for each in outcomes)])


def write_row(cells: list[str]) -> None:
    sys.stdout.write(f"| {' | '.join(cells)} |\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
