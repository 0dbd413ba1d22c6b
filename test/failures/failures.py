"""Wrong responses as data, each with the outcome of a call."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import partial
from http import HTTPStatus
from typing import Any

import pydantic
from urllib3 import exceptions as theirs

import flowhunt
from flowhunt import exceptions as ours
from raw_server import BALANCE, Connection, Response, response

ROW = {
    "transaction_id": "t-1",
    "workspace_id": "w-1",
    "user_id": "user-1",
    "created_at": "2026-01-01T00:00:00",
    "transaction_type": "G",
    "context_id": "c-1",
    "amount": 100,
}
SUM = {
    "created_at": "2026-01-01T00:00:00",
    "workspace_id": "w-1",
    "transaction_type": "G",
    "amount": 100,
    "cnt": 2,
}
CHART = {
    "per_day": [{"date": "2026-01-01", "transaction_types": {"G": 100}}],
    "transaction_types": ["G"],
}


@dataclass(frozen=True)
class Endpoint:
    """One endpoint: how to call it, and what it returns when all is well."""

    name: str
    arguments: tuple[Any, ...]
    response: Any

    def call(self, api: flowhunt.CreditsApi, form: str = "", **options: Any) -> Any:
        return getattr(api, self.name + form)(*self.arguments, **options)


def outcome(call: Callable[[], Any]) -> Any:
    """What a call returns, or the ``ApiException`` that it raises."""
    try:
        return call()
    except ours.ApiException as error:
        return error


ENDPOINTS = (
    Endpoint("get_credit_balance", (), BALANCE),
    Endpoint("get_workspace_credit_balance", ("w-1",), BALANCE),
    Endpoint("search_credit_transactions", ("w-1", {}), [ROW]),
    Endpoint("search_daily_credit_transactions", ("w-1", {}), [SUM]),
    Endpoint("get_daily_chart_data", ("w-1", {}), CHART),
)
RAW = "_without_preload_content"
FORMS = ("", "_with_http_info", RAW)

Waits = tuple[tuple[float, float], ...]
BACKOFF: Waits = ((0, 0.5), (0, 1))


@dataclass(frozen=True)
class Failure:
    """A wrong response to every request, and the expected outcome.

    A failure with a status is a response to ``x_without_preload_content``; one without is an
    exception there too.
    """

    name: str
    response: Response
    raises: type[ours.ApiException]
    status: int | None = None
    cause: type[BaseException] | None = None
    waits: Waits = ()
    """The least and the most seconds of each wait; there is one more request than waits."""
    reusable: bool = False
    """Whether the next call goes over the same connection."""
    settings: dict[str, Any] = field(default_factory=dict)

    def waits_of(self, form: str) -> Waits:
        """The waits in this form of a call: the body of a raw response is not asked for again."""
        whole = self.status is None or self.status >= 400
        return self.waits if whole or form != RAW else ()


def _then(data: bytes, end: str) -> Response:
    """Send this, then do the named thing to the connection."""

    def respond(connection: Connection) -> None:
        connection.send(data)
        getattr(connection, end)()

    return respond


def _without_end(head: bytes, piece: bytes) -> Response:
    """Send this, and that again and again until the client has enough."""

    def respond(connection: Connection) -> None:
        connection.send(head)
        while not connection.stopping.is_set():
            connection.send(piece)

    return respond


def _head(*lines: str) -> bytes:
    return "\r\n".join(["HTTP/1.1 200 OK", *lines, "", ""]).encode("latin-1")


STATUSES: dict[int, type[ours.ApiException]] = {
    300: ours.RedirectException,
    301: ours.RedirectException,
    302: ours.RedirectException,
    303: ours.RedirectException,
    304: ours.RedirectException,
    305: ours.RedirectException,
    307: ours.RedirectException,
    308: ours.RedirectException,
    400: ours.BadRequestException,
    401: ours.UnauthorizedException,
    402: ours.PaymentRequiredException,
    403: ours.ForbiddenException,
    404: ours.NotFoundException,
    405: ours.ApiException,
    408: ours.RequestTimeoutException,
    409: ours.ConflictException,
    413: ours.ApiException,
    418: ours.ApiException,
    422: ours.UnprocessableEntityException,
    429: ours.RateLimitException,
    431: ours.ApiException,
    451: ours.ApiException,
    500: ours.ServiceException,
    501: ours.ServiceException,
    502: ours.ServiceException,
    503: ours.ServiceException,
    504: ours.ServiceException,
    505: ours.ServiceException,
    599: ours.ServiceException,
    700: ours.ApiException,
}
RETRIED = (408, 429, 500, 502, 503, 504)


def _statuses() -> Iterator[Failure]:
    for status, raises in STATUSES.items():
        known = status in HTTPStatus.__members__.values()
        line = f"{status} {HTTPStatus(status).phrase}" if known else f"{status} Whatever"
        waits = BACKOFF if status in RETRIED else ()
        body = b"" if status == 304 else {"detail": "no"}
        yield Failure(line, response(body, line), raises, status, waits=waits, reusable=True)


def _asked_to_wait() -> Iterator[Failure]:
    for retry_after, waits in (
        ("0", ((0, 0), (0, 0))),
        ("7", ((7, 7), (7, 7))),
        ("60", ((60, 60),)),  # the next would end at the deadline
        ("61", ()),
        ("3600", ()),
        ("soon", BACKOFF),
        ("-1", BACKOFF),
        ("1.5", BACKOFF),
        ("1, 2", BACKOFF),
        ("9" * 400, BACKOFF),
        (formatdate(0, usegmt=True), ((0, 0), (0, 0))),
        ("Fri, 31 Dec 9999 23:59:59 GMT", ()),
        ("Fri, 99 Dec 9999 23:59:59 GMT", BACKOFF),
    ):
        for status in (429, 503):
            yield Failure(
                f"{status} with Retry-After {retry_after[:30]}",
                response({"detail": "no"}, f"{status} No", {"Retry-After": retry_after}),
                STATUSES[status],
                status,
                waits=waits,
                reusable=True,
            )


_broken_off = partial(
    Failure, raises=ours.ApiConnectionException, cause=theirs.ProtocolError, waits=BACKOFF
)
_too_late = partial(
    Failure,
    raises=ours.ApiTimeoutException,
    cause=theirs.ReadTimeoutError,
    waits=BACKOFF,
    settings={"read_timeout": 0.1},
)
_CONNECTION = (
    _broken_off("closed without a response", _then(b"", "close")),
    _broken_off("reset without a response", _then(b"", "reset")),
    _broken_off("closed in the status line", _then(b"HTTP/1.1 20", "close")),
    _broken_off("closed in the head", _then(b"HTTP/1.1 200 OK\r\nContent-Ty", "close")),
    _broken_off("closed after a line", _then(b"HTTP/1.1 200 OK\r\nX: y\r\n", "close")),
    _broken_off("not HTTP", b"SSH-2.0-OpenSSH_9.6\r\n\r\n"),
    _broken_off("another version of HTTP", b"HTTP/2.0 200 OK\r\n\r\n"),
    _broken_off("a status that is no number", b"HTTP/1.1 OK\r\n\r\n"),
    _broken_off("a header without end", _head("X: " + "x" * 70_000)),
    _broken_off("headers without number", _head(*["X: x"] * 200)),
    _too_late("silent", Connection.keep_silent),
    _too_late("silent in the head", _then(b"HTTP/1.1 200 OK\r\n", "keep_silent")),
    Failure(
        "two lengths",
        _head("Content-Length: 2", "Content-Length: 3") + b"{}",
        ours.InvalidResponseException,
        cause=theirs.InvalidHeader,
    ),
)

_corrupt = partial(
    Failure,
    raises=ours.ApiConnectionException,
    status=200,
    cause=theirs.DecodeError,
    waits=BACKOFF,
    reusable=True,
)
_too_large = partial(
    Failure,
    raises=ours.ResponseTooLargeException,
    status=200,
    settings={"max_response_bytes": 200_000},
)
_SHORT = _head("Content-Length: 100") + b'{"user_id'
_GZIPPED = gzip.compress(json.dumps(BALANCE).encode() * 100)
_OVERWRITTEN = _GZIPPED[:20] + b"\xff" * 40 + _GZIPPED[60:]
_CHUNKED = _head("Transfer-Encoding: chunked")
_ENDLESS = b" " * 65536
_BODY = (
    _broken_off("closed in the body", _then(_SHORT, "close"), status=200),
    _broken_off("reset in the body", _then(_SHORT, "reset"), status=200),
    _too_late("silent in the body", _then(_SHORT, "keep_silent"), status=200),
    _broken_off("closed in a chunk", _then(_CHUNKED + b"9\r\n{", "close"), status=200),
    _broken_off("closed between chunks", _then(_CHUNKED + b"1\r\n{\r\n", "close"), status=200),
    _broken_off("a chunk size that is no number", _CHUNKED + b"zz\r\n{}\r\n", status=200),
    _corrupt("corrupt gzip", response(_OVERWRITTEN, headers={"Content-Encoding": "gzip"})),
    _corrupt("corrupt deflate", response(b"\xff" * 40, headers={"Content-Encoding": "deflate"})),
    _too_large(
        "more than the limit, as declared", _without_end(_head("Content-Length: 200001"), _ENDLESS)
    ),
    _too_large(
        "more than the limit, without end", _without_end(_head("Connection: close"), _ENDLESS)
    ),
    _too_large(
        "more than the limit, in chunks",
        _without_end(_CHUNKED, b"10000\r\n" + _ENDLESS + b"\r\n"),
    ),
    _too_large(
        "more than the limit, once opened",
        response(gzip.compress(b" " * 1_000_000), headers={"Content-Encoding": "gzip"}),
        reusable=True,
    ),
)

_JSON = "application/json"
_UNREADABLE: tuple[tuple[str, bytes, str, type[BaseException]], ...] = (
    ("nothing", b"", _JSON, pydantic.ValidationError),
    ("null", b"null", _JSON, pydantic.ValidationError),
    ("a text", b'"G"', _JSON, pydantic.ValidationError),
    ("a number", b"1", _JSON, pydantic.ValidationError),
    ("a list of lists", b"[[]]", _JSON, pydantic.ValidationError),
    ("an empty object", b"{}", _JSON, pydantic.ValidationError),
    ("an error with a good status", b'{"detail": "no"}', _JSON, pydantic.ValidationError),
    ("HTML", b"<html>Sign in</html>", "text/html", pydantic.ValidationError),
    ("half of a JSON", b'{"user_id": "u', _JSON, pydantic.ValidationError),
    ("cut gzip, opened by nobody", _GZIPPED[:30], _JSON, pydantic.ValidationError),
    ("not UTF-8", b'{"user_id": "\xe4"}', _JSON, pydantic.ValidationError),
    ("deeper than any response", b"[" * 100_000, _JSON, pydantic.ValidationError),
    ("no such charset", b"{}", f"{_JSON}; charset=klingon", LookupError),
    ("not of its charset", b"\xff", f"{_JSON}; charset=utf-16", UnicodeError),
)


def _unreadable() -> Iterator[Failure]:
    for name, body, content_type, cause in _UNREADABLE:
        yield Failure(
            f"200 with {name}",
            response(body, headers={"Content-Type": content_type}),
            ours.InvalidResponseException,
            status=200,
            cause=cause,
            reusable=True,
        )
    for line in ("201 Created", "202 Accepted", "204 No Content", "206 Partial", "299 Whatever"):
        yield Failure(
            f"{line}, without a body",
            response(b"", line),
            ours.InvalidResponseException,
            status=int(line[:3]),
            cause=pydantic.ValidationError,
            reusable=True,
        )


FAILURES = (*_statuses(), *_asked_to_wait(), *_CONNECTION, *_BODY, *_unreadable())
