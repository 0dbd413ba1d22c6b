"""The journal: the requests that were received and the status of each, without secrets."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from threading import Lock

from pydantic import BaseModel, ConfigDict

KEPT = 10_000
"""Requests that the journal keeps; older ones are dropped."""

# Of all other headers only the name is kept: a new kind of credential stays secret.
_SHOWN_HEADERS = frozenset(
    {
        "accept",
        "accept-encoding",
        "connection",
        "content-length",
        "content-type",
        "host",
        "traceparent",
        "transfer-encoding",
        "user-agent",
        "x-request-id",
    }
)
REDACTED = "[redacted]"


class Request(BaseModel):
    """One request to the service, and its outcome.

    `operation` is the operationId, or None for what is no operation. `status` is None where the
    connection was reset without a response, `faults` are the IDs of the faults that acted on it.
    Values of headers that might hold a secret read `[redacted]`, and bodies are not kept.
    """

    model_config = ConfigDict(frozen=True)

    method: str
    path: str
    query: str
    headers: dict[str, str]
    operation: str | None
    status: int | None
    faults: tuple[int, ...]


class Journal:
    """The last requests, oldest first; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._requests: deque[Request] = deque(maxlen=KEPT)

    def add(self, request: Request) -> None:
        with self._lock:
            self._requests.append(request)

    def all(self) -> list[Request]:
        with self._lock:
            return list(self._requests)

    def clear(self) -> None:
        with self._lock:
            self._requests.clear()


def shown(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers for the journal, names in lower case, values that might be secret redacted."""
    decoded = ((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in headers)
    return {name: value if name in _SHOWN_HEADERS else REDACTED for name, value in decoded}
