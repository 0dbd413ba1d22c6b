"""Connections of urllib3 that keep to a deadline."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

_REFUSED_TUNNEL = re.compile(r"Tunnel connection failed: \d{3}").match
_SHORTEST = 0.001  # seconds; urllib3 takes no timeout of 0
_BUFFER = 64 * 1024  # bytes; holds a page of 100, and the default would read it in three pieces


class Clock(NamedTuple):
    """Where time comes from; tests bring their own."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


class Deadline(float):
    """Seconds to wait for a byte, as a timeout for urllib3, that knows of all limits of a call.

    urllib3 bounds each single read from a socket, so an answer that drips never ends. It hands a
    timeout on to its connection and socket as it got it, and ours read the rest from there.

    :ivar connect: seconds to connect
    :ivar end: when the whole call must be over, in the clock's time
    :ivar cut_from: from when on a step has less than these seconds, because of that end
    """

    __slots__ = ("clock", "connect", "cut_from", "end")
    clock: Clock
    connect: float
    cut_from: float
    end: float

    @classmethod
    def of(cls, connect: float, read: float, end: float, clock: Clock) -> Deadline:
        """The limits of one try; none of its steps goes past ``end``."""
        left = end - clock.monotonic()
        self = cls(max(min(read, left), _SHORTEST))
        self.connect = max(min(connect, left), _SHORTEST)
        self.end = end
        self.cut_from = end - self
        self.clock = clock
        return self

    def limit(self, sock: socket.socket) -> None:
        """Give a socket the time that is left for a step from now on.

        :raises TimeoutError: there is none
        """
        left = self.end - self.clock.monotonic()
        if left <= 0:
            raise TimeoutError("the time is over")
        sock.settimeout(min(self, left))


class BoundedSocket(socket.socket):
    """Receives within the deadline that it got as its timeout.

    Whatever asks the system gives other threads a turn, and one's own comes late where they are
    many. So it asks no more often than it must.
    """

    deadline: Deadline | None = None

    def settimeout(self, value: float | None) -> None:
        if isinstance(value, Deadline):
            self.deadline = value
        if value != self.gettimeout():  # urllib3 sets it twice for each call
            super().settimeout(value)

    def makefile(self, mode: Any = "r", buffering: int | None = _BUFFER, **kwargs: Any) -> Any:
        return super().makefile(mode, buffering, **kwargs)

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        deadline = self.deadline
        if deadline is not None and deadline.clock.monotonic() > deadline.cut_from:
            deadline.limit(self)
        return super().recv_into(*args, **kwargs)


class TLSSocket(BoundedSocket, ssl.SSLSocket):
    """The same over TLS and, below TLS in TLS, for the one inside."""

    def recv(self, *args: Any, **kwargs: Any) -> bytes:
        if self.deadline is not None:
            self.deadline.limit(self)
        return super().recv(*args, **kwargs)


class _Response(http.client.HTTPResponse):
    """What a broken server sends is neither logged by urllib3 nor read without end."""

    def begin(self) -> None:
        super().begin()
        # urllib3 would log what it cannot read of the head, a warning with the server's words.
        self.msg.defects.clear()
        self.msg.set_payload("")

    def _read_next_chunk_size(self) -> int:
        size: int = super()._read_next_chunk_size()  # type: ignore[misc]
        if size < 0:
            raise ValueError("http.client would take it for all there is")
        return size


class BoundedConnection(HTTPConnection):
    """Answers are read, and proxies listened to, within the deadline."""

    timeout: Deadline  # pyright: ignore[reportIncompatibleVariableOverride]
    sock: BoundedSocket
    response_class = _Response

    def _new_conn(self) -> socket.socket:
        sock = super()._new_conn()
        timeout = sock.gettimeout()
        bounded = BoundedSocket(fileno=sock.detach())
        bounded.settimeout(timeout)
        return bounded

    def _tunnel(self) -> None:
        self.sock.settimeout(self.timeout)
        try:
            super()._tunnel()
        except OSError as error:
            refused = _REFUSED_TUNNEL(str(error))
            if not refused:
                raise
        else:
            refused = None
        if refused:
            raise OSError(refused[0])  # the same without the proxy's own words, also as context
        self.timeout.limit(self.sock)  # for the TLS handshake that follows


class _HTTPConnection(BoundedConnection):
    """All addresses of a host, and the TLS handshake after them, share one connect timeout."""

    def _new_conn(self) -> socket.socket:
        host, whole = self.host, self.timeout
        clock = whole.clock
        seconds = whole.connect
        step = Deadline.of(seconds, seconds, clock.monotonic() + seconds, clock)
        try:
            found = socket.getaddrinfo(host, self.port, socket.AF_UNSPEC, socket.SOCK_STREAM)
        except socket.gaierror as error:
            raise NameResolutionError(host, self, error) from error
        try:
            for *_, (address, *_) in found[:-1]:
                try:
                    return self._connect_to(str(address), step)
                except (NewConnectionError, ConnectTimeoutError):
                    continue
            return self._connect_to(str(found[-1][-1][0]), step)
        finally:
            self.host, self.timeout = host, whole

    def _connect_to(self, address: str, step: Deadline) -> socket.socket:
        self.host, self.timeout = address, Deadline.of(step, step, step.end, step.clock)
        sock = super()._new_conn()
        try:
            step.limit(sock)
        except TimeoutError:
            sock.close()
            raise
        return sock


class _HTTPSConnection(  # pyright: ignore[reportIncompatibleVariableOverride]
    _HTTPConnection, HTTPSConnection
):
    pass


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _HTTPConnection  # type: ignore[assignment]  # typed as a protocol


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection  # type: ignore[assignment]  # typed as a protocol


POOLS: dict[str, type[HTTPConnectionPool]] = {"http": _HTTPPool, "https": _HTTPSPool}
