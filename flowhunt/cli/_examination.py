"""The steps of `doctor`, each with what to do if it fails."""

from __future__ import annotations

import os
import platform
import ssl
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from importlib.metadata import version
from typing import Any, Literal

import click

import flowhunt
from flowhunt._profiles import configuration_file, profile
from flowhunt.cli._calibration import measure, snapshot
from flowhunt.cli._errors import message_of
from flowhunt.cli._network import (
    Certificate,
    Endpoint,
    addresses_of,
    certificate_of,
    connect,
    proxy_for,
    untrusted_certificate_of,
)
from flowhunt.cli._session import PROGRAM
from flowhunt.cli._workspaces import Source

_CLOCK_SECONDS = 60
_CALL_SECONDS = 30
_DAYS = 14  # a certificate that expires sooner is worth a note

Result = Literal["ok", "failed", "note"]
Call = Callable[..., flowhunt.ApiResponse[Any]]


@dataclass(frozen=True)
class Finding:
    """The result of one step.

    :ivar remedy: what to do, if anything
    :ivar error: why the step failed, for the exit code
    """

    check: str
    result: Result
    found: str
    remedy: str | None = None
    error: Exception | None = None


class _StepFailed(Exception):
    """A step failed, so the steps after it are left out."""


def versions() -> Finding:
    """The versions of Python and of the packages in use."""
    parts = [f"{name} {version(name)}" for name in ("urllib3", "pydantic", "click", "rich")]
    return Finding(
        "versions",
        "ok",
        f"flowhunt {flowhunt.__version__}, Python {platform.python_version()}, "
        f"{ssl.OPENSSL_VERSION}, {', '.join(parts)}",
    )


def without_credential(error: Exception) -> Finding:
    """The result if there is no credential."""
    return Finding("credential", "failed", message_of(error), None, error)


def examine(source: Source, wait: float) -> Iterator[Finding]:
    """All steps, from the credential to the calibration.

    :param wait: seconds to wait for transactions that move the balance
    """
    try:
        configuration = yield from _credential(source)
        endpoint = Endpoint.of(configuration.host)
        yield from _route(endpoint)
        with flowhunt.ApiClient(configuration) as client:
            api = flowhunt.CreditsApi(client)
            yield from _service(api)
            workspace_id = yield from _workspace(api, source, configuration)
            yield from _endpoints(api, workspace_id)
            yield _calibration(api, workspace_id, wait)
    except _StepFailed:
        yield Finding("further checks", "note", "left out, since they need the one that failed")


def _credential(source: Source) -> Generator[Finding, None, flowhunt.Configuration]:
    where = "the environment"
    try:
        if source.profile is not None:
            where = f"profile {source.profile}"
            yield Finding("profile file", "ok", f"{configuration_file()}, {_protection()}")
            where += f", {profile(source.profile).credential}"
        configuration = source.configuration()
        headers = configuration.auth_headers()
    except flowhunt.OpenApiException as error:
        yield without_credential(error)
        raise _StepFailed from error
    if not headers:
        yield without_credential(flowhunt.MissingCredentialError())
        raise _StepFailed
    yield Finding("credential", "ok", f"{' and '.join(headers)} header from {where}")
    configuration.retries = 0
    configuration.deadline = _CALL_SECONDS
    return configuration


def _protection() -> str:
    if os.name == "posix":
        return "which its owner alone can read"
    return "which the permissions of the folder protect; they are not checked on Windows"


def _route(endpoint: Endpoint) -> Iterator[Finding]:
    """The proxy, the addresses, the connection and TLS."""
    variable, proxy = proxy_for(endpoint) or (None, None)
    if proxy:
        yield Finding("proxy", "note", f"{proxy.scheme}://{proxy} from {variable}")
    else:
        yield Finding("proxy", "ok", "none")
    first = proxy or endpoint
    addresses = yield from _resolver(first)
    yield from _connection(first, addresses)
    if endpoint.scheme != "https":
        yield Finding("TLS", "note", f"none: {endpoint.scheme}://{endpoint}")
    elif proxy is not None and proxy.scheme != "http":
        yield Finding("TLS", "note", f"not checked through a proxy of {proxy.scheme}")
    else:
        yield from _tls(endpoint, proxy)


def _resolver(endpoint: Endpoint) -> Generator[Finding, None, list[str]]:
    try:
        addresses = addresses_of(endpoint)
    except (OSError, UnicodeError) as error:
        remedy = "check the host name, the network, the VPN and the DNS server"
        yield _failed("resolver", f"{endpoint.host}: {_reason(error)}", remedy, error)
        raise _StepFailed from error
    yield Finding("resolver", "ok", f"{endpoint.host} is {', '.join(addresses)}")
    return addresses


def _connection(endpoint: Endpoint, addresses: list[str]) -> Iterator[Finding]:
    outcome = connect(endpoint, addresses)
    shown = ", ".join(
        f"{address} {_reason(result)}"
        if isinstance(result, OSError)
        else f"{address} in {result * 1000:.0f} ms"
        for address, result in outcome.items()
    )
    errors = [result for result in outcome.values() if isinstance(result, OSError)]
    if not errors:
        yield Finding("connection", "ok", shown)
    elif len(errors) < len(outcome):
        yield Finding("connection", "note", shown, "calls use an address that works")
    else:
        remedy = f"check the network, and whether a firewall allows port {endpoint.port}"
        yield _failed("connection", shown, remedy, errors[0])
        raise _StepFailed


def _tls(endpoint: Endpoint, proxy: Endpoint | None) -> Iterator[Finding]:
    try:
        certificate = certificate_of(endpoint, proxy)
    except ssl.SSLCertVerificationError as error:
        untrusted = untrusted_certificate_of(endpoint, proxy)
        signer = f"; it was signed by {untrusted.issuer}" if untrusted else ""
        yield _failed(
            "TLS",
            f"the certificate of {endpoint.host} is not trusted: {error.verify_message}{signer}",
            "if your organisation inspects traffic, let SSL_CERT_FILE name its certificates",
            error,
        )
        raise _StepFailed from error
    except OSError as error:
        remedy = f"check that {endpoint} speaks TLS, and each proxy and firewall on the way"
        yield _failed("TLS", _reason(error), remedy, error)
        raise _StepFailed from error
    yield _trusted(certificate)


def _trusted(certificate: Certificate) -> Finding:
    found = (
        f"{certificate.protocol}, signed by {certificate.issuer}, "
        f"expires {certificate.expires:%Y-%m-%d}"
    )
    is_soon = (certificate.expires - datetime.now(UTC)).days < _DAYS
    return Finding("TLS", "note" if is_soon else "ok", found)


def _service(api: flowhunt.CreditsApi) -> Iterator[Finding]:
    """Whether the service responds, its clock, and whether it accepts the credential."""
    began = time.time()
    error: flowhunt.ApiException | None = None
    headers: Mapping[str, str]
    try:
        headers = api.get_credit_balance_with_http_info().headers or {}
    except flowhunt.ApiException as caught:
        error, headers = caught, caught.headers or {}
    took = time.time() - began
    if error is not None and error.status is None:
        yield _failed("service", str(error), None, error)
        raise _StepFailed from error
    status = error.status if error else 200
    yield Finding("service", "ok", f"responded with {status} in {took * 1000:.0f} ms")
    yield _clock(headers.get("Date"), began + took / 2)
    if error is not None:
        yield _failed("credential accepted", str(error), None, error)
        raise _StepFailed from error
    yield Finding("credential accepted", "ok", "by get_credit_balance")


def _clock(date: str | None, now: float) -> Finding:
    try:
        offset = now - parsedate_to_datetime(date or "").timestamp()
    except ValueError:
        return Finding("clock", "note", "not checked: the response has no date")
    if abs(offset) <= _CLOCK_SECONDS:
        return Finding("clock", "ok", f"within {_CLOCK_SECONDS} s of the service's")
    direction = "ahead of" if offset > 0 else "behind"
    found = f"{abs(offset):.0f} s {direction} the service's"
    return Finding("clock", "failed", found, "set this machine's clock: let it use NTP")


def _workspace(
    api: flowhunt.CreditsApi, source: Source, configuration: flowhunt.Configuration
) -> Generator[Finding, None, str]:
    try:
        workspace_id = source.workspace_of(configuration)
        api.get_workspace_credit_balance(workspace_id)
    except (flowhunt.UnauthorizedException, flowhunt.ForbiddenException) as error:
        yield _failed(
            "workspace",
            f"the credential is valid, but not for workspace {configuration.workspace_id}",
            "an API key belongs to one workspace: check the workspace ID, or use a key of it",
            error,
        )
        raise _StepFailed from error
    except (flowhunt.ApiException, click.UsageError) as error:
        yield _failed("workspace", message_of(error), None, error)
        raise _StepFailed from error
    yield Finding("workspace", "ok", f"the credential may read {workspace_id}")
    return workspace_id


def _endpoints(api: flowhunt.CreditsApi, workspace_id: str) -> Iterator[Finding]:
    """Whether each endpoint responds as the API specification states."""
    calls: dict[str, Call] = {
        "get_credit_balance": api.get_credit_balance_with_http_info,
        "get_workspace_credit_balance": partial(
            api.get_workspace_credit_balance_with_http_info, workspace_id
        ),
        "search_credit_transactions": partial(
            api.search_credit_transactions_with_http_info, workspace_id, {"limit": 10}
        ),
        "search_daily_credit_transactions": partial(
            api.search_daily_credit_transactions_with_http_info, workspace_id, {"limit": 10}
        ),
        "get_daily_chart_data": partial(
            api.get_daily_chart_data_with_http_info, workspace_id, {"grouping": "month"}
        ),
    }
    for name, call in calls.items():
        try:
            data = call().data
        except flowhunt.ApiException as error:
            yield _failed(name, str(error), None, error)
        else:
            yield _response(name, data if isinstance(data, list) else [data], workspace_id)


def _response(name: str, models: list[Any], workspace_id: str) -> Finding:
    others = {getattr(model, "workspace_id", workspace_id) for model in models} - {workspace_id}
    if others:
        error = flowhunt.history.WorkspaceMismatchError(workspace_id, min(others))
        return _failed(name, str(error), None, error)
    unknown = sorted({key for model in models for key in model.model_extra or ()})
    if unknown:
        found = f"has fields that the API specification does not have: {', '.join(unknown)}"
        return Finding(name, "note", found, "they are kept in model_extra")
    rows = "" if models else ", without a row"
    return Finding(name, "ok", f"as the API specification says{rows}")


def _calibration(api: flowhunt.CreditsApi, workspace_id: str, wait: float) -> Finding:
    """Unit and sign of `amount`, measured while this runs."""
    check = "unit and sign"
    try:
        first = snapshot(api, workspace_id)
        measured = measure(api, workspace_id, first, wait) if first else None
    except flowhunt.OpenApiException as error:
        return Finding(check, "note", f"could not be measured: {message_of(error)}")
    if measured is None:
        meanwhile = f"within {wait:g} s" if wait else "while this ran"
        why = f"no transaction moved the balance {meanwhile}"
        remedy = f"run {PROGRAM} doctor --wait 600 while credits are spent"
        return Finding(check, "note", f"could not be measured: {why}", remedy)
    same_unit = measured.factor in (-1, 1)
    return Finding(check, "ok" if same_unit else "note", f"measured: {measured}")


def _failed(check: str, found: str, remedy: str | None, error: Exception) -> Finding:
    return Finding(check, "failed", found, remedy, error)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
