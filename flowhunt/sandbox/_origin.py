"""Requests of web pages, which are refused under whatever name they reach this machine.

A page that a developer looks at can send requests to any address, and by DNS rebinding it can read
the responses too. A browser names the host and the page in headers that no page can forge.
"""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

from starlette.datastructures import Headers

# What a form of a page can send without the consent of the server.
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain")


def objection_to(headers: Headers, bound_to: str, controls: bool) -> str | None:
    """Why a request is refused, ``None`` if it is not.

    :param bound_to: the address that the sandbox listens on
    :param controls: whether the request controls the sandbox, or asks for data as from the service
    """
    host = headers.get("host")
    if host is not None and not _is_ours(f"//{host}", bound_to):
        return f"the host {host!r} is not this sandbox: call it by its address or as localhost"
    if not controls:
        return None
    origin = headers.get("origin")
    if origin is not None and not _is_ours(origin, bound_to):
        return f"the web page {origin!r} may not control the sandbox"
    if headers.get("content-type", "").lower().startswith(_FORMS):
        return "forms may not control the sandbox: send application/json"
    return None


def _is_ours(url: str, bound_to: str) -> bool:
    """Whether the host of a URL is this machine; another's name may point here all the same."""
    try:
        name = urlsplit(url).hostname or ""
    except ValueError:
        return False
    if name in ("localhost", bound_to.lower()):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return not _is_loopback(bound_to) and name == socket.gethostname().lower()
    return address.is_loopback or not _is_loopback(bound_to)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
