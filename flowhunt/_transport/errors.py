"""From the errors of urllib3, and of what lies below it, to the exceptions of this package."""

from __future__ import annotations

import http.client
import ssl
import traceback
from collections.abc import Iterator
from typing import Protocol

from urllib3 import exceptions as urllib3_exceptions

from flowhunt._transport.body import BodyTooLarge
from flowhunt._transport.call import Call
from flowhunt._transport.response import MalformedResponse
from flowhunt.exceptions import (
    ApiConnectionException,
    ApiException,
    ApiTimeoutException,
    InvalidResponseException,
    ProxyException,
    ReceivedResponse,
    ResponseTooLargeException,
    TLSException,
    text_or_bytes,
)

# The first entry that fits counts.
EXCEPTION_MAP: tuple[tuple[type[Exception], type[ApiException]], ...] = (
    (BodyTooLarge, ResponseTooLargeException),
    (urllib3_exceptions.NewConnectionError, ApiConnectionException),  # to urllib3 it is a timeout
    (urllib3_exceptions.TimeoutError, ApiTimeoutException),
    (urllib3_exceptions.ProxyError, ProxyException),
    (urllib3_exceptions.ProxySchemeUnknown, ProxyException),
    (urllib3_exceptions.ProxySchemeUnsupported, ProxyException),
    (urllib3_exceptions.SSLError, TLSException),
    (urllib3_exceptions.ResponseNotChunked, InvalidResponseException),
    (urllib3_exceptions.BodyNotHttplibCompatible, InvalidResponseException),
    (urllib3_exceptions.InvalidHeader, InvalidResponseException),
    (urllib3_exceptions.HeaderParsingError, InvalidResponseException),
    (urllib3_exceptions.HTTPError, ApiConnectionException),
    (ssl.SSLError, TLSException),
    (TimeoutError, ApiTimeoutException),
    (OSError, ApiConnectionException),
    (http.client.HTTPException, ApiConnectionException),
)
TRANSPORT_ERRORS = tuple(error for error, _ in EXCEPTION_MAP)


class PartialResponse(ReceivedResponse, Protocol):
    """A response whose body is incomplete."""

    pieces: list[bytes]


def to_api_exception(
    error: Exception, call: Call, response: PartialResponse | None
) -> ApiException:
    """The exception for an error. Of its text only the system's part is shown, never a server's."""
    *_, innermost = _causes(error)
    kind = _kind_of(error, innermost)
    reason = _reason_of(error, innermost, kind, call)
    if response is None:
        named = kind(reason=reason, request=call.request, tries=call.attempts)
    else:
        named = kind(
            reason=f"{response.reason}, then {reason}",
            http_resp=response,
            body=text_or_bytes(_received(response.pieces, innermost)),
        )
    if kind is not ResponseTooLargeException and not _quotes_a_secret(error, call):
        named.__cause__ = error
    return named


def _kind_of(error: Exception, innermost: BaseException) -> type[ApiException]:
    kind = next(ours for theirs, ours in EXCEPTION_MAP if isinstance(error, theirs))
    if kind is ApiConnectionException and isinstance(innermost, TimeoutError):
        return ApiTimeoutException
    if isinstance(innermost, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return ApiConnectionException  # the other side closed, this is not about certificates
    return kind


def _reason_of(
    error: Exception, innermost: BaseException, kind: type[ApiException], call: Call
) -> str:
    if kind is ApiTimeoutException:
        return f"timed out: {call.exceeded_limit(error)}"
    if isinstance(
        innermost, (OSError, http.client.IncompleteRead, BodyTooLarge, MalformedResponse)
    ):
        return f"failed: {innermost}"
    return f"failed: {type(innermost).__name__}"


def _quotes_a_secret(error: Exception, call: Call) -> bool:
    """Whether an error holds words of a server that echoes a secret."""
    text = "".join(traceback.format_exception(error))
    return any(secret in text for secret in call.secrets())


def _received(pieces: list[bytes], error: BaseException) -> bytes:
    """The part of the body that was received before reading it failed."""
    partial = getattr(error, "partial", None)
    return partial if isinstance(partial, bytes) else b"".join(pieces)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and what urllib3 wrapped in it."""
    while error is not None:
        yield error
        inside = (error.__cause__, getattr(error, "original_error", None), *error.args)
        error = next((each for each in inside if isinstance(each, BaseException)), None)
