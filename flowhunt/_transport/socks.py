"""Connections through a SOCKS proxy.  [extra: socks]"""

from __future__ import annotations

import socket
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import socks
from urllib3.contrib import socks as urllib3_socks
from urllib3.exceptions import ConnectTimeoutError, ProxyError

from flowhunt._transport.addresses import look_up
from flowhunt._transport.connection import DeadlineConnection
from flowhunt._transport.deadline import Deadline

DEFAULT_PORT = 1080


class _SOCKSSocket(socks.socksocket):
    """A socket that exchanges the messages of SOCKS within a deadline."""

    deadline: Deadline | None = None

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        if self.deadline is not None:
            self.deadline.limit(self)
        return super().recv_into(*args, **kwargs)

    def negotiate(self, host: str, port: int) -> None:
        """Ask the proxy, which this socket is connected to, for a connection to a host."""
        negotiators: Any = vars(socks.socksocket)["_proxy_negotiators"]
        negotiators[self.proxy[0]](self, host, port)


class _SOCKSConnection(  # pyright: ignore[reportIncompatibleVariableOverride]
    DeadlineConnection, urllib3_socks.SOCKSConnection
):
    def _new_conn(self) -> socks.socksocket:
        """As in urllib3, but within the deadline, and errors keep their causes."""
        limits, proxy = self.timeout, self._socks_options
        host, port = str(proxy["proxy_host"]), int(proxy["proxy_port"] or DEFAULT_PORT)
        seconds = limits.connect
        end = limits.clock.monotonic() + seconds
        with self._proxy_errors():
            connected = self._connect(host, port)
        sock = _SOCKSSocket(connected.family, fileno=connected.detach())
        sock.settimeout(seconds)
        sock.deadline = Deadline.of(seconds, seconds, end, limits.clock)
        sock.set_proxy(
            proxy["socks_version"],
            host,
            port,
            proxy["rdns"],
            proxy["username"],
            proxy["password"],
        )
        try:
            with self._proxy_errors():
                sock.negotiate(*self._destination(end))
        except BaseException:
            sock.close()
            raise
        sock.deadline = None
        return sock

    @contextmanager
    def _proxy_errors(self) -> Generator[None, None, None]:
        try:
            yield
        except socks.ProxyError as error:
            raise ProxyError("no connection through the proxy", error) from error.socket_err
        except TimeoutError as error:
            raise ConnectTimeoutError(self, "the proxy did not respond in time") from error
        except OSError as error:
            raise ProxyError("no connection through the proxy", error) from error

    def _destination(self, end: float) -> tuple[str, int]:
        """The host, or its address if this machine has to look up its name."""
        if self._socks_options["rdns"]:
            return self.host, self.port
        found = look_up(self._dns_host, self.port, end - self.timeout.clock.monotonic())
        # SOCKS 4 has no IPv6.
        found.sort(key=lambda address: address.family != socket.AF_INET)
        return found[0].sockaddr[0], self.port


class _SOCKSHTTPSConnection(  # pyright: ignore[reportIncompatibleVariableOverride]
    _SOCKSConnection, urllib3_socks.SOCKSHTTPSConnection
):
    pass


class _SOCKSHTTPPool(urllib3_socks.SOCKSHTTPConnectionPool):
    ConnectionCls = _SOCKSConnection


class _SOCKSHTTPSPool(urllib3_socks.SOCKSHTTPSConnectionPool):
    ConnectionCls = _SOCKSHTTPSConnection


class SOCKSProxyManager(urllib3_socks.SOCKSProxyManager):
    """The manager of urllib3, with connections that keep a deadline."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.pool_classes_by_scheme = {"http": _SOCKSHTTPPool, "https": _SOCKSHTTPSPool}
