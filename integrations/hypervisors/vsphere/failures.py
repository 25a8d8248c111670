"""What vSphere's faults mean for the one who must act. Names: vSphere Web Services API, "Faults"."""

import http.client
import ssl
from xml.parsers.expat import ExpatError

from pyVmomi import vim, vmodl

from bot.errors import DeniedError, MissingError, PermanentError, RemoteError, TransientError

# What the library raises when something is wrong on the way or on the other side.
RAISED = (vmodl.MethodFault, OSError, http.client.HTTPException, ExpatError)
_LOGIN = (vim.fault.InvalidLogin, vim.fault.InvalidLocale, vim.fault.NotAuthenticated, vim.fault.PasswordExpired)
_PASSING = (
    vim.fault.TaskInProgress, vim.fault.ConcurrentAccess, vim.fault.Timedout, vim.fault.HostConnectFault,
    vim.fault.InvalidHostConnectionState, vim.fault.FileLocked, vim.fault.ResourceInUse,
    vmodl.fault.HostCommunication, vmodl.fault.HostNotConnected, vmodl.fault.HostNotReachable,
    vmodl.fault.RequestCanceled,
)  # fmt: skip


def code_of(fault: Exception) -> str:
    """vSphere's own name for it."""
    return type(fault).__name__.rpartition(".")[2]


def is_passing(fault: Exception) -> bool:
    """Whether the same may be done later."""
    return isinstance(fault, _PASSING)


def in_words(error: Exception, system: str, operation: str) -> RemoteError:
    """Our error for one of the library's."""
    if isinstance(error, vmodl.MethodFault):
        kind, words = _of_fault(error)
        return kind(f"{system}, {operation}: {words}", system=system, operation=operation, code=code_of(error))
    kind, words = _of_way(error)
    return kind(f"{system}, {operation}: {words}", system=system, operation=operation)


def _of_fault(fault: Exception) -> tuple[type[RemoteError], str]:
    if isinstance(fault, _LOGIN):
        return DeniedError, "it refused the login; look at `user` and `password`."
    if isinstance(fault, vim.fault.NoPermission):
        right = str(getattr(fault, "privilegeId", "") or "")
        return DeniedError, f"its user lacks the right {right or '(it does not say which)'} on that object."
    if isinstance(fault, vmodl.fault.ManagedObjectNotFound):
        return MissingError, "it knows no such object (any more)."
    if is_passing(fault):
        return TransientError, f"{_said(fault)} It may pass by itself."
    return PermanentError, _said(fault)


def _said(fault: Exception) -> str:
    """Its message, what it is about, and its name where the message is not much."""
    message = str(getattr(fault, "msg", "") or "").strip().rstrip(".")
    about = [
        str(value)
        for key in ("file", "name", "property", "invalidProperty", "datastore")
        if (value := _plain(fault, key))
    ]
    said = ": ".join(filter(None, [message, ", ".join(about)]))
    return f"{said or 'it refused'} ({code_of(fault)})."


def _plain(fault: Exception, key: str) -> str:
    found = getattr(fault, key, None)
    return found if isinstance(found, str) else ""


def _of_way(error: Exception) -> tuple[type[RemoteError], str]:
    if isinstance(error, ssl.SSLCertVerificationError):
        return DeniedError, f"its certificate was not accepted ({error.verify_message}); set `ca` to who signed it."
    if isinstance(error, TimeoutError):
        return TransientError, "it did not answer in time."
    if isinstance(error, ConnectionRefusedError):
        return TransientError, "it refuses the connection; is it running, and is the port in `url` right?"
    return TransientError, "the connection failed or broke off."
