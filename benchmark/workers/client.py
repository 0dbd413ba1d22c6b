"""What a user writes with the package, ours, the published one or the generated one alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import flowhunt


def _api(url: str, ca: str | None = None, **settings: Any) -> flowhunt.CreditsApi:
    keys = {"APIKeyHeader": "key-1"}
    configuration = flowhunt.Configuration(host=url, api_key=keys, ssl_ca_cert=ca, **settings)
    return flowhunt.CreditsApi(flowhunt.ApiClient(configuration))


def first_balance(url: str) -> None:
    """All that a script does for its first balance."""
    print(_api(url).get_credit_balance().credits)


def balance(url: str, ca: str | None = None) -> Callable[[], object]:
    """One balance on a warm connection."""
    return _api(url, ca).get_credit_balance


def balance_shared(url: str) -> Callable[[], object]:
    """The same from a client that many threads share."""
    return _api(url).get_credit_balance


def page(url: str) -> Callable[[], object]:
    """A page of 100 transactions."""
    api = _api(url)
    request = flowhunt.CreditTransactionSearchRequest(limit=100)
    return lambda: api.search_credit_transactions("workspace-1", request)


def decoding(path: str) -> Callable[[], object]:
    """A whole body to models, by the decoder that a call uses."""
    body = Path(path).read_bytes()
    decode = _decoder()
    decode(b"[]")  # builds what is built on first use
    return lambda: decode(body)


def _decoder() -> Callable[[bytes], object]:
    try:
        from flowhunt.api.credits_api import SEARCH_CREDIT_TRANSACTIONS
    except ImportError:
        client: Any = _api("http://127.0.0.1").api_client
        model = "List[CreditTransactionResponse]"
        return lambda body: client.deserialize(body.decode("utf-8"), model, "application/json")
    return SEARCH_CREDIT_TRANSACTIONS.decode


def balance_with_http_info(url: str) -> Callable[[], object]:
    """A balance with status, headers and raw body."""
    return _api(url).get_credit_balance_with_http_info


def balance_logged(url: str, file: str) -> Callable[[], object]:
    """A balance whose call is logged to a file."""
    api = _api(url, debug=True)
    api.api_client.configuration.logger_file = file
    return api.get_credit_balance


def balance_without_retries(url: str) -> Callable[[], object]:
    """A balance that is asked for once only."""
    return _api(url, retries=0).get_credit_balance


def balance_retried(url: str) -> Callable[[], object]:
    """A balance that takes two attempts each time, by a policy that has no budget."""
    import urllib3

    policy = urllib3.Retry(2, status_forcelist=[503], allowed_methods=None)
    return _api(url, retries=policy).get_credit_balance


def page_unchecked(url: str) -> Callable[[], object]:
    """A page whose request is not checked before it is sent."""
    api = _api(url)
    api.api_client.configuration.client_side_validation = False
    request: Any = {"limit": 100}
    return lambda: api.search_credit_transactions("workspace-1", request)
