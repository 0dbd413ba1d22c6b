"""TLS: a request is sent only to the right service."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
import urllib3

import flowhunt
from certificates import der, expired_context, pem, server_context
from flowhunt.sandbox import Sandbox
from raw_server import Connect, RawServer


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """The authority that these clients trust."""
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Its certificate in a file."""
    path = tmp_path_factory.mktemp("authority") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def is_refused(api: flowhunt.CreditsApi, server: RawServer) -> flowhunt.TLSException:
    """A call ends as ``TLSException`` after one handshake, and no request was sent."""
    with pytest.raises(flowhunt.TLSException) as caught:
        api.get_credit_balance(_request_timeout=10)
    assert (server.connections, caught.value.tries) == (1, 1)
    assert server.requests == []
    assert not caught.value.retryable
    return caught.value


# Which authorities are trusted


@pytest.mark.parametrize("form", ["file", "PEM", "DER"])
def test_a_private_authority_is_trusted(
    form: str, authority: trustme.CA, ca_file: str, connect: Connect
) -> None:
    forms: dict[str, dict[str, Any]] = {
        "file": {"ssl_ca_cert": ca_file},
        "PEM": {"ca_cert_data": pem(authority)},
        "DER": {"ca_cert_data": der(authority)},
    }
    with RawServer(tls=server_context(authority)) as server:
        assert connect(server, **forms[form]).get_credit_balance().user_id == "user-1"


def test_ssl_cert_file_names_the_authorities(
    authority: trustme.CA, ca_file: str, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", ca_file)
    with RawServer(tls=server_context(authority)) as server:
        assert connect(server).get_credit_balance().user_id == "user-1"


def test_a_configured_authority_replaces_those_of_ssl_cert_file(
    authority: trustme.CA, ca_file: str, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", ca_file)
    with RawServer(tls=server_context(authority)) as server:
        is_refused(connect(server, ca_cert_data=pem(trustme.CA())), server)


def test_the_certificate_may_be_for_the_address(authority: trustme.CA, connect: Connect) -> None:
    with RawServer(tls=server_context(authority)) as server:
        api = connect(f"https://127.0.0.1:{server.port}", ca_cert_data=pem(authority))
        assert api.get_credit_balance().user_id == "user-1"


# Which certificates are refused


def of_unknown_authority(_: trustme.CA) -> ssl.SSLContext:
    return server_context(trustme.CA())


def for_elsewhere(authority: trustme.CA) -> ssl.SSLContext:
    return server_context(authority, "elsewhere.example")


def self_signed(_: trustme.CA) -> ssl.SSLContext:
    context, signer = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), trustme.CA()
    with signer.private_key_pem.tempfile() as key, signer.cert_pem.tempfile() as certificate:
        context.load_cert_chain(certificate, key)
    return context


def of_old_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = server_context(authority)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.deprecated_call():
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


@pytest.mark.parametrize(
    ("make_server_context", "reason"),
    [
        (of_unknown_authority, "unable to get local issuer certificate"),
        (for_elsewhere, "Hostname mismatch"),
        (expired_context, "certificate has expired"),
        (self_signed, "self-signed certificate"),
        (of_old_tls, "(?i)protocol.version"),
    ],
    ids=["unknown authority", "other host", "expired", "self-signed", "TLS 1.1"],
)
def test_a_server_that_cannot_be_trusted_is_sent_nothing(
    make_server_context: Callable[[trustme.CA], ssl.SSLContext],
    reason: str,
    authority: trustme.CA,
    connect: Connect,
) -> None:
    with RawServer(tls=make_server_context(authority)) as server:
        error = is_refused(connect(server, ca_cert_data=pem(authority)), server)
    assert re.search(reason, str(error))


def test_a_plain_http_server_is_no_tls_server(sandbox: Sandbox, connect: Connect) -> None:
    asked_before = len(sandbox.requests)
    with pytest.raises(flowhunt.TLSException) as caught:
        connect(sandbox.url.replace("http://", "https://")).get_credit_balance()
    assert caught.value.tries == 1
    assert len(sandbox.requests) == asked_before


def test_a_handshake_that_stands_still_ends_in_time(connect: Connect) -> None:
    with RawServer() as server:  # waits for the end of an HTTP request
        api = connect(server.url.replace("http://", "https://"), connect_timeout=0.2, retries=0)
        with pytest.raises(flowhunt.ApiTimeoutException):
            api.get_credit_balance()


def test_verify_ssl_false_accepts_any_certificate_and_warns(connect: Connect) -> None:
    with RawServer(tls=server_context(trustme.CA(), "elsewhere.example")) as server:
        api = connect(server)
        api.api_client.configuration.verify_ssl = False
        with pytest.warns(urllib3.exceptions.InsecureRequestWarning):
            assert api.get_credit_balance().user_id == "user-1"


# Names


def test_tls_server_name_is_asked_for_and_expected(authority: trustme.CA, connect: Connect) -> None:
    asked_for = []
    context = server_context(authority, "flowhunt.example")
    context.sni_callback = lambda _, name, __: asked_for.append(name)
    with RawServer(tls=context) as server:
        api = connect(server, ca_cert_data=pem(authority))
        api.api_client.configuration.tls_server_name = "flowhunt.example"
        assert api.get_credit_balance().user_id == "user-1"
    assert asked_for == ["flowhunt.example"]


def test_without_tls_server_name_the_host_is_asked_for(
    authority: trustme.CA, connect: Connect
) -> None:
    asked_for = []
    context = server_context(authority)
    context.sni_callback = lambda _, name, __: asked_for.append(name)
    with RawServer(tls=context) as server:
        connect(server, ca_cert_data=pem(authority)).get_credit_balance()
    assert asked_for == ["localhost"]


@pytest.mark.parametrize("setting", ["tls_server_name", "assert_hostname"])
def test_a_certificate_without_the_name_that_is_set_is_refused(
    setting: str, authority: trustme.CA, connect: Connect
) -> None:
    with RawServer(tls=server_context(authority)) as server:
        api = connect(server, ca_cert_data=pem(authority))
        setattr(api.api_client.configuration, setting, "flowhunt.example")
        is_refused(api, server)


@pytest.mark.parametrize("expected", ["flowhunt.example", False])
def test_assert_hostname_names_who_must_be_there(
    expected: str | bool, authority: trustme.CA, connect: Connect
) -> None:
    with RawServer(tls=server_context(authority, "flowhunt.example")) as server:
        api = connect(server, ca_cert_data=pem(authority))
        api.api_client.configuration.assert_hostname = expected
        assert api.get_credit_balance().user_id == "user-1"


def test_assert_hostname_true_checks_the_name_of_the_host(
    authority: trustme.CA, connect: Connect
) -> None:
    with RawServer(tls=server_context(authority)) as server:
        api = connect(server, ca_cert_data=pem(authority))
        api.api_client.configuration.assert_hostname = True
        assert api.get_credit_balance().user_id == "user-1"
    with RawServer(tls=server_context(authority, "elsewhere.example")) as server:
        api = connect(server, ca_cert_data=pem(authority))
        api.api_client.configuration.assert_hostname = True
        is_refused(api, server)


def test_assert_hostname_false_still_wants_a_trusted_certificate(
    authority: trustme.CA, connect: Connect
) -> None:
    with RawServer(tls=server_context(trustme.CA())) as server:
        api = connect(server, ca_cert_data=pem(authority))
        api.api_client.configuration.assert_hostname = False
        is_refused(api, server)


# Client certificates


@pytest.fixture
def demanding(authority: trustme.CA) -> RawServer:
    """A server that wants to see a certificate of the client."""
    context = server_context(authority)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    return RawServer(tls=context)


@pytest.mark.parametrize("own_key_file", [True, False])
def test_a_client_certificate_is_shown(
    own_key_file: bool,
    authority: trustme.CA,
    demanding: RawServer,
    connect: Connect,
    tmp_path: Path,
) -> None:
    leaf = authority.issue_cert("client@flowhunt.example")
    certificate, key = tmp_path / "client.pem", tmp_path / "client.key"
    leaf.cert_chain_pems[0].write_to_path(str(certificate))
    leaf.private_key_pem.write_to_path(str(key if own_key_file else certificate), append=True)
    with demanding as server:
        api = connect(server, ca_cert_data=pem(authority))
        api.api_client.configuration.cert_file = str(certificate)
        api.api_client.configuration.key_file = str(key) if own_key_file else None
        assert api.get_credit_balance().user_id == "user-1"


def test_a_missing_client_certificate_is_a_tls_failure(
    authority: trustme.CA, demanding: RawServer, connect: Connect
) -> None:
    with demanding as server:
        is_refused(connect(server, ca_cert_data=pem(authority)), server)


# Settings that cannot be used


@pytest.mark.parametrize("setting", ["ssl_ca_cert", "cert_file", "key_file"])
@pytest.mark.parametrize("content", [None, "", "garbage", "-----BEGIN CERTIFICATE-----\nAA=="])
def test_a_file_that_cannot_be_used_is_named_before_connecting(
    setting: str,
    content: str | None,
    authority: trustme.CA,
    ca_file: str,
    connect: Connect,
    tmp_path: Path,
) -> None:
    path = tmp_path / "file.pem"
    if content is not None:
        path.write_text(content)
    with RawServer(tls=server_context(authority)) as server:
        api = connect(server, ssl_ca_cert=ca_file)
        if setting == "key_file":
            api.api_client.configuration.cert_file = ca_file
        setattr(api.api_client.configuration, setting, str(path))
        with pytest.raises(flowhunt.ApiValueError, match=setting) as caught:
            api.get_credit_balance()
        assert server.connections == 0
    others = {"ssl_ca_cert": ("cert_file", "key_file"), "cert_file": ("ssl_ca_cert",)}
    assert not any(other in str(caught.value) for other in others.get(setting, ("ssl_ca_cert",)))


@pytest.mark.parametrize("data", ["", "garbage", b"garbage", "-----BEGIN CERTIFICATE-----\nAA=="])
def test_authorities_that_cannot_be_used_are_named_before_connecting(
    data: str | bytes, authority: trustme.CA, connect: Connect
) -> None:
    with RawServer(tls=server_context(authority)) as server:
        with pytest.raises(flowhunt.ApiValueError, match="ca_cert_data") as caught:
            connect(server, ca_cert_data=data).get_credit_balance()
        assert server.connections == 0
    assert "cert_file" not in str(caught.value)
