"""Whom a store's connections trust: one rule for what boto3 sends and for what goes past it."""

import os
import ssl

import botocore.session
from botocore.exceptions import SSLError
from botocore.httpsession import create_urllib3_context, where

from integrations.objectstores.s3.errors import Asked
from integrations.objectstores.s3.options import S3Options

_ANOTHER_NAME = ("Hostname mismatch", "IP address mismatch", "doesn't match", "no appropriate subjectAltName")
_ANOTHER_TIME = ("certificate has expired", "certificate is not yet valid")
_UNTRUSTED = ("CERTIFICATE_VERIFY_FAILED", *_ANOTHER_NAME)
_FILE = "Correct the file of certificates that the target trusts (ca, or AWS_CA_BUNDLE)."
_LASTING = {
    "X509": _FILE,
    "No such file": _FILE,
    "Permission denied": _FILE,
    "PROTOCOL_VERSION": "The store must speak TLS 1.2 or newer.",
    "UNSUPPORTED_PROTOCOL": "The store must speak TLS 1.2 or newer.",
}


def trusting(options: S3Options) -> ssl.SSLContext:
    """Trust those that boto3 trusts, by the settings that boto3 makes. ssl.SSLError: the file cannot be read, or used.

    boto3 compares the names itself, by the rule that OpenSSL has where nothing else is set.
    """
    context: ssl.SSLContext = create_urllib3_context()
    context.check_hostname = True
    try:
        context.load_verify_locations(_named(options) or where())
    except (FileNotFoundError, PermissionError) as error:
        raise ssl.SSLError(str(error)) from error  # else it would pass for a store that is not there
    context.set_alpn_protocols(["http/1.1"])
    return context


def check_authorities(options: S3Options) -> None:
    """ValueError: the file of certificates that was chosen cannot be used."""
    named = _named(options)
    if not named or options.endpoint.startswith("http://"):
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(named)
    except OSError as error:
        raise ValueError(f"no certificates can be read from {named}: {error}") from error


def untrusted(asked: Asked, error: SSLError) -> Exception:
    """Make the error for a connection that TLS refused: many last until somebody acts."""
    said = str(error)
    if any(words in said for words in _UNTRUSTED):
        return asked.failed(f"{said}. {_advice(said)}")
    advice = next((each for words, each in _LASTING.items() if words in said), "")
    return asked.failed(f"{said}. {advice}") if advice else asked.unreachable(said)


def _advice(said: str) -> str:
    if any(words in said for words in _ANOTHER_NAME):
        return "The certificate is another name's: correct the target's endpoint, or give the store one for this name."
    if any(words in said for words in _ANOTHER_TIME):
        return "Renew the store's certificate; or this machine's clock is wrong: set it, best by NTP."
    return "Set the target's ca to a file with the certificate of its authority."


def _named(options: S3Options) -> str:
    """The file that somebody chose; "": nobody did."""
    known = botocore.session.Session(profile=options.profile or None).get_config_variable("ca_bundle")
    return str(options.ca or known or os.environ.get("REQUESTS_CA_BUNDLE") or "")
