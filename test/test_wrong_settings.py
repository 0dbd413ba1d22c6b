"""Wrong settings and objects are refused, with the remedy in one line."""

from __future__ import annotations

import copy
import pickle
import traceback
from collections.abc import Callable
from typing import Any

import pytest

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


@pytest.mark.parametrize("name", ["ssl_ca_cert", "ca_cert_data", "cert_file", "proxy"])
@pytest.mark.parametrize("wrong", [5, {"https": "http://localhost:3128"}])
def test_a_setting_of_another_type_is_refused_by_its_name(name: str, wrong: object) -> None:
    settings = flowhunt.Configuration("https://localhost:1", KEY)

    def use() -> None:
        setattr(settings, name, wrong)
        CreditsApi(ApiClient(settings)).get_credit_balance()

    with pytest.raises((ApiTypeError, ApiValueError), match=name):
        use()
