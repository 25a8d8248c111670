"""A store refuses what was signed at another time than its own: where this clock is wrong, the store's is taken.

Source: "Signature Version 4", requests are good for 15 minutes; RequestTimeTooSkewed. Neither boto3 nor botocore
correct it by themselves.
"""

from collections.abc import Mapping
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from threading import Lock
from typing import TYPE_CHECKING, Any

from botocore.auth import AUTH_TYPE_MAPS, SIGV4_TIMESTAMP, S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import get_current_datetime

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_USUAL, _CORRECTED = ("s3v4", "v4"), "cloudy-s3v4"
_SKEW = "cloudy_skew"
_REFUSED = ("RequestTimeTooSkewed", "403")  # the answer to a HEAD has no words
_MUCH = timedelta(minutes=5)  # less is no reason to refuse


class _Corrected(S3SigV4Auth):
    """Signs as botocore does, at the store's time."""

    def _modify_request_before_signing(self, request: AWSRequest) -> None:
        request.context["timestamp"] = (get_current_datetime() + request.context[_SKEW]).strftime(SIGV4_TIMESTAMP)
        usual: Any = super()
        usual._modify_request_before_signing(request)  # noqa: SLF001 - the one place that sets the time


AUTH_TYPE_MAPS[_CORRECTED] = _Corrected


def attend(*clients: "S3Client") -> None:
    """Sign the requests of a store's clients at its time; one that was refused for its time is made again, once."""
    punctual = _Punctual()
    for client in clients:
        events: Any = client.meta.events
        events.register("before-call.s3", punctual.begin)
        events.register("choose-signer.s3", _choose)
        events.register_first("needs-retry.s3", punctual.learn)


class _Punctual:
    """How far this machine's clock is from a store's."""

    def __init__(self) -> None:
        self._skew = timedelta()
        self._lock = Lock()

    def begin(self, context: dict[str, Any], **_told: Any) -> None:
        """A request is about to be made."""
        with self._lock:
            context[_SKEW] = self._skew

    def learn(self, response: Any, request_dict: dict[str, Any], attempts: int, **_told: Any) -> float | None:
        """Give how long to wait before it is tried again; None: others decide."""
        if response is None or attempts > 1 or response[1].get("Error", {}).get("Code") not in _REFUSED:
            return None
        context, skew = request_dict["context"], _skew(response[0].headers)
        if skew is None or abs(skew - context[_SKEW]) < _MUCH:
            return None
        with self._lock:
            self._skew = skew
        context[_SKEW] = skew
        return 0.0


def _skew(headers: Mapping[str, str]) -> timedelta | None:
    try:
        told = parsedate_to_datetime(headers["Date"])
    except (KeyError, ValueError, TypeError):  # it does not tell the time
        return None
    if told.tzinfo:  # none where the date says -0000, which is UTC, too
        told = told.astimezone(UTC)
    return told.replace(tzinfo=None) - get_current_datetime().replace(tzinfo=None)


def _choose(signature_version: str, context: Mapping[str, Any], **_told: Any) -> str | None:
    """Name the signer; None: as it would be anyhow."""
    return _CORRECTED if signature_version in _USUAL and context.get(_SKEW) else None
