"""Connections through a SOCKS proxy.  [extra: socks]"""

from __future__ import annotations

from urllib3.contrib import socks

from flowhunt._connection import BoundedConnection


class _SOCKSConnection(BoundedConnection, socks.SOCKSConnection):  # type: ignore[misc]
    pass


class _SOCKSHTTPSConnection(  # type: ignore[misc]
    BoundedConnection, socks.SOCKSHTTPSConnection
):
    pass


class _SOCKSHTTPPool(socks.SOCKSHTTPConnectionPool):
    ConnectionCls = _SOCKSConnection


class _SOCKSHTTPSPool(socks.SOCKSHTTPSConnectionPool):
    ConnectionCls = _SOCKSHTTPSConnection


class SOCKSProxyManager(socks.SOCKSProxyManager):
    """urllib3's, over connections that keep to a deadline."""

    pool_classes_by_scheme = {  # noqa: RUF012  as urllib3 types it
        "http": _SOCKSHTTPPool,
        "https": _SOCKSHTTPSPool,
    }
