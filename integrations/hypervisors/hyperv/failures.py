"""What goes wrong between us, the library and the host, in words for the one who must act.

Codes of faults: "WinRM error codes" and [MS-WSMV], Microsoft. Categories of errors:
System.Management.Automation.ErrorCategory.
"""

import socket
import ssl
import struct
from pathlib import Path
from xml.etree.ElementTree import ParseError

import requests
import spnego.exceptions
import urllib3
from pypsrp.exceptions import (
    AuthenticationError,
    InvalidPSRPOperation,
    WinRMError,
    WinRMTransportError,
    WSManFaultError,
)

from bot.errors import DeniedError, MissingError, PermanentError, RemoteError, TransientError
from integrations.http import causes

# What the library raises; from answers that are none it makes errors of any kind.
RAISED = (
    WinRMError, requests.RequestException, urllib3.exceptions.HTTPError, spnego.exceptions.SpnegoError, OSError,
    ParseError, ValueError, LookupError, AttributeError, TypeError, ImportError, struct.error,
)  # fmt: skip
SHELL_GONE = "2150858843"
_LATE = {"2150858793", "995", "1726"}  # nothing came in time; an operation was given up
_NO_RIGHT = {"5", "2150859046"}  # the user may not use remoting
_BUSY = {"2150859173", "2150859174", "2150859175", "2150859193"}  # quotas of shells and users
_PERMISSION_DENIED = 18
RIGHTS = (
    "Its user must be in the host's groups Hyper-V Administrators and Remote Management Users; for files on a share"
    " the login must reach further than the host (docs/hypervisors.md, delegation)."
)


class CmdletError(Exception):
    """A cmdlet has failed: its message, PowerShell's id of the error, its category."""

    def __init__(self, message: str, code: str, category: int) -> None:
        super().__init__(message)
        self.code = code
        self.category = category


class Wire:
    """Where errors of the way come from, for their words; no address is repeated in them."""

    def __init__(self, system: str, ca: Path | None) -> None:
        self.system = system
        self.ca = ca

    def failure(self, error: Exception, operation: str) -> RemoteError:
        """Our error for one of the library's; it does not carry it, since that may hold a password."""
        kind, words, code = self._diagnosis(error)
        return kind(f"{self.system}, {operation}: {words}", system=self.system, operation=operation, code=code)

    def of_cmdlet(self, error: CmdletError, operation: str) -> RemoteError:
        """Our error for one of a cmdlet's, with its own words."""
        kind, words = _of_cmdlet(error)
        code = error.code.partition(",")[0]
        return kind(f"{self.system}, {operation}: {words}", system=self.system, operation=operation, code=code)

    def of_answer(self, error: Exception, operation: str) -> PermanentError:
        """Our error for an answer without what it should hold."""
        told = f"the host told something else than it should ({type(error).__name__}: {error})."
        return PermanentError(f"{self.system}, {operation}: {told}", system=self.system, operation=operation)

    def _diagnosis(self, error: Exception) -> tuple[type[RemoteError], str, str]:
        if isinstance(error, AuthenticationError):
            return DeniedError, "it refused the login; look at `user`, `password` and `auth`.", ""
        if isinstance(error, WSManFaultError):
            return _of_fault(error)
        if isinstance(error, WinRMTransportError):
            return self._of_status(int(error.code))
        chain = tuple(causes(error))
        if self.ca and not self.ca.is_file():
            return DeniedError, f"the file {self.ca} is not there; set `ca` to the right one.", ""
        if tls := next((each for each in chain if isinstance(each, ssl.SSLError)), None):
            return *self._of_tls(tls), ""
        if isinstance(error, InvalidPSRPOperation):
            return TransientError, "the host has broken the session off.", ""
        if isinstance(error, ImportError | spnego.exceptions.SpnegoError):
            said = str(error).partition("\n")[0].rstrip(".")
            return DeniedError, f"it could not log in by `auth`: {said}. Kerberos wants 'pypsrp[kerberos]'.", ""
        return *self._of_line(error, chain), ""

    def _of_line(self, error: Exception, chain: tuple[BaseException, ...]) -> tuple[type[RemoteError], str]:
        if isinstance(error, requests.Timeout | TimeoutError):
            return TransientError, "it did not answer in time."
        if any(isinstance(each, ConnectionRefusedError) for each in chain):
            return TransientError, "it refuses the connection; does WinRM listen at `url`?"
        if any(isinstance(each, socket.gaierror) for each in chain):
            return TransientError, "the name in `url` cannot be resolved; is it right, and does DNS work?"
        if isinstance(error, OSError | requests.RequestException | urllib3.exceptions.HTTPError):
            return TransientError, "the connection failed or broke off."
        return PermanentError, "what is at `url` does not answer as PowerShell remoting does."

    def _of_status(self, status: int) -> tuple[type[RemoteError], str, str]:
        code = f"HTTP {status}"
        if status >= 500 or status == 429:
            return TransientError, f"it is there, and does not work now ({code}).", code
        if status == 403:
            return DeniedError, f"it refuses this user ({code}). {RIGHTS}", code
        return PermanentError, f"`url` is no address of WinRM ({code}).", code

    def _of_tls(self, error: ssl.SSLError) -> tuple[type[RemoteError], str]:
        if isinstance(error, ssl.SSLCertVerificationError):
            return DeniedError, f"its certificate was not accepted ({error.verify_message}); set `ca` to who signed it."
        if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            return TransientError, "the connection broke off."
        return DeniedError, f"TLS failed ({error.reason or 'no reason told'}); is it https at `url`?"


def _of_fault(error: WSManFaultError) -> tuple[type[RemoteError], str, str]:
    code, said = str(error.code or ""), _line(str(error.provider_fault or error.reason or "it refused"))
    if code == SHELL_GONE:
        return TransientError, "the host has ended the session.", code
    if code in _NO_RIGHT or "denied" in said.lower():
        return DeniedError, f"{said} {RIGHTS}", code
    if code in _LATE:
        return TransientError, "it did not answer in time.", code
    if code in _BUSY or not code:
        return TransientError, f"{said} It may pass by itself.", code
    return PermanentError, said, code


def _of_cmdlet(error: CmdletError) -> tuple[type[RemoteError], str]:
    said = _line(str(error))
    if error.code.startswith("InvalidParameter") and error.code.endswith(".GetVM"):
        return MissingError, "it knows no such VM (any more)."
    if error.code.startswith("CommandNotFound"):
        return PermanentError, f"{said} Hyper-V's module for Windows PowerShell must be installed on the host."
    if error.category == _PERMISSION_DENIED or "AccessDenied" in error.code or "0x80070005" in said:
        return DeniedError, f"{said} {RIGHTS}"
    return PermanentError, said


def _line(text: str) -> str:
    """One line, ending as a sentence."""
    plain = " ".join(text.split())
    return plain if plain.endswith((".", "!", "?")) else f"{plain}."
