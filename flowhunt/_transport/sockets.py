"""Sockets that receive within the deadline of a call."""

from __future__ import annotations

import io
import socket
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flowhunt._transport.deadline import Deadline

_BUFFER_SIZE = 64 * 1024  # bytes: a page of 100 rows in one read, where the default takes three

if TYPE_CHECKING:
    from socket import socket as _Socket  # noqa: N812  it is a class
else:
    _Socket = ssl.SSLSocket.__base__  # a simulated network may have replaced `socket.socket`


class DeadlineSocket(_Socket):
    """Receives within the deadline that urllib3 sets as its timeout.

    A system call releases Python's global lock, and this thread then waits to acquire it. So the
    socket makes as few system calls as it can.
    """

    deadline: Deadline | None = None

    def settimeout(self, value: float | None) -> None:
        if isinstance(value, Deadline):
            self.deadline = value
        if value != self.gettimeout():  # urllib3 sets it twice for each call
            super().settimeout(value)

    def makefile(self, mode: Any = "r", buffering: int | None = _BUFFER_SIZE, **kwargs: Any) -> Any:
        return super().makefile(mode, buffering, **kwargs)

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        deadline = self.deadline
        if deadline is not None and deadline.clock.monotonic() > deadline.shortened_after:
            deadline.limit(self)
        received: int = super().recv_into(*args, **kwargs)
        return received


class DeadlineTLSSocket(DeadlineSocket, ssl.SSLSocket):
    """A ``DeadlineSocket`` over TLS."""


def with_deadline(sock: socket.socket) -> socket.socket:
    """The same connection as a ``DeadlineSocket``, unless a simulated network made the socket."""
    return DeadlineSocket(fileno=sock.detach()) if type(sock) is _Socket else sock


class GuardedSocket:
    """Receives within the deadline through a socket of a class that is not ours.

    TLS in TLS and truststore use such classes.
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

    def makefile(self, mode: str, buffering: int = _BUFFER_SIZE) -> Any:
        raw = self._sock.makefile(mode, 0)
        if not isinstance(raw, socket.SocketIO):  # of a simulated network
            return raw
        return io.BufferedReader(_DeadlineReader(raw, self.limit), _BUFFER_SIZE)

    def limit(self) -> None:
        """Give the next step the time that is left."""
        if self._deadline is not None:
            self._deadline.limit(self._sock)


class _DeadlineReader(io.RawIOBase):
    """The reader of a socket, which limits each read before it begins."""

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
