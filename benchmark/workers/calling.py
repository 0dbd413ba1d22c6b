"""Makes calls: through the package, and by hand on each level below it.

The arguments are the server's URL and how many calls of each kind to count.
"""

from __future__ import annotations

import http.client
import json
import socket
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import floor
import urllib3
from pydantic import TypeAdapter
from steps import counted, set_collector
from urllib3.connection import HTTPConnection

Work = Callable[[], object]
Responses = Callable[[], bytes]
"""Makes one request and returns the body of its response."""

WARM_UP = 20
HEADERS = {"Api-Key": "key-1", "Accept": "application/json"}
REQUESTS: dict[str, tuple[str, str, Any]] = {
    "one balance": ("GET", "/v2/credits/balance", None),
    "a page of 100": ("POST", "/v2/credits/search?workspace_id=workspace-1", {"limit": 100}),
}


def _ours(url: str) -> dict[str, Work]:
    import flowhunt

    configuration = flowhunt.Configuration(
        host=url, api_key={"APIKeyHeader": "key-1"}, trust_env=False
    )
    api = flowhunt.CreditsApi(flowhunt.ApiClient(configuration))
    request = flowhunt.CreditTransactionSearchRequest(limit=100)
    return {
        "one balance": api.get_credit_balance,
        "a page of 100": lambda: api.search_credit_transactions("workspace-1", request),
    }


def _pool_manager(url: str, method: str, path: str, body: Any) -> Responses:
    pool, url = urllib3.PoolManager(headers=HEADERS), url + path
    if body is None:
        return lambda: pool.request(method, url).data
    return lambda: pool.request(method, url, json=body).data


def _pool(url: str, method: str, path: str, body: Any) -> Responses:
    parts = urlsplit(url)
    pool = urllib3.HTTPConnectionPool(str(parts.hostname), parts.port)

    def responded() -> bytes:
        sent, headers = _with_json(body)
        return pool.urlopen(method, path, sent, headers, retries=False, redirect=False).data

    return responded


def _connection(url: str, method: str, path: str, body: Any) -> Responses:
    parts = urlsplit(url)
    connection = HTTPConnection(str(parts.hostname), parts.port)

    def responded() -> bytes:
        sent, headers = _with_json(body)
        connection.request(method, path, sent, headers)
        return connection.getresponse().data

    return responded


def _http_client(url: str, method: str, path: str, body: Any) -> Responses:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port)

    def responded() -> bytes:
        sent, headers = _with_json(body)
        connection.request(method, path, sent, headers)
        return connection.getresponse().read()

    return responded


def _socket(url: str, method: str, path: str, body: Any) -> Responses:
    parts = urlsplit(url)
    sock = socket.create_connection((str(parts.hostname), int(parts.port or 80)))
    reader = sock.makefile("rb", 65536)

    def responded() -> bytes:
        sent, headers = _with_json(body)
        lines = [f"{method} {path} HTTP/1.1", f"Host: {parts.netloc}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"Content-Length: {len(sent or b'')}", "", ""]
        sock.sendall("\r\n".join(lines).encode("latin-1") + (sent or b""))
        assert reader.readline().split(b" ", 2)[1] == b"200"
        received = {}
        while (line := reader.readline()) != b"\r\n":
            name, _, value = line.partition(b":")
            received[name.lower()] = value.strip()
        return reader.read(int(received[b"content-length"]))

    return responded


def _with_json(body: Any) -> tuple[bytes | None, dict[str, str]]:
    if body is None:
        return None, HEADERS
    return json.dumps(body).encode(), {**HEADERS, "Content-Type": "application/json"}


LEVELS: dict[str, Callable[[str, str, str, Any], Responses]] = {
    "urllib3.PoolManager.request": _pool_manager,
    "urllib3.HTTPConnectionPool.urlopen": _pool,
    "urllib3.connection.HTTPConnection": _connection,
    "http.client.HTTPConnection": _http_client,
    "a socket, headers split by hand": _socket,
}


def _calls(url: str) -> dict[str, Work]:
    calls = {f"{what}: ours": work for what, work in _ours(url).items()}
    for level, opened in LEVELS.items():
        for what, (method, path, body) in REQUESTS.items():
            responses = opened(url, method, path, body)
            work = lambda responses=responses: json.loads(responses())  # noqa: E731
            calls[f"{what}: {level}"] = work
    responses = _pool_manager(url, *REQUESTS["a page of 100"])
    models = TypeAdapter(list[floor.Transaction]).validate_json
    calls["a page of 100: urllib3.PoolManager.request, to models"] = lambda: models(responses())
    return calls


def main() -> None:
    """Make every call some times to warm up, then some times as a step; the collector is off."""
    url, count = sys.argv[1], int(sys.argv[2])
    calls = _calls(url)
    set_collector("off")
    for step, call in calls.items():
        _repeat(call, WARM_UP)
        counted(step, lambda call=call: _repeat(call, count))


def _repeat(call: Work, times: int) -> None:
    for _ in range(times):
        call()


if __name__ == "__main__":
    main()
