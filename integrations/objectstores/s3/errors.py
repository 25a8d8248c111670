"""From S3's error codes to our tree: who must act, and what to do.

Source: Amazon S3 API reference, "Error responses"; HEAD answers carry the status as their code.
"""

import re
from collections.abc import Mapping

from bot.errors import (
    ArchivedError,
    ChangedError,
    CloudyError,
    DeniedError,
    IntegrityError,
    MissingError,
    PermanentError,
    RemoteError,
    TransientError,
)

_TRANSIENT = frozenset(
    {
        "BandwidthLimitExceeded",
        "ConditionalRequestConflict",
        "InternalError",
        "OperationAborted",
        "RequestLimitExceeded",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequests",
    }
)
_MISSING = frozenset({"404", "NoSuchBucket", "NoSuchKey", "NoSuchUpload", "NoSuchVersion", "NotFound"})
_WRONG_BYTES = frozenset({"BadDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch"})
_DENIED = frozenset(
    {
        "401",
        "403",
        "AccessDenied",
        "AccountProblem",
        "AllAccessDisabled",
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidToken",
        "NotSignedUp",
        "SignatureDoesNotMatch",
    }
)
_RIGHTS = (
    "Give this user the rights to read, write, list and delete objects there, and to list and abort multipart uploads."
)
_REFUSED = f"{_RIGHTS} A bucket whose requester pays refuses Cloudy whatever its rights: switch that off."
_REGION = "Correct the target's region."
_OF_REGION = ("301", "AuthorizationHeaderMalformed", "PermanentRedirect")
_FULL = "The store has no room left: free some or add disks; then ask again."
_ELSEWHERE = "The bucket lies in another region: correct the target's region or endpoint."
_ADVICE = {
    "301": _ELSEWHERE,
    "403": _REFUSED,
    "AccessDenied": _REFUSED,
    "AuthorizationHeaderMalformed": _REGION,
    "ExpiredToken": "Renew the target's session token.",
    "InvalidAccessKeyId": "The store does not know this access key: correct the target's access_key.",
    "InsufficientStorage": _FULL,
    "InvalidObjectState": "It lies in an archive: bring it back first (RestoreObject), and wait until it is there.",
    "InvalidBucketName": "Correct the bucket in the target's url.",
    "InvalidStorageClass": "Correct the target's storage_class, cold_class or archive_class.",
    "NoSuchBucket": "There is no such bucket: create it, or correct the target's url, endpoint or region.",
    "NotImplemented": "The store does not know this request. Cloudy needs one that takes multipart uploads.",
    "PermanentRedirect": _ELSEWHERE,
    "QuotaExceeded": "Raise the quota of the bucket or its owner, or remove what is not needed there any more.",
    "RequestTimeTooSkewed": "The clock of this machine is wrong: set it, best by NTP.",
    "SignatureDoesNotMatch": "The secret key does not belong to this access key: correct the target's secret_key.",
    "XMinioStorageFull": _FULL,
}
_OTHER_SOURCE = frozenset({"412", "416", "InvalidRange", "PreconditionFailed"})  # of a copy
_NO_SUCH_RANGE = ("InvalidArgument", "Range specified is not valid")  # AWS's own way to say InvalidRange there
_SIZE = "x-amz-mp-object-size"  # is named where the parts do not have it together
_TOO_SMALL = ("InvalidRequest", "byte-range copy source")
_LASTING = (501, 507)  # not implemented, disk full: not over in minutes, though they are the server's errors
_NO_RIGHT = (401, 403)  # of a code that only some stores know
_NOT_FOR_LACK_OF_RIGHTS = frozenset(  # though of status 403
    {"InvalidPayer", "QuotaExceeded", "RequestTimeTooSkewed"}
)

_QUERY = re.compile(r"\?[^\s\"']+")  # of an address: ids that tell a reader nothing


class Asked:
    """One request, in words, so that its errors can say what was asked of whom."""

    def __init__(self, target: str, url: str, operation: str, key: str) -> None:
        self._system = target
        self._operation = operation
        self._what = f"Target {target}: {operation}{f' {key}' if key else ''} in {url}"

    def refused(self, code: str, said: str, status: int, headers: Mapping[str, str]) -> CloudyError:
        """Make the error for an answer that is one; unknown codes are permanent, so that they are seen."""
        code = code or str(status)
        text = f"{self._what}: the store answered {code}: {said.rstrip('.')}."
        if code in _WRONG_BYTES or (code == "InvalidRequest" and _SIZE in said):
            return IntegrityError(f"{text} It did not get the bytes that were sent.")
        if code in _TRANSIENT or status == 429 or (status >= 500 and status not in _LASTING and not _is_known(code)):
            return self.passing(text, code=code, wait_s=_wait(headers))
        kind, advice = PermanentError, _ADVICE.get(code)
        if code in _MISSING:
            kind = MissingError
        elif code == "InvalidObjectState":
            kind = ArchivedError
        elif code in _DENIED or (status in _NO_RIGHT and code not in _NOT_FOR_LACK_OF_RIGHTS):
            kind, advice = DeniedError, advice or _RIGHTS
        where = _region(headers) if code in _OF_REGION else ""
        return self.lasting(" ".join(filter(None, (text, advice, where))), code=code, kind=kind)

    def copy_refused(self, error: PermanentError) -> CloudyError:
        """Say what it means for a copy of a range that the store would not make it: whose fault is it?"""
        if error.code in _OTHER_SOURCE or _says(error, *_NO_SUCH_RANGE):
            return ChangedError(f"{error.message} It is not the object that was recorded any more.")
        if _says(error, *_TOO_SMALL):
            text = f"{error.message} A range is copied only from an object of more than 5 MiB."
            return self.lasting(text, code=error.code, kind=PermanentError)
        return error

    def unreachable(self, why: str) -> TransientError:
        """Make the error for an answer that did not come, or not whole."""
        return self.passing(f"{self._what}: the store did not answer: {_QUERY.sub('', why)}")

    def wordless(self, code: str) -> TransientError:
        """Make the error for an answer that is good and does not say what was made."""
        return self.passing(f"{self._what}: the store does not say what it took.", code=code)

    def failed(self, why: str, *, kind: type[RemoteError] = PermanentError) -> RemoteError:
        """Make the error for a request that could not be made at all."""
        return self.lasting(f"{self._what}: {_QUERY.sub('', why)}", code="", kind=kind)

    def wrong(self, why: str) -> IntegrityError:
        """Make the error for an answer that does not fit what was sent."""
        return IntegrityError(f"{self._what}: {why}")

    def changed(self, why: str) -> ChangedError:
        """Make the error for a source that is not the one that was recorded."""
        return ChangedError(f"{self._what}: {why}")

    def passing(self, text: str, *, code: str = "", wait_s: float | None = None) -> TransientError:
        """Make an error that may pass by itself."""
        return TransientError(text, system=self._system, operation=self._operation, code=code, wait_s=wait_s)

    def lasting(self, text: str, *, code: str, kind: type[RemoteError]) -> RemoteError:
        """Make an error that somebody must act on."""
        return kind(text, system=self._system, operation=self._operation, code=code)


def _is_known(code: str) -> bool:
    """Whether a code of its own says what happened, whatever the status: an error inside a good answer has none."""
    return code in _MISSING or code in _DENIED or code in _ADVICE or code in _OTHER_SOURCE


def _says(error: PermanentError, code: str, words: str) -> bool:
    return error.code == code and words in error.message


def _region(headers: Mapping[str, str]) -> str:
    """The region that S3 itself names."""
    found = headers.get("x-amz-bucket-region", "")
    return f"It is {found}." if found else ""


def _wait(headers: Mapping[str, str]) -> float | None:
    asked = headers.get("retry-after", "")
    return float(asked) if asked.isdecimal() else None
