"""Sends requests through urllib3: bounds time and size, tries again, and gives faults a name."""

from __future__ import annotations

import http.client
import logging
import os
import ssl
import traceback
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from queue import Empty
from threading import Lock
from typing import TYPE_CHECKING
from weakref import WeakSet

import urllib3
from urllib3 import exceptions as theirs
from urllib3.response import BaseHTTPResponse

from flowhunt._connection import Clock, Deadline
from flowhunt._headers import secrets_of, shown
from flowhunt._retry import NextTry, Pauses, Retry, RetryBudget, next_try
from flowhunt._secrets import leaves_no_locals, without
from flowhunt._wire import Wire, open_wire
from flowhunt.exceptions import (
    ApiConnectionException,
    ApiException,
    ApiTimeoutException,
    ApiValueError,
    ClientClosedError,
    InvalidResponseException,
    ProxyException,
    ResponseTooLargeException,
    TLSException,
    text_or_bytes,
)

if TYPE_CHECKING:
    from flowhunt._types import RequestTimeout
    from flowhunt.configuration import Configuration

__all__ = ["ApiException", "RESTClientObject", "RESTResponse", "RESTResponseType"]

RESTResponseType = BaseHTTPResponse

# From the faults of urllib3, and of what it stands on, to ours: the first that fits counts.
FAULTS: tuple[tuple[type[Exception], type[ApiException]], ...] = (
    (theirs.NewConnectionError, ApiConnectionException),  # to urllib3 it is a timeout
    (theirs.TimeoutError, ApiTimeoutException),
    (theirs.ProxyError, ProxyException),
    (theirs.ProxySchemeUnknown, ProxyException),
    (theirs.ProxySchemeUnsupported, ProxyException),
    (theirs.SSLError, TLSException),
    (theirs.ResponseNotChunked, InvalidResponseException),
    (theirs.BodyNotHttplibCompatible, InvalidResponseException),
    (theirs.InvalidHeader, InvalidResponseException),
    (theirs.HeaderParsingError, InvalidResponseException),
    (theirs.HTTPError, ApiConnectionException),
    (ssl.SSLError, TLSException),
    (TimeoutError, ApiTimeoutException),
    (OSError, ApiConnectionException),
    (http.client.HTTPException, ApiConnectionException),
)
_CAUGHT = tuple(fault for fault, _ in FAULTS)

_NO_RETRY = urllib3.Retry(False)  # urllib3 tells every fault; the tries are counted here
_CHUNK = 64 * 1024
_CLOSED = "this client is closed: make a new ApiClient"
_LOGGER = logging.getLogger("flowhunt")


class RESTResponse:
    """An answer, read or not yet.

    :ivar response: the answer of urllib3
    :ivar status: HTTP status
    :ivar reason: its reason phrase
    :ivar headers: all headers; names compare without case
    :ivar data: the whole body, decompressed; ``None`` before ``read()``
    :ivar request: method and URL that were asked, without the query
    :ivar tries: how many requests it took
    :ivar secrets: returns what of the request no text may show
    """

    def __init__(
        self,
        resp: BaseHTTPResponse,
        max_bytes: int,
        request: str,
        tries: int,
        secrets: Callable[[], list[str]],
    ) -> None:
        self.response = resp
        self.status = resp.status
        self.reason = resp.reason
        self.headers: Mapping[str, str] = resp.headers
        self.data: bytes | None = None
        self.request = request
        self.tries = tries
        self.secrets = secrets
        self._max_bytes = max_bytes
        self._chunks: list[bytes] = []

    @leaves_no_locals
    def read(self) -> bytes:
        """The whole body, decompressed.

        :raises ResponseTooLargeException: it is larger than ``Configuration.max_response_bytes``
        :raises ApiConnectionException: it broke off, is corrupt or did not come in time
        """
        if self.data is not None:
            return self.data
        try:
            self.data = self.read_within_limit()
        except _CAUGHT as error:
            fault = _named(error, self.request, self.tries, self, self.secrets())
        else:
            return self.data
        raise fault

    def getheaders(self) -> Mapping[str, str]:
        """All headers; names compare without case."""
        return self.headers

    def getheader(self, name: str, default: str | None = None) -> str | None:
        """One header."""
        return self.headers.get(name, default)

    def close(self) -> None:
        """Give the connection back; what was not read is lost."""
        self.response.close()
        self.response.release_conn()

    def read_within_limit(self) -> bytes:
        """``read()``, with faults by the names that urllib3 gives them."""
        response = self.response
        length = response.length_remaining
        if length is not None and length > self._max_bytes:
            raise self._too_large()
        # http.client reads no more than asked for, but all there is where nothing is said.
        encoded = "Content-Encoding" in response.headers
        piece = _CHUNK if encoded or not length else length
        size = 0
        while chunk := response.read(piece, decode_content=encoded):
            self._chunks.append(chunk)
            size += len(chunk)
            if size > self._max_bytes:
                raise self._too_large()
            if size == length and not encoded:
                break
        if not size and length is None and self.status == 200 and not response.chunked:
            raise http.client.IncompleteRead(b"")  # a head that was cut reads as if it had ended
        return b"".join(self._chunks)

    def _too_large(self) -> ResponseTooLargeException:
        self.close()
        return ResponseTooLargeException(
            http_resp=self,
            reason=f"{self.reason} with more than {self._max_bytes:,} bytes",
            body=text_or_bytes(b"".join(self._chunks)),
        )

    def received(self, error: BaseException) -> bytes:
        """What had come of the body when reading it failed."""
        partial = getattr(error, "partial", None)
        return partial if isinstance(partial, bytes) else b"".join(self._chunks)


class RESTClientObject:
    """Sends requests to one host: pools connections, bounds time and size, tries again.

    Threads may share it. It connects on first use, and anew after a fork.
    """

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.clock = Clock()
        self._closed = False
        self._wire: Wire | None = None
        self._budget = RetryBudget()
        self._pauses = Pauses()
        self._lock = Lock()
        _CLIENTS.add(self)

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | str | None = None,
        post_params: None = None,
        _request_timeout: RequestTimeout | None = None,
        *,
        preload_content: bool = False,
        only_reads: bool = False,
    ) -> RESTResponse:
        """Send a request, again where that may help; the last answer, whatever its status.

        :param url: below ``Configuration.host``
        :param post_params: accepted and not used: the API takes no forms
        :param preload_content: read the body here, where a broken one can be asked for again
        :param only_reads: the request changes nothing, so it may be sent again
        :raises ApiConnectionException: no whole answer came, or not in time
        :raises ApiValueError: the URL is not below ``Configuration.host``
        :raises ClientClosedError: the client is closed
        """
        configuration, clock = self.configuration, self.clock
        connect, read, seconds = configuration.limits(_request_timeout)
        begin = clock.monotonic()
        end = begin + seconds
        wire = self._wire
        if wire is None or not url.startswith(wire.base):
            wire = self._connect(url)
        request = f"{method} {url.partition('?')[0]}"
        secrets = partial(secrets_of, headers or {}, wire.proxy_headers)
        policy = wire.retries
        tries = 0
        try:
            wire.slots.get(timeout=seconds)
        except Empty:
            reason = "found no free connection in time"
            raise ApiTimeoutException(reason=reason, request=request) from None
        try:
            while True:
                if self._pauses:
                    wait = self._pauses.left(hash(tuple(secrets())), clock.monotonic())
                    if wait and clock.monotonic() + wait < end:
                        clock.sleep(wait)
                tries += 1
                answer: RESTResponse | None = None
                outcome: RESTResponse | ApiException
                limits = Deadline.of(connect, read, end, clock)
                try:
                    response = wire.urlopen(
                        method,
                        url[wire.skip :],
                        body=body,
                        headers=dict(headers or {}),
                        retries=_NO_RETRY,
                        redirect=False,
                        timeout=limits,
                        preload_content=False,
                    )
                    outcome = answer = RESTResponse(
                        response, configuration.max_response_bytes, request, tries, secrets
                    )
                    if answer.status < 200:
                        answer.close()  # the real answer may follow, and is nobody else's
                    if preload_content:
                        answer.data = answer.read_within_limit()
                    if answer.status < 400:
                        break
                except _CAUGHT as error:
                    outcome = _named(error, request, tries, answer, secrets())
                following = self._following(policy, method, url, outcome, end)
                if following is None or not only_reads:
                    break
                if answer is not None:
                    answer.close()
                    if answer.status == 429:
                        resume = clock.monotonic() + following.wait
                        self._pauses.begin(hash(tuple(secrets())), resume)
                policy = following.policy
                clock.sleep(following.wait)
        finally:
            wire.slots.put(None)
        if configuration.debug or _LOGGER.isEnabledFor(logging.DEBUG):
            seconds = clock.monotonic() - begin
            request = f"{method} {url}"
            _log(configuration, request, headers, tries, seconds, outcome, secrets())
        if isinstance(outcome, ApiException):
            raise outcome
        if outcome.status < 400 and self._budget.spent:
            self._budget.reward()
        return outcome

    def after_fork(self) -> None:
        """Leave to the parent what is the parent's: its connections, and locks its threads hold."""
        self._wire = None
        self._budget = RetryBudget()
        self._lock = Lock()

    def _following(
        self,
        policy: urllib3.Retry,
        method: str,
        url: str,
        outcome: RESTResponse | ApiException,
        end: float,
    ) -> NextTry | None:
        """The next try after this outcome, ``None`` if there is to be none."""
        if isinstance(outcome, RESTResponse):
            following = next_try(policy, method, url, response=outcome.response)
        else:
            if self._closed:
                raise ClientClosedError(_CLOSED) from outcome
            if not outcome.retryable:
                return None
            following = next_try(policy, method, url, error=outcome.__cause__)
        if following is None or self.clock.monotonic() + following.wait >= end:
            return None
        budgeted = isinstance(policy, Retry)  # a policy of the caller's own is followed as it is
        return following if not budgeted or self._budget.pay() else None

    def close(self) -> None:
        """Close all connections. Calls after it raise ``ClientClosedError``."""
        self._closed = True
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()

    def _connect(self, url: str) -> Wire:
        with self._lock:
            if self._closed:
                raise ClientClosedError(_CLOSED)
            if self._wire is None or not url.startswith(self._wire.base):
                wire = open_wire(self.configuration)
                if not url.startswith(wire.base):
                    raise ApiValueError(
                        f"{url!r} is not below {self.configuration.host}, the host of this client"
                    )
                self._wire = wire
            return self._wire


_CLIENTS: WeakSet[RESTClientObject] = WeakSet()


def _after_fork() -> None:
    for client in _CLIENTS:
        client.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _named(
    error: Exception,
    request: str,
    tries: int,
    answer: RESTResponse | None,
    secrets: list[str],
) -> ApiException:
    """Our name for a fault. Of its text only what the system says is shown, never a server's."""
    *_, innermost = _chain(error)
    kind = next(ours for fault, ours in FAULTS if isinstance(error, fault))
    if kind is ApiConnectionException and isinstance(innermost, TimeoutError):
        kind = ApiTimeoutException
    elif isinstance(innermost, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        kind = ApiConnectionException  # the other side left, that is nothing about certificates
    told = isinstance(innermost, (OSError, http.client.IncompleteRead))
    what = f"failed: {innermost}" if told else f"failed: {type(innermost).__name__}"
    if answer is None:
        named = kind(reason=what, request=request, tries=tries)
    else:
        body = text_or_bytes(answer.received(innermost))
        named = kind(reason=f"{answer.reason}, then {what}", http_resp=answer, body=body)
    quoted = "".join(traceback.format_exception(error))
    if not any(secret in quoted for secret in secrets):
        named.__cause__ = error  # unless it quotes a server that echoes a secret
    return named


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """A fault, and what urllib3 wrapped in it."""
    while error is not None:
        yield error
        inside = (error.__cause__, getattr(error, "original_error", None), *error.args)
        error = next((fault for fault in inside if isinstance(fault, BaseException)), None)


def _log(
    configuration: Configuration,
    request: str,
    headers: Mapping[str, str] | None,
    tries: int,
    seconds: float,
    outcome: RESTResponse | ApiException,
    secrets: list[str],
) -> None:
    """One record for a call, also where only this configuration and not the logger wants it."""
    record = _LOGGER.makeRecord(
        _LOGGER.name,
        logging.DEBUG,
        __file__,
        0,
        "%s -> %s in %.3f s, %d tries, sent %s, received %s",
        (
            request,
            outcome.status or type(outcome).__name__,
            seconds,
            tries,
            shown(headers or {}),
            without(str(shown(outcome.headers or {})), secrets),
        ),
        None,
    )
    _LOGGER.handle(record)
    if configuration.logger_file_handler:
        configuration.logger_file_handler.handle(record)
