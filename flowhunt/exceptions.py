"""The exceptions that a call can raise.

::

    OpenApiException
    ├── ApiTypeError, ApiValueError,
    │   ApiAttributeError, ApiKeyError   a bad argument, nothing was sent
    │   └── ProfileError                   an ``ApiValueError``: a profile that cannot be used
    ├── ClientClosedError                  the client was closed before the call
    └── ApiException                       the call was made and did not succeed
        ├── BadRequestException            400
        ├── UnauthorizedException          401
        │   └── MissingCredentialError     no credential is configured, nothing was sent
        ├── PaymentRequiredException       402
        ├── ForbiddenException             403
        ├── NotFoundException              404
        ├── RequestTimeoutException        408
        ├── ConflictException              409
        ├── UnprocessableEntityException   422
        ├── RateLimitException             429
        ├── ServiceException               500 to 599
        ├── RedirectException              300 to 399: refused, the service has no redirects
        ├── InvalidResponseException       a response that does not fit the API specification
        │   └── ResponseTooLargeException  more bytes than ``Configuration.max_response_bytes``
        └── ApiConnectionException         no complete response was received
            ├── ApiTimeoutException        ... in time
            ├── TLSException               ... because TLS could not be agreed or trusted
            └── ProxyException             ... because the proxy did not pass it on

Arguments that pydantic checks raise ``pydantic.ValidationError``, before anything is sent.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar, Protocol

from flowhunt._secrets import redact

__all__ = [
    "ApiAttributeError",
    "ApiConnectionException",
    "ApiException",
    "ApiKeyError",
    "ApiTimeoutException",
    "ApiTypeError",
    "ApiValueError",
    "BadRequestException",
    "ClientClosedError",
    "ConflictException",
    "ForbiddenException",
    "InvalidResponseException",
    "MissingCredentialError",
    "NotFoundException",
    "OpenApiException",
    "PaymentRequiredException",
    "ProfileError",
    "ProxyException",
    "RateLimitException",
    "RedirectException",
    "RequestTimeoutException",
    "ResponseTooLargeException",
    "ServiceException",
    "TLSException",
    "UnauthorizedException",
    "UnprocessableEntityException",
]

_LONGEST_PART = 500  # characters of one part of str(error)
_LONGEST_ERROR = 64 * 1024  # characters of a body that str(error) reads; data may be far longer
_LONGEST_NUMBER = 12  # digits of a Retry-After; more is no time to wait
_REQUEST_ID_HEADERS = ("X-Request-ID", "Request-ID", "X-Correlation-ID")


class OpenApiException(Exception):
    """Base of every exception that this package defines."""


class _ArgumentError(OpenApiException):
    def __init__(self, msg: str, path_to_item: Sequence[str | int] | None = None) -> None:
        self.path_to_item = path_to_item
        where = "".join(f"[{step!r}]" for step in path_to_item or ())
        super().__init__(f"{msg} at {where}" if where else msg)

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would show the repr


class ApiTypeError(_ArgumentError, TypeError):
    """An argument has the wrong type."""

    def __init__(
        self,
        msg: str,
        path_to_item: Sequence[str | int] | None = None,
        valid_classes: tuple[type, ...] | None = None,
        key_type: bool | None = None,
    ) -> None:
        super().__init__(msg, path_to_item)
        self.valid_classes = valid_classes
        self.key_type = key_type


class ApiValueError(_ArgumentError, ValueError):
    """An argument has the right type and a value that cannot be used."""


class ProfileError(ApiValueError):
    """A profile does not exist, or its file or its credential cannot be used."""


class ApiAttributeError(_ArgumentError, AttributeError):
    """An attribute does not exist or cannot be set."""


class ApiKeyError(_ArgumentError, KeyError):
    """A key does not exist."""


class ClientClosedError(OpenApiException, RuntimeError):
    """The client was used after ``close()`` or after its ``with`` block."""


class ReceivedResponse(Protocol):
    """The attributes of a response that an exception needs; ``RESTResponse`` has more."""

    status: int
    reason: str | None
    data: bytes | None

    def getheaders(self) -> Mapping[str, str]: ...


class ApiException(OpenApiException):
    """A call did not succeed.

    ``str()`` is one line for a log: request, response, remedy. It holds no credential,
    also when the service echoes one. The attributes keep everything received.

    :ivar status: HTTP status of the response, ``None`` if there was none
    :ivar reason: reason phrase of the response, or what failed
    :ivar headers: headers of the response; names compare without case
    :ivar body: body of the response, as text, or as bytes if it is not text
    :ivar data: body of the response as a model, ``HTTPValidationError`` for a 422
    :ivar request: method and URL of the call, without its query
    :ivar tries: how many attempts were made, those without a connection included
    """

    retryable: ClassVar[bool] = False
    """Whether the same call may succeed later, unchanged."""

    remedy: ClassVar[str] = ""

    def __init__(
        self,
        status: int | None = None,
        reason: str | None = None,
        http_resp: ReceivedResponse | None = None,
        *,
        body: str | bytes | None = None,
        data: Any = None,
        request: str | None = None,
        tries: int | None = None,
    ) -> None:
        super().__init__()
        self.status = status
        self.reason = reason
        self.headers: Mapping[str, str] | None = None
        self.body = body
        self.data = data
        self.request = request
        self.tries = tries
        secrets: Iterable[str] = ()
        if http_resp is not None:
            self.status = http_resp.status if status is None else status
            self.reason = http_resp.reason if reason is None else reason
            self.headers = http_resp.getheaders()
            self.request = getattr(http_resp, "request", request)
            self.tries = getattr(http_resp, "tries", tries)
            secrets = getattr(http_resp, "secrets", tuple)()
            if body is None and http_resp.data is not None:
                self.body = text_or_bytes(http_resp.data)
        self._readable_body = _readable(self.body, secrets)
        self._text = self._describe(secrets)

    @classmethod
    def from_response(
        cls, *, http_resp: ReceivedResponse, body: str | bytes | None = None, data: Any = None
    ) -> ApiException:
        """The exception for the status of a response."""
        status = http_resp.status
        exception_class = _BY_STATUS.get(status) or _BY_STATUS_CLASS.get(status // 100)
        return (exception_class or ApiException)(http_resp=http_resp, body=body, data=data)

    @property
    def detail(self) -> str | None:
        """The service's own message, from a text or from a list of problems.

        It has no credentials: some crash reporters show it instead of ``str(error)``.
        """
        if self._readable_body.lstrip()[:1] != "{":
            return None
        try:
            return _message(json.loads(self._readable_body).get("detail"))
        except (ValueError, RecursionError):
            return None

    @property
    def retry_after(self) -> float | None:
        """Seconds to wait, from the ``Retry-After`` header; ``None`` if missing or malformed."""
        return seconds_to_wait(self.headers.get("Retry-After")) if self.headers else None

    @property
    def request_id(self) -> str | None:
        """The ID of the request, from the response; quote it when you report a problem."""
        return request_id_of(self.headers or {})

    def __str__(self) -> str:
        return self._text

    def _describe(self, secrets: Iterable[str]) -> str:
        def clean(text: str) -> str:
            text = " ".join(redact(text, secrets).split())
            if len(text) > _LONGEST_PART:
                text = f"{text[:_LONGEST_PART]}…"
            return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)

        returned = f"returned {self.status}" if self.status else ""
        outcome = " ".join(filter(None, (returned, clean(self.reason or "")))) or "failed"
        text = f"{self.request or 'The call'} {outcome}"
        if len(self._readable_body) <= _LONGEST_ERROR and (detail := self.detail):
            text += f": {clean(detail)}"
        if advice := self._advice():
            text += f". {advice}"
        notes = [f"request ID {clean(self.request_id)}"] if self.request_id else []
        if self.tries and self.tries > 1:
            notes.append(f"{self.tries} attempts")
        return f"{text} ({', '.join(notes)})" if notes else text

    def _advice(self) -> str:
        if self.retry_after is not None:
            return f"Wait {self.retry_after:g} s, then retry"
        return self.remedy


class BadRequestException(ApiException):
    """400: the service does not understand the request."""


class UnauthorizedException(ApiException):
    """401: the credential is missing, wrong, or of another workspace."""

    remedy = "Check the API key or access token; a key belongs to one workspace"


class MissingCredentialError(UnauthorizedException):
    """No credential is configured. Nothing was sent, ``status`` is ``None``."""

    remedy = (
        "Set FLOWHUNT_API_KEY or FLOWHUNT_ACCESS_TOKEN and use Configuration.from_env(), "
        "or pass api_key or access_token to Configuration"
    )


class PaymentRequiredException(ApiException):
    """402: credits or a plan are missing."""

    remedy = "Check the credit balance and the plan"


class ForbiddenException(ApiException):
    """403: the credential is known and not allowed to do this."""


class NotFoundException(ApiException):
    """404: there is nothing at this address."""

    remedy = "Check Configuration.host"


class RequestTimeoutException(ApiException):
    """408: the service waited too long for the request."""

    retryable = True
    remedy = "Retry later"


class ConflictException(ApiException):
    """409: the request conflicts with the state of the service."""


class UnprocessableEntityException(ApiException):
    """422: the service refuses an argument; ``data`` is its ``HTTPValidationError``."""


class RateLimitException(ApiException):
    """429: too many requests; ``retry_after`` is how long to wait, if the response states it."""

    retryable = True
    remedy = "Send fewer requests"


class ServiceException(ApiException):
    """500 to 599: the service failed."""

    retryable = True
    remedy = "Retry later"


class RedirectException(ApiException):
    """300 to 399: the response points elsewhere. It is not followed; ``location`` is the target."""

    remedy = "Check Configuration.host; redirects are never followed"

    @property
    def location(self) -> str | None:
        """Where the response points to."""
        return self.headers.get("Location") if self.headers else None


class InvalidResponseException(ApiException):
    """The response has a good status and does not fit the API specification.

    The cause (``__cause__``) is the error of the decoder, ``body`` the complete response.
    """

    remedy = "The complete response is in .body"

    def _advice(self) -> str:
        return "" if self.body is None else super()._advice()


class ResponseTooLargeException(InvalidResponseException):
    """The response is larger than ``Configuration.max_response_bytes``; the rest was not read."""

    remedy = "Ask for less, with limit for example, or raise Configuration.max_response_bytes"


class ApiConnectionException(ApiException):
    """No connection was made, or it broke before the response was complete."""

    retryable = True
    remedy = "Check the network and Configuration.host"


class ApiTimeoutException(ApiConnectionException):
    """The time for a step or for the whole call ran out."""

    remedy = "Retry later, or give more time with _request_timeout"


class TLSException(ApiConnectionException):
    """TLS failed: a certificate that is not trusted, not for this host or expired, for example."""

    retryable = False
    remedy = (
        "Check that Configuration.host speaks TLS at this port, its certificate, "
        "and ssl_ca_cert or ca_cert_data"
    )


class ProxyException(ApiConnectionException):
    """The proxy could not be reached, or refused to pass the call on."""

    retryable = False
    remedy = "Check Configuration.proxy, or HTTPS_PROXY and NO_PROXY"


_BY_STATUS: dict[int, type[ApiException]] = {
    400: BadRequestException,
    401: UnauthorizedException,
    402: PaymentRequiredException,
    403: ForbiddenException,
    404: NotFoundException,
    407: ProxyException,
    408: RequestTimeoutException,
    409: ConflictException,
    422: UnprocessableEntityException,
    429: RateLimitException,
}
_BY_STATUS_CLASS: dict[int, type[ApiException]] = {
    1: InvalidResponseException,
    3: RedirectException,
    5: ServiceException,
}


def kind_of(value: object) -> str:
    """The type of a wrong argument, without its value, which may be a secret."""
    if isinstance(value, type):
        return f"the class {value.__name__} itself"
    return f"an object of type {type(value).__name__}"


def seconds_to_wait(retry_after: str | None) -> float | None:
    """The seconds of a ``Retry-After`` header, ``None`` if it is missing or malformed."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit() and len(text) < _LONGEST_NUMBER:
        return float(text)
    try:
        timestamp = parsedate_to_datetime(text)
        if timestamp.tzinfo is None:
            timestamp = timestamp.replace(tzinfo=UTC)  # as all dates of HTTP are
        return max(0.0, timestamp.timestamp() - time.time())
    except (ValueError, OverflowError, OSError):
        return None


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """The ID of the request, from the headers of its response."""
    return next((headers[name] for name in _REQUEST_ID_HEADERS if name in headers), None)


def text_or_bytes(body: bytes) -> str | bytes:
    """The body as text if it is UTF-8, or else as received."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body


def _readable(body: str | bytes | None, secrets: Iterable[str]) -> str:
    """The body as text without secrets; the same object if it has none."""
    if isinstance(body, bytes):
        short = body if len(body) <= _LONGEST_ERROR else b""
        body = short.decode(json.detect_encoding(short), "replace")
    return redact(body or "", secrets)


def _message(detail: Any) -> str | None:
    if detail is None or isinstance(detail, str):
        return detail
    if isinstance(detail, list):
        return "; ".join(map(_problem, detail))
    return json.dumps(detail, ensure_ascii=False)


def _problem(problem: Any) -> str:
    """One entry of the service's validation errors as ``body.limit: what is wrong``."""
    if not isinstance(problem, dict):
        return str(problem)
    path = problem.get("loc")
    where = ".".join(map(str, path)) if isinstance(path, list) else str(path or "")
    message = str(problem.get("msg", ""))
    return f"{where}: {message}" if where else message
