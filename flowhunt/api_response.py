"""ApiResponse: a response's data with its status and headers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass
class ApiResponse(Generic[T]):
    """A response's data with its status and headers.

    :ivar status_code: HTTP status
    :ivar data: the response as its model
    :ivar headers: headers of the response; names compare without case
    :ivar raw_data: the body as received, decompressed
    :ivar tries: how many attempts it took
    """

    status_code: int
    data: T
    headers: Mapping[str, str] | None = field(default=None, repr=False)
    raw_data: bytes = field(default=b"", repr=False)
    tries: int = field(default=1, repr=False)
