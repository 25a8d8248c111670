"""When certificates end: of a file, and of a server that is asked for its own; cryptography reads them."""

import socket
import ssl
from datetime import datetime
from pathlib import Path

from cryptography import x509

from bot.errors import OperatorError, TransientError


def end_of_file(path: Path) -> datetime:
    """When the first of a PEM file's certificates ends. OperatorError: it has none, or cannot be read."""
    try:
        return min(each.not_valid_after_utc for each in x509.load_pem_x509_certificates(path.read_bytes()))
    except (OSError, ValueError, x509.InvalidVersion) as error:
        raise OperatorError(f"{path} holds no certificates that can be read: {error}.") from error


def end_of_server(host: str, port: int, *, timeout_s: float) -> datetime:
    """When the certificate ends that a TLS server shows. It is looked at, not trusted: nothing is said to the server.

    TransientError: there is no answer, or none in TLS.
    """
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((host, port), timeout=timeout_s) as plain,
            context.wrap_socket(plain, server_hostname=host) as secured,
        ):
            shown = secured.getpeercert(binary_form=True)
    except (OSError, ValueError) as error:
        why = f"{host}:{port} shows no certificate: {error}."
        raise TransientError(why, system=host, operation="look at the certificate") from error
    if not shown:
        raise TransientError(f"{host}:{port} shows no certificate.", system=host, operation="look at the certificate")
    try:
        return x509.load_der_x509_certificate(shown).not_valid_after_utc
    except (ValueError, x509.InvalidVersion) as error:  # the TLS library takes more than this one
        why = f"{host}:{port} shows a certificate that cannot be read: {error}."
        raise TransientError(why, system=host, operation="look at the certificate") from error
