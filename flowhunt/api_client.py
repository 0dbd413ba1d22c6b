"""ApiClient: builds a request, sends it, decodes the response."""

from __future__ import annotations

import codecs
import copy
import platform
import re
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self, TypeVar
from urllib.parse import quote

import pydantic
from pydantic_core import PydanticSerializationError, to_json

from flowhunt import __version__
from flowhunt._operation import Operation
from flowhunt._secrets import public_headers, scrubs_traceback
from flowhunt._transport.headers import CREDENTIALS, TOKEN, Headers
from flowhunt._types import CallOptions, RequestAuth, RequestHeaders, RequestTimeout
from flowhunt.api_response import ApiResponse
from flowhunt.configuration import API_KEY, Configuration
from flowhunt.exceptions import (
    ApiAttributeError,
    ApiException,
    ApiTypeError,
    ApiValueError,
    InvalidResponseException,
    MissingCredentialError,
    kind_of,
)
from flowhunt.models._base import Model, RequestModel
from flowhunt.rest import RESTClientObject, RESTResponse, RESTResponseType

T = TypeVar("T")

USER_AGENT = f"flowhunt-python/{__version__} python/{platform.python_version()} ({sys.platform})"

_UNRESERVED = re.compile(r"[A-Za-z0-9_.~-]+").fullmatch
_CHARSET = re.compile(r"charset=\"?([\w.:-]+)", re.IGNORECASE).search
# Some codecs of Python are not charsets, and some take quadratic time.
_CODECS = re.compile(r"utf-(16|32)(-[bl]e)?|iso8859-\d+|cp125\d").fullmatch
_UTF_8 = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
_UTF_8_BOM = b"\xef\xbb\xbf"
_DEFAULT_OPTIONS = CallOptions()


class ApiClient:
    """Builds requests, sends them, decodes the responses. Threads may share one.

    ``with ApiClient() as client:`` closes its connections at the end; so does ``close()``.

    :param configuration: ``Configuration.get_default()`` if none, which reads the environment
    :param header_name: a header to send with every call
    :param header_value: its value
    :param cookie: a ``Cookie`` header to send with every call
    """

    _default: ClassVar[ApiClient | None] = None

    @scrubs_traceback
    def __init__(
        self,
        configuration: Configuration | None = None,
        header_name: str | None = None,
        header_value: str | None = None,
        cookie: str | None = None,
    ) -> None:
        if configuration is None:
            configuration = Configuration.get_default()
        elif not hasattr(configuration, "auth_headers") or isinstance(configuration, type):
            raise ApiTypeError(
                f"ApiClient takes a Configuration, not {kind_of(configuration)}: "
                "ApiClient(Configuration(api_key=...))"
            )
        self.configuration = configuration
        self.rest_client = RESTClientObject(self.configuration)
        self.default_headers = Headers(
            {
                "Accept": "application/json",
                "Accept-Encoding": "gzip, deflate",
                "User-Agent": USER_AGENT,
            }
        )
        """Headers to send with every call; names compare without case."""
        if header_name is not None:
            self.default_headers[header_name] = header_value or ""
        self.cookie = cookie

    @classmethod
    def get_default(cls) -> ApiClient:
        """The client of each ``CreditsApi`` that is made without one."""
        if ApiClient._default is None:
            ApiClient._default = cls()
        return ApiClient._default

    @classmethod
    def set_default(cls, default: ApiClient | None) -> None:
        """Set the client that ``get_default`` returns; ``None`` lets it make a new one."""
        ApiClient._default = default

    @property
    def user_agent(self) -> str:
        """The ``User-Agent`` header."""
        return self.default_headers["User-Agent"]

    @user_agent.setter
    def user_agent(self, value: str) -> None:
        self.default_headers["User-Agent"] = value

    @property
    def cookie(self) -> str | None:
        """The ``Cookie`` header to send with every call."""
        return self.default_headers.get("Cookie")

    @cookie.setter
    @scrubs_traceback
    def cookie(self, value: str | None) -> None:
        if value:
            self.default_headers["Cookie"] = value
        else:
            self.default_headers.pop("Cookie", None)

    @scrubs_traceback
    def set_default_header(self, header_name: str, header_value: str) -> None:
        """Send a header with every call."""
        self.default_headers[header_name] = header_value

    def close(self) -> None:
        """Close all connections. Calls after it raise ``ClientClosedError``."""
        self.rest_client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def execute(
        self,
        operation: Operation[T],
        options: CallOptions = _DEFAULT_OPTIONS,
        workspace_id: str | None = None,
        body: Any = None,
    ) -> ApiResponse[T]:
        """Make a call and decode its response."""
        url, headers, data = self._build(operation, options, workspace_id, body)
        response = self.rest_client.request(
            operation.method,
            url,
            headers,
            data,
            None,
            options.timeout,
            preload_content=True,
            only_reads=True,
            operation=operation.name,
        )
        if not 200 <= response.status < 300:
            raise _error_for(response)
        return ApiResponse(
            status_code=response.status,
            data=_decoded(operation, response),
            headers=response.headers,
            raw_data=response.data or b"",
            tries=response.tries,
        )

    def open(
        self,
        operation: Operation[Any],
        options: CallOptions = _DEFAULT_OPTIONS,
        workspace_id: str | None = None,
        body: Any = None,
    ) -> RESTResponseType:
        """Make a call and return its raw response, of any status, with the body unread."""
        url, headers, data = self._build(operation, options, workspace_id, body)
        return self.rest_client.request(
            operation.method,
            url,
            headers,
            data,
            None,
            options.timeout,
            only_reads=True,
            operation=operation.name,
        ).response

    @scrubs_traceback
    def call_api(
        self,
        method: str,
        url: str,
        header_params: RequestHeaders | None = None,
        body: Any = None,
        post_params: None = None,
        _request_timeout: RequestTimeout | None = None,
    ) -> RESTResponse:
        """Send any request to the host, without the configured credentials.

        :param method: GET or POST, for example
        :param url: complete URL, below ``Configuration.host``
        :param header_params: headers in addition to the default ones
        :param body: sent as JSON, unless it is a ``str`` or ``bytes`` already
        :param post_params: accepted and not used: the API takes no forms
        :return: the response, unread, of any status
        """
        if not isinstance(method, str) or not TOKEN.fullmatch(method):
            raise ApiValueError(f"method must be an HTTP method such as 'GET', not {method!r}")
        if not isinstance(url, str):
            raise ApiTypeError(f"url must be a str, not {url!r}")
        json_type = None
        if isinstance(body, str):
            body = _as_utf_8("the body", body)
        elif body is not None and not isinstance(body, bytes):
            json_type = {"Content-Type": "application/json"}
            body = _json(body)
        return self.rest_client.request(
            str.__str__(method),
            url,
            self.default_headers.merged(json_type, header_params),
            body,
            None,
            _request_timeout,
            only_reads=method in ("GET", "HEAD", "OPTIONS"),
        )

    def _build(
        self,
        operation: Operation[Any],
        options: CallOptions,
        workspace_id: str | None,
        body: Any,
    ) -> tuple[str, dict[str, str], bytes | None]:
        """The URL, headers and body of a request, checked."""
        _, auth, content_type, headers, host_index = options
        if host_index != 0 or isinstance(host_index, bool):
            raise ApiValueError(f"_host_index must be 0, not {host_index!r}: there is one host")
        url = self.configuration.host + operation.path
        if operation.needs_workspace_id:
            url += f"?workspace_id={_quoted(workspace_id)}"
        json_type = data = None
        if operation.body_adapter is not None:
            data = self._encoded(operation.body_adapter, body)
            json_type = {"Content-Type": _json_type(content_type)}
        credentials = self.configuration.auth_headers() if auth is None else _header_of(auth)
        merged = self.default_headers.merged(json_type, credentials, headers)
        if not credentials and not CREDENTIALS.intersection(map(str.lower, merged)):
            raise self._no_credential(
                f"{operation.method} {self.configuration.host}{operation.path}"
            )
        return url, merged, data

    def _encoded(self, adapter: pydantic.TypeAdapter[RequestModel], body: Any) -> bytes:
        """The body as JSON text, checked unless that is turned off."""
        if not self.configuration.client_side_validation:
            return _json(body)
        return _json(adapter.validator.validate_python(body), adapter)

    def _no_credential(self, request: str) -> MissingCredentialError:
        others = [name for name in self.configuration.api_key if name != API_KEY]
        if self.configuration.credentials_left_behind:
            why = "credentials are not pickled unless pickle_credentials is set"
        elif others:
            why = f"api_key has {others}, and the name is {API_KEY!r}"
        else:
            why = "Configuration has none"
        return MissingCredentialError(
            reason=f"was not sent, it has no credential: {why}", request=request
        )

    if not TYPE_CHECKING:  # or type checkers would accept names that do not exist

        def __getattr__(self, name: str) -> NoReturn:
            text = f"{type(self).__name__!r} object has no attribute {name!r}"
            if name.startswith(("get_", "search_")):
                text += ": endpoints are methods of CreditsApi(client)"
            raise ApiAttributeError(text)

    def __copy__(self) -> Self:
        twin = self._copy_with(copy.deepcopy(self.configuration))
        twin.__dict__.update(self._added_attributes())
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        twin = self._copy_with(copy.deepcopy(self.configuration, memo))
        memo[id(self)] = twin
        twin.__dict__.update(copy.deepcopy(self._added_attributes(), memo))
        return twin

    def __getstate__(self) -> dict[str, Any]:
        headers = dict(self.default_headers)
        if not self.configuration.pickle_credentials:
            headers = public_headers(headers)
        return {
            "configuration": self.configuration,
            "headers": headers,
            "left_behind": len(headers) < len(self.default_headers),
            "added": self._added_attributes(),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._initialize(state["configuration"], Headers(state["headers"]))
        self.configuration.credentials_left_behind |= state["left_behind"]
        self.__dict__.update(state["added"])

    def _copy_with(self, configuration: Configuration) -> Self:
        twin = object.__new__(type(self))  # a subclass may take other arguments
        twin._initialize(configuration, Headers(self.default_headers))
        return twin

    def _initialize(self, configuration: Configuration, headers: Headers) -> None:
        self.configuration = configuration
        self.rest_client = RESTClientObject(configuration)
        self.default_headers = headers

    def _added_attributes(self) -> dict[str, Any]:
        """The attributes that a subclass or a program added."""
        standard = ("configuration", "rest_client", "default_headers")
        return {name: value for name, value in vars(self).items() if name not in standard}


def _json(body: Any, adapter: pydantic.TypeAdapter[RequestModel] | None = None) -> bytes:
    """A body as JSON text, written by the adapter of its model if one is given."""
    try:
        if adapter is not None:
            return adapter.serializer.to_json(body, by_alias=True, exclude_unset=True)
        return body.to_json().encode() if isinstance(body, Model) else to_json(body)
    except PydanticSerializationError as error:
        raise ApiValueError(f"the body cannot be written as JSON: {error}") from error


def _header_of(auth: RequestAuth) -> dict[str, str]:
    """The header of a credential that is given for one call."""
    try:
        if auth["in"] == "header":
            return {auth["key"]: auth["value"]}
    except (TypeError, KeyError):
        pass
    raise ApiValueError(
        "_request_auth must be a dict such as "
        "{'type': 'api_key', 'in': 'header', 'key': 'Api-Key', 'value': '...'}"
    )


def _quoted(workspace_id: str | None) -> str:
    if not isinstance(workspace_id, str):
        raise ApiTypeError(f"workspace_id must be a str, not {workspace_id!r}")
    if not workspace_id:
        raise ApiValueError("workspace_id is empty: is FLOWHUNT_WORKSPACE_ID set?")
    if _UNRESERVED(workspace_id):  # as IDs are; far quicker than `quote`
        return workspace_id
    return quote(_as_utf_8(f"workspace_id {workspace_id!r}", workspace_id), safe="")


def _as_utf_8(name: str, text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise ApiValueError(f"{name} is not Unicode text") from error


def _json_type(content_type: str | None) -> str:
    if content_type is None:
        return "application/json"
    if not isinstance(content_type, str) or "json" not in content_type.lower():
        raise ApiValueError(f"_content_type must be a JSON type, not {content_type!r}")
    return content_type


def _decoded(operation: Operation[T], response: RESTResponse) -> T:
    """The response's body as its models."""
    body = response.data or b""
    decode = operation.decode
    try:
        if response.headers.get("Content-Type") != "application/json" or body[:1] == _UTF_8_BOM[:1]:
            return decode(_json_text(response))
        return decode(body)
    except (pydantic.ValidationError, UnicodeError, LookupError) as error:
        mismatch = _describe_mismatch(error, response)
        raise InvalidResponseException(
            http_resp=response, reason=f"{response.reason or ''} with {mismatch}"
        ) from error


def _json_text(response: RESTResponse) -> bytes | str:
    """The body as pydantic reads it: bytes of UTF-8, or text decoded from another charset."""
    body = response.data or b""
    content_type = response.headers.get("Content-Type")
    charset = _CHARSET(content_type) if content_type else None
    if charset is None or charset[1].lower() in _UTF_8:
        return body.removeprefix(_UTF_8_BOM)
    codec = codecs.lookup(charset[1]).name
    if not _CODECS(codec):
        raise LookupError(f"{codec} is no charset for JSON")
    return body.decode(codec).lstrip("\ufeff")


def _describe_mismatch(error: Exception, response: RESTResponse) -> str:
    """Where the body does not fit the model and why, without any value of the body."""
    content_type = response.headers.get("Content-Type", "no Content-Type")
    if not response.data:
        return "an empty body"
    if not isinstance(error, pydantic.ValidationError):
        return f"a body that does not match its content type ({content_type})"
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return f"a body that is not JSON ({content_type}): {first['msg']}"
    where = ".".join(map(str, first["loc"])) or "the body"
    more = f", and {error.error_count() - 1} more" if error.error_count() > 1 else ""
    return f"a body that does not fit at {where}: {first['msg']}{more}"


def _error_for(response: RESTResponse) -> ApiException:
    """The exception for a response that is not a success."""
    data = None
    if response.status == 422:
        from flowhunt.models.http_validation_error import HTTPValidationError

        try:
            data = HTTPValidationError.from_json(response.data or b"")
        except pydantic.ValidationError:
            data = None  # the exception still has the body as received
    return ApiException.from_response(http_resp=response, data=data)
