"""Which proxy a call goes through: the configuration's, or the environment's."""

from __future__ import annotations

import ipaddress
import os
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from flowhunt.exceptions import ApiValueError

if TYPE_CHECKING:
    from flowhunt.configuration import Configuration


def choose_proxy(configuration: Configuration, scheme: str, host: str, port: int) -> str | None:
    """The proxy's URL for a host, ``None`` if there is none."""
    if configuration.proxy or not configuration.trust_env:
        return configuration.proxy
    return _from_environment(scheme, host, port)


def split_proxy_url(proxy: str) -> tuple[str, str | None, str | None]:
    """A proxy's URL without user and password, then the user and the password."""
    scheme, found, rest = proxy.rpartition("://")
    userinfo, at, address = rest.rpartition("@")
    if re.search("[/?#]", userinfo):
        raise ApiValueError("user and password in the URL of a proxy must be percent-encoded")
    user, _, password = userinfo.partition(":")
    url = f"{scheme if found else 'http'}://{address}"
    return (url, unquote(user), unquote(password)) if at else (url, None, None)


def _from_environment(scheme: str, host: str, port: int) -> str | None:
    """The proxy's URL by ``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY`` and ``NO_PROXY``.

    The same names in lower case take precedence.
    """
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return None
    # `proxy_bypass` is another function on macOS and Windows, with other parameters.
    from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined]

    proxies = getproxies_environment()
    proxy = proxies.get(scheme) or proxies.get("all")
    if not proxy or proxy_bypass_environment(f"{host}:{port}", proxies):
        return None
    if _in_range(host, proxies.get("no", "")):
        return None
    return proxy


def _in_range(host: str, no_proxy: str) -> bool:
    """Whether the host is an address in one of the ranges (10.0.0.0/8), which urllib ignores."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    for entry in no_proxy.split(","):
        try:
            if address in ipaddress.ip_network(entry.strip(), strict=False):
                return True
        except ValueError:
            continue
    return False
