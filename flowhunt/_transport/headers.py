"""Request headers, checked: names compare without case, and ``repr`` shows no secret."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, Self

from flowhunt._secrets import public_headers, redacted_headers, scrubs_traceback
from flowhunt.exceptions import ApiTypeError, ApiValueError

TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\t\x20-\x7e\xa0-\xff]*").fullmatch

CREDENTIALS = frozenset({"api-key", "authorization", "cookie"})
"""Headers that authenticate the caller."""

# They state where a request ends. The connection writes them, from the body that it sends.
_FRAMING = frozenset({"content-length", "expect", "te", "trailer", "transfer-encoding", "upgrade"})


class Headers(MutableMapping[str, str]):
    """Headers by name. A name or value that HTTP cannot carry is refused, and not shown."""

    __slots__ = ("_items",)

    @scrubs_traceback
    def __init__(self, headers: Mapping[str, str] | None = None) -> None:
        self._items: dict[str, tuple[str, str]] = {}
        self.update(headers or {})

    @scrubs_traceback
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
        return repr(redacted_headers(self))

    def __copy__(self) -> Self:
        return type(self)(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return type(self)(self)

    def __reduce__(self) -> tuple[type[Self], tuple[dict[str, str]]]:
        return type(self), (public_headers(self),)  # a pickle leaves secrets behind

    def merged(self, *others: Mapping[str, str] | None) -> dict[str, str]:
        """These and other headers as they are sent; of two with the same name, the later one."""
        items = self._items.copy()
        for headers in others:
            if not headers:
                continue
            if not isinstance(headers, (dict, Mapping)):
                raise ApiTypeError(
                    f"headers must be a mapping of names to values, not a {type(headers)}"
                )
            for name, value in headers.items():
                if not (
                    isinstance(name, str)
                    and TOKEN.fullmatch(name)
                    and (key := name.lower()) not in _FRAMING
                    and isinstance(value, (str, int))
                    and _VALUE(text := str(value))
                ):
                    raise _header_error(name, value)
                items[key] = (name, text)
        return dict(items.values())


def credential_hash(headers: Mapping[str, str]) -> int:
    """A hash of the credential in headers, which does not reveal the credential."""
    return hash(frozenset((n.lower(), v) for n, v in headers.items() if n.lower() in CREDENTIALS))


def _header_error(name: object, value: object) -> ApiTypeError | ApiValueError:
    """Why a header cannot be sent; its value is not shown."""
    if not isinstance(name, str):
        return ApiTypeError(f"a header name must be a str, not a {type(name)}")
    if not TOKEN.fullmatch(name):
        valid_part = TOKEN.match(name)
        return ApiValueError(f"{valid_part[0] if valid_part else ''!r}… is not a header name")
    if name.lower() in _FRAMING:
        return ApiValueError(
            f"the header {name!r} cannot be set: the client sends what the request needs"
        )
    if not isinstance(value, (str, int)):
        return ApiTypeError(f"the value of header {name!r} must be a str")
    return ApiValueError(
        f"the value of header {name!r} has control characters or ones beyond latin-1"
    )
