"""Looks up the addresses of a host within a time limit."""

from __future__ import annotations

import ipaddress
import os
import socket
from concurrent.futures import Future
from threading import Lock, Thread
from typing import Any, NamedTuple

from urllib3.util import connection as urllib3_connection

MAX_LOOK_UPS = 32
"""The most look-ups at once in a process; each has a thread until the resolver responds."""


class Address(NamedTuple):
    """An address in the form that ``socket`` takes."""

    family: int
    sockaddr: tuple[Any, ...]


def look_up(host: str, port: int, seconds: float) -> list[Address]:
    """The addresses of a host, in the resolver's order.

    The operating system's look-up cannot be interrupted, so it runs in a thread. Callers that look
    up the same name share it. IP literals and localhost need no look-up.

    :raises TimeoutError: the resolver did not respond within these seconds
    :raises OSError: the resolver does not know the name
    """
    family = urllib3_connection.allowed_gai_family()  # some programs replace it
    if host.rstrip(".").lower() == "localhost":
        addresses = [_literal("::1", port), _literal("127.0.0.1", port)]
        return [each for each in addresses if family in (socket.AF_UNSPEC, each.family)]
    try:
        return [_literal(host, port)]
    except ValueError:
        pass
    try:
        return _shared_look_up((host, port, family)).result(seconds)
    except TimeoutError:
        raise TimeoutError(f"the resolver did not respond within {seconds:.3g} s") from None


def _literal(host: str, port: int) -> Address:
    address = ipaddress.ip_address(host)
    if isinstance(address, ipaddress.IPv4Address):
        return Address(socket.AF_INET, (host, port))
    scope = address.scope_id
    name, number = str(address).partition("%")[0], 0
    if scope:
        number = int(scope) if scope.isdecimal() else socket.if_nametoindex(scope)
    return Address(socket.AF_INET6, (name, port, 0, number))


_Query = tuple[str, int, int]
_lock = Lock()
_pending: dict[_Query, Future[list[Address]]] = {}


def _shared_look_up(query: _Query) -> Future[list[Address]]:
    with _lock:
        if pending := _pending.get(query):
            return pending
        if len(_pending) >= MAX_LOOK_UPS:
            raise TimeoutError(f"the resolver has not responded to {MAX_LOOK_UPS} look-ups")
        future = _pending[query] = Future()
    thread = Thread(target=_resolve, args=(query, future), name="flowhunt-look-up", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # the process may have no more threads, or is exiting
        _resolve(query, future)
    return future


def _resolve(query: _Query, future: Future[list[Address]]) -> None:
    host, port, family = query
    found: list[Address] | BaseException
    try:
        records = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
        found = [Address(family, sockaddr) for family, *_, sockaddr in records]
    except UnicodeError as error:
        found = socket.gaierror(socket.EAI_NONAME, f"not the name of a host: {error}")
    except BaseException as error:
        found = error
    with _lock:  # first, so that a call made after the result starts a new look-up
        if _pending.get(query) is future:
            del _pending[query]
    if isinstance(found, BaseException):
        future.set_exception(found)
    else:
        future.set_result(found)


def _after_fork() -> None:
    """Forget look-ups whose threads do not exist in the child, and a lock one may have acquired."""
    global _lock, _pending
    _lock, _pending = Lock(), {}


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
