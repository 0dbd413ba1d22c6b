"""A server that responds with bytes made before, plain and over TLS, until its input ends.

It prints one line of JSON once it listens: the URLs, and the file with the CA certificate. All but
the URL for many threads are served on one CPU, the one that the workers stay on, see ``worker.py``.
``GET /connections`` returns how many connections it has accepted.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import trustme

import payloads

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE).search


class Canned:
    """The responses, and how many connections asked for them."""

    def __init__(self, folder: Path) -> None:
        balance, page = folder / payloads.BALANCE, folder / payloads.PAGE
        gzipped = (folder / payloads.PAGE_GZIPPED).read_bytes()
        self._responses = {
            b"/v2/credits/balance": _response(balance.read_bytes()),
            b"/v2/credits/search": _response(page.read_bytes()),
            b"/gzip/v2/credits/search": _response(gzipped, "Content-Encoding: gzip\r\n"),
        }
        self._failure = _response(b"{}", "Retry-After: 0\r\n", "503 Service Unavailable")
        self._turns = itertools.count()
        self._connections = itertools.count()
        self._accepted = 0

    def accepted(self) -> None:
        """Count one more connection."""
        self._accepted = 1 + next(self._connections)

    def to(self, head: bytes) -> bytes:
        """The response to a request; below ``/flaky`` every second one is a 503."""
        path = head.split(b" ", 2)[1].partition(b"?")[0]
        if path == b"/connections":
            return _response(str(self._accepted).encode())
        if path.startswith(b"/flaky"):
            path = path[len(b"/flaky") :]
            if next(self._turns) % 2 == 0:
                return self._failure
        return self._responses[path]


def _response(body: bytes, header: str = "", status: str = "200 OK") -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\n"
        "date: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
        "server: uvicorn\r\n"
        f"content-length: {len(body)}\r\n"
        "content-type: application/json\r\n"
        f"{header}\r\n"
    )
    return head.encode() + body


def _requests(sock: socket.socket) -> Iterator[bytes]:
    """Each request of a connection, as soon as it is complete."""
    data = b""
    while more := sock.recv(65536):
        data += more
        head, end, body = data.partition(b"\r\n\r\n")
        length = _LENGTH(head)
        if end and len(body) >= (int(length[1]) if length else 0):
            data = b""
            yield head


def _serve(sock: socket.socket, tls: ssl.SSLContext | None, canned: Canned, spread: bool) -> None:
    if not spread and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # of this thread alone
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        with tls.wrap_socket(sock, server_side=True) if tls else sock as connection:
            for head in _requests(connection):
                connection.sendall(canned.to(head))
    except OSError:
        pass  # the client left


def listen(tls: ssl.SSLContext | None, canned: Canned, *, spread: bool = False) -> str:
    """Serve in threads of this process, and return the URL."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)

    def accept() -> None:
        while True:
            sock, _ = listener.accept()
            canned.accepted()
            arguments = (sock, tls, canned, spread)
            threading.Thread(target=_serve, args=arguments, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return f"{'https' if tls else 'http'}://127.0.0.1:{listener.getsockname()[1]}"


def main() -> None:
    """Serve the bodies in the folder that the first argument names."""
    folder = Path(sys.argv[1])
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    canned = Canned(folder)
    urls = {
        "plain": listen(None, canned),
        "tls": listen(tls, canned),
        "spread": listen(None, canned, spread=True),
    }
    print(json.dumps({**urls, "ca": str(folder / "ca.pem")}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
