"""ApiResponse: an answer with what came along with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass
class ApiResponse(Generic[T]):
    """An answer with what came along with it.

    :ivar status_code: HTTP status
    :ivar data: the answer as its model
    :ivar headers: headers of the answer; names compare without case
    :ivar raw_data: the body as it came, decompressed
    :ivar tries: how many requests it took
    """

    status_code: int
    data: T
    headers: Mapping[str, str] | None = field(default=None, repr=False)
    raw_data: bytes = field(default=b"", repr=False)
    tries: int = field(default=1, repr=False)
