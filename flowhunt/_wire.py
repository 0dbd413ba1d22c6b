"""The way to one host, as a configuration describes it: its pool of connections, TLS and proxy."""

from __future__ import annotations

import ipaddress
import ssl
from base64 import b64encode
from collections.abc import Callable, Generator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import urllib3
from urllib3.util.ssl_ import create_urllib3_context

from flowhunt import _proxy
from flowhunt._connection import POOLS, TLSSocket
from flowhunt._extras import extra
from flowhunt._headers import Headers
from flowhunt._retry import policy_for
from flowhunt.exceptions import ApiValueError

if TYPE_CHECKING:
    from flowhunt.configuration import Configuration

_PORTS = {"http": 80, "https": 443}


class Wire(NamedTuple):
    """An open way to one host, for one process."""

    base: str
    """What the URLs of this host begin with, up to the slash after its name."""
    skip: int
    """How many characters of a URL to leave out in ``urlopen``."""
    pool: urllib3.HTTPConnectionPool | urllib3.PoolManager
    """Its ``urlopen`` is looked up for each call: OpenTelemetry and pook may replace it later."""
    close: Callable[[], None]
    slots: SimpleQueue[None]
    """One for each connection that calls may use at once; quicker than a semaphore."""
    retries: urllib3.Retry
    """When to try again."""
    proxy_headers: Headers
    """What the proxy alone is sent."""


def open_wire(configuration: Configuration) -> Wire:
    """The pool of connections that a configuration describes. Nothing is connected yet.

    :raises ApiValueError: a setting that cannot be used
    """
    host = urlsplit(configuration.host)
    name, port = host.hostname or "", host.port or _PORTS[host.scheme]
    base = configuration.host[: configuration.host.index("//") + 2] + host.netloc + "/"
    if host.scheme == "http" and not (configuration.allow_plain_http or _is_loopback(name)):
        raise ApiValueError(
            f"{configuration.host} would send credentials unencrypted: use https, "
            "or set allow_plain_http if the way there is safe"
        )
    settings: dict[str, Any] = {"maxsize": configuration.connection_pool_maxsize}
    if configuration.socket_options is not None:
        settings["socket_options"] = configuration.socket_options
    if host.scheme == "https":
        settings["ssl_context"] = _tls(configuration)
        settings["assert_hostname"] = configuration.assert_hostname
        settings["server_hostname"] = configuration.tls_server_name
    slots: SimpleQueue[None] = SimpleQueue()
    for _ in range(configuration.connection_pool_maxsize):
        slots.put(None)
    retries = policy_for(configuration.retries)
    proxy = configuration.proxy
    if not proxy and configuration.trust_env:
        proxy = _proxy.from_environment(host.scheme, name, port)
    if proxy:
        manager = _proxy_manager(proxy, configuration, settings)
        sent = Headers(getattr(manager, "proxy_headers", None))
        return Wire(base, 0, manager, manager.clear, slots, retries, sent)
    pool = POOLS[host.scheme](name, port, **settings)
    return Wire(base, len(base) - 1, pool, pool.close, slots, retries, Headers())


def _tls(configuration: Configuration) -> ssl.SSLContext:
    context = create_urllib3_context()
    # truststore's context has the real one inside. Only TLS in TLS relies on this class.
    getattr(context, "_ctx", context).sslsocket_class = TLSSocket
    if configuration.ssl_ca_cert is None and configuration.ca_cert_data is None:
        context.load_default_certs()
    if configuration.ssl_ca_cert is not None:
        with _usable(f"ssl_ca_cert {configuration.ssl_ca_cert!r}"):
            context.load_verify_locations(cafile=configuration.ssl_ca_cert)
    if configuration.ca_cert_data is not None:
        with _usable("ca_cert_data"):
            context.load_verify_locations(cadata=configuration.ca_cert_data)
    if configuration.cert_file is not None:
        with _usable(f"cert_file {configuration.cert_file!r}, or its key_file,"):
            context.load_cert_chain(configuration.cert_file, configuration.key_file)
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


@contextmanager
def _usable(setting: str) -> Generator[None, None, None]:
    try:
        yield
    except (OSError, ValueError) as error:
        raise ApiValueError(f"{setting} cannot be used: {error}") from error


def _proxy_manager(
    proxy: str, configuration: Configuration, settings: dict[str, Any]
) -> urllib3.PoolManager:
    address, user, password = _proxy.parts_of(proxy)
    parts = urlsplit(address)
    open_to_read = "ssl_context" not in settings and parts.scheme != "https"
    if open_to_read and not (configuration.allow_plain_http or _is_loopback(parts.hostname or "")):
        raise ApiValueError(
            f"{configuration.host} through the proxy {address} would send credentials "
            "unencrypted: except the host in NO_PROXY, set trust_env to False, "
            "or set allow_plain_http if the way there is safe"
        )
    if parts.scheme == "https":
        settings = {"ssl_context": _tls(configuration), **settings}
    with _usable(f"the proxy {address}"):
        if parts.scheme.startswith("socks"):
            return _socks_manager(address, user, password, settings)
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
    from flowhunt._socks import SOCKSProxyManager

    return SOCKSProxyManager(address, username=user, password=password, **settings)


def _is_loopback(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
