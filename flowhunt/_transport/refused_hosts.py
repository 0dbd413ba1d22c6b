"""Hosts that this process must not call. Tests refuse the host of the service."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable
from typing import Protocol
from weakref import WeakValueDictionary

from flowhunt.exceptions import ApiTypeError, ApiValueError

VARIABLE = "FLOWHUNT_REFUSED_HOSTS"


class Connection(Protocol):
    """A connection that is checked before it connects, and closed once its host is refused."""

    @property
    def destination(self) -> str: ...

    def close(self) -> object: ...


def refuse(hosts: Iterable[str]) -> tuple[str, ...]:
    """Refuse calls to these hosts, and to no others; return the hosts refused before.

    :param hosts: names, each with all names below it; ``*`` for all. This machine is never refused
    """
    global _refused
    if isinstance(hosts, str):
        raise ApiTypeError(f"hosts must be a list of names, not the text {hosts!r}")
    before, _refused = _refused, tuple(host.strip().lower() for host in hosts if host.strip())
    for reference in _CONNECTIONS.valuerefs():
        connection = reference()
        if connection is not None and _is_refused(connection.destination):
            connection.close()
    return before


def check(connection: Connection) -> None:
    """Check a connection before it connects. It is closed if its host is refused later.

    :raises ApiValueError: its host is refused
    """
    if _is_refused(connection.destination):
        raise ApiValueError(
            f"{connection.destination} was not called, since this process refuses "
            f"{', '.join(_refused)}: see Configuration.set_refused_hosts and {VARIABLE}"
        )
    _CONNECTIONS[id(connection)] = connection


def _is_refused(host: str) -> bool:
    host = host.rstrip(".").lower()
    if not _refused or is_this_machine(host):
        return False
    return any(name in ("*", host) or host.endswith(f".{name}") for name in _refused)


def is_this_machine(host: str) -> bool:
    """Whether a host is ``localhost`` or an address of the loopback interface."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


_CONNECTIONS: WeakValueDictionary[int, Connection] = WeakValueDictionary()
_refused: tuple[str, ...] = ()
refuse(os.environ.get(VARIABLE, "").split(","))
