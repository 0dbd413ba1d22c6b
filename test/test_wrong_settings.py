"""Wrong settings and objects are refused, with the remedy in one line."""

from __future__ import annotations

import copy
import inspect
import pickle
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import urllib3

import flowhunt
from flowhunt import ApiAttributeError, ApiClient, ApiTypeError, ApiValueError, CreditsApi
from flowhunt.history import iter_credit_transactions
from raw_server import Connect, RawServer, Request

KEY = "key-s3cret"


def configuration() -> Any:
    return flowhunt.Configuration(api_key=KEY)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("timeout", "'deadline' or 'connect_timeout' or 'read_timeout'"),
        ("apikey", "'api_key'"),
        ("api_keys", "'api_key'"),
        ("acces_token", "'access_token'"),
        ("token", "'access_token'"),
        ("base_url", "'host'"),
        ("Host", "'host'"),
        ("proxies", "'proxy'"),
        ("ssl_ca_certs", "'ssl_ca_cert'"),
        ("max_retries", "'retries'"),
    ],
)
@pytest.mark.parametrize("made", [flowhunt.Configuration.__copy__, copy.copy, copy.deepcopy])
def test_a_setting_with_a_typo_is_refused_and_the_right_one_named(
    made: Callable[[Any], Any], name: str, meant: str
) -> None:
    settings = made(configuration())
    with pytest.raises(ApiAttributeError) as caught:
        setattr(settings, name, 5)

    assert str(caught.value) == f"Configuration has no {name!r}: did you mean {meant}?"
    assert not hasattr(settings, name)


def test_a_setting_with_a_typo_is_refused_after_a_pickle() -> None:
    settings = pickle.loads(pickle.dumps(configuration()))  # noqa: S301  our own
    with pytest.raises(ApiAttributeError, match="did you mean 'read_timeout'"):
        settings.read_timeuot = 5


@pytest.mark.parametrize(
    "name",
    [
        "date_format",
        "datetime_format",
        "ignore_operation_servers",
        "logger_stream_handler",
        "password",
        "safe_chars_for_path_param",
        "server_operation_index",
        "server_operation_variables",
        "temp_folder_path",
        "username",
        "assert_hostname",
        "logger_formatter",
        "tls_server_name",
    ],
)
def test_an_attribute_of_the_published_package_can_be_set(name: str) -> None:
    settings = configuration()
    setattr(settings, name, None)
    assert getattr(settings, name) is None


@pytest.mark.parametrize("name", ["tenant", "team_of_mine", "limit", "_timeout"])
def test_an_attribute_of_the_program_s_own_can_be_set(name: str) -> None:
    settings = configuration()
    setattr(settings, name, "mine")
    assert getattr(copy.deepcopy(settings), name) == "mine"


def test_a_subclass_with_attributes_of_its_own_is_made_and_copied() -> None:
    class Tenant(flowhunt.Configuration):
        timeout = 5

        def __init__(self, tenant: str) -> None:
            self.before = tenant
            super().__init__(api_key=KEY)
            self.tenant = tenant
            self.timeout = 7

    twin = copy.copy(Tenant("acme"))
    assert (twin.tenant, twin.before, twin.timeout) == ("acme", "acme", 7)


CREDITS_API = "CreditsApi(ApiClient(configuration))"
WRONG_CLIENTS: dict[str, Callable[[], object]] = {
    "a key": lambda: KEY,
    "a configuration": configuration,
    "the class": lambda: ApiClient,
    "an api": lambda: CreditsApi(ApiClient(configuration())),
    "a dict": lambda: {"api_key": KEY},
}


@pytest.mark.parametrize("wrong", WRONG_CLIENTS)
def test_an_api_of_something_that_is_no_client_says_how_to_make_one(wrong: str) -> None:
    client: Any = WRONG_CLIENTS[wrong]()
    with pytest.raises(ApiTypeError, match="CreditsApi takes an ApiClient, not ") as caught:
        CreditsApi(client)

    assert CREDITS_API in str(caught.value)
    assert KEY not in str(caught.value)


WRONG_CONFIGURATIONS: dict[str, Callable[[], object]] = {
    "a key": lambda: KEY,
    "a client": lambda: ApiClient(configuration()),
    "the class": lambda: flowhunt.Configuration,
    "a dict": lambda: {"api_key": KEY},
}


@pytest.mark.parametrize("wrong", WRONG_CONFIGURATIONS)
def test_a_client_of_something_that_is_no_configuration_says_how_to_make_one(wrong: str) -> None:
    settings: Any = WRONG_CONFIGURATIONS[wrong]()
    with pytest.raises(ApiTypeError, match="ApiClient takes a Configuration, not ") as caught:
        ApiClient(settings)

    assert "ApiClient(Configuration(api_key=...))" in str(caught.value)
    assert KEY not in str(caught.value)


def test_a_client_in_place_of_an_api_says_where_the_endpoints_are() -> None:
    client: Any = ApiClient(configuration())
    attempts: list[Callable[[], object]] = [
        lambda: client.get_credit_balance(),
        lambda: next(iter(iter_credit_transactions(client, "w-1"))),
    ]
    for attempt in attempts:
        with pytest.raises(ApiAttributeError, match=r"are methods of CreditsApi\(client\)"):
            attempt()
    with pytest.raises(AttributeError, match=r"'ApiClient' object has no attribute 'nothing'$"):
        _ = client.nothing


@pytest.mark.parametrize("token", ["Bearer token-s3cret", " bearer  token-s3cret\n"])
def test_a_token_that_begins_with_bearer_is_refused_and_not_shown(token: str) -> None:
    settings = configuration()
    attempts: list[Callable[[], object]] = [
        lambda: flowhunt.Configuration(access_token=token),
        lambda: setattr(settings, "access_token", token),
        flowhunt.Configuration(access_token=lambda: token).auth_headers,
    ]
    for attempt in attempts:
        with pytest.raises(ApiValueError, match="must be the token alone") as caught:
            attempt()
        assert "s3cret" not in "".join(traceback.format_exception(caught.value))


def test_a_token_of_the_environment_that_begins_with_bearer_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FLOWHUNT_ACCESS_TOKEN", "Bearer token-s3cret")
    with pytest.raises(ApiValueError, match="access_token must be the token alone"):
        flowhunt.Configuration.from_env()


def test_a_token_with_the_word_bearer_elsewhere_is_sent_as_it_is(connect: Connect) -> None:
    with RawServer() as server:
        settings = {"api_key": None, "access_token": "my-bearer-1"}
        connect(server, **settings).get_credit_balance()
        assert Request.of(server.requests[0]).values("Authorization") == ["Bearer my-bearer-1"]


class Other:
    """A value that no setting can have, and that shows a secret."""

    def __repr__(self) -> str:
        return "Other(key-s3cret)"


OTHER: Any = Other()
PARAMETERS = inspect.signature(flowhunt.Configuration).parameters
NOT_USED = [
    "username",
    "password",
    "server_operation_index",
    "server_operation_variables",
    "ignore_operation_servers",
]
SETTINGS = {
    name
    for name in {*dir(configuration()), *PARAMETERS}
    if not name.startswith("_") and not callable(getattr(flowhunt.Configuration, name, None))
}


@pytest.mark.parametrize("name", sorted(SETTINGS.difference(NOT_USED)))
def test_a_setting_of_another_type_is_refused_by_its_name(name: str) -> None:
    attempts: list[Callable[[], object]] = [lambda: setattr(configuration(), name, OTHER)]
    if name in PARAMETERS:
        attempts.append(lambda: flowhunt.Configuration(**{name: OTHER}))
    for attempt in attempts:
        with pytest.raises(ApiTypeError, match=f"^{name} must be ") as caught:
            attempt()
        assert str(caught.value).count("s3cret") == (name in SHOWN)


SHOWN = {
    "allow_plain_http",
    "client_side_validation",
    "connect_timeout",
    "connection_pool_maxsize",
    "credentials_left_behind",
    "deadline",
    "debug",
    "max_response_bytes",
    "pickle_credentials",
    "read_timeout",
    "retries",
    "socket_options",
    "trust_env",
    "verify_ssl",
}


LOST = "/no/such/folder/calls.log"


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("allow_plain_http", "false"),
        ("api_key_prefix", {"APIKeyHeader": 5}),
        ("connection_pool_maxsize", sys.maxsize),
        ("logger_file", LOST),
        ("logger_file", "."),
        ("logger_format", "{message}"),
        ("logger_format", "%(mess"),
        ("retries", urllib3.Retry),
        ("socket_options", [(socket.SOL_SOCKET, socket.SO_KEEPALIVE)]),
        ("socket_options", [5]),
        ("tls_server_name", ""),
        ("tls_server_name", "a" * 64 + ".com"),
        ("verify_ssl", None),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused_by_its_name(name: str, wrong: object) -> None:
    with pytest.raises((ApiTypeError, ApiValueError), match=f"^{name} must be "):
        setattr(configuration(), name, wrong)


@pytest.mark.parametrize(
    ("option", "error"),
    [
        ((1, 99_999, 1), flowhunt.ApiConnectionException),
        ((1, 2**40, 1), ApiValueError),
        (("a", "b", "c"), ApiValueError),
        ((1, 2, 2**40), ApiValueError),
    ],
)
def test_a_socket_option_that_cannot_be_set_is_named(
    connect: Connect, option: Any, error: type[Exception]
) -> None:
    with RawServer() as server:
        api = connect(server)
        api.api_client.configuration.socket_options = [option]
        with pytest.raises(error) as caught:
            api.get_credit_balance()
        assert server.connections == 0

    assert "socket_options" in str(caught.value)
    assert repr(option) in str(caught.value)


def test_a_log_file_whose_folder_is_gone_fails_no_call(
    connect: Connect, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    with RawServer() as server:
        api = connect(server, debug=True)
        api.api_client.configuration.logger_file = str(folder / "calls.log")
        folder.rmdir()
        assert api.get_credit_balance().user_id == "user-1"
        there = pickle.loads(pickle.dumps(api.api_client.configuration))  # noqa: S301  our own

    assert there.logger_file == str(folder / "calls.log")
    assert "FileNotFoundError" in capsys.readouterr().err
