"""Errors are classes of this package, with a text that may be shown to anyone."""

from __future__ import annotations

import copy
import http.client
import inspect
import json
import pickle
import ssl
import traceback
from typing import Any

import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from urllib3 import exceptions as theirs

import flowhunt
from failures import CHART, ENDPOINTS, FORMS, ROW, STATUSES, SUM, Endpoint
from flowhunt import exceptions as ours
from flowhunt._transport.errors import EXCEPTION_MAP
from flowhunt.exceptions import ApiException, InvalidResponseException, text_or_bytes
from raw_server import BALANCE, Connect, Connection, RawServer, response

URLLIB3 = [
    kind
    for kind in vars(theirs).values()
    if inspect.isclass(kind)
    and issubclass(kind, Exception)
    and kind.__module__ == theirs.__name__
    and not issubclass(kind, Warning)
]
BELOW_URLLIB3 = [ssl.SSLError, ssl.SSLCertVerificationError, http.client.HTTPException, OSError]
OUR_KINDS = [
    kind for kind in vars(ours).values() if inspect.isclass(kind) and issubclass(kind, ApiException)
]
EIGHT_KILOBYTES = 8 * 1024


def named(kind: type[Exception]) -> type[ApiException]:
    return next(our for failure, our in EXCEPTION_MAP if issubclass(kind, failure))


class TestTable:
    """The error of this package for each error of urllib3."""

    def test_the_walk_finds_them_all(self) -> None:
        assert len(URLLIB3) >= 25

    @pytest.mark.parametrize("kind", [*URLLIB3, *BELOW_URLLIB3], ids=lambda kind: kind.__name__)
    def test_every_failure_has_a_name(self, kind: type[Exception]) -> None:
        assert issubclass(named(kind), ApiException)

    @pytest.mark.parametrize(
        ("kind", "our"),
        [
            (theirs.NewConnectionError, ours.ApiConnectionException),
            (theirs.NameResolutionError, ours.ApiConnectionException),
            (theirs.ConnectTimeoutError, ours.ApiTimeoutException),
            (theirs.ReadTimeoutError, ours.ApiTimeoutException),
            (theirs.ProxyError, ours.ProxyException),
            (theirs.ProxySchemeUnsupported, ours.ProxyException),
            (theirs.SSLError, ours.TLSException),
            (theirs.ProtocolError, ours.ApiConnectionException),
            (theirs.IncompleteRead, ours.ApiConnectionException),
            (theirs.DecodeError, ours.ApiConnectionException),
            (theirs.InvalidHeader, ours.InvalidResponseException),
            (TimeoutError, ours.ApiTimeoutException),
            (ConnectionResetError, ours.ApiConnectionException),
            (ssl.SSLCertVerificationError, ours.TLSException),
        ],
    )
    def test_the_name_is_the_one_that_fits(
        self, kind: type[Exception], our: type[ApiException]
    ) -> None:
        assert named(kind) is our

    def test_the_most_specific_stand_first(self) -> None:
        kinds = [kind for kind, _ in EXCEPTION_MAP]
        for place, kind in enumerate(kinds):
            assert not issubclass(kind, tuple(kinds[:place])), f"{kind} is never reached"

    @pytest.mark.parametrize(
        "warning",
        [
            kind
            for kind in vars(theirs).values()
            if inspect.isclass(kind) and issubclass(kind, Warning)
        ],
    )
    def test_a_warning_is_no_failure(self, warning: type[Warning]) -> None:
        assert not any(
            issubclass(warning, kind) for kind, _ in EXCEPTION_MAP if kind is not theirs.HTTPError
        )


class TestTree:
    """One tree below ``ApiException``."""

    @pytest.mark.parametrize("name", [name for name in ours.__all__ if name != "OpenApiException"])
    def test_every_exception_is_public_and_one_of_the_package(self, name: str) -> None:
        assert getattr(flowhunt, name) is getattr(ours, name)
        assert issubclass(getattr(ours, name), ours.OpenApiException)

    @pytest.mark.parametrize(
        ("name", "bases"),
        [
            ("OpenApiException", (Exception,)),
            ("ApiTypeError", (ours.OpenApiException, TypeError)),
            ("ApiValueError", (ours.OpenApiException, ValueError)),
            ("ApiAttributeError", (ours.OpenApiException, AttributeError)),
            ("ApiKeyError", (ours.OpenApiException, KeyError)),
            ("ApiException", (ours.OpenApiException,)),
            ("BadRequestException", (ApiException,)),
            ("NotFoundException", (ApiException,)),
            ("UnauthorizedException", (ApiException,)),
            ("ForbiddenException", (ApiException,)),
            ("ServiceException", (ApiException,)),
            ("ConflictException", (ApiException,)),
            ("UnprocessableEntityException", (ApiException,)),
        ],
    )
    def test_the_names_of_the_published_package_are_kept(
        self, name: str, bases: tuple[type[Exception], ...]
    ) -> None:
        assert all(issubclass(getattr(flowhunt, name), base) for base in bases)

    @pytest.mark.parametrize("kind", OUR_KINDS)
    def test_each_is_made_as_in_the_published_package(self, kind: type[ApiException]) -> None:
        error = kind(status=418, reason="Teapot")

        assert (error.status, error.reason) == (418, "Teapot")
        assert (error.body, error.data, error.headers) == (None, None, None)
        assert "418 Teapot" in str(error)

    @pytest.mark.parametrize("kind", OUR_KINDS)
    def test_each_says_what_it_is(self, kind: type[ApiException]) -> None:
        assert kind.__doc__


def error_of(
    connect: Connect, *responses: Any, cookie: str | None = None, **settings: Any
) -> ApiException:
    with RawServer(*responses) as server:
        api = connect(server, **{"retries": 0, **settings})
        api.api_client.cookie = cookie
        with pytest.raises(ApiException) as caught:
            api.get_credit_balance()
    return caught.value


def cut(head: str) -> Any:
    def respond(connection: Connection) -> None:
        connection.send(f"HTTP/1.1 {head}\r\nContent-Length: 100\r\n\r\n".encode("latin-1") + b"{")
        connection.close()

    return respond


class TestAttributes:
    def test_every_field_received_is_kept(self, connect: Connect) -> None:
        problem = {"loc": ["body", "limit"], "msg": "too large", "type": "value_error"}
        error = error_of(
            connect,
            response({"detail": [problem]}, "422 No", {"X-Request-ID": "r-1", "Retry-After": "7"}),
        )

        assert (error.status, error.reason) == (422, "No")
        assert error.headers is not None
        assert error.headers["x-request-id"] == "r-1"
        assert error.body == json.dumps({"detail": [problem]})
        assert isinstance(error.data, flowhunt.HTTPValidationError)
        assert error.data.to_dict() == {"detail": [problem]}
        assert error.detail == "body.limit: too large"
        assert error.retry_after == 7
        assert error.request_id == "r-1"
        assert error.tries == 1

    @pytest.mark.parametrize("name", ["X-Request-ID", "Request-ID", "X-Correlation-ID"])
    def test_the_text_is_one_line_with_request_response_and_remedy(
        self, name: str, connect: Connect
    ) -> None:
        with RawServer(response({"detail": "bad\nkey"}, "401 No", {name: "r-1"})) as server:
            with pytest.raises(ApiException) as caught:
                connect(server).get_workspace_credit_balance("w-1")

            assert str(caught.value) == (
                f"GET {server.url}/v2/credits/workspace_balance returned 401 No: bad key. "
                f"{ours.UnauthorizedException.remedy} (request ID r-1)"
            )

    def test_the_text_has_the_number_of_attempts_and_how_long_to_wait(
        self, connect: Connect
    ) -> None:
        busy = response({"detail": "busy"}, "503 No", {"Retry-After": "5"})
        text = str(error_of(connect, busy, retries=2))

        assert text.endswith("returned 503 No: busy. Wait 5 s, then retry (3 attempts)")

    def test_an_interrupted_response_is_an_error_with_its_status(self, connect: Connect) -> None:
        error = error_of(connect, cut("200 OK\r\nX-Request-ID: r-1"))

        assert type(error) is ours.ApiConnectionException
        assert (error.status, error.body, error.request_id) == (200, "{", "r-1")
        assert "1 bytes read, 99 more expected" in str(error)
        assert str(error).endswith("(request ID r-1)")

    @pytest.mark.parametrize(
        ("detail", "said"),
        [
            ("slow down", "slow down"),
            (None, None),
            ("", ""),
            (5, "5"),
            ({"why": "no"}, '{"why": "no"}'),
            ([{"loc": ["query", 0], "msg": "m"}], "query.0: m"),
            ([{"loc": 5, "msg": "m"}], "5: m"),
            ([{"loc": True, "msg": "m"}], "True: m"),
            ([{"loc": "abc", "msg": "m"}], "abc: m"),
            ([{"loc": None}], ""),
            ([{"msg": None}, 5, "x", [1]], "None; 5; x; [1]"),
            ([], ""),
        ],
    )
    def test_a_detail_of_any_shape_is_text(
        self, detail: Any, said: str | None, connect: Connect
    ) -> None:
        assert error_of(connect, response({"detail": detail}, "400 No")).detail == said

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"no",
            b"[]",
            b"null",
            b"5",
            b'{"Detail": "no"}',
            b"\xff\xfe",
            b"\x00\xd8",
            b"1" * 9999,
        ],
        ids=repr,
    )
    def test_a_body_without_a_detail_has_none(self, body: bytes, connect: Connect) -> None:
        error = error_of(connect, response(body, "400 No"))

        assert error.detail is None
        assert error.body in (body, body.decode("utf-8", "replace"))

    @pytest.mark.parametrize("depth", [*range(100, 2000, 100), *range(900, 1000, 3), 100_000])
    def test_a_detail_of_any_depth_is_shown_or_left_out(self, depth: int, connect: Connect) -> None:
        body = b'{"detail": ' + b"[" * depth + b"]" * depth + b"}"

        assert len(str(error_of(connect, response(body, "422 No")))) < EIGHT_KILOBYTES


def through_pickle(error: Exception) -> Exception:
    twin: Exception = pickle.loads(pickle.dumps(error))  # noqa: S301  it is our own
    return twin


PICKLED = [
    response({"detail": [{"loc": ["body"], "msg": "m", "type": "t"}]}, "422 No", {"X-A": "b"}),
    response({"detail": "no"}, "429 No", {"Retry-After": "7"}),
    response({"detail": "no"}, "302 No", {"Location": "http://elsewhere"}),
    response(b"\xff", "500 No"),
    response(b"{"),
    cut("200 OK"),
    Connection.reset,
]


@pytest.mark.parametrize("respond", PICKLED)
@pytest.mark.parametrize(
    "again",
    [through_pickle, copy.copy, copy.deepcopy],
)
def test_a_copy_and_a_pickle_are_the_same_error(respond: Any, again: Any, connect: Connect) -> None:
    error = error_of(connect, respond, max_response_bytes=1000)
    twin = again(error)

    assert type(twin) is type(error)
    assert str(twin) == str(error)
    assert vars(twin) == vars(error)
    assert (twin.detail, twin.retry_after) == (error.detail, error.retry_after)


@pytest.mark.parametrize("kind", [getattr(ours, name) for name in ours.__all__])
def test_an_exception_without_a_response_can_be_pickled_too(kind: type[Exception]) -> None:
    twin = through_pickle(kind("message"))

    assert type(twin) is kind
    assert str(twin) == str(kind("message"))


PRIVATE = "private-4711"
WRONG = (
    (ENDPOINTS[0], {**BALANCE, "user_id": [PRIVATE]}, "user_id"),
    (ENDPOINTS[0], {**BALANCE, "credits": PRIVATE}, "credits"),
    (ENDPOINTS[1], {"user_id": PRIVATE}, "credits"),
    (ENDPOINTS[2], [ROW, {**ROW, "amount": PRIVATE}], "1.amount"),
    (ENDPOINTS[2], [ROW, ROW, {**ROW, "created_at": PRIVATE}], "2.created_at"),
    (ENDPOINTS[2], [{**ROW, "transaction_type": {PRIVATE: 1}}], "0.transaction_type"),
    (ENDPOINTS[2], {"items": [PRIVATE]}, "the body"),
    (ENDPOINTS[3], [SUM, {**SUM, "cnt": PRIVATE}], "1.cnt"),
    (ENDPOINTS[3], [PRIVATE], "0"),
    (ENDPOINTS[4], {**CHART, "per_day": [{"date": PRIVATE}]}, "per_day.0.transaction_types"),
    (ENDPOINTS[4], {**CHART, "transaction_types": [[PRIVATE]]}, "transaction_types.0"),
    (ENDPOINTS[0], PRIVATE, "the body"),
    (ENDPOINTS[4], [PRIVATE], "the body"),
    *((endpoint, f'{{"{PRIVATE}'.encode(), "") for endpoint in ENDPOINTS),
    *((endpoint, f"{PRIVATE} é".encode("latin-1"), "") for endpoint in ENDPOINTS),
)


@pytest.mark.parametrize(("endpoint", "body", "where"), WRONG)
def test_the_way_to_the_bad_row_is_shown_and_the_body_kept(
    endpoint: Endpoint, body: Any, where: str, connect: Connect
) -> None:
    with RawServer(response(body)) as server:
        with pytest.raises(InvalidResponseException) as caught:
            endpoint.call(connect(server))
    error = caught.value

    assert where in str(error)
    assert PRIVATE not in str(error)
    assert PRIVATE not in str(error.__cause__)
    assert PRIVATE not in "".join(traceback.format_exception(error))
    assert error.body == text_or_bytes(
        body if isinstance(body, bytes) else json.dumps(body).encode()
    )
    assert isinstance(error.__cause__, pydantic.ValidationError)


KEY = "k-Ünique+4711/0815=="
SESSION = "sid-99887766"
COOKIE = f"sid={SESSION}; theme=dark"
ECHOES = {
    "detail": response({"detail": f"no such key {KEY} nor {SESSION}"}, "403 No"),
    "detail as object": response({"detail": {"key": KEY, "session": SESSION}}, "403 No"),
    "detail as list": response({"detail": [{"loc": [KEY], "msg": SESSION}]}, "422 No"),
    "a list of texts": response({"detail": [KEY, [SESSION]]}, "422 No"),
    "reason": response({}, f"400 {KEY} {SESSION}"),
    "request ID": response({}, "500 No", {"X-Request-ID": f"{KEY}-{SESSION}"}),
    "cookie": response({}, "500 No", {"Set-Cookie": f"sid={SESSION}", "X-Key": KEY}),
    "target": response({}, "302 No", {"Location": f"https://other/?{KEY}&{SESSION}"}),
    "JSON key": response({"per_day": {KEY: SESSION}, KEY: SESSION}),
    "content type": response(b"{", headers={"Content-Type": f"{KEY}; charset={SESSION}"}),
    "content type and reason": response(b"", f"200 {KEY}", {"Content-Type": SESSION}),
    "reason of a body cut short": cut(f"200 {KEY} {SESSION}\r\nX-Request-ID: {KEY}"),
    "reason of a body too large": response(
        b" " * 2000, f"200 {KEY} {SESSION}", {"X-Request-ID": KEY}
    ),
}


@pytest.mark.parametrize("where", ECHOES)
@pytest.mark.parametrize("credential", ["api_key", "access_token"])
def test_a_secret_that_the_service_echoes_is_not_in_the_text(
    where: str, credential: str, connect: Connect
) -> None:
    error = error_of(
        connect,
        ECHOES[where],
        cookie=COOKIE,
        max_response_bytes=1000,
        **{"api_key": None, credential: KEY},
    )

    # Sentry shows `detail` in place of the text.
    for text in (str(error), repr(error), str(error.detail)):
        for secret in (KEY, KEY[3:], SESSION, json.dumps(KEY)[1:-1]):
            assert secret not in text


def test_a_key_in_a_chart_s_own_keys_is_not_in_the_text(connect: Connect) -> None:
    chart = {**CHART, "per_day": [{"date": "d", "transaction_types": {KEY: "x"}}]}
    with RawServer(response(chart)) as server:
        with pytest.raises(InvalidResponseException) as caught:
            ENDPOINTS[4].call(connect(server, api_key=KEY))

    assert "per_day.0.transaction_types" in str(caught.value)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("form", FORMS[:2])
def test_a_prefix_before_the_key_hides_neither_less(form: str, connect: Connect) -> None:
    with RawServer(response({"detail": f"key {KEY}"}, "403 No")) as server:
        api = connect(server, api_key=KEY, api_key_prefix={"APIKeyHeader": "Secret"})
        with pytest.raises(ApiException) as caught:
            ENDPOINTS[0].call(api, form)

    assert KEY not in str(caught.value)


HUGE = "x" * 60_000


@pytest.mark.parametrize(
    "respond",
    [
        response({"detail": HUGE * 20}, "400 No"),
        response({"detail": [{"loc": [HUGE], "msg": HUGE}] * 20}, "422 No"),
        response({"detail": {HUGE: HUGE}}, "400 No"),
        response({}, f"400 {HUGE}"),
        response({}, "400 No", {"X-Request-ID": HUGE, "X-Huge": HUGE, "Retry-After": HUGE}),
        response({}, "302 No", {"Location": HUGE}),
        response(b"{", headers={"Content-Type": HUGE}),
        response(b"{", headers={"Content-Type": f"a; charset={HUGE}"}),
        response({HUGE: 1, "user_id": {HUGE: HUGE}}),
        cut(f"200 {HUGE}"),
    ],
)
def test_a_huge_response_has_a_short_text(respond: Any, connect: Connect) -> None:
    assert len(str(error_of(connect, respond)).encode()) < EIGHT_KILOBYTES


def test_a_huge_path_to_a_bad_value_has_a_short_text(connect: Connect) -> None:
    chart = {**CHART, "per_day": [{"date": "d", "transaction_types": {HUGE: "x"}}] * 100}
    with RawServer(response(chart)) as server:
        with pytest.raises(InvalidResponseException) as caught:
            ENDPOINTS[4].call(connect(server))

    assert len(str(caught.value)) < EIGHT_KILOBYTES


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


class _Response:
    """What an exception reads of a response."""

    def __init__(self, status: int, reason: str, data: bytes, headers: dict[str, str]) -> None:
        self.status = status
        self.reason: str | None = reason
        self.data: bytes | None = data
        self._headers = headers

    def getheaders(self) -> dict[str, str]:
        return self._headers


@settings(max_examples=300, derandomize=True)
@given(
    status=st.integers(100, 999),
    reason=st.text(st.characters(), max_size=2000),
    data=st.binary() | json_values.map(lambda detail: json.dumps({"detail": detail}).encode()),
    headers=st.dictionaries(
        st.sampled_from(["Retry-After", "X-Request-ID", "Location", "Set-Cookie"]), st.text()
    ),
)
def test_any_response_at_all_has_a_short_text_of_one_line_that_can_be_printed(
    status: int, reason: str, data: bytes, headers: dict[str, str]
) -> None:
    error = ApiException.from_response(http_resp=_Response(status, reason, data, headers))

    assert type(error) is STATUSES.get(status, type(error))
    assert len(str(error).encode()) < EIGHT_KILOBYTES  # a lone surrogate could not be encoded
    assert str(error).isprintable()
    assert str(through_pickle(error)) == str(error)
    assert error.retry_after is None or error.retry_after >= 0
