"""What is read from the environment, and when."""

from __future__ import annotations

import os
from typing import Any

import pytest

import flowhunt
from flowhunt import Configuration
from raw_server import RawServer, Request


def put(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    """Set variables by the end of their names: ``api_key="..."`` is ``FLOWHUNT_API_KEY``."""
    for name, value in values.items():
        monkeypatch.setenv(f"FLOWHUNT_{name.upper()}", value)


def credentials(configuration: Configuration) -> dict[str, str]:
    settings: list[Any] = list(configuration.auth_settings().values())
    return {setting["key"]: setting["value"] for setting in settings}


@pytest.fixture
def everything(monkeypatch: pytest.MonkeyPatch) -> None:
    put(
        monkeypatch,
        api_key=" key-1\n",
        access_token="token-1",  # noqa: S106  made up
        base_url="https://example.com/flowhunt/",
        workspace_id="workspace-1",
    )


@pytest.mark.usefixtures("everything")
def test_from_env_reads_all_four() -> None:
    configuration = Configuration.from_env()

    assert configuration.host == "https://example.com/flowhunt"
    assert configuration.workspace_id == "workspace-1"
    assert credentials(configuration) == {"Api-Key": "key-1", "Authorization": "Bearer token-1"}


@pytest.mark.usefixtures("everything")
def test_explicit_configuration_reads_nothing() -> None:
    configuration = Configuration()

    assert configuration.host == "https://api.flowhunt.io"
    assert configuration.workspace_id is None
    assert credentials(configuration) == {}
    with (
        flowhunt.ApiClient(configuration) as client,
        pytest.raises(flowhunt.MissingCredentialError),
    ):
        flowhunt.CreditsApi(client).get_credit_balance()


def test_without_variables_there_are_the_defaults() -> None:
    configuration = Configuration.from_env()

    assert configuration.host == "https://api.flowhunt.io"
    assert configuration.workspace_id is None
    assert credentials(configuration) == {}


def test_empty_variables_count_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, api_key="", access_token="", base_url="", workspace_id="")
    configuration = Configuration.from_env()

    assert configuration.host == "https://api.flowhunt.io"
    assert configuration.workspace_id is None
    assert credentials(configuration) == {}


@pytest.mark.usefixtures("everything")
@pytest.mark.parametrize(
    ("settings", "sent"),
    [
        ({"api_key": "key-2"}, {"Api-Key": "key-2", "Authorization": "Bearer token-1"}),
        ({"access_token": "token-2"}, {"Api-Key": "key-1", "Authorization": "Bearer token-2"}),
        (
            {"api_key": {"APIKeyHeader": lambda: "key-2"}, "access_token": lambda: "token-2"},
            {"Api-Key": "key-2", "Authorization": "Bearer token-2"},
        ),
    ],
)
def test_credentials_given_win(settings: dict[str, Any], sent: dict[str, str]) -> None:
    assert credentials(Configuration.from_env(**settings)) == sent


@pytest.mark.usefixtures("everything")
def test_settings_given_win() -> None:
    configuration = Configuration.from_env(
        host="https://example.org", workspace_id="workspace-2", deadline=7
    )

    assert configuration.host == "https://example.org"
    assert configuration.workspace_id == "workspace-2"
    assert configuration.limits()[2] == 7


def test_base_url_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, base_url="example.com")
    with pytest.raises(flowhunt.ApiValueError, match=r"host 'example\.com' is not the URL"):
        Configuration.from_env()


def test_client_without_configuration_reads_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with RawServer() as server:
        put(monkeypatch, api_key="key-1", base_url=server.url, workspace_id="workspace-1")
        with flowhunt.ApiClient() as client:
            workspace_id = client.configuration.workspace_id
            assert workspace_id == "workspace-1"
            flowhunt.CreditsApi(client).get_workspace_credit_balance(workspace_id)
        sent = Request.of(server.requests[0])

    assert sent.target == "/v2/credits/workspace_balance?workspace_id=workspace-1"
    assert sent.values("Api-Key") == ["key-1"]


def test_api_without_client_reads_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with RawServer() as server:
        put(monkeypatch, access_token="token-1", base_url=server.url)  # noqa: S106  made up
        api = flowhunt.CreditsApi()
        api.get_credit_balance()
        api.api_client.close()

        assert Request.of(server.requests[0]).values("Authorization") == ["Bearer token-1"]


@pytest.mark.parametrize(
    ("late", "sent"),
    [
        ({"api_key": "key-1"}, {"Api-Key": "key-1"}),
        ({"access_token": "token-1"}, {"Authorization": "Bearer token-1"}),
    ],
)
def test_credentials_set_after_the_client_was_made_are_found(
    monkeypatch: pytest.MonkeyPatch, late: dict[str, str], sent: dict[str, str]
) -> None:
    """As in a notebook: the first call says what is missing, then one sets it and calls again."""
    with RawServer() as server:
        put(monkeypatch, base_url=server.url)
        with flowhunt.ApiClient() as client:
            api = flowhunt.CreditsApi(client)
            with pytest.raises(flowhunt.MissingCredentialError, match="FLOWHUNT_API_KEY"):
                api.get_credit_balance()
            put(monkeypatch, **late)
            api.get_credit_balance()
        (request,) = map(Request.of, server.requests)

    credential_headers = {"Api-Key", "Authorization"}
    assert {name: value for name, value in request.headers if name in credential_headers} == sent


def test_credentials_once_found_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, api_key="key-1")
    configuration = Configuration.from_env()
    put(monkeypatch, api_key="key-2")
    monkeypatch.setenv("FLOWHUNT_ACCESS_TOKEN", "token-2")

    assert credentials(configuration) == {"Api-Key": "key-1"}
    assert credentials(Configuration.from_env())["Api-Key"] == "key-2"


def test_the_environment_is_read_and_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, api_key="key-1")
    before = dict(os.environ)
    configuration = Configuration.from_env(access_token="token-1", workspace_id="w")  # noqa: S106
    configuration.host = "https://example.com"
    credentials(configuration)

    assert dict(os.environ) == before


@pytest.mark.parametrize("blank", [" ", "\n", " \t ", "\ufeff\n"])
@pytest.mark.parametrize(
    "name",
    [
        "FLOWHUNT_API_KEY",
        "FLOWHUNT_ACCESS_TOKEN",
        "FLOWHUNT_BASE_URL",
        "FLOWHUNT_WORKSPACE_ID",
    ],
)
def test_a_blank_variable_as_ci_has_for_a_missing_secret_counts_as_none(
    name: str, blank: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, blank)
    configuration = flowhunt.Configuration.from_env()

    assert configuration.auth_headers() == {}
    assert configuration.workspace_id is None
    assert configuration.host == "https://api.flowhunt.io"
    with pytest.raises(flowhunt.MissingCredentialError):
        flowhunt.CreditsApi(flowhunt.ApiClient(configuration)).get_credit_balance()


@pytest.mark.parametrize("given", ["ws-1\n", " ws-1", "ws-1\r\n", "\ufeffws-1\r\n"])
def test_a_workspace_from_a_mounted_secret_is_its_id_without_the_line_end(
    given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWHUNT_WORKSPACE_ID", given)

    assert flowhunt.Configuration.from_env().workspace_id == "ws-1"


@pytest.mark.parametrize("quote", ["'", '"'])
@pytest.mark.parametrize("name", ["FLOWHUNT_API_KEY", "FLOWHUNT_WORKSPACE_ID"])
def test_a_variable_in_quotes_is_refused_and_not_shown(
    name: str, quote: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Docker's files of variables keep quotes that a shell takes away: a call would get a 401."""
    monkeypatch.setenv(name, f"{quote}s3cret{quote}")
    with pytest.raises(flowhunt.ApiValueError) as caught:
        flowhunt.Configuration.from_env()

    assert str(caught.value) == f"{name} is in quotes: set it without them"
