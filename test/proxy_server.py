"""Proxies that forward calls, for HTTP and for SOCKS 5, on a port of loopback.

They resolve names as a proxy does, on their side: every name is this machine to them.
"""

from __future__ import annotations

import contextlib
import http.client
import select
import socket
import ssl
import struct
from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import BinaryIO
from urllib.parse import urlsplit

from raw_server import Connection, RawServer, Request, Response

HERE = "127.0.0.1"
_FOR_THE_PROXY = {"proxy-authorization", "proxy-connection", "x-proxy", "connection"}
_NO_LOGIN, _LOGIN, _NONE_FITS = 0, 2, 0xFF
_IPV4, _NAME = 1, 3
_SUCCEEDED = b"\x05\x00\x00\x01" + socket.inet_aton(HERE) + b"\x00\x00"


class ProxyServer(RawServer):
    """Tunnels what CONNECT asks for and forwards requests for a whole URL.

    :param responses: what to respond instead, as for ``RawServer``
    :param login: ``user:password`` that it demands
    :ivar tunnelled: all bytes that it passed on unread, in both directions
    """

    def __init__(
        self, *responses: Response, login: str | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(*(responses or (self._pass_on,)), tls=tls)
        self.tunnelled = bytearray()
        self._login = f"Basic {b64encode(login.encode()).decode()}" if login else None

    @property
    def asked(self) -> list[str]:
        """Method and target of each request."""
        return [" ".join(Request.of(data)[:2]) for data in self.requests]

    def _pass_on(self, connection: Connection) -> None:
        request = Request.of(connection.request)
        if self._login and request.values("Proxy-Authorization") != [self._login]:
            connection.send(
                b"HTTP/1.1 407 Proxy Authentication Required\r\n"
                b'Proxy-Authenticate: Basic realm="proxy"\r\nContent-Length: 0\r\n\r\n'
            )
        elif request.method == "CONNECT":
            connection.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            relay(connection, int(request.target.rpartition(":")[2]), self.tunnelled.extend)
        else:
            _forward(connection, request)


class SocksServer(RawServer):
    """SOCKS 5: a request here is ``host:port``, or ``host:port for user:password``.

    :param responses: what to respond instead of passing on, as for ``RawServer``
    :param login: ``user:password`` that it demands
    :ivar tunnelled: all bytes that it passed on unread, in both directions
    """

    def __init__(self, *responses: Response, login: str | None = None) -> None:
        super().__init__(*(responses or (self._pass_on,)))
        self.tunnelled = bytearray()
        self._login = login

    def _pass_on(self, connection: Connection) -> None:
        connection.send(_SUCCEEDED)
        host_and_port = connection.request.partition(b" ")[0]
        relay(connection, int(host_and_port.rpartition(b":")[2]), self.tunnelled.extend)

    def _read_request(self, sock: socket.socket) -> bytes:
        with sock.makefile("rb") as stream, contextlib.suppress(ValueError):
            _, count = stream.read(2)
            login = self._logged_in(sock, stream, stream.read(count))
            return _destination(stream) + login
        return b""  # the client left, or was sent away

    def _logged_in(self, sock: socket.socket, stream: BinaryIO, offered: bytes) -> bytes:
        method = _LOGIN if self._login else _NO_LOGIN
        if method not in offered:
            sock.sendall(bytes((5, _NONE_FITS)))
            raise ValueError("no login")
        sock.sendall(bytes((5, method)))
        if not self._login:
            return b""
        stream.read(1)
        login = _text(stream) + b":" + _text(stream)
        right = login == self._login.encode()
        sock.sendall(b"\x01\x00" if right else b"\x01\x01")
        if not right:
            raise ValueError("wrong login")
        return b" for " + login


def _text(stream: BinaryIO) -> bytes:
    (length,) = stream.read(1)
    return stream.read(length)


def _destination(stream: BinaryIO) -> bytes:
    *_, kind = stream.read(4)
    if kind == _NAME:
        host = _text(stream)
    else:
        family, length = (socket.AF_INET, 4) if kind == _IPV4 else (socket.AF_INET6, 16)
        host = socket.inet_ntop(family, stream.read(length)).encode()
    (port,) = struct.unpack(">H", stream.read(2))
    return host + f":{port}".encode()


def relay(connection: Connection, port: int, saw: Callable[[bytes], object]) -> None:
    """Pass bytes on in both directions until one side ends or the server stops."""
    connection.open = False
    with socket.create_connection((HERE, port)) as upstream:
        other = {connection.sock: upstream, upstream: connection.sock}
        while not connection.stopping.is_set():
            for sock in _readable(list(other)):
                data = sock.recv(65536)
                if not data:
                    return
                saw(data)
                other[sock].sendall(data)


def _readable(socks: list[socket.socket]) -> Sequence[socket.socket]:
    decrypted = [sock for sock in socks if isinstance(sock, ssl.SSLSocket) and sock.pending()]
    return decrypted or select.select(socks, [], [], 0.05)[0]


def _forward(connection: Connection, request: Request) -> None:
    url = urlsplit(request.target)
    headers = {k: v for k, v in request.headers if k.lower() not in _FOR_THE_PROXY}
    with contextlib.closing(http.client.HTTPConnection(HERE, url.port or 80)) as upstream:
        path = url.path + (f"?{url.query}" if url.query else "")
        upstream.request(request.method, path, request.body or None, headers)
        received = upstream.getresponse()
        body = received.read()
    head = f"HTTP/1.1 {received.status} {received.reason}\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.send(head.encode() + body)
