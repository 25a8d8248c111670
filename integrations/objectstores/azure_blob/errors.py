"""From Azure's error codes to our tree: who must act, and what to do.

Source: "Blob service error codes" and "Common REST API error codes"; HEAD answers carry the code in a header.
"""

import re
from collections.abc import Mapping

from bot.errors import (
    ArchivedError,
    ChangedError,
    CloudyError,
    DeniedError,
    IntegrityError,
    LockedError,
    MissingError,
    PermanentError,
    RemoteError,
    TransientError,
)

_TRANSIENT = frozenset(
    {"ContainerBeingDeleted", "InternalError", "OperationTimedOut", "PendingCopyOperation", "ServerBusy"}
)
_MISSING = frozenset({"BlobNotFound", "ContainerNotFound", "ResourceNotFound"})
_WRONG_BYTES = frozenset({"Crc64Mismatch", "Md5Mismatch"})
_LOCKED = frozenset({"BlobImmutableDueToLegalHold", "BlobImmutableDueToPolicy"})
_ARCHIVED = frozenset({"BlobArchived", "BlobBeingRehydrated"})
_CHANGED = frozenset({"SourceConditionNotMet"})
_SOURCE = "CannotVerifyCopySource"  # its status says what was wrong with the source
_OF_SOURCE: Mapping[int, type[CloudyError]] = {
    401: DeniedError,
    403: DeniedError,
    404: MissingError,
    409: ArchivedError,
    412: ChangedError,
    416: ChangedError,
}
_DENIED = frozenset(
    {
        "AccountIsDisabled",
        "AuthenticationFailed",
        "AuthorizationFailure",
        "AuthorizationPermissionMismatch",
        "AuthorizationProtocolMismatch",
        "AuthorizationResourceTypeMismatch",
        "AuthorizationServiceMismatch",
        "AuthorizationSourceIPMismatch",
        "InsufficientAccountPermissions",
        "InvalidAuthenticationInfo",
        "KeyBasedAuthenticationNotPermitted",
        "NoAuthenticationInformation",
        "PublicAccessNotPermitted",
    }
)
_RIGHTS = (
    "Give this identity the role Storage Blob Data Contributor on the container, or a SAS token with the rights to"
    " read, add, create, write, delete and list there; and let the account's firewall admit this machine."
)
_KEYS = "Correct the target's account_key, account_key2 or sas_token; a SAS token may also be over."
_SOURCE_RIGHTS = (
    "The store may not read its own object for copying: the keys or rights do not do, or the account's network rules"
    " keep it from itself."
)
_ADVICE = {
    "AccountIsDisabled": "Enable the storage account.",
    "AuthenticationFailed": f"{_KEYS} The clock of this machine must be right, too.",
    "BlobImmutableDueToLegalHold": "A legal hold keeps it, until somebody takes that away.",
    "BlobImmutableDueToPolicy": "An immutability policy keeps it until its time is over.",
    "BlobArchived": "Bring it back from the archive first: set its tier to Hot or Cool.",
    "BlobBeingRehydrated": "It is being brought back from the archive, which takes hours.",
    "ContainerNotFound": "There is no such container: create it, or correct the target's url or endpoint.",
    "InvalidAuthenticationInfo": _KEYS,
    "KeyBasedAuthenticationNotPermitted": "The account takes no keys: use a managed identity.",
    "NoAuthenticationInformation": "Set the target's account_key or sas_token, or give this machine an identity.",
    "SnapshotsPresent": "It has snapshots: remove them first.",
}
_LASTING = (501, 505, 507)
_NO_RIGHT = (401, 403)
_CHANGED_ADVICE = "What is to be copied is not the object that was recorded."
_QUERY = re.compile(r"\?[^\s\"'<>]+")  # of an address: a SAS token is one
_SIGNED = re.compile(r"\b(sig|se|st|skoid|sktid)=[^\s&\"'<>]+", re.IGNORECASE)


class Asked:
    """One request, in words, so that its errors can say what was asked of whom."""

    def __init__(self, target: str, url: str, operation: str, key: str) -> None:
        self._system = target
        self._operation = operation
        self._what = f"Target {target}: {operation}{f' {key}' if key else ''} in {url}"

    def refused(self, code: str, said: str, status: int, headers: Mapping[str, str]) -> CloudyError:
        """Make the error for an answer that is one; unknown codes are permanent, so that they are seen."""
        code = code or str(status)
        text = f"{self._what}: the store answered {code}: {clean(said).rstrip('.')}."
        if code in _WRONG_BYTES:
            return IntegrityError(f"{text} It did not get the bytes that were sent.")
        if code in _TRANSIENT or status in (408, 429) or (status >= 500 and status not in _LASTING):
            return self.passing(text, code=code, wait_s=_wait(headers))
        told = headers.get("x-ms-copy-source-status-code", "")  # newer services say it apart from their own status
        kind, advice = _judge(code, int(told) if code == _SOURCE and told.isdigit() else status)
        if issubclass(kind, RemoteError):
            return self.lasting(" ".join(filter(None, (text, advice))), code=code, kind=kind)
        return kind(f"{text} {advice}")

    def unreachable(self, why: str) -> TransientError:
        """Make the error for an answer that did not come, or not whole."""
        return self.passing(f"{self._what}: the store did not answer: {clean(why)}")

    def failed(self, why: str, *, kind: type[RemoteError] = PermanentError) -> RemoteError:
        """Make the error for a request that could not be made at all."""
        return self.lasting(f"{self._what}: {clean(why)}", code="", kind=kind)

    def wrong(self, why: str) -> IntegrityError:
        """Make the error for an answer that does not fit what was sent."""
        return IntegrityError(f"{self._what}: {why}")

    def changed(self, why: str) -> ChangedError:
        """Make the error for a source that is another than the recorded one."""
        return ChangedError(f"{self._what}: {why} {_CHANGED_ADVICE}")

    def passing(self, text: str, *, code: str = "", wait_s: float | None = None) -> TransientError:
        """Make an error that may pass by itself."""
        return TransientError(text, system=self._system, operation=self._operation, code=code, wait_s=wait_s)

    def lasting(self, text: str, *, code: str, kind: type[RemoteError]) -> RemoteError:
        """Make an error that somebody must act on."""
        return kind(text, system=self._system, operation=self._operation, code=code)


def clean(said: str) -> str:
    """The first line of what was said, without what a SAS token is made of."""
    first = said.strip().splitlines()[0] if said.strip() else ""
    return _SIGNED.sub(r"\1=[hidden]", _QUERY.sub("", first))


def _judge(code: str, status: int) -> tuple[type[CloudyError], str]:
    advice = _ADVICE.get(code, "")
    if code == _SOURCE:
        kind = _OF_SOURCE.get(status, PermanentError)
        said = {DeniedError: _SOURCE_RIGHTS, ArchivedError: _ADVICE["BlobArchived"], ChangedError: _CHANGED_ADVICE}
        return kind, said.get(kind, "")
    if code in _CHANGED:
        return ChangedError, _CHANGED_ADVICE
    if code in _ARCHIVED:
        return ArchivedError, advice
    if code in _LOCKED:
        return LockedError, advice
    if code in _MISSING or status == 404:
        return MissingError, advice
    if code in _DENIED or status in _NO_RIGHT:
        return DeniedError, advice or _RIGHTS
    return PermanentError, advice


def _wait(headers: Mapping[str, str]) -> float | None:
    asked = headers.get("Retry-After", "")
    return float(asked) if asked.isdecimal() else None
