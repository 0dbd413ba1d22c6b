"""The TLS context that a configuration describes."""

from __future__ import annotations

import ssl
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from urllib3.util.ssl_ import create_urllib3_context

from flowhunt._transport.sockets import DeadlineTLSSocket
from flowhunt.exceptions import ApiValueError

if TYPE_CHECKING:
    from flowhunt.configuration import Configuration


def tls_context(configuration: Configuration) -> ssl.SSLContext:
    """The context of all TLS connections of one client.

    :raises ApiValueError: a certificate or key cannot be used
    """
    context = create_urllib3_context()
    # truststore wraps the real context. Only TLS in TLS depends on this class.
    getattr(context, "_ctx", context).sslsocket_class = DeadlineTLSSocket
    if configuration.ssl_ca_cert is None and configuration.ca_cert_data is None:
        context.load_default_certs()
    if configuration.ssl_ca_cert is not None:
        with must_be_usable(f"ssl_ca_cert {configuration.ssl_ca_cert!r}"):
            context.load_verify_locations(cafile=configuration.ssl_ca_cert)
    if configuration.ca_cert_data is not None:
        with must_be_usable("ca_cert_data"):
            context.load_verify_locations(cadata=configuration.ca_cert_data)
    if configuration.cert_file is not None:
        with must_be_usable(f"cert_file {configuration.cert_file!r}, or its key_file,"):
            context.load_cert_chain(configuration.cert_file, configuration.key_file)
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


@contextmanager
def must_be_usable(setting: str) -> Generator[None, None, None]:
    """Name a setting in the errors of the block that uses it.

    :raises ApiValueError: the setting cannot be used
    """
    try:
        yield
    except (OSError, TypeError, ValueError) as error:
        raise ApiValueError(f"{setting} cannot be used: {error}") from error
