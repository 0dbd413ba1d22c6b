"""A server that responds with exactly the bytes a test wants, on a port of loopback."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Generator
from typing import Any, NamedTuple, Self

import flowhunt
from flowhunt._transport.deadline import Clock

Connect = Callable[..., flowhunt.CreditsApi]
"""The fixture ``connect``: ``CreditsApi`` for a raw server, with settings by keyword."""

Response = bytes | Callable[["Connection"], None]

BALANCE = {"user_id": "user-1", "credits": 2_500_000}
TRANSACTION: dict[str, Any] = {
    "transaction_id": "t",
    "workspace_id": "w",
    "user_id": "u",
    "created_at": "2021-01-01T00:00:00",
    "transaction_type": "G",
    "context_id": "c",
    "amount": 100,
}


def response(
    body: Any = BALANCE, status: str = "200 OK", headers: dict[str, str] | None = None
) -> bytes:
    """A whole response: a body of bytes as it is, any other as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {
        "Content-Type": "application/json",
        "Content-Length": str(len(data)),
        **(headers or {}),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value)
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode("latin-1") + data


class Request(NamedTuple):
    """A request, read from its bytes: target, header values and body exactly as received."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    @classmethod
    def of(cls, data: bytes) -> Request:
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        pairs = (line.split(": ", 1) for line in lines)
        return cls(method, target, [(name, value) for name, value in pairs], body)

    def values(self, name: str) -> list[str]:
        """Every value received under this name."""
        return [value for given, value in self.headers if given.lower() == name.lower()]


class Connection:
    """One accepted connection, as a response that is a function gets it.

    :ivar request: the bytes of the request to respond
    """

    def __init__(self, sock: socket.socket, stopping: threading.Event) -> None:
        self.sock = sock
        self.stopping = stopping
        self.open = True
        self.request = b""

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def drip(self, data: bytes, interval: float = 0.01) -> None:
        """Send byte by byte, until all is sent, the client leaves or the server stops."""
        for byte in data:
            self.send(bytes([byte]))
            if self.stopping.wait(interval):
                break

    def keep_silent(self) -> None:
        """Say nothing until the client leaves or the server stops."""
        self.sock.settimeout(0.05)
        while not self.stopping.is_set():
            with contextlib.suppress(TimeoutError):
                if not self.sock.recv(1):
                    break
        self.open = False

    def close(self) -> None:
        self.open = False

    def reset(self) -> None:
        """Close with a TCP reset instead of an orderly end."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.open = False


class RawServer:
    """Serves its responses one a request, in order; the last one from then on.

    :ivar requests: the bytes of each request, in order of arrival
    :ivar connections: how many connections were accepted
    :ivar most_open: how many of them were open at once, at most
    """

    def __init__(self, *responses: Response, tls: ssl.SSLContext | None = None) -> None:
        self.responses = responses or (response(),)
        self.requests: list[bytes] = []
        self.connections = 0
        self.most_open = 0
        self._open = 0
        self._tls = tls
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._sockets: set[socket.socket] = set()

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._start(self._accept)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stopping.set()
        with socket.socket() as nobody:  # tests replace what looks a host up
            nobody.connect(self._listener.getsockname())  # accept() returns
        for sock in list(self._sockets):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)  # a response that nobody reads would never be sent
        for thread in self._threads:
            thread.join()
        self._listener.close()

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://localhost:{self.port}"

    def wait_for(self, requests: int) -> int:
        """How many requests have arrived, once there are so many, or after 30 seconds.

        A process that is to send one has to start first, on a busy machine too.
        """
        end = time.monotonic() + 30
        while len(self.requests) < requests and time.monotonic() < end:
            self._stopping.wait(0.01)
        return len(self.requests)

    def _start(self, target: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=target, args=args)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            sock, _ = self._listener.accept()
            if self._stopping.is_set():
                sock.close()
                return
            with self._lock:
                self.connections += 1
            self._start(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.callback(sock.close)
            stack.callback(self._count, -1)  # the client cannot have noticed its end before this
            self._count(+1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls:
                sock = stack.enter_context(self._agree_on_tls(self._tls, sock))
            self._sockets.add(sock)
            stack.callback(self._sockets.discard, sock)
            connection = Connection(sock, self._stopping)
            while connection.open and (request := self._read_request(sock)):
                with self._lock:
                    received = self.responses[min(len(self.requests), len(self.responses) - 1)]
                    self.requests.append(request)
                connection.request = request
                if isinstance(received, bytes):
                    connection.send(received)
                else:
                    received(connection)

    def _agree_on_tls(self, context: ssl.SSLContext, sock: socket.socket) -> ssl.SSLSocket:
        secured = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        try:
            secured.do_handshake()
        except OSError:
            # A close with bytes unread is a reset, and may overtake the alert that says why.
            with secured, contextlib.suppress(OSError):
                secured.shutdown(socket.SHUT_WR)
                Connection(secured, self._stopping).keep_silent()
            raise
        return secured

    def _count(self, change: int) -> None:
        with self._lock:
            self._open += change
            self.most_open = max(self.most_open, self._open)

    def _read_request(self, sock: socket.socket) -> bytes:
        sock.settimeout(0.05)
        data = b""
        while not _is_whole(data):
            try:
                more = sock.recv(65536)
            except TimeoutError:
                if self._stopping.is_set():
                    return b""
                continue
            if not more:
                return b""
            data += more
        sock.settimeout(None)
        return data


def _is_whole(data: bytes) -> bool:
    head, end, body = data.partition(b"\r\n\r\n")
    lengths = [
        int(line.partition(b":")[2])
        for line in head.lower().split(b"\r\n")
        if line.startswith(b"content-length:")
    ]
    return bool(end) and len(body) >= sum(lengths)


def drip_body(connection: Connection) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    connection.drip(b" " * 100_000, interval=0.05)


@contextlib.contextmanager
def silent_address(host: str = "127.0.0.1") -> Generator[tuple[str, int]]:
    """An address that takes packets and sends none: nobody accepts, and the backlog is full."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket(family))
        listener.bind((host, 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket(family))
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[:2]


def clock_without_waits() -> Clock:
    """Real time without any sleep, for clients that threads share: a jump would be one for all."""
    return Clock(sleep=_do_not_sleep)


def _do_not_sleep(seconds: float) -> None:
    """Take no time, whatever is asked for."""


class JumpingClock:
    """Real time that jumps over every sleep instead of sleeping, and remembers them."""

    def __init__(self) -> None:
        self.sleeps: list[float] = []

    def monotonic(self) -> float:
        return time.monotonic() + sum(self.sleeps)

    def as_clock(self) -> Clock:
        return Clock(monotonic=self.monotonic, sleep=self.sleeps.append)
