"""Connections through a SOCKS proxy.  [extra: socks]"""

from __future__ import annotations

import socket
from typing import Any

import socks
from urllib3.contrib import socks as theirs
from urllib3.exceptions import ConnectTimeoutError, ProxyError

from flowhunt._connection import BoundedConnection, Deadline
from flowhunt._names import look_up

DEFAULT_PORT = 1080


class _SOCKSSocket(socks.socksocket):
    """Talks to the proxy within a deadline."""

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
    BoundedConnection, theirs.SOCKSConnection
):
    def _new_conn(self) -> socks.socksocket:
        """Like urllib3's, but for the deadline and for the causes that errors keep."""
        limits, proxy = self.timeout, self._socks_options
        host, port = str(proxy["proxy_host"]), int(proxy["proxy_port"] or DEFAULT_PORT)
        seconds = limits.connect
        end = limits.clock.monotonic() + seconds
        try:
            reached = self._connect(host, port)
        except TimeoutError as error:
            raise ConnectTimeoutError(self, "the proxy did not answer in time") from error
        except OSError as error:
            raise ProxyError("no connection through the proxy", error) from error
        sock = _SOCKSSocket(reached.family, fileno=reached.detach())
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
            sock.negotiate(*self._destination(end))
        except socks.ProxyError as error:
            sock.close()
            raise ProxyError("no connection through the proxy", error) from error.socket_err
        except TimeoutError as error:
            sock.close()
            raise ConnectTimeoutError(self, "the proxy did not answer in time") from error
        except OSError as error:
            sock.close()
            raise ProxyError("no connection through the proxy", error) from error
        except BaseException:
            sock.close()
            raise
        sock.deadline = None
        return sock

    def _destination(self, end: float) -> tuple[str, int]:
        """The host or, where names are looked up here, its address."""
        if self._socks_options["rdns"]:
            return self.host, self.port
        found = look_up(self._dns_host, self.port, end - self.timeout.clock.monotonic())
        # SOCKS 4 knows IPv4 alone.
        found.sort(key=lambda address: address.family != socket.AF_INET)
        return found[0].sockaddr[0], self.port


class _SOCKSHTTPSConnection(  # pyright: ignore[reportIncompatibleVariableOverride]
    _SOCKSConnection, theirs.SOCKSHTTPSConnection
):
    pass


class _SOCKSHTTPPool(theirs.SOCKSHTTPConnectionPool):
    ConnectionCls = _SOCKSConnection


class _SOCKSHTTPSPool(theirs.SOCKSHTTPSConnectionPool):
    ConnectionCls = _SOCKSHTTPSConnection


class SOCKSProxyManager(theirs.SOCKSProxyManager):
    """urllib3's, over connections that keep to a deadline."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.pool_classes_by_scheme = {"http": _SOCKSHTTPPool, "https": _SOCKSHTTPSPool}
