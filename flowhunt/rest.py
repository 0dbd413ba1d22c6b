"""Sends requests through urllib3: bounds time and size, tries again, and gives faults a name."""

from __future__ import annotations

import http.client
import logging
import os
import ssl
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from queue import Empty
from threading import Event, RLock
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import parse_qs, urlsplit
from weakref import WeakSet

import urllib3
from urllib3 import exceptions as theirs
from urllib3.response import BaseHTTPResponse

from flowhunt._connection import Clock, Deadline
from flowhunt._headers import credential_of, secrets_of, shown
from flowhunt._retry import Pauses, Retry, RetryBudget, next_try
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
    request_id_of,
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
_LONGEST_UNSEEN = 0.5  # seconds of a wait in which Windows does not see Ctrl-C
_LOGGER = logging.getLogger("flowhunt")


@dataclass(slots=True)
class Call:
    """What all attempts of one call share.

    :ivar request: method and URL, without the query
    :ivar seconds: the limits: to connect, between two reads, and for the whole call
    :ivar end: when the whole call must be over, in the clock's time
    :ivar attempts: how many were made so far, connecting included
    """

    method: str
    url: str
    request: str
    headers: Mapping[str, str]
    proxy_headers: Mapping[str, str]
    operation: str | None
    seconds: tuple[float, float, float]
    request_timeout: RequestTimeout | None
    clock: Clock
    begin: float
    end: float
    policy: urllib3.Retry
    attempts: int = 0

    def secrets(self) -> list[str]:
        """What of the request no text may show."""
        return secrets_of(self.headers, self.proxy_headers)

    def limit_reached(self, error: BaseException | None = None) -> str:
        """Which limit of time an error is about, with its seconds and its setting."""
        connect, read, whole = self.seconds
        given = self.request_timeout
        if error is None or self.clock.monotonic() >= self.end:
            setting = "_request_timeout" if isinstance(given, (int, float)) else "deadline"
            return f"not complete within {whole:g} s ({setting})"
        if isinstance(error, urllib3.exceptions.ConnectTimeoutError):
            setting = "_request_timeout" if isinstance(given, tuple) else "connect_timeout"
            return f"not connected within {connect:g} s ({setting})"
        setting = "read_timeout" if given is None else "_request_timeout"
        return f"no data for {read:g} s ({setting})"


class RESTResponse:
    """An answer, read or not yet.

    :ivar response: the answer of urllib3
    :ivar status: HTTP status
    :ivar reason: its reason phrase
    :ivar headers: all headers; names compare without case
    :ivar data: the whole body, decompressed; ``None`` before ``read()``
    :ivar request: method and URL that were asked, without the query
    :ivar tries: how many attempts it took
    :ivar secrets: returns what of the request no text may show
    """

    def __init__(self, resp: BaseHTTPResponse, max_bytes: int, call: Call) -> None:
        self.response = resp
        self.status = resp.status
        self.reason = resp.reason
        self.headers: Mapping[str, str] = resp.headers
        self.data: bytes | None = None
        self.request = call.request
        self.tries = call.attempts
        self.secrets = call.secrets
        self._call = call
        self._max_bytes = max_bytes
        self._chunks: list[bytes] = []
        if self.status < 200:
            self.close()  # the actual response may follow, and belongs to no other call

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
            fault = _named(error, self._call, self)
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
        """The part of the body that was received before reading it failed."""
        partial = getattr(error, "partial", None)
        return partial if isinstance(partial, bytes) else b"".join(self._chunks)


class RESTClientObject:
    """Sends requests to one host: pools connections, bounds time and size, retries.

    Threads may share it. It connects on first use, and anew after a fork.
    """

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.clock = Clock()
        self._wire: Wire | None = None
        self._budget = RetryBudget()
        self._pauses = Pauses()
        self._closed = Event()
        self._lock = RLock()  # a signal handler may close the client while its thread connects
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
        operation: str | None = None,
    ) -> RESTResponse:
        """Send a request, again where that may help; the last response, whatever its status.

        :param url: below ``Configuration.host``
        :param post_params: accepted and not used: the API takes no forms
        :param preload_content: read the body here, where a broken one can be requested again
        :param only_reads: the request changes nothing, so it may be sent again
        :param operation: name of the endpoint, for the log
        :raises ApiConnectionException: no complete response was received, or not in time
        :raises ApiValueError: the URL is not below ``Configuration.host``
        :raises ClientClosedError: the client is closed
        """
        seconds, begin = self.configuration.limits(_request_timeout), self.clock.monotonic()
        wire = self._wire
        if wire is None or not url.startswith(wire.base):
            wire = self._connect(url)
        call = Call(
            method=method,
            url=url,
            request=f"{method} {url.partition('?')[0]}",
            headers=headers or {},
            proxy_headers=wire.proxy_headers,
            operation=operation,
            seconds=seconds,
            request_timeout=_request_timeout,
            clock=self.clock,
            begin=begin,
            end=begin + seconds[-1],
            policy=wire.retries,
        )
        while True:
            limits = self._begin_attempt(wire, call)
            response: RESTResponse | None = None
            outcome: RESTResponse | ApiException
            try:
                raw = wire.pool.urlopen(
                    method,
                    url[wire.skip :],
                    body=body,
                    headers=dict(call.headers),
                    retries=_NO_RETRY,
                    redirect=False,
                    timeout=limits,
                    preload_content=False,
                )
                outcome = response = RESTResponse(raw, self.configuration.max_response_bytes, call)
                if preload_content:
                    response.data = response.read_within_limit()
                if response.status < 400:
                    break
            except _CAUGHT as error:
                outcome = _named(error, call, response)
            finally:
                wire.slots.put(None)
            wait = self._wait_before_retry(call, outcome, response) if only_reads else None
            if wait is None:
                break
            self._wait(wait)
        if self.configuration.debug or _LOGGER.isEnabledFor(logging.DEBUG):
            _log(self.configuration, call, outcome)
        if isinstance(outcome, ApiException):
            self._raise(outcome)
        if outcome.status < 400 and self._budget.spent:
            self._budget.reward()
        return outcome

    def after_fork(self) -> None:
        """Leave to the parent what is the parent's: its connections, and locks its threads hold."""
        self._wire = None
        self._budget = RetryBudget()
        self._lock = RLock()
        was_closed, self._closed = self._closed.is_set(), Event()
        if was_closed:
            self._closed.set()

    def close(self) -> None:
        """Close all connections and end all waits. Calls after it raise ``ClientClosedError``."""
        with self._lock:
            self._closed.set()
            wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()
            wire.slots.put(None)  # wakes one call that waits for a slot, which wakes the next

    def _connect(self, url: str) -> Wire:
        with self._lock:
            if self._closed.is_set():
                raise ClientClosedError(_CLOSED)
            if self._wire is None or not url.startswith(self._wire.base):
                wire = open_wire(self.configuration)
                if not url.startswith(wire.base):
                    raise ApiValueError(
                        f"{url!r} is not below {self.configuration.host}, the host of this client"
                    )
                self._wire = wire
            return self._wire

    def _begin_attempt(self, wire: Wire, call: Call) -> Deadline:
        """Wait until this credential may call again, then for a free connection."""
        clock = call.clock
        if self._pauses:
            now = clock.monotonic()
            wait = self._pauses.left(credential_of(call.headers), now)
            if wait and now + wait < call.end:
                self._wait(wait)
        try:
            wire.slots.get(timeout=max(call.end - clock.monotonic(), 0))
        except Empty:
            raise ApiTimeoutException(
                reason=f"found no free connection in time: {call.limit_reached()}",
                request=call.request,
                tries=call.attempts,
            ) from None
        if self._wire is not wire and self._closed.is_set():
            wire.slots.put(None)
            raise ClientClosedError(_CLOSED)
        call.attempts += 1
        connect, read, _ = call.seconds
        return Deadline.of(connect, read, call.end, clock)

    def _wait_before_retry(
        self, call: Call, outcome: RESTResponse | ApiException, response: RESTResponse | None
    ) -> float | None:
        """The seconds to wait before the next attempt, ``None`` if there is to be none."""
        if isinstance(outcome, RESTResponse):
            retry = next_try(call.policy, call.method, call.url, response=outcome.response)
        elif outcome.retryable:
            retry = next_try(call.policy, call.method, call.url, error=outcome.__cause__)
        else:
            return None
        if retry is None or call.clock.monotonic() + retry.wait >= call.end:
            return None
        # A policy of the caller's own is followed as it is, without a budget.
        if isinstance(call.policy, Retry) and not self._budget.pay():
            return None
        if response is not None:
            response.close()
            if response.status == 429:
                resume = call.clock.monotonic() + retry.wait
                self._pauses.begin(credential_of(call.headers), resume)
        call.policy = retry.policy
        return retry.wait

    def _wait(self, seconds: float) -> None:
        """Wait between attempts, without a connection.

        :raises ClientClosedError: the client is closed, possibly meanwhile
        """
        if self.clock.sleep is not None:
            self.clock.sleep(seconds)
        else:
            while seconds > 0 and not self._closed.wait(min(seconds, _LONGEST_UNSEEN)):
                seconds -= _LONGEST_UNSEEN
        if self._closed.is_set():
            raise ClientClosedError(_CLOSED)

    def _raise(self, error: ApiException) -> NoReturn:
        if self._closed.is_set():
            raise ClientClosedError(_CLOSED) from error
        raise error


_CLIENTS: WeakSet[RESTClientObject] = WeakSet()


def _after_fork() -> None:
    for client in _CLIENTS:
        client.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _named(error: Exception, call: Call, response: RESTResponse | None) -> ApiException:
    """Our name for an error. Of its text only the system's part is shown, never a server's."""
    *_, innermost = _chain(error)
    kind = next(ours for fault, ours in FAULTS if isinstance(error, fault))
    if kind is ApiConnectionException and isinstance(innermost, TimeoutError):
        kind = ApiTimeoutException
    elif isinstance(innermost, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        kind = ApiConnectionException  # the other side left, that is nothing about certificates
    if kind is ApiTimeoutException:
        what = f"timed out: {call.limit_reached(error)}"
    elif isinstance(innermost, (OSError, http.client.IncompleteRead)):
        what = f"failed: {innermost}"
    else:
        what = f"failed: {type(innermost).__name__}"
    if response is None:
        named = kind(reason=what, request=call.request, tries=call.attempts)
    else:
        body = text_or_bytes(response.received(innermost))
        named = kind(reason=f"{response.reason}, then {what}", http_resp=response, body=body)
    quoted = "".join(traceback.format_exception(error))
    if not any(secret in quoted for secret in call.secrets()):
        named.__cause__ = error  # unless it quotes a server that echoes a secret
    return named


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """A fault, and what urllib3 wrapped in it."""
    while error is not None:
        yield error
        inside = (error.__cause__, getattr(error, "original_error", None), *error.args)
        error = next((fault for fault in inside if isinstance(fault, BaseException)), None)


def _log(configuration: Configuration, call: Call, outcome: RESTResponse | ApiException) -> None:
    """One record for a call, also where only the file of this configuration takes it."""
    secrets = call.secrets()
    seconds = call.clock.monotonic() - call.begin
    facts = _facts(call, outcome, seconds, secrets)
    file, line, function, _ = _LOGGER.findCaller()
    record = _LOGGER.makeRecord(
        _LOGGER.name,
        logging.DEBUG,
        file,
        line,
        "%s %s -> %s in %.3f s, %d tries, sent %s, received %s",
        (
            call.method,
            call.url,
            outcome.status or type(outcome).__name__,
            seconds,
            call.attempts,
            shown(call.headers),
            without(str(shown(outcome.headers or {})), secrets),
        ),
        None,
        function,
        facts,
    )
    if _LOGGER.isEnabledFor(logging.DEBUG):
        _LOGGER.handle(record)
    if configuration.logger_file_handler:
        configuration.logger_file_handler.handle(record)


def _facts(
    call: Call, outcome: RESTResponse | ApiException, seconds: float, secrets: list[str]
) -> dict[str, Any]:
    """What a program reads from the log record of a call, as its attributes."""
    request_id = request_id_of(outcome.headers or {})
    return {
        "operation": call.operation,
        "workspace_id": parse_qs(urlsplit(call.url).query).get("workspace_id", [None])[0],
        "status": outcome.status,
        "seconds": seconds,
        "attempts": call.attempts,
        "request_id": without(request_id, secrets) if request_id else None,
    }
