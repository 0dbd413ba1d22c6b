"""The steps of a connection to the service: proxy, addresses, connections, TLS."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Thread
from typing import Any, TypeVar
from urllib.parse import urlsplit

from flowhunt._proxies import proxy_from_environment

T = TypeVar("T")

SECONDS = 10.0
_MOST_ADDRESSES = 4


@dataclass(frozen=True)
class Endpoint:
    """A host and port, and whether TLS is spoken there."""

    host: str
    port: int
    scheme: str

    @classmethod
    def of(cls, url: str) -> Endpoint:
        """The endpoint of a URL; one without a scheme is `http`."""
        parts = urlsplit(url if "://" in url else f"http://{url}")
        scheme = parts.scheme.lower()
        return cls(parts.hostname or "", parts.port or (443 if scheme == "https" else 80), scheme)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Certificate:
    """The certificate of a server."""

    issuer: str
    expires: datetime
    protocol: str


def proxy_for(endpoint: Endpoint) -> tuple[str, Endpoint] | None:
    """The variable of the environment that names a proxy for an endpoint, and the proxy."""
    found = proxy_from_environment(endpoint.scheme, endpoint.host, endpoint.port)
    return found and (found.variable, Endpoint.of(found.url))


def addresses_of(endpoint: Endpoint) -> list[str]:
    """The addresses of a host.

    :raises OSError: there is none, or the resolver did not respond in time
    """
    records = _with_time_limit(
        SECONDS,
        lambda: socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM),
    )
    return list(dict.fromkeys(str(record[4][0]) for record in records))


def connect(endpoint: Endpoint, addresses: list[str]) -> dict[str, float | OSError]:
    """Seconds to connect to each address, or why that failed."""
    outcome: dict[str, float | OSError] = {}
    for address in addresses[:_MOST_ADDRESSES]:
        began = time.monotonic()
        try:
            socket.create_connection((address, endpoint.port), timeout=SECONDS / 2).close()
            outcome[address] = time.monotonic() - began
        except OSError as error:
            outcome[address] = error
    return outcome


def certificate_of(endpoint: Endpoint, proxy: Endpoint | None) -> Certificate:
    """The certificate of a server that the system trusts. Nothing but the handshake is sent.

    :raises ssl.SSLError: TLS failed, or the system does not trust the certificate
    :raises OSError: no connection was made
    """
    return _handshake(ssl.create_default_context(), endpoint, proxy)


def untrusted_certificate_of(endpoint: Endpoint, proxy: Endpoint | None) -> Certificate | None:
    """The certificate of a server that the system does not trust, if it can be read."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        certificate = _peer_certificate(context, endpoint, proxy)
        # Python reads only a certificate that it trusts: trust this one alone.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(cadata=certificate)
        return _handshake(context, endpoint, proxy)
    except OSError:
        return None


def _handshake(context: ssl.SSLContext, endpoint: Endpoint, proxy: Endpoint | None) -> Certificate:
    connection = _connected(context, endpoint, proxy)
    try:
        certificate: dict[str, Any] = connection.sock.getpeercert() or {}
        names = {key: value for entry in certificate.get("issuer", ()) for key, value in entry}
        expires = ssl.cert_time_to_seconds(certificate["notAfter"])
        return Certificate(
            issuer=", ".join(
                names[key] for key in ("organizationName", "commonName") if key in names
            ),
            expires=datetime.fromtimestamp(expires, UTC),
            protocol=connection.sock.version() or "",
        )
    finally:
        connection.close()


def _peer_certificate(context: ssl.SSLContext, endpoint: Endpoint, proxy: Endpoint | None) -> bytes:
    connection = _connected(context, endpoint, proxy)
    try:
        return connection.sock.getpeercert(binary_form=True) or b""
    finally:
        connection.close()


def _connected(
    context: ssl.SSLContext, endpoint: Endpoint, proxy: Endpoint | None
) -> http.client.HTTPSConnection:
    first = proxy or endpoint
    connection = http.client.HTTPSConnection(
        first.host, first.port, timeout=SECONDS, context=context
    )
    if proxy is not None:
        connection.set_tunnel(endpoint.host, endpoint.port)
    connection.connect()
    return connection


def _with_time_limit(seconds: float, call: Callable[[], T]) -> T:
    """The result of a call that has no time limit of its own.

    :raises TimeoutError: the time is over; the call continues in a thread that nothing waits for
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except Exception as error:
            future.set_exception(error)

    Thread(target=run, daemon=True).start()
    try:
        return future.result(seconds)
    except TimeoutError:
        raise TimeoutError(f"no response within {seconds:g} s") from None
