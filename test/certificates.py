"""Certificates that a private authority signs, and TLS servers that show them."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta

import trustme

NAMES = ("localhost", "127.0.0.1")


def pem(authority: trustme.CA) -> str:
    """The certificate of an authority as PEM text."""
    return authority.cert_pem.bytes().decode()


def der(authority: trustme.CA) -> bytes:
    """The certificate of an authority as DER bytes."""
    return ssl.PEM_cert_to_DER_cert(pem(authority))


def server_context(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    """TLS of a server with a certificate for these names, or for this machine."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*(names or NAMES)).configure_cert(context)
    return context


def expired_context(authority: trustme.CA) -> ssl.SSLContext:
    """TLS of a server whose certificate expired yesterday."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    now = datetime.now(UTC)
    certificate = authority.issue_cert(
        *NAMES, not_before=now - timedelta(days=2), not_after=now - timedelta(days=1)
    )
    certificate.configure_cert(context)
    return context
