"""The connection pool of a client: its host, its proxy, and its connection limit."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit

import urllib3
from urllib3.response import BaseHTTPResponse

from flowhunt._extras import extra
from flowhunt._transport.connection import POOLS
from flowhunt._transport.headers import Headers
from flowhunt._transport.proxy import choose_proxy, split_proxy_url
from flowhunt._transport.refused_hosts import is_this_machine
from flowhunt._transport.retry import policy_for
from flowhunt._transport.tls import must_be_usable, tls_context
from flowhunt.exceptions import ApiValueError

if TYPE_CHECKING:
    from flowhunt.configuration import Configuration

RawResponse = BaseHTTPResponse

NO_RETRY = urllib3.Retry(False)
"""For urllib3, which then raises each error: ``rest.py`` counts the attempts."""

_PORTS = {"http": 80, "https": 443}


class Transport(NamedTuple):
    """The connections to one host, in one process."""

    origin: str
    """The beginning of all URLs of this host, up to the slash after its name."""
    target_start: int
    """Where the part of a URL begins that ``urlopen`` takes: the path, or all for a proxy."""
    pool: urllib3.HTTPConnectionPool | urllib3.PoolManager
    """Its ``urlopen`` is looked up for each call: OpenTelemetry and pook may replace it later."""
    close: Callable[[], None]
    connection_limit: SimpleQueue[None]
    """A semaphore: an item for each call that may use a connection now. A queue is faster."""
    retries: urllib3.Retry
    """The retry policy of each call."""
    proxy_headers: Headers
    """Headers that are sent to the proxy alone."""


def open_transport(configuration: Configuration) -> Transport:
    """The connection pool that a configuration describes. It connects on first use.

    :raises ApiValueError: a setting that cannot be used
    """
    host = urlsplit(configuration.host)
    name, port = host.hostname or "", host.port or _PORTS[host.scheme]
    origin = configuration.host[: configuration.host.index("//") + 2] + host.netloc + "/"
    if host.scheme == "http" and not (configuration.allow_plain_http or is_this_machine(name)):
        raise ApiValueError(
            f"{configuration.host} would send credentials unencrypted: use https, "
            "or set allow_plain_http if the network is safe"
        )
    settings = _pool_settings(configuration, host.scheme)
    connection_limit = _semaphore(configuration.connection_pool_maxsize)
    retries = policy_for(configuration.retries)
    if proxy := choose_proxy(configuration, host.scheme, name, port):
        manager = _proxy_manager(proxy, configuration, settings)
        proxy_headers = Headers(getattr(manager, "proxy_headers", None))
        return Transport(
            origin, 0, manager, manager.clear, connection_limit, retries, proxy_headers
        )
    # urllib3 takes the zone of an IPv6 address in brackets alone; a URL has it percent-encoded.
    address = f"[{unquote(name)}]" if ":" in name else name
    pool = POOLS[host.scheme](address, port, **settings)
    return Transport(
        origin, len(origin) - 1, pool, pool.close, connection_limit, retries, Headers()
    )


def _pool_settings(configuration: Configuration, scheme: str) -> dict[str, Any]:
    settings: dict[str, Any] = {"maxsize": configuration.connection_pool_maxsize}
    if configuration.socket_options is not None:
        settings["socket_options"] = configuration.socket_options
    if scheme == "https":
        settings["ssl_context"] = tls_context(configuration)
        if configuration.assert_hostname is not True:  # which urllib3 would take for a name
            settings["assert_hostname"] = configuration.assert_hostname
        settings["server_hostname"] = configuration.tls_server_name
    return settings


def _semaphore(count: int) -> SimpleQueue[None]:
    queue: SimpleQueue[None] = SimpleQueue()
    for _ in range(count):
        queue.put(None)
    return queue


def _proxy_manager(
    proxy: str, configuration: Configuration, settings: dict[str, Any]
) -> urllib3.PoolManager:
    address, user, password = split_proxy_url(proxy)
    with must_be_usable(f"the proxy {address}"):
        parts = urlsplit(address)
        if not parts.hostname:
            raise ValueError("it names no host")
    is_plain = "ssl_context" not in settings and parts.scheme != "https"
    if is_plain and not (configuration.allow_plain_http or is_this_machine(parts.hostname or "")):
        raise ApiValueError(
            f"{configuration.host} through the proxy {address} would send credentials "
            "unencrypted: except the host in NO_PROXY, set trust_env to False, "
            "or set allow_plain_http if the network is safe"
        )
    if parts.scheme == "https":
        settings = {"ssl_context": tls_context(configuration), **settings}
    with must_be_usable(f"the proxy {address}"):
        if parts.scheme.startswith("socks"):
            return _socks_manager(address, user, password, settings)
        return _http_proxy_manager(address, user, password, configuration, settings)


def _http_proxy_manager(
    address: str,
    user: str | None,
    password: str | None,
    configuration: Configuration,
    settings: dict[str, Any],
) -> urllib3.PoolManager:
    headers = Headers(configuration.proxy_headers)
    if user is not None:
        credentials = f"{user}:{password}".encode()
        headers.setdefault("Proxy-Authorization", f"Basic {b64encode(credentials).decode()}")
    manager = urllib3.ProxyManager(
        address,
        proxy_headers=headers.merged(),
        proxy_ssl_context=settings.get("ssl_context"),
        **settings,
    )
    manager.pool_classes_by_scheme = POOLS
    return manager


def _socks_manager(
    address: str, user: str | None, password: str | None, settings: dict[str, Any]
) -> urllib3.PoolManager:
    with extra("socks"):
        import socks  # noqa: F401  urllib3 would warn before it fails
    from flowhunt._transport.socks import SOCKSProxyManager

    return SOCKSProxyManager(address, username=user, password=password, **settings)
