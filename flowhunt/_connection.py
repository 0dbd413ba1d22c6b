"""Connections of urllib3 that keep to a deadline, and the pool of them for one host."""

from __future__ import annotations

import http.client
import ipaddress
import re
import socket
import ssl
import time
from base64 import b64encode
from collections.abc import Callable, Generator
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError,
    NameResolutionError,
    NewConnectionError,
)
from urllib3.response import BaseHTTPResponse, HTTPResponse
from urllib3.util.ssl_ import create_urllib3_context

from flowhunt import _proxy
from flowhunt._extras import extra
from flowhunt._headers import Headers
from flowhunt._retry import policy_for
from flowhunt.exceptions import ApiValueError

if TYPE_CHECKING:
    from flowhunt.configuration import Configuration

_REFUSED_TUNNEL = re.compile(r"Tunnel connection failed: \d{3}").match
_SHORTEST = 0.001  # seconds; urllib3 takes no timeout of 0
_PORTS = {"http": 80, "https": 443}


class Clock(NamedTuple):
    """Where time comes from; tests bring their own."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


class Deadline(float):
    """Seconds to connect, as a timeout for urllib3, that knows of all other limits of a call.

    urllib3 bounds each single read from a socket, so an answer that drips never ends. It hands a
    timeout on to its connection as it got it, and ours reads the rest from there.

    :ivar read: seconds without a byte
    :ivar end: when the whole call must be over, in the clock's time
    """

    __slots__ = ("clock", "end", "read")
    clock: Clock
    end: float
    read: float

    @classmethod
    def of(cls, connect: float, read: float, end: float, clock: Clock) -> Deadline:
        """The limits of one try; its time to connect does not go past ``end`` either."""
        self = cls(max(min(connect, end - clock.monotonic()), _SHORTEST))
        self.read = read
        self.end = end
        self.clock = clock
        return self

    def left(self) -> float:
        """Seconds to wait for a byte from now on.

        :raises TimeoutError: there are none
        """
        left = self.end - self.clock.monotonic()
        if left <= 0:
            raise TimeoutError("the time is over")
        return min(self.read, left)


class _Socket(socket.socket):
    """Receives within a deadline: sets the time that is left before each read."""

    deadline: Deadline | None = None

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        if self.deadline is not None:
            self.settimeout(self.deadline.left())
        return super().recv_into(*args, **kwargs)


class _TLSSocket(ssl.SSLSocket):
    """Receives within a deadline, over TLS and, below TLS in TLS, for the one inside."""

    deadline: Deadline | None = None

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        if self.deadline is not None:
            self.settimeout(self.deadline.left())
        return super().recv_into(*args, **kwargs)

    def recv(self, *args: Any, **kwargs: Any) -> bytes:
        if self.deadline is not None:
            self.settimeout(self.deadline.left())
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
    sock: _Socket | _TLSSocket
    response_class = _Response

    def _new_conn(self) -> socket.socket:
        sock = super()._new_conn()
        timeout = sock.gettimeout()
        bounded = _Socket(fileno=sock.detach())
        bounded.settimeout(timeout)
        return bounded

    def _tunnel(self) -> None:
        self.sock.deadline = self.timeout
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
        self.sock.settimeout(self.timeout.left())  # for the TLS handshake that follows

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as in urllib3
        # TLS inside the TLS of a proxy is no socket and reads from one of its own.
        getattr(self.sock, "socket", self.sock).deadline = self.timeout
        return super().getresponse()


class _HTTPConnection(BoundedConnection):
    """All addresses of a host, and the TLS handshake after them, share one connect timeout."""

    def _new_conn(self) -> socket.socket:
        host, whole = self.host, self.timeout
        clock = whole.clock
        step = Deadline.of(whole, whole, clock.monotonic() + whole, clock)
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
            sock.settimeout(step.left())
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


_POOLS: dict[str, type[HTTPConnectionPool]] = {"http": _HTTPPool, "https": _HTTPSPool}


class Wire(NamedTuple):
    """An open way to one host, for one process."""

    base: str
    """What the URLs of this host begin with, up to the slash after its name."""
    skip: int
    """How many characters of a URL to leave out in ``urlopen``."""
    urlopen: Callable[..., BaseHTTPResponse]
    close: Callable[[], None]
    slots: BoundedSemaphore
    """One for each connection that calls may use at once."""
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
    slots = BoundedSemaphore(configuration.connection_pool_maxsize)
    retries = policy_for(configuration.retries)
    proxy = configuration.proxy
    if not proxy and configuration.trust_env:
        proxy = _proxy.from_environment(host.scheme, name, port)
    if proxy:
        manager = _proxy_manager(proxy, configuration, settings)
        sent = Headers(getattr(manager, "proxy_headers", None))
        return Wire(base, 0, manager.urlopen, manager.clear, slots, retries, sent)
    pool = _POOLS[host.scheme](name, port, **settings)
    return Wire(base, len(base) - 1, pool.urlopen, pool.close, slots, retries, Headers())


def _tls(configuration: Configuration) -> ssl.SSLContext:
    context = create_urllib3_context()
    context.sslsocket_class = _TLSSocket
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
            proxy_ssl_context=_tls(configuration) if parts.scheme == "https" else None,
            **settings,
        )
    manager.pool_classes_by_scheme = _POOLS
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
