"""What shows credentials and headers, and what copies and pickles keep of them."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest

import flowhunt


def test_credentials_show_their_names_alone() -> None:
    configuration = flowhunt.Configuration(api_key={"APIKeyHeader": "key-1", "Other": "key-2"})

    assert repr(configuration.api_key) == "{'APIKeyHeader': '***', 'Other': '***'}"


def test_headers_show_the_values_that_are_no_secret() -> None:
    configuration = flowhunt.Configuration(api_key="key-1")
    with flowhunt.ApiClient(configuration, "X-Session", "1234", cookie="id=5678") as client:
        client.user_agent = "my-program/1.0"

        assert repr(client.default_headers) == repr(
            {
                "Accept": "application/json",
                "Accept-Encoding": "gzip, deflate",
                "User-Agent": "my-program/1.0",
                "X-Session": "***",
                "Cookie": "***",
            }
        )


def without_any(client: flowhunt.ApiClient) -> flowhunt.ApiClient:
    client.configuration.api_key = None
    return client


def pickled(client: flowhunt.ApiClient) -> flowhunt.ApiClient:
    arrived: flowhunt.ApiClient = pickle.loads(pickle.dumps(client))  # noqa: S301  our own
    return arrived


def pickled_without_any(client: flowhunt.ApiClient) -> flowhunt.ApiClient:
    return pickled(without_any(client))


def under_another_name(client: flowhunt.ApiClient) -> flowhunt.ApiClient:
    client.configuration.api_key = {"Api-Key": "key-1"}
    return client


@pytest.mark.parametrize(
    ("lose", "why"),
    [
        (without_any, "Configuration has none"),
        (pickled_without_any, "Configuration has none"),
        (under_another_name, "api_key has ['Api-Key'], and the name is 'APIKeyHeader'"),
        (pickled, "credentials are not pickled unless pickle_credentials is set"),
    ],
)
def test_a_missing_credential_is_shown_with_the_call_and_the_reason(
    lose: Callable[[flowhunt.ApiClient], flowhunt.ApiClient], why: str
) -> None:
    configuration = flowhunt.Configuration("http://localhost:1", api_key="key-1")
    with flowhunt.ApiClient(configuration) as whole, lose(whole) as client:
        with pytest.raises(flowhunt.MissingCredentialError) as caught:
            flowhunt.CreditsApi(client).get_workspace_credit_balance("workspace-1")

    assert str(caught.value).startswith(
        "GET http://localhost:1/v2/credits/workspace_balance was not sent, "
        f"it has no credential: {why}. "
    )


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy])
def test_a_copied_client_has_the_headers_of_the_first(
    how: Callable[[flowhunt.ApiClient], flowhunt.ApiClient],
) -> None:
    configuration = flowhunt.Configuration(api_key="key-1")
    with flowhunt.ApiClient(configuration, "X-Session", "1234") as client, how(client) as twin:
        assert twin.default_headers == client.default_headers
        assert twin.default_headers["X-Session"] == "1234"
