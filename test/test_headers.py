"""What is sent besides the body: credentials, other headers, the query."""

from __future__ import annotations

import codecs
import gzip
import itertools
import json
import platform
import zlib
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import flowhunt
from raw_server import BALANCE, RawServer, Request, response
from test_endpoints import Endpoint, each_endpoint

Connect = Callable[..., flowhunt.CreditsApi]

any_text = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def server() -> Iterator[RawServer]:
    with RawServer() as server:
        yield server


def last_of(server: RawServer) -> Request:
    return Request.of(server.requests[-1])


def credentials_of(server: RawServer) -> tuple[list[str], list[str]]:
    sent = last_of(server)
    return sent.values("Api-Key"), sent.values("Authorization")


SENT_CREDENTIALS: list[tuple[dict[str, Any], list[str], list[str]]] = [
    ({"api_key": {"APIKeyHeader": "key-1"}}, ["key-1"], []),
    ({"api_key": "key-1"}, ["key-1"], []),
    ({"api_key": lambda: "key-1"}, ["key-1"], []),
    ({"api_key": {"APIKeyHeader": lambda: "key-1"}}, ["key-1"], []),
    ({"api_key": " key-1\n"}, ["key-1"], []),
    ({"api_key": lambda: "\tkey-1\r\n"}, ["key-1"], []),
    ({"api_key": "key-1", "api_key_prefix": {"APIKeyHeader": "Token"}}, ["Token key-1"], []),
    ({"api_key": None, "access_token": "token-1"}, [], ["Bearer token-1"]),
    ({"api_key": None, "access_token": "\ttoken-1\n"}, [], ["Bearer token-1"]),
    ({"api_key": None, "access_token": lambda: " token-1 "}, [], ["Bearer token-1"]),
    ({"api_key": "", "access_token": "token-1"}, [], ["Bearer token-1"]),
    ({"api_key": "key-1", "access_token": "token-1"}, ["key-1"], ["Bearer token-1"]),
    ({"api_key": "key-1", "access_token": ""}, ["key-1"], []),
    ({"api_key": "key-1", "username": "u", "password": "p"}, ["key-1"], []),
    ({"api_key": {"SomethingElse": "other", "APIKeyHeader": "key-1"}}, ["key-1"], []),
]


@pytest.mark.parametrize(("settings_", "keys", "tokens"), SENT_CREDENTIALS)
def test_credentials(
    server: RawServer,
    connect: Connect,
    settings_: dict[str, Any],
    keys: list[str],
    tokens: list[str],
) -> None:
    connect(server, **settings_).get_credit_balance()

    assert credentials_of(server) == (keys, tokens)


@each_endpoint
def test_every_endpoint_sends_both_credentials(
    server: RawServer, connect: Connect, endpoint: Endpoint
) -> None:
    api = connect(server, access_token="token-1")  # noqa: S106  made up
    getattr(api, endpoint.name + "_without_preload_content")(*endpoint.arguments()).release_conn()

    assert credentials_of(server) == (["key-1"], ["Bearer token-1"])


@pytest.mark.parametrize(
    "none",
    [
        {},
        {"api_key": {}},
        {"api_key": " "},
        {"api_key": lambda: ""},
        {"access_token": ""},
        {"api_key": {"SomethingElse": "key-1"}},
    ],
)
def test_without_credential_nothing_is_sent(
    server: RawServer, connect: Connect, none: dict[str, Any]
) -> None:
    before = server.connections
    api = connect(server, **{"api_key": None, **none})

    for form in ("", "_with_http_info", "_without_preload_content"):
        with pytest.raises(flowhunt.MissingCredentialError) as caught:
            getattr(api, "search_credit_transactions" + form)("workspace-1", {})
        assert isinstance(caught.value, flowhunt.UnauthorizedException)
        assert caught.value.status is None
        assert "FLOWHUNT_API_KEY or FLOWHUNT_ACCESS_TOKEN" in str(caught.value)
    assert server.connections == before


@pytest.mark.parametrize(
    ("settings_", "error"),
    [
        ({"api_key": {"APIKeyHeader": 5}}, "api_key must be a str"),
        ({"api_key": lambda: None}, None),
        ({"api_key": lambda: 5}, "api_key must be a str, or a callable that returns one"),
        ({"access_token": 5}, "access_token must be a str, or a callable that returns one"),
    ],
)
def test_credential_that_is_no_text(
    server: RawServer, connect: Connect, settings_: dict[str, Any], error: str | None
) -> None:
    expected = flowhunt.ApiTypeError if error else flowhunt.MissingCredentialError
    with pytest.raises(expected, match=error):
        connect(server, **{"api_key": None, **settings_}).get_credit_balance()


def test_callable_credentials_are_asked_again_for_every_call(
    server: RawServer, connect: Connect
) -> None:
    numbers = itertools.count(1)
    api = connect(
        server,
        api_key=lambda: f"key-{next(numbers)}",
        access_token=lambda: f"token-{next(numbers)}",
    )

    seen = []
    for _ in range(2):
        api.get_credit_balance()
        seen.append(credentials_of(server))

    assert seen == [(["key-1"], ["Bearer token-2"]), (["key-3"], ["Bearer token-4"])]


def test_error_of_a_callable_credential_reaches_the_caller(
    server: RawServer, connect: Connect
) -> None:
    def vault() -> str:
        raise LookupError("the vault is sealed")

    before = server.connections
    with pytest.raises(LookupError, match="the vault is sealed"):
        connect(server, api_key=vault).get_credit_balance()
    assert server.connections == before


def test_hook_renews_the_key_before_every_call(server: RawServer, connect: Connect) -> None:
    api = connect(server, api_key="old")
    numbers = itertools.count(1)

    def renew(configuration: flowhunt.Configuration) -> None:
        configuration.api_key["APIKeyHeader"] = f"key-{next(numbers)}"

    api.api_client.configuration.refresh_api_key_hook = renew

    seen = []
    for _ in range(2):
        api.get_credit_balance()
        seen += last_of(server).values("Api-Key")

    assert seen == ["key-1", "key-2"]


def test_credentials_may_change_between_calls(server: RawServer, connect: Connect) -> None:
    api = connect(server)
    configuration = api.api_client.configuration
    configuration.api_key["APIKeyHeader"] = "key-2"
    configuration.access_token = "token-2"  # noqa: S105  made up
    api.get_credit_balance()
    assert credentials_of(server) == (["key-2"], ["Bearer token-2"])

    configuration.api_key = {"APIKeyHeader": "key-3"}
    configuration.access_token = None
    api.get_credit_balance()
    assert credentials_of(server) == (["key-3"], [])

    del configuration.api_key["APIKeyHeader"]
    with pytest.raises(flowhunt.MissingCredentialError):
        api.get_credit_balance()


@pytest.mark.parametrize(
    ("auth", "keys", "tokens"),
    [
        ({"type": "api_key", "in": "header", "key": "Api-Key", "value": "mine"}, ["mine"], []),
        ({"in": "header", "key": "authorization", "value": "Bearer mine"}, [], ["Bearer mine"]),
    ],
)
def test_request_auth_replaces_all_credentials_for_one_call(
    server: RawServer,
    connect: Connect,
    auth: dict[str, str],
    keys: list[str],
    tokens: list[str],
) -> None:
    api = connect(server, access_token="token-1")  # noqa: S106  made up

    api.get_credit_balance(_request_auth=auth)
    assert credentials_of(server) == (keys, tokens)

    api.get_credit_balance()
    assert credentials_of(server) == (["key-1"], ["Bearer token-1"])


def test_auth_settings_can_be_given_as_request_auth(server: RawServer, connect: Connect) -> None:
    other = flowhunt.Configuration(access_token="of another user")  # noqa: S106  made up

    setting = other.auth_settings().get("HTTPBearer")
    connect(server).get_credit_balance(_request_auth=setting)

    assert credentials_of(server) == ([], ["Bearer of another user"])


def test_request_auth_is_enough_without_configured_credentials(
    server: RawServer, connect: Connect
) -> None:
    auth = {"type": "bearer", "in": "header", "key": "Authorization", "value": "Bearer mine"}

    connect(server, api_key=None).get_credit_balance(_request_auth=auth)

    assert credentials_of(server) == ([], ["Bearer mine"])


@pytest.mark.parametrize("name", ["Api-Key", "authorization", "COOKIE"])
def test_credential_among_the_headers_is_enough(
    server: RawServer, connect: Connect, name: str
) -> None:
    connect(server, api_key=None).get_credit_balance(_headers={name: "mine"})

    assert last_of(server).values(name) == ["mine"]


@pytest.mark.parametrize("name", ["Api-Key", "api-key", "API-KEY"])
def test_headers_of_a_call_win_over_credentials(
    server: RawServer, connect: Connect, name: str
) -> None:
    connect(server).get_credit_balance(_headers={name: "of this call"})

    assert last_of(server).values("Api-Key") == ["of this call"]


@pytest.mark.parametrize(
    "name", ["Accept", "accept", "USER-AGENT", "x-default", "Content-type", "accept-encoding"]
)
def test_headers_of_a_call_win_over_default_ones(
    server: RawServer, connect: Connect, name: str
) -> None:
    api = connect(server)
    api.api_client.set_default_header("X-Default", "of the client")

    api.get_daily_chart_data_without_preload_content(
        "workspace-1", {}, _headers={name: "of/this-call"}
    ).release_conn()

    assert last_of(server).values(name) == ["of/this-call"]


def test_no_header_is_sent_twice(server: RawServer, connect: Connect) -> None:
    api = connect(server)
    client = api.api_client
    client.default_headers["x-mine"] = "1"
    client.default_headers["X-Mine"] = "2"
    client.set_default_header("X-MINE", "3")

    api.get_credit_balance(_headers={"X-mine": "4", "accept": "application/json"})

    names = [name.lower() for name, _ in last_of(server).headers]
    assert sorted(names) == sorted(set(names))
    assert last_of(server).values("X-Mine") == ["4"]


def test_credentials_win_over_default_headers(server: RawServer, connect: Connect) -> None:
    api = connect(server)
    api.api_client.set_default_header("api-key", "of the client")

    api.get_credit_balance()

    assert last_of(server).values("Api-Key") == ["key-1"]


@pytest.mark.parametrize("value", ["", "a", "a  b\tc", "\xa0\xfe\xff", 5])
def test_header_values_are_sent_as_given(server: RawServer, connect: Connect, value: Any) -> None:
    connect(server).get_credit_balance(_headers={"X-Mine": value})

    assert last_of(server).values("X-Mine") == [str(value)]


def test_every_header_of_a_search(server: RawServer, connect: Connect) -> None:
    connect(server).get_daily_chart_data_without_preload_content("w", {}).release_conn()

    sent = last_of(server)
    assert {name: value for name, value in sent.headers if name != "User-Agent"} == {
        "Host": server.url.removeprefix("http://"),
        "Accept": "application/json",
        "Accept-Encoding": "gzip, deflate",
        "Api-Key": "key-1",
        "Content-Type": "application/json",
        "Content-Length": "2",
    }
    (user_agent,) = sent.values("User-Agent")
    assert user_agent.startswith(
        f"flowhunt-python/{flowhunt.__version__} python/{platform.python_version()} ("
    )


@pytest.mark.parametrize(
    "name", ["Content-Length", "content-length", "Transfer-Encoding", "TE", "Trailer", "Expect"]
)
@pytest.mark.parametrize("where", ["of a call", "of the client", "of call_api", "of a proxy"])
def test_a_header_that_would_make_two_requests_of_one_is_refused_before_anything_is_sent(
    name: str, where: str, connect: Connect
) -> None:
    def call(url: str) -> None:
        api = connect(url)
        configuration = api.api_client.configuration
        if where == "of a call":
            api.get_daily_chart_data("w", {}, _headers={name: "0"})
        elif where == "of the client":
            api.api_client.set_default_header(name, "0")
        elif where == "of call_api":
            api.api_client.call_api("POST", f"{url}/v2", {name: "0"}, {})
        else:
            configuration.proxy, configuration.proxy_headers = url, {name: "0"}
            api.get_credit_balance()

    with RawServer() as server:
        with pytest.raises(flowhunt.ApiValueError, match=f"'{name}' cannot be set"):
            call(server.url)

        assert server.connections == 0


def test_a_get_has_no_content_type(server: RawServer, connect: Connect) -> None:
    connect(server).get_credit_balance(_content_type="application/json")

    assert last_of(server).values("Content-Type") == []
    assert last_of(server).body == b""


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", "application/vnd.flowhunt+JSON"],
)
def test_content_type_of_a_call(server: RawServer, connect: Connect, content_type: str) -> None:
    connect(server).get_daily_chart_data_without_preload_content(
        "w", {}, _content_type=content_type
    ).release_conn()

    assert last_of(server).values("Content-Type") == [content_type]


def test_headers_of_the_client(server: RawServer) -> None:
    configuration = flowhunt.Configuration(host=server.url, api_key="key-1")
    with flowhunt.ApiClient(configuration, "X-Mine", "1", cookie="session=1") as client:
        client.user_agent = "my-program/1.0"
        api = flowhunt.CreditsApi(client)
        api.get_credit_balance()
        first = last_of(server)

        client.cookie = None
        del client.default_headers["x-mine"]
        api.get_credit_balance()
        second = last_of(server)

    assert (first.values("X-Mine"), first.values("Cookie")) == (["1"], ["session=1"])
    assert first.values("User-Agent") == ["my-program/1.0"] == [client.user_agent]
    assert (second.values("X-Mine"), second.values("Cookie")) == ([], [])
    assert client.cookie is None


def test_default_headers_are_checked_when_they_are_set() -> None:
    with flowhunt.ApiClient(flowhunt.Configuration()) as client:
        with pytest.raises(flowhunt.ApiValueError, match="'X-Mine' has control characters"):
            client.set_default_header("X-Mine", "a\nb")
        with pytest.raises(flowhunt.ApiValueError, match="is not a header name"):
            client.default_headers["X Mine"] = "a"
        with pytest.raises(flowhunt.ApiValueError, match="'Cookie' has control characters"):
            client.cookie = "a\nb"


def deflated(data: bytes) -> bytes:
    return zlib.compress(data)


@pytest.mark.parametrize(("encoding", "encode"), [("gzip", gzip.compress), ("deflate", deflated)])
def test_compressed_response_is_decoded(
    connect: Connect, encoding: str, encode: Callable[[bytes], bytes]
) -> None:
    body = json.dumps(BALANCE).encode()
    with RawServer(response(encode(body), headers={"Content-Encoding": encoding})) as server:
        received = connect(server).get_credit_balance_with_http_info()

    assert received.raw_data == body
    assert received.data.to_dict() == BALANCE


def test_byte_order_mark_of_plain_json_is_skipped(connect: Connect) -> None:
    body = codecs.BOM_UTF8 + json.dumps(BALANCE).encode()
    with RawServer(response(body, headers={"Content-Type": "application/json"})) as server:
        assert connect(server).get_credit_balance().to_dict() == BALANCE


@pytest.mark.parametrize(
    "body",
    [{"limit": 0, "no such field": 1}, {"limit": None}, {"created_at_from": "2026-01-01"}, {}],
)
def test_without_client_side_validation_a_dict_is_sent_as_it_is(
    connect: Connect, body: dict[str, Any]
) -> None:
    with RawServer(response([])) as server:
        api = connect(server)
        api.api_client.configuration.client_side_validation = False
        assert api.search_credit_transactions("workspace-1", body) == []

        assert json.loads(last_of(server).body) == body


def test_without_client_side_validation_a_model_is_sent_as_ever(connect: Connect) -> None:
    with RawServer(response([])) as server:
        api = connect(server)
        api.api_client.configuration.client_side_validation = False
        api.search_credit_transactions(
            "workspace-1",
            flowhunt.CreditTransactionSearchRequest(
                transaction_type=flowhunt.TransactionType("NEW")
            ),
        )

        assert json.loads(last_of(server).body) == {"transaction_type": "NEW", "limit": 100}


@any_text
@given(workspace_id=st.text(min_size=1))
def test_workspace_id_arrives_as_it_was_given(
    server: RawServer, connect: Connect, workspace_id: str
) -> None:
    connect(server).get_workspace_credit_balance(workspace_id)

    query = urlsplit(last_of(server).target).query
    assert parse_qsl(query, keep_blank_values=True, strict_parsing=True) == [
        ("workspace_id", workspace_id)
    ]
    assert query.isascii()


@any_text
@given(value=st.text(st.characters(codec="latin-1", exclude_categories=["Cc"])))
def test_header_value_arrives_as_it_was_given(
    server: RawServer, connect: Connect, value: str
) -> None:
    connect(server).get_credit_balance(_headers={"X-Mine": value})

    assert last_of(server).values("X-Mine") == [value]


@any_text
@given(text=st.text())
def test_text_of_a_body_arrives_as_it_was_given(
    server: RawServer, connect: Connect, text: str
) -> None:
    connect(server).search_credit_transactions_without_preload_content(
        "workspace-1", {"context_desc": text}
    ).release_conn()

    assert json.loads(last_of(server).body) == {"context_desc": text, "limit": 100}
