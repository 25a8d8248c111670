"""A container with version-level immutability, in front of Azurite, which takes such policies and forgets them.

Strict where Azure is: what a policy or a legal hold keeps is neither removed nor overwritten. It knows no versions.
Source: "Store business-critical blob data with immutable storage", and "Blob service error codes".
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from urllib.parse import parse_qs, urlsplit

from tests.contract.s3_liar import Answer, Asked, Pass

UNTIL, MODE, HOLD = "x-ms-immutability-policy-until-date", "x-ms-immutability-policy-mode", "x-ms-legal-hold"
_BLOBS_OF_BLOCKS = "blocklist"


@dataclass
class Kept:
    """What keeps one blob."""

    until: datetime | None
    mode: str
    is_held: bool


@dataclass
class Worm:
    """A lie for a Liar (s3_liar.py). Time is its own, so that a policy can be over at once."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    kept: dict[str, Kept] = field(default_factory=dict)  # by path
    refused: list[str] = field(default_factory=list)  # what was asked for in vain: "DELETE /account/box/key"

    def __call__(self, asked: Asked, passing: Pass) -> Answer:
        """Answer instead of Azurite where a policy has something to say."""
        path, query = urlsplit(asked.path).path, parse_qs(urlsplit(asked.path).query)
        what = query.get("comp", query.get("restype", [""]))[0]
        if (asked.method, what) == ("GET", "container"):
            return Answer(status=200, headers={"x-ms-immutable-storage-with-versioning-enabled": "true"}, body=b"")
        if asked.method == "DELETE" or (asked.method == "PUT" and what in ("", _BLOBS_OF_BLOCKS)):
            return self._change(asked, path, passing)
        answer = passing(asked)
        if asked.method == "HEAD" and path in self.kept and answer.status == 200:
            return replace(answer, headers={**answer.headers, **self._told(self.kept[path])})
        return answer

    def _change(self, asked: Asked, path: str, passing: Pass) -> Answer:
        if code := self._why_not(path):
            self.refused.append(f"{asked.method} {path}")
            return _refusal(code)
        if asked.headers.get(UNTIL) and parsedate_to_datetime(asked.headers[UNTIL]) <= self.now:
            return _refusal("InvalidHeaderValue", 400)
        answer = passing(asked)
        if answer.status < 300:
            self.kept.pop(path, None)
            if asked.method == "PUT" and (UNTIL in asked.headers or HOLD in asked.headers):
                self.kept[path] = _kept(asked)
        return answer

    def _why_not(self, path: str) -> str:
        kept = self.kept.get(path)
        if kept is not None and kept.is_held:
            return "BlobImmutableDueToLegalHold"
        return "BlobImmutableDueToPolicy" if kept and kept.until and kept.until > self.now else ""

    def _told(self, kept: Kept) -> dict[str, str]:
        until = {UNTIL: format_datetime(kept.until, usegmt=True), MODE: kept.mode} if kept.until else {}
        return {**until, HOLD: str(kept.is_held).lower()}


def _kept(asked: Asked) -> Kept:
    until = asked.headers.get(UNTIL)
    return Kept(
        until=parsedate_to_datetime(until) if until else None,
        mode=asked.headers.get(MODE, "").lower(),
        is_held=asked.headers.get(HOLD, "").lower() == "true",
    )


def _refusal(code: str, status: int = 409) -> Answer:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>Not permitted.</Message></Error>".encode()
    return Answer(status=status, headers={"x-ms-error-code": code, "Content-Type": "application/xml"}, body=body)
