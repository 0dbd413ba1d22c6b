"""Fault injection: the failures, the requests that they happen to, and their effect."""

# ruff: noqa: S311 - chances and data are to be predictable

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from threading import Lock
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StringConstraints, model_validator

from flowhunt.sandbox._ledger import End
from flowhunt.sandbox._schemas import OperationId

HeaderName = Annotated[str, StringConstraints(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")]
HeaderValue = Annotated[
    str, StringConstraints(pattern=r"^([!-~\x80-\xff]([\t -~\x80-\xff]*[!-~\x80-\xff])?)?$")
]
_FRAMING = {"content-length", "transfer-encoding", "connection"}
_WITHOUT_BODY = {204, 304}
_FAILURES = {
    "status",
    "retry_after",
    "headers",
    "body",
    "content_type",
    "malformed_json",
    "truncate",
    "reset",
    "latency",
    "add_rows",
}


class Fault(BaseModel):
    """A failure that the sandbox injects, and the requests that it happens to.

    The failure; several fields may be combined:

    - `status`: the response has this status (200 to 599), and the service is not asked
    - `retry_after`: a `Retry-After` header, of seconds or of any text
    - `headers`: more headers of the response, which replace its own of the same name
    - `body`: text in place of the response's body; a status without one gets a `detail` as JSON
    - `content_type`: the response's `Content-Type`
    - `malformed_json`: the body is not JSON any more
    - `truncate`: the body is shorter than its `Content-Length`, and the connection closes
    - `reset`: the connection is reset (TCP RST) without a response
    - `latency`: seconds to wait first
    - `add_rows`: so many transactions are added at the `add_rows_at` end (`newest`, `oldest`) of
      the request's window before the response, as happens between two pages

    The requests; without any of these fields, all requests of the five operations:

    - `operation`: only those of this operationId
    - `requests`: only the first, third … (from 1) of the matching ones since the fault was added
    - `probability`: each with this chance, which the sandbox's seed decides
    - `times`: at most so many requests
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    status: int | None = Field(default=None, ge=200, le=599)
    retry_after: HeaderValue | StrictInt | None = None
    headers: dict[HeaderName, HeaderValue] = Field(default_factory=dict)
    body: str | None = None
    content_type: HeaderValue | None = None
    malformed_json: bool = False
    truncate: bool = False
    reset: bool = False
    latency: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    add_rows: int = Field(default=0, ge=0)
    add_rows_at: End = "newest"

    operation: OperationId | None = None
    requests: tuple[Annotated[int, Field(ge=1)], ...] | None = None
    probability: float = Field(default=1.0, ge=0, le=1)
    times: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _check_combination(self) -> Self:
        if not self.model_fields_set & _FAILURES:
            raise ValueError(f"a fault needs a failure, one of {sorted(_FAILURES)}")
        if framing := _FRAMING & {name.lower() for name in self.headers}:
            raise ValueError(f"{sorted(framing)} cannot be set; truncate cuts a body short")
        if self.add_rows and (self.status or self.reset):
            raise ValueError("add_rows needs a response of the service, not a status or reset")
        if self.status in _WITHOUT_BODY and (self.body or self.truncate or self.malformed_json):
            raise ValueError(f"a response with status {self.status} has no body")
        return self


@dataclass(frozen=True)
class Response:
    """A response before it is sent: names of headers in lower case, none about length."""

    status: int
    headers: dict[str, str]
    body: bytes
    truncated: bool = False

    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        """The headers to send; those of a truncated response announce a longer body."""
        headers = dict(self.headers)
        if self.status not in _WITHOUT_BODY:
            headers["content-length"] = str(len(self.body) or int(self.truncated))
        return [
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()
        ]


def error_response(fault: Fault) -> Response | None:
    """The response of a fault with a status, None for all other faults."""
    if fault.status is None:
        return None
    body = b"" if fault.status in _WITHOUT_BODY else b'{"detail":"fault of the sandbox"}'
    return Response(fault.status, {"content-type": "application/json"}, body)


def with_fault(response: Response, fault: Fault) -> Response:
    """The response after a fault, which does all to it but latency and reset."""
    headers = response.headers | {name.lower(): value for name, value in fault.headers.items()}
    if fault.retry_after is not None:
        headers["retry-after"] = str(fault.retry_after)
    if fault.content_type is not None:
        headers["content-type"] = fault.content_type
    body = response.body if fault.body is None else fault.body.encode()
    if fault.malformed_json:
        # No text that starts with two braces is JSON, whatever the body was.
        body = b"{{" + body
    return replace(
        response, headers=headers, body=body, truncated=response.truncated or fault.truncate
    )


@dataclass
class _Armed:
    """A fault with the number of its requests so far."""

    id: int
    fault: Fault
    chance: Random
    seen: int = 0
    acted: int = 0

    def acts(self, operation: OperationId) -> bool:
        """Whether the fault happens to this request, which is counted if it matches."""
        fault = self.fault
        if fault.operation not in (None, operation):
            return False
        self.seen += 1
        happens = (
            (fault.requests is None or self.seen in fault.requests)
            and (fault.times is None or self.acted < fault.times)
            and self.chance.random() < fault.probability
        )
        self.acted += happens
        return happens


class Faults:
    """The faults of a sandbox; safe to use from several threads."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._lock = Lock()
        self._armed: list[_Armed] = []
        self._last_id = 0

    def add(self, fault: Fault | None = None, **fields: Any) -> int:
        """Add a fault, as a `Fault` or by its fields, and return its ID.

        :raises pydantic.ValidationError: a field is unknown or has a wrong value
        """
        new = fault if fault is not None else Fault(**fields)
        with self._lock:
            self._last_id += 1
            chance = Random(f"{self._seed}/fault/{self._last_id}")
            self._armed.append(_Armed(self._last_id, new, chance))
            return self._last_id

    def clear(self) -> None:
        """Remove all faults; IDs and chances start again."""
        with self._lock:
            self._armed.clear()
            self._last_id = 0

    def all(self) -> list[dict[str, Any]]:
        """Every fault with its `id` and how many requests it has `seen` and `acted` on."""
        with self._lock:
            return [
                {"id": armed.id, "seen": armed.seen, "acted": armed.acted}
                | armed.fault.model_dump(mode="json", exclude_defaults=True)
                for armed in self._armed
            ]

    def next(self, operation: OperationId) -> list[tuple[int, Fault]]:
        """The faults that act on this request, in the order they were added, with their IDs."""
        with self._lock:
            return [(armed.id, armed.fault) for armed in self._armed if armed.acts(operation)]
