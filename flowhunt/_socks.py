"""Connections through a SOCKS proxy.  [extra: socks]"""

from __future__ import annotations

from typing import Any

import socks
from urllib3.contrib import socks as theirs
from urllib3.exceptions import ConnectTimeoutError, ProxyError

from flowhunt._connection import BoundedConnection, BoundedSocket, Deadline

DEFAULT_PORT = 1080


class _SOCKSSocket(  # pyright: ignore[reportIncompatibleMethodOverride]
    BoundedSocket, socks.socksocket
):
    """Talks to the proxy, and receives after that, within a deadline."""


class _SOCKSConnection(  # pyright: ignore[reportIncompatibleVariableOverride]
    BoundedConnection, theirs.SOCKSConnection
):
    def _new_conn(self) -> socks.socksocket:
        """Like urllib3's, but for the deadline and for the causes that faults keep."""
        limits, proxy = self.timeout, self._socks_options
        sock = _SOCKSSocket()
        seconds = limits.connect
        sock.settimeout(Deadline.of(seconds, seconds, limits.end, limits.clock))
        sock.set_proxy(
            proxy["socks_version"],
            proxy["proxy_host"],
            int(proxy["proxy_port"] or DEFAULT_PORT),
            proxy["rdns"],
            proxy["username"],
            proxy["password"],
        )
        try:
            sock.connect((self.host, self.port))
        except socks.ProxyError as error:
            sock.close()
            if isinstance(error.socket_err, TimeoutError):
                raise ConnectTimeoutError(self, "the proxy did not answer in time") from error
            raise ProxyError("no connection through the proxy", error) from error.socket_err
        except BaseException:
            sock.close()
            raise
        return sock


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
