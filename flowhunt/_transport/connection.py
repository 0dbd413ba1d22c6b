"""Connections and pools of urllib3 that keep a deadline."""

from __future__ import annotations

import re
import socket
import sys
from typing import TYPE_CHECKING, Any

from urllib3 import connection as urllib3_connection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError,
    NameResolutionError,
    NewConnectionError,
)

from flowhunt._transport import refused_hosts
from flowhunt._transport.addresses import look_up
from flowhunt._transport.deadline import SHORTEST_TIMEOUT, Deadline
from flowhunt._transport.dial import dial
from flowhunt._transport.response import StrictResponse
from flowhunt._transport.sockets import DeadlineSocket, GuardedSocket, with_deadline

_REFUSED_TUNNEL = re.compile(r"Tunnel connection failed: \d{3}").match


def _original(connection_class: Any) -> Any:
    """The class of urllib3 itself: a recorder may have replaced it before this import."""
    bases = connection_class.__mro__
    return next(each for each in bases if each.__module__ == urllib3_connection.__name__)


if TYPE_CHECKING:
    from urllib3.connection import HTTPConnection, HTTPSConnection
else:
    HTTPConnection = _original(urllib3_connection.HTTPConnection)
    HTTPSConnection = _original(urllib3_connection.HTTPSConnection)


class _AnyInstance(type):
    """Makes every connection of urllib3 an instance of a class."""

    def __instancecheck__(cls, instance: object) -> bool:
        # VCR.py drops connections that are not instances of the pool's class. While a thread
        # connects, VCR.py removes its own class from the pool: other threads would lose theirs.
        return isinstance(instance, HTTPConnection)


class DeadlineConnection(HTTPConnection, metaclass=_AnyInstance):
    """A connection that reads responses, those of proxies too, within the deadline."""

    timeout: Deadline  # pyright: ignore[reportIncompatibleVariableOverride]
    sock: Any
    response_class = StrictResponse
    debuglevel = 0  # a program may raise that of http.client, which then prints credentials

    def connect(self) -> None:
        refused_hosts.check(self)
        super().connect()
        if not isinstance(self.sock, DeadlineSocket):
            self.sock = GuardedSocket(self.sock)

    @property
    def destination(self) -> str:
        """The host of the call; with a proxy, the host behind it if the connection knows it."""
        return self._tunnel_host or self.host

    def _connect(self, host: str, port: int) -> socket.socket:
        """A socket to a host; the look-up and all addresses share the connect timeout.

        :raises TimeoutError: no address accepted the connection in time
        :raises OSError: no address could be reached
        """
        clock, seconds = self.timeout.clock, self.timeout.connect
        end = clock.monotonic() + seconds
        addresses = look_up(host, port, seconds)
        left = max(end - clock.monotonic(), SHORTEST_TIMEOUT)
        sock = with_deadline(dial(addresses, self.socket_options or (), left, clock.monotonic))
        try:
            sys.audit("http.client.connect", self, host, port)
            # The next steps, TLS for example, have the time that is left.
            sock.settimeout(max(end - clock.monotonic(), SHORTEST_TIMEOUT))
        except BaseException:  # of an audit hook or a signal handler
            sock.close()
            raise
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
            raise OSError(refused[0])  # the proxy's own text is left out, also as context
        self.timeout.limit(self.sock)  # for the TLS handshake that follows


class _HTTPConnection(DeadlineConnection):
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
        return GuardedSocket(super()._connect_tls_proxy(hostname, sock))


class _ConnectionClass:
    """The connection class of a pool, unless a recorder such as VCR.py has replaced urllib3's."""

    def __init__(
        self, connection: type[DeadlineConnection], urllib3_pool: type[HTTPConnectionPool]
    ) -> None:
        self._connection, self._urllib3_pool = connection, urllib3_pool
        self._original = _original(urllib3_pool.ConnectionCls)

    def __get__(self, instance: object, owner: type) -> Any:
        current = self._urllib3_pool.ConnectionCls
        return self._connection if current is self._original else current


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls: Any = _ConnectionClass(_HTTPConnection, HTTPConnectionPool)


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls: Any = _ConnectionClass(_HTTPSConnection, HTTPSConnectionPool)


POOLS: dict[str, type[HTTPConnectionPool]] = {"http": _HTTPPool, "https": _HTTPSPool}
