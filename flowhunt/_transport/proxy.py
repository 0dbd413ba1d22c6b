"""Which proxy a call goes through: the configuration's, or the environment's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from flowhunt._proxies import proxy_from_environment
from flowhunt.exceptions import ApiValueError

if TYPE_CHECKING:
    from flowhunt.configuration import Configuration


def choose_proxy(configuration: Configuration, scheme: str, host: str, port: int) -> str | None:
    """The proxy's URL for a host, ``None`` if there is none."""
    if configuration.proxy or not configuration.trust_env:
        return configuration.proxy
    found = proxy_from_environment(scheme, host, port)
    return found and found.url


def split_proxy_url(proxy: str) -> tuple[str, str | None, str | None]:
    """A proxy's URL without user and password, then the user and the password."""
    scheme, found, rest = proxy.strip().rpartition("://")
    userinfo, at, address = rest.rpartition("@")
    if re.search("[/?#]", userinfo):
        raise ApiValueError("user and password in the URL of a proxy must be percent-encoded")
    user, _, password = userinfo.partition(":")
    url = f"{scheme if found else 'http'}://{address}"
    return (url, unquote(user), unquote(password)) if at else (url, None, None)
