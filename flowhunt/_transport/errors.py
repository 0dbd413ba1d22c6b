"""Converts errors of urllib3, and of the layers below it, into exceptions of this package."""

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

# The first entry that fits is used.
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
    """The exception for an error. Its text may quote the operating system, but never a server."""
    *_, innermost = _causes(error)
    exception_class = _class_for(error, innermost)
    reason = _reason_of(error, innermost, exception_class, call)
    if response is None:
        exception = exception_class(reason=reason, request=call.request, tries=call.attempts)
    else:
        exception = exception_class(
            reason=f"{response.reason}, then {reason}",
            http_resp=response,
            body=text_or_bytes(_received(response.pieces, innermost)),
        )
    if exception_class is not ResponseTooLargeException and not _quotes_a_secret(error, call):
        exception.__cause__ = error
    return exception


def _class_for(error: Exception, innermost: BaseException) -> type[ApiException]:
    mapped = next(
        exception_class
        for error_class, exception_class in EXCEPTION_MAP
        if isinstance(error, error_class)
    )
    if mapped is ApiConnectionException and isinstance(innermost, TimeoutError):
        return ApiTimeoutException
    if isinstance(innermost, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return ApiConnectionException  # the other side closed: no error of certificates
    return mapped


def _reason_of(
    error: Exception, innermost: BaseException, exception_class: type[ApiException], call: Call
) -> str:
    if exception_class is ApiTimeoutException:
        return f"timed out: {call.exceeded_limit(error)}"
    if isinstance(
        innermost, (OSError, http.client.IncompleteRead, BodyTooLarge, MalformedResponse)
    ):
        return f"failed: {innermost}"
    return f"failed: {type(innermost).__name__}"


def _quotes_a_secret(error: Exception, call: Call) -> bool:
    """Whether an error or its causes quote a server that echoes a secret."""
    text = "".join(traceback.format_exception(error))
    return any(secret in text for secret in call.secrets())


def _received(pieces: list[bytes], error: BaseException) -> bytes:
    """The part of the body that was received before reading it failed."""
    partial = getattr(error, "partial", None)
    return partial if isinstance(partial, bytes) else b"".join(pieces)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, then the errors that urllib3 wrapped in it, the innermost last."""
    while error is not None:
        yield error
        wrapped = (error.__cause__, getattr(error, "original_error", None), *error.args)
        error = next((each for each in wrapped if isinstance(each, BaseException)), None)
