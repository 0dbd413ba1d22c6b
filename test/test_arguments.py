"""Wrong arguments raise before anything is sent, and the error names the remedy."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pydantic
import pytest

import flowhunt
from flowhunt import (
    ApiTypeError,
    ApiValueError,
    CreditDailyChartRequest,
    CreditDailyTransactionSearchRequest,
    CreditTransactionSearchRequest,
)
from raw_server import RawServer
from test_endpoints import Endpoint, each_endpoint, each_form, each_search

Refused = pydantic.ValidationError


@pytest.fixture(scope="module")
def server() -> Iterator[RawServer]:
    with RawServer() as server:
        yield server


@pytest.fixture
def api(
    server: RawServer, connect: Callable[..., flowhunt.CreditsApi]
) -> Iterator[flowhunt.CreditsApi]:
    """Endpoints of a server that must not notice anything."""
    before = server.connections
    yield connect(server)
    assert server.connections == before


@each_form
@pytest.mark.parametrize("wrong", [None, 5, b"workspace-1", True, ["workspace-1"]], ids=repr)
def test_workspace_id_that_is_no_text(api: flowhunt.CreditsApi, form: str, wrong: Any) -> None:
    calls: list[Callable[[], object]] = [
        lambda: getattr(api, "get_workspace_credit_balance" + form)(wrong),
        lambda: getattr(api, "get_daily_chart_data" + form)(wrong, {}),
    ]
    for call in calls:
        with pytest.raises(ApiTypeError) as caught:
            call()
        assert str(caught.value) == f"workspace_id must be a str, not {wrong!r}"


@each_search
def test_body_of_another_search(api: flowhunt.CreditsApi, endpoint: Endpoint) -> None:
    every: list[type[pydantic.BaseModel]] = [
        CreditTransactionSearchRequest,
        CreditDailyTransactionSearchRequest,
        CreditDailyChartRequest,
        flowhunt.Pagination,
    ]
    others = [model for model in every if model is not endpoint.body]
    for other in others:
        with pytest.raises(Refused, match="instance of"):
            getattr(api, endpoint.name)("workspace-1", other())
    assert len(others) == 3


@each_search
@pytest.mark.parametrize(
    "wrong", [None, "{}", b"{}", [], 5, pytest.param(object(), id="an object")], ids=repr
)
def test_body_that_is_no_object(api: flowhunt.CreditsApi, endpoint: Endpoint, wrong: Any) -> None:
    with pytest.raises(Refused, match="Input should be a valid dictionary or instance of"):
        getattr(api, endpoint.name)("workspace-1", wrong)


WRONG_FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"created_at_form": "2026-01-01T00:00:00"}, "created_at_form\n.*not permitted"),
    ({"transaction_type": 5}, "transaction_type\n.*valid string"),
    ({"created_at_from": "yesterday"}, "created_at_from\n.*valid datetime"),
    ({"created_at_to": []}, "created_at_to\n.*valid datetime"),
]
WRONG_LIMITS: list[tuple[dict[str, Any], str]] = [
    ({"limit": 0}, "limit\n.*greater than or equal to 1.*input_value=0"),
    ({"limit": -1}, "limit\n.*greater than or equal to 1.*input_value=-1"),
    ({"limit": True}, "limit\n.*valid integer.*input_value=True"),
    ({"limit": "5"}, "limit\n.*valid integer.*input_value='5'"),
    ({"limit": 1.5}, "limit\n.*valid integer.*input_value=1.5"),
    ({"limit": 2.0}, "limit\n.*valid integer.*input_value=2.0"),
    ({"pagination": {"scroll": "s"}}, "pagination.scroll\n.*not permitted"),
    ({"pagination": {"scroll_id": 5}}, "pagination.scroll_id\n.*valid string"),
    ({"pagination": "s"}, "pagination\n.*Pagination"),
]
WRONG_GROUPINGS: list[tuple[dict[str, Any], str]] = [
    ({"grouping": "day"}, "grouping\n.*'date', 'week' or 'month'.*input_value='day'"),
    ({"grouping": 1}, "grouping\n.*'date', 'week' or 'month'"),
]
WRONG_IDS: list[tuple[dict[str, Any], str]] = [
    ({"transaction_id": 5}, "transaction_id\n.*valid string"),
    ({"context_id": b"c"}, "context_id\n.*valid string"),
    ({"context_desc": True}, "context_desc\n.*valid string"),
]
WRONG_BODIES = [
    *(
        ("search_credit_transactions", CreditTransactionSearchRequest, *each)
        for each in WRONG_FIELDS + WRONG_LIMITS + WRONG_IDS
    ),
    *(
        ("search_daily_credit_transactions", CreditDailyTransactionSearchRequest, *each)
        for each in WRONG_FIELDS + WRONG_LIMITS + WRONG_GROUPINGS
    ),
    *(
        ("get_daily_chart_data", CreditDailyChartRequest, *each)
        for each in [*WRONG_FIELDS, *WRONG_GROUPINGS, ({"limit": 5}, "limit\n.*not permitted")]
    ),
]


@pytest.mark.parametrize(("name", "model", "body", "message"), WRONG_BODIES)
def test_body_with_a_wrong_field(
    api: flowhunt.CreditsApi,
    name: str,
    model: type[pydantic.BaseModel],
    body: dict[str, Any],
    message: str,
) -> None:
    for attempt in (lambda: getattr(api, name)("workspace-1", body), lambda: model(**body)):
        with pytest.raises(Refused, match=message):
            attempt()


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [("created_at_form", "created_at_from"), ("limits", "limit"), ("context", "context_id")],
)
def test_a_typo_in_a_request_names_the_field_that_was_meant(wrong: str, meant: str) -> None:
    body = {wrong: "2026-01-01", "pagination": {"scrol_id": "s"}, "transaction_id": 5}
    with pytest.raises(Refused) as caught:
        CreditTransactionSearchRequest.from_dict(body)

    assert f"{wrong}\n  Extra inputs are not permitted: did you mean {meant!r}?" in str(
        caught.value
    )
    assert "pagination.scrol_id\n" in str(caught.value)
    assert "did you mean 'scroll_id'?" in str(caught.value)
    kinds = {each["loc"]: each["type"] for each in caught.value.errors()}
    assert kinds == {
        (wrong,): "extra_forbidden",
        ("pagination", "scrol_id"): "extra_forbidden",
        ("transaction_id",): "string_type",
    }


def test_an_unknown_field_that_resembles_none_has_no_suggestion() -> None:
    with pytest.raises(Refused, match="Extra inputs are not permitted \\[type") as caught:
        CreditTransactionSearchRequest.from_dict({"xyz": 1})
    assert "did you mean" not in str(caught.value)


LATER, EARLIER = datetime(2026, 1, 2), datetime(2026, 1, 1, 23, 59, 59, 999_999)
ENDS_FIRST = (
    "the window ends before it begins: created_at_to 2026-01-01T23:59:59.999999 "
    "is before created_at_from 2026-01-02T00:00:00"
)


@each_search
def test_window_that_ends_before_it_begins(api: flowhunt.CreditsApi, endpoint: Endpoint) -> None:
    model = endpoint.body
    assert model is not None
    window: dict[str, Any] = {"created_at_from": LATER, "created_at_to": EARLIER}
    with pytest.raises(Refused, match=ENDS_FIRST):
        model(**window)
    with pytest.raises(Refused, match=ENDS_FIRST):
        getattr(api, endpoint.name)("workspace-1", window)

    changed: Any = model(created_at_from=EARLIER, created_at_to=EARLIER)
    changed.created_at_from = LATER
    with pytest.raises(Refused, match=ENDS_FIRST):
        getattr(api, endpoint.name)("workspace-1", changed)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (EARLIER, EARLIER),
        (EARLIER, LATER),
        (LATER, EARLIER.replace(tzinfo=UTC)),  # which is earlier, nobody knows
        (LATER.replace(tzinfo=UTC), EARLIER),
        (LATER, None),
        (None, EARLIER),
    ],
)
def test_window_that_may_be_meant(start: datetime | None, end: datetime | None) -> None:
    request = CreditDailyChartRequest(created_at_from=start, created_at_to=end)

    assert (request.created_at_from, request.created_at_to) == (start, end)


WRONG_TIMEOUTS: list[tuple[Any, type[Exception], str, Any]] = [
    *((wrong, ApiValueError, "_request_timeout", wrong) for wrong in (0, 0.0, -1, math.inf)),
    (math.nan, ApiValueError, "_request_timeout", math.nan),
    *((wrong, ApiTypeError, "_request_timeout", wrong) for wrong in (True, "5", (1,), (1, 2, 3))),
    ((1, -1), ApiValueError, "the read part of _request_timeout", -1),
    ((0, 1), ApiValueError, "the connect part of _request_timeout", 0),
    ((None, 1), ApiTypeError, "the connect part of _request_timeout", None),
    ((1, "2"), ApiTypeError, "the read part of _request_timeout", "2"),
]
REMEDIES = {
    ApiValueError: "must be more than 0 and",
    ApiTypeError: "must be a number of seconds",
}


@each_form
@pytest.mark.parametrize(("wrong", "error", "name", "shown"), WRONG_TIMEOUTS, ids=repr)
def test_timeout_that_is_no_time(
    api: flowhunt.CreditsApi,
    form: str,
    wrong: Any,
    error: type[ApiTypeError | ApiValueError],
    name: str,
    shown: Any,
) -> None:
    with pytest.raises(error) as caught:
        getattr(api, "get_credit_balance" + form)(_request_timeout=wrong)
    message = str(caught.value)
    assert message.startswith(f"{name} {REMEDIES[error]}")
    assert message.endswith(f", not {shown!r}")


HIDDEN = "of the caller alone"


def auth(**fields: Any) -> dict[str, Any]:
    return {"type": "api_key", "in": "header", "key": "Api-Key", "value": HIDDEN, **fields}


LIKE_THIS = "_request_auth must be a dict such as {'type': 'api_key', 'in': 'header'"
NOT_ON_THE_WIRE = "header 'Api-Key' has control characters or ones beyond latin-1"
WRONG_AUTHS: list[tuple[Any, type[Exception], str]] = [
    ({}, ApiValueError, LIKE_THIS),
    (HIDDEN, ApiValueError, LIKE_THIS),
    ([HIDDEN], ApiValueError, LIKE_THIS),
    ({"in": "header", "key": "Api-Key"}, ApiValueError, LIKE_THIS),
    (auth(**{"in": "query"}), ApiValueError, LIKE_THIS),
    (auth(key="Api Key"), ApiValueError, "is not a header name"),
    (auth(key=None), ApiTypeError, "a header name must be a str"),
    (auth(value=None), ApiTypeError, "the value of header 'Api-Key' must be a str"),
    (auth(value=HIDDEN + "\nX-More: 1"), ApiValueError, NOT_ON_THE_WIRE),
    (auth(value=HIDDEN + "☕"), ApiValueError, NOT_ON_THE_WIRE),
]
HEADER_VALUE = "the value of header 'X-Mine'"
WRONG_HEADERS: list[tuple[Any, type[Exception], str]] = [
    *(
        ({"X-Mine": HIDDEN + end}, ApiValueError, f"{HEADER_VALUE} has control characters")
        for end in ("\n", "\r\nApi-Key: other", "\0", "\x7f", "\x80", "☕", "\ud800")
    ),
    ({"X-Mine": HIDDEN.encode()}, ApiTypeError, f"{HEADER_VALUE} must be a str"),
    ({"X-Mine": None}, ApiTypeError, f"{HEADER_VALUE} must be a str"),
    *(
        ({name: HIDDEN}, ApiValueError, "is not a header name")
        for name in ("", "X Mine", "X-Mine:", "X-Mine\r\nX-More", "Ü")
    ),
    *(({name: HIDDEN}, ApiTypeError, "a header name must be a str") for name in (5, None)),
    (HIDDEN, ApiTypeError, "headers must be a mapping of names to values"),
    ([("X-Mine", HIDDEN)], ApiTypeError, "headers must be a mapping of names to values"),
]
WRONG_OTHERS: list[tuple[dict[str, Any], type[Exception], str]] = [
    *(({"_request_auth": wrong}, error, message) for wrong, error, message in WRONG_AUTHS),
    *(({"_headers": wrong}, error, message) for wrong, error, message in WRONG_HEADERS),
    *(
        (
            {"_host_index": wrong},
            ApiValueError,
            f"_host_index must be 0, not {wrong!r}: there is one host",
        )
        for wrong in (1, -1, True, False, None, "0")
    ),
    (
        {"_content_type": "text/plain"},
        ApiValueError,
        "_content_type must be a JSON type, not 'text/plain'",
    ),
    ({"_content_type": ""}, ApiValueError, "_content_type must be a JSON type, not ''"),
    (
        {"_content_type": "application/json\r\nX-More: 1"},
        ApiValueError,
        "the value of header 'Content-Type' has control characters",
    ),
    ({"_content_type": 5}, ApiValueError, "_content_type must be a JSON type, not 5"),
]


@pytest.mark.parametrize(("keywords", "error", "message"), WRONG_OTHERS, ids=repr)
def test_wrong_argument_of_every_call(
    api: flowhunt.CreditsApi, keywords: dict[str, Any], error: type[Exception], message: str
) -> None:
    for form in ("", "_with_http_info", "_without_preload_content"):
        with pytest.raises(error) as caught:
            getattr(api, "get_daily_chart_data" + form)("workspace-1", {}, **keywords)
        assert message in str(caught.value)
        assert HIDDEN not in str(caught.value)


def test_an_empty_workspace_id_is_refused_with_the_variable(api: flowhunt.CreditsApi) -> None:
    with pytest.raises(flowhunt.ApiValueError, match="FLOWHUNT_WORKSPACE_ID"):
        api.get_workspace_credit_balance("")


def test_a_configuration_is_no_client_and_a_key_no_configuration() -> None:
    configuration: Any = flowhunt.Configuration("http://localhost:1", "key-1")
    with pytest.raises(flowhunt.ApiTypeError, match=r"ApiClient\(configuration\)"):
        flowhunt.CreditsApi(configuration)
    key: Any = "key-1"
    with pytest.raises(flowhunt.ApiTypeError, match="Configuration") as caught:
        flowhunt.ApiClient(key)
    assert key not in str(caught.value)


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb"], ids=ascii)
def test_workspace_id_that_is_not_unicode(api: flowhunt.CreditsApi, text: str) -> None:
    with pytest.raises(ApiValueError, match="is not Unicode text") as caught:
        api.get_workspace_credit_balance(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("checked", [True, False])
@pytest.mark.parametrize("field", ["context_desc", "transaction_type"])
def test_text_that_is_not_unicode_in_a_body(
    api: flowhunt.CreditsApi, field: str, checked: bool
) -> None:
    api.api_client.configuration.client_side_validation = checked
    with pytest.raises((ApiValueError, pydantic.ValidationError)):
        api.search_credit_transactions("workspace-1", {field: "\ud800"})


@each_endpoint
@each_form
def test_unknown_keyword(api: flowhunt.CreditsApi, endpoint: Endpoint, form: str) -> None:
    call = getattr(api, endpoint.name + form)
    with pytest.raises(TypeError, match="unexpected keyword argument '_timeout'"):
        call(*endpoint.arguments(), _timeout=3)


@each_search
def test_missing_body(api: flowhunt.CreditsApi, endpoint: Endpoint) -> None:
    with pytest.raises(TypeError, match=f"missing .* '{endpoint.body_name}'"):
        getattr(api, endpoint.name)("workspace-1")


@pytest.mark.parametrize(
    ("error", "builtin"), [(ApiTypeError, TypeError), (ApiValueError, ValueError)]
)
def test_argument_errors_are_those_of_python_too(
    error: type[Exception], builtin: type[Exception]
) -> None:
    assert issubclass(error, flowhunt.OpenApiException)
    assert issubclass(error, builtin)
    assert not issubclass(error, flowhunt.ApiException)
