"""What the SMB library's errors mean for the one who must act. Statuses: [MS-ERREF] 2.3.1."""

from collections.abc import Iterator
from contextlib import contextmanager

from smbprotocol.exceptions import SMBAuthenticationError, SMBException, SMBResponseException
from smbprotocol.header import NtStatus

from bot.errors import DeniedError, MissingError, PermanentError, RemoteError, TransientError
from integrations.shares.line import Broken

_NAMES: dict[int, str] = {
    value: name.removeprefix("STATUS_") for name, value in vars(NtStatus).items() if name.startswith("STATUS_")
}
# Those that the library has no name for.
_NAMES |= {
    0xC000007F: "DISK_FULL", 0xC0000044: "QUOTA_EXCEEDED", 0xC00000A2: "MEDIA_WRITE_PROTECTED",
    0xC0000103: "NOT_A_DIRECTORY", 0xC0000056: "DELETE_PENDING", 0xC0000121: "CANNOT_DELETE",
    0xC0000054: "FILE_LOCK_CONFLICT", 0xC000009A: "INSUFFICIENT_RESOURCES", 0xC00000B5: "IO_TIMEOUT",
    0xC000035C: "NETWORK_SESSION_EXPIRED", 0xC0000203: "USER_SESSION_DELETED", 0xC00000C9: "NETWORK_NAME_DELETED",
    0xC0000128: "FILE_CLOSED", 0xC000020C: "CONNECTION_DISCONNECTED", 0xC0000072: "ACCOUNT_DISABLED",
    0xC0000234: "ACCOUNT_LOCKED_OUT", 0xC0000071: "PASSWORD_EXPIRED", 0xC000006D: "LOGON_FAILURE",
    0xC000006E: "ACCOUNT_RESTRICTION", 0xC0000904: "FILE_TOO_LARGE", 0xC00000BA: "FILE_IS_A_DIRECTORY",
    0xC0000224: "PASSWORD_MUST_CHANGE", 0xC00000CC: "BAD_NETWORK_NAME",
}  # fmt: skip
_GONE = ("OBJECT_NAME_NOT_FOUND", "OBJECT_PATH_NOT_FOUND", "NO_SUCH_FILE", "NOT_A_DIRECTORY", "NOT_FOUND")
_LOGIN = (
    "LOGON_FAILURE", "ACCOUNT_DISABLED", "ACCOUNT_LOCKED_OUT", "ACCOUNT_RESTRICTION", "PASSWORD_EXPIRED",
    "PASSWORD_MUST_CHANGE",
)  # fmt: skip
_DENIED = ("ACCESS_DENIED", "MEDIA_WRITE_PROTECTED", "CANNOT_DELETE", "PRIVILEGE_NOT_HELD")
_FULL = ("DISK_FULL", "QUOTA_EXCEEDED", "FILE_TOO_LARGE")
_BUSY = (
    "SHARING_VIOLATION", "FILE_LOCK_CONFLICT", "DELETE_PENDING", "IO_TIMEOUT",
    "INSUFFICIENT_RESOURCES", "REQUEST_NOT_ACCEPTED",
)  # fmt: skip
# The server does not know any more what this connection is or has open: made anew, it may go on.
_FORGOTTEN = (
    "NETWORK_SESSION_EXPIRED", "USER_SESSION_DELETED", "NETWORK_NAME_DELETED", "FILE_CLOSED", "CONNECTION_DISCONNECTED",
)  # fmt: skip


@contextmanager
def told(operation: str, thing: str) -> Iterator[None]:
    """Turn what the library says into our errors, or into Broken."""
    try:
        yield
    except (SMBException, OSError, ValueError) as error:
        raise of(error, operation, thing) from error


def of(error: Exception, operation: str, thing: str) -> RemoteError | Broken:
    """Our error, or Broken with it where the connection is no good any more."""
    code = code_of(error)
    kind, words = _diagnosis(error, code, operation, thing)
    failure = kind(words, system="share", operation=operation, code=code)
    if isinstance(error, TimeoutError | BlockingIOError):
        return Broken(failure, again=False)
    if code in _FORGOTTEN or (kind is TransientError and not code):
        return Broken(failure, again=True)
    return failure


def code_of(error: Exception) -> str:
    """STATUS_ACCESS_DENIED is ACCESS_DENIED; "": it is no answer of the server."""
    if not isinstance(error, SMBResponseException):
        return ""
    return _NAMES.get(error.status, f"0x{error.status:08x}")


def _diagnosis(
    error: Exception, code: str, operation: str, thing: str
) -> tuple[type[TransientError | PermanentError], str]:
    if isinstance(error, TimeoutError | BlockingIOError):
        return TransientError, (
            f"The SMB server did not answer in time to {operation} {thing}. Look at the VMstore's data port."
        )
    refusal = _refusal(error, code, operation, thing)
    if refusal is not None:
        return refusal
    if code in _GONE:
        return MissingError, f"{thing} is not there."
    if code in _FULL:
        return PermanentError, (
            f"There is no room on the export to {operation} {thing}. Make room on the VMstore, or take another one; "
            "what was written so far stays for the next try."
        )
    if code == "DIRECTORY_NOT_EMPTY":
        return TransientError, (
            f"Could not {operation} {thing}: files appear there meanwhile, or there are some that the server does not "
            "show, like links that lead out of the share."
        )
    if code in _BUSY:
        return TransientError, f"Could not {operation} {thing}: it is in use ({code})."
    is_transient = not code or code in _FORGOTTEN
    return (TransientError if is_transient else PermanentError), f"Could not {operation} {thing}: {code or error}."


def _refusal(
    error: Exception, code: str, operation: str, thing: str
) -> tuple[type[TransientError | PermanentError], str] | None:
    """What the server, or Cloudy, will not do."""
    if code in _LOGIN or isinstance(error, SMBAuthenticationError):
        return DeniedError, (
            f"The SMB server refused the user or password ({code or 'no common way to log in'}). Correct the user in "
            "the share's URL, or `share_password`."
        )
    if code == "BAD_NETWORK_NAME":
        return PermanentError, f"The SMB server has no such share: {thing}. Correct the name in the share's URL."
    if code in _DENIED:
        return DeniedError, (
            f"The SMB server does not let Cloudy {operation} {thing} ({code}): the share is read-only, or the file's "
            "rights do not include this user."
        )
    if "encryption" in str(error) and not code:
        return PermanentError, f"The SMB server does not encrypt, and Cloudy speaks to no other: {error}."
    return None
