"""Names for the types in signatures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, NotRequired, TypeAlias, TypedDict

Credential: TypeAlias = str | Callable[[], str]
"""A secret, or a callable that returns it; the callable is called for every request."""

RequestTimeout: TypeAlias = float | tuple[float, float]
"""Seconds for the whole call, or a pair: seconds to connect and seconds between two reads."""

RequestAuth: TypeAlias = Mapping[str, Any]
"""A credential for one call, in the form of an entry of ``Configuration.auth_settings()``:
``{"type": "api_key", "in": "header", "key": "Api-Key", "value": "..."}``."""

RequestHeaders: TypeAlias = Mapping[str, str]
"""Headers for one call; names compare without case."""

HostIndex: TypeAlias = int
"""Index into ``Configuration.get_host_settings()``; there is one host, so 0."""


class CallOptions(NamedTuple):
    """The options of one call; ``CreditsApi`` documents them."""

    timeout: RequestTimeout | None = None
    auth: RequestAuth | None = None
    content_type: str | None = None
    headers: RequestHeaders | None = None
    host_index: HostIndex = 0


AuthSetting = TypedDict(
    "AuthSetting",
    {"type": Literal["api_key", "bearer"], "in": Literal["header"], "key": str, "value": str},
)
"""A credential and the header it goes in."""


class AuthSettings(TypedDict, total=False):
    """The credentials that a configuration sends, by the name of their security scheme."""

    APIKeyHeader: AuthSetting
    HTTPBearer: AuthSetting


class HostSettingVariable(TypedDict):
    """A placeholder in a host's URL."""

    description: str
    default_value: str
    enum_values: NotRequired[list[str]]


class HostSetting(TypedDict):
    """A host that serves the API."""

    url: str
    description: str
    variables: NotRequired[dict[str, HostSettingVariable]]
