"""What the NFS library's errors mean for the one who must act.

Names of codes: RFC 1813 section 2.6 and RFC 8881 section 15.1; which class the library raises: nfs_rs/API.md.
"""

import errno
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from nfs_rs import (
    FileInfo,
    NfsConnectionError,
    NfsError,
    NfsMountError,
    NfsProtocolError,
    NfsRetryableError,
    NfsStateLostError,
    NfsTimeoutError,
)

from bot.errors import DeniedError, MissingError, PermanentError, RemoteError, TransientError
from integrations.shares.line import Broken

_GONE = ("NOENT", "NOTDIR")
_DENIED = ("ACCES", "ACCESS", "PERM", "ROFS", "WRONGSEC")
_FULL = ("NOSPC", "DQUOT", "FBIG")
# The server does not know any more what this connection is or has open: made anew, it may go on.
_FORGOTTEN = (
    "STALE", "BADHANDLE", "STALE_CLIENTID", "STALE_STATEID", "BAD_STATEID", "EXPIRED", "BADSESSION", "DEADSESSION",
    "CONN_NOT_BOUND_TO_SESSION", "ADMIN_REVOKED", "OLD_STATEID", "FHEXPIRED",
)  # fmt: skip
_PASSING = ("IO", "JUKEBOX", "DELAY", "SERVERFAULT", "GRACE", "RESOURCE", "LOCKED", "SHARE_DENIED", "FILE_OPEN")
_NO_LINKS = ("NOTSUPP", "INVAL", "MLINK", "PERM", "XDEV", "ROFS")
_LINK = ("SYMLINK", "INVAL", "NOTDIR", "WRONG_TYPE", "NOENT")


def of(error: Exception, operation: str, thing: str) -> RemoteError | Broken:
    """Our error, or Broken with it where the connection is no good any more."""
    code = _code(error)
    kind, words = _diagnosis(error, code, operation, thing)
    failure = kind(words, system="share", operation=operation, code=code)
    if isinstance(error, NfsTimeoutError):
        return Broken(failure, again=False)
    is_refused = isinstance(error, NfsMountError) or code
    if code in _FORGOTTEN or (kind is TransientError and not is_refused):
        return Broken(failure, again=True)
    return failure


@contextmanager
def told(operation: str, thing: str) -> Iterator[None]:
    """Turn what the library says into our errors, or into Broken."""
    try:
        yield
    except (NfsError, OSError) as error:
        raise of(error, operation, thing) from error


def _diagnosis(
    error: Exception, code: str, operation: str, thing: str
) -> tuple[type[TransientError | PermanentError], str]:
    if isinstance(error, NfsTimeoutError):
        return TransientError, (
            f"The NFS server did not answer in time to {operation} {thing}. Look at the VMstore's data port."
        )
    if isinstance(error, NfsMountError):
        return PermanentError, (
            f"The NFS server does not let Cloudy {operation} {thing}: {error}. "
            "Look whether it is exported to this machine, and whether the export's name in the URL is right."
        )
    if code in _GONE:
        return MissingError, f"{thing} is not there."
    if code in _DENIED:
        why = "the export is read-only" if code == "ROFS" else "permission denied"
        return DeniedError, f"The NFS server does not let Cloudy {operation} {thing}: {why}"
    if code in _FULL:
        return PermanentError, (
            f"There is no room on the export to {operation} {thing}. Make room on the VMstore, or take another one; "
            "what was written so far stays for the next try."
        )
    if code == "NOTEMPTY":
        return TransientError, f"{thing} is still in use: files appear while it is being removed."
    return (TransientError if _may_pass(error, code) else PermanentError), f"Could not {operation} {thing}: {error}."


def _may_pass(error: Exception, code: str) -> bool:
    if code:
        return code in _FORGOTTEN or code in _PASSING
    is_cut = isinstance(error, NfsConnectionError | NfsRetryableError | NfsStateLostError)
    return is_cut or not isinstance(error, NfsProtocolError | ValueError)


def _code(error: Exception) -> str:
    """NFS4ERR_NOENT is NOENT, as NFS3ERR_NOENT and ENOENT are."""
    name = getattr(error, "code_name", None) or ""
    if not name and isinstance(error, OSError) and not isinstance(error, ConnectionError | TimeoutError):
        name = errno.errorcode.get(error.errno or 0, "")[1:]
    return name.rpartition("ERR_")[2]


def may_be_link(failure: RemoteError) -> bool:
    """Whether a link on the way would explain it."""
    return failure.code in _LINK


def is_denied(failure: RemoteError) -> bool:
    """Whether rights on a file would explain it."""
    return isinstance(failure, DeniedError) and failure.code != "ROFS"


def denied(failure: RemoteError, whose: FileInfo | None, operation: str) -> RemoteError:
    """Say whose it is, and what to do."""
    if whose is None:
        words = "Set `share_uid` to the files' owner."
    else:
        words = (
            f"owner uid {whose.uid}, mode {stat.S_IMODE(whose.mode):04o}. Set `share_uid = {whose.uid}`, and export "
            "to Cloudy without squashing that uid."
        )
    return DeniedError(f"{failure.message}; {words}", system="share", operation=operation, code=failure.code)


def says_no_links(error: Exception) -> bool:
    """Whether the server does not make hard links, or not of this."""
    return _code(error) in _NO_LINKS
