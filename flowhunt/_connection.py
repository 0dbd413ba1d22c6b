"""Connections of urllib3 that keep to a deadline."""

from __future__ import annotations

import http.client
import io
import re
import socket
import ssl
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from urllib3 import connection as urllib3_connection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError,
    InvalidHeader,
    NameResolutionError,
    NewConnectionError,
)

from flowhunt import _hosts
from flowhunt._dial import dial
from flowhunt._names import look_up

_REFUSED_TUNNEL = re.compile(r"Tunnel connection failed: \d{3}").match
_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]+").fullmatch
_LENGTHS = re.compile(r"[ \t]*[0-9]+[ \t]*(,[ \t]*[0-9]+[ \t]*)*").fullmatch
_SHORTEST = 0.001  # seconds; urllib3 takes no timeout of 0
_BUFFER = 64 * 1024  # bytes; holds a page of 100, and the default would read it in three pieces
_LONGEST_LINE = 64 * 1024  # bytes, as in http.client
_MOST_INTERIM = 100  # informational responses before the response

# Real time, also in a program whose tests replace `time.monotonic`.
if hasattr(time, "clock_gettime"):
    _monotonic: Callable[[], float] = partial(time.clock_gettime, time.CLOCK_MONOTONIC)
else:
    _monotonic = time.monotonic


def _original(found: Any) -> Any:
    """The class of urllib3 itself: a recorder may have put its own in place before this import."""
    return next(each for each in found.__mro__ if each.__module__ == urllib3_connection.__name__)


if TYPE_CHECKING:
    from socket import socket as _Socket  # noqa: N812  it is a class

    from urllib3.connection import HTTPConnection, HTTPSConnection
else:
    HTTPConnection = _original(urllib3_connection.HTTPConnection)
    HTTPSConnection = _original(urllib3_connection.HTTPSConnection)
    _Socket = ssl.SSLSocket.__base__  # a simulated network may have replaced `socket.socket`


class Clock(NamedTuple):
    """Where time comes from; tests bring their own."""

    monotonic: Callable[[], float] = _monotonic
    sleep: Callable[[float], object] | None = None
    """Waits between attempts; by default until the client is closed, at most."""


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


class BoundedSocket(_Socket):
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
        received: int = super().recv_into(*args, **kwargs)
        return received


class TLSSocket(BoundedSocket, ssl.SSLSocket):
    """The same over TLS."""


class _Guarded:
    """A socket of a class that is not ours, TLS in TLS or truststore's for example.

    It receives within the deadline all the same.
    """

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self._deadline: Deadline | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def settimeout(self, value: float | None) -> None:
        if isinstance(value, Deadline):
            self._deadline = value
        self._sock.settimeout(value)

    def recv(self, *args: Any) -> Any:
        self.limit()
        return self._sock.recv(*args)

    def makefile(self, mode: str, buffering: int = _BUFFER) -> Any:
        raw = self._sock.makefile(mode, 0)
        if not isinstance(raw, socket.SocketIO):  # of a simulated network
            return raw
        return io.BufferedReader(_Reader(raw, self.limit), _BUFFER)

    def limit(self) -> None:
        """Give the next step the time that is left."""
        if self._deadline is not None:
            self._deadline.limit(self._sock)


class _Reader(io.RawIOBase):
    def __init__(self, raw: socket.SocketIO, limit: Callable[[], None]) -> None:
        self._raw, self._limit = raw, limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._limit()
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """A response as RFC 9112 has it."""

    fp: io.BufferedReader
    msg: http.client.HTTPMessage

    def begin(self) -> None:
        super().begin()
        for _ in range(_MOST_INTERIM):
            if not 100 < self.status < 200 or self.status == http.HTTPStatus.SWITCHING_PROTOCOLS:
                break
            self.headers = None  # type: ignore[assignment]  # as before the first one
            super().begin()
        else:
            raise http.client.HTTPException(f"more than {_MOST_INTERIM} informational responses")
        # Other software on the way may read another length than this does: no such response.
        codings = self.msg.get_all("Transfer-Encoding")
        if codings and not (self.chunked and len(codings) == 1):
            raise InvalidHeader("Transfer-Encoding is not chunked")
        lengths = self.msg.get_all("Content-Length")
        if lengths and not _LENGTHS(",".join(lengths)):
            raise InvalidHeader("Content-Length is not a number")
        # urllib3 would log what it cannot read of the head, a warning with the server's words.
        self.msg.defects.clear()
        self.msg.set_payload("")

    def _read_next_chunk_size(self) -> int:
        line = self.fp.readline(_LONGEST_LINE + 1)
        if len(line) > _LONGEST_LINE:
            raise http.client.LineTooLong("chunk size")
        size = line.partition(b";")[0].strip(b" \t\r\n")
        if not _CHUNK_SIZE(size):
            self._close_conn()  # type: ignore[attr-defined]
            raise ValueError("the chunk size is not a hexadecimal number")
        return int(size, 16)


class BoundedConnection(HTTPConnection):
    """Responses are read, and proxies listened to, within the deadline."""

    timeout: Deadline  # pyright: ignore[reportIncompatibleVariableOverride]
    sock: Any
    response_class = _Response
    debuglevel = 0  # http.client's own, which a program may raise, would print credentials

    def connect(self) -> None:
        _hosts.check(self)
        super().connect()
        if not isinstance(self.sock, BoundedSocket):
            self.sock = _Guarded(self.sock)

    @property
    def destination(self) -> str:
        """The host that is called: through a proxy, the one behind it if that is known."""
        return self._tunnel_host or self.host

    def _connect(self, host: str, port: int) -> socket.socket:
        """A socket to a host, all of whose addresses share the connect timeout with its look-up.

        :raises TimeoutError: nothing answered in time
        :raises OSError: no address could be reached
        """
        clock, seconds = self.timeout.clock, self.timeout.connect
        end = clock.monotonic() + seconds
        addresses = look_up(host, port, seconds)
        left = max(end - clock.monotonic(), _SHORTEST)
        sock = dial(addresses, self.socket_options or (), left, clock.monotonic)
        sys.audit("http.client.connect", self, host, port)
        if type(sock) is _Socket:
            sock = BoundedSocket(fileno=sock.detach())
        # What follows, TLS for example, has the time that is left.
        sock.settimeout(max(end - clock.monotonic(), _SHORTEST))
        return sock

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
    """Connects to the service, or to an HTTP proxy."""

    def _new_conn(self) -> socket.socket:
        try:
            return self._connect(self._dns_host, self.port)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(self, "timed out") from error
        except OSError as error:
            raise NewConnectionError(self, str(error)) from error


class _HTTPSConnection(  # pyright: ignore[reportIncompatibleVariableOverride]
    _HTTPConnection, HTTPSConnection
):
    def _connect_tls_proxy(self, hostname: str, sock: socket.socket) -> Any:
        return _Guarded(super()._connect_tls_proxy(hostname, sock))


class _ConnectionClass:
    """Our connections for a pool, unless a recorder such as VCR.py put its own in place."""

    def __init__(self, ours: type[BoundedConnection], pool: type[HTTPConnectionPool]) -> None:
        self._ours, self._pool = ours, pool
        self._original = _original(pool.ConnectionCls)

    def __get__(self, instance: object, owner: type) -> Any:
        current = self._pool.ConnectionCls
        return self._ours if current is self._original else current


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls: Any = _ConnectionClass(_HTTPConnection, HTTPConnectionPool)


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls: Any = _ConnectionClass(_HTTPSConnection, HTTPSConnectionPool)


POOLS: dict[str, type[HTTPConnectionPool]] = {"http": _HTTPPool, "https": _HTTPSPool}
