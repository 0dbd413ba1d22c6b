"""Request headers: names compare without case, values stay out of sight."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, MutableMapping
from itertools import chain

from flowhunt._secrets import REDACTED, leaves_no_locals
from flowhunt.exceptions import ApiTypeError, ApiValueError

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\t\x20-\x7e\xa0-\xff]*").fullmatch
_WORDS = re.compile(r"[^\s;,=]+").findall
_SHORTEST_SECRET = 4  # characters; shorter ones would hide half of every text

# Headers whose values are no secret. A list of the secret ones would miss tomorrow's.
_PUBLIC = frozenset(
    {
        "accept",
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "date",
        "host",
        "location",
        "request-id",
        "retry-after",
        "server",
        "transfer-encoding",
        "user-agent",
        "x-correlation-id",
        "x-request-id",
    }
)

CREDENTIALS = frozenset({"api-key", "authorization", "cookie"})
"""Headers that say who calls."""

# What decides where a request ends is written by the connection, from the body that it sends.
_FRAMING = frozenset({"content-length", "expect", "te", "trailer", "transfer-encoding", "upgrade"})


class Headers(MutableMapping[str, str]):
    """Headers by name. A name or value that HTTP cannot carry is refused, and not shown."""

    __slots__ = ("_items",)

    @leaves_no_locals
    def __init__(self, headers: Mapping[str, str] | None = None) -> None:
        self._items: dict[str, tuple[str, str]] = {}
        self.update(headers or {})

    @leaves_no_locals
    def __setitem__(self, name: str, value: str) -> None:
        self._items = {each.lower(): (each, v) for each, v in self.merged({name: value}).items()}

    def __getitem__(self, name: str) -> str:
        return self._items[name.lower()][1]

    def __delitem__(self, name: str) -> None:
        del self._items[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._items.values())

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return repr(shown(self))

    def merged(self, *others: Mapping[str, str] | None) -> dict[str, str]:
        """These and other headers as they are sent; of two with one name the later counts."""
        items = self._items.copy()
        for headers in others:
            if not headers:
                continue
            if not isinstance(headers, (dict, Mapping)):
                kind = type(headers)
                raise ApiTypeError(f"headers must be a mapping of names to values, not a {kind}")
            for name, value in headers.items():
                if not (
                    isinstance(name, str)
                    and _NAME.fullmatch(name)
                    and (key := name.lower()) not in _FRAMING
                    and isinstance(value, (str, int))
                    and _VALUE(text := str(value))
                ):
                    raise _refusal(name, value)
                items[key] = (name, text)
        return dict(items.values())


def _refusal(name: object, value: object) -> ApiTypeError | ApiValueError:
    """Why a header cannot be sent; its value is not shown."""
    if not isinstance(name, str):
        return ApiTypeError(f"a header name must be a str, not a {type(name)}")
    if not _NAME.fullmatch(name):
        fits = _NAME.match(name)
        return ApiValueError(f"{fits[0] if fits else ''!r}… is not a header name")
    if name.lower() in _FRAMING:
        return ApiValueError(
            f"the header {name!r} cannot be set: the client sends what the request needs"
        )
    if not isinstance(value, (str, int)):
        return ApiTypeError(f"the value of header {name!r} must be a str")
    return ApiValueError(
        f"the value of header {name!r} has control characters or ones beyond latin-1"
    )


def shown(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers with every value redacted that may be a secret."""
    return {name: value if _is_public(name) else REDACTED for name, value in headers.items()}


def public(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers whose values are no secret."""
    return {name: value for name, value in headers.items() if _is_public(name)}


def secrets_of(*headers: Mapping[str, str]) -> list[str]:
    """What in headers may be a secret, the longest first: whole values and their longer words."""
    found: set[str] = set()
    for name, value in chain.from_iterable(each.items() for each in headers):
        if not _is_public(name):
            found.update(part for part in (value, *_WORDS(value)) if len(part) >= _SHORTEST_SECRET)
    found.update([json.dumps(secret)[1:-1] for secret in found])
    return sorted(found, key=len, reverse=True)


def credential_of(headers: Mapping[str, str]) -> int:
    """A number for the credential in headers, which does not give the credential away."""
    return hash(frozenset((n.lower(), v) for n, v in headers.items() if n.lower() in CREDENTIALS))


def _is_public(name: str) -> bool:
    return name.lower() in _PUBLIC
