"""The proxy that the environment names for a host, for calls and for `doctor`."""

from __future__ import annotations

import ipaddress
import os
import re
from typing import NamedTuple

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_WITH_PORT = re.compile(r"(.+):(\d{1,5})").fullmatch


class EnvironmentProxy(NamedTuple):
    """A proxy, and the environment variable that names it."""

    variable: str
    url: str


def proxy_from_environment(scheme: str, host: str, port: int) -> EnvironmentProxy | None:
    """The proxy by ``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY`` and ``NO_PROXY``.

    The same names in lower case take precedence.
    """
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return None
    from urllib.request import getproxies_environment

    proxies = getproxies_environment()
    entries = re.split(r"[\s,]+", proxies.get("no", "").lower())
    if any(_is_exempt(host.lower().rstrip("."), port, entry) for entry in entries if entry):
        return None
    for kind in (scheme, "all"):
        if url := proxies.get(kind):
            return EnvironmentProxy(f"{kind.upper()}_PROXY", url)
    return None


def _is_exempt(host: str, port: int, entry: str) -> bool:
    """Whether an entry of ``NO_PROXY`` names a host.

    An entry is ``*`` for all hosts, a name for itself and all names below it, or an address or
    range such as ``10.0.0.0/8``. A name or address may have a port. urllib does not understand
    ranges, or brackets around an IPv6 address.
    """
    network = _network(entry)
    if network is None and (parts := _WITH_PORT(entry)):
        entry, network = parts[1], _network(parts[1])
        if int(parts[2]) != port:
            return False
    if network is not None:
        return _is_in(network, host)
    name = entry.removeprefix("*").strip(".")
    return entry == "*" or f".{host}".endswith(f".{name}")


def _network(text: str) -> _Network | None:
    try:
        return ipaddress.ip_network(text.strip("[]"), strict=False)
    except ValueError:
        return None


def _is_in(network: _Network, host: str) -> bool:
    try:
        return ipaddress.ip_address(host) in network
    except ValueError:
        return False
