"""The audit: rows that are only ever added, each bound to the one before by a keyed hash.

The chain shows any change, gap or swap. It cannot show a tail cut off, nor a rewrite by someone who has the key: for
that its head is told elsewhere from time to time, and the key lives outside the database.
"""

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from datetime import UTC
from pathlib import Path

from sqlmodel import Session, col, select

from bot.errors import ConfigError
from bot.model import AuditEvent, AuditRow, AuditVerdict, Json
from bot.ports import Clock
from bot.store.rows import AuditLink, SettingRow

_KEY_BYTES = 32
_CHANGED = "Row {} was changed after it was written."
_KEY_MARK = "audit key"  # setting that tells one key from another, without telling the key


class Audit:
    """The chain, numbered from 1 without gaps."""

    def __init__(self, session: Session, clock: Clock, key: bytes | None) -> None:
        self._session = session
        self._clock = clock
        self._key = key

    def append(self, event: AuditEvent) -> None:
        """Add an event at the end; the same event key again: nothing. Write it last in a unit."""
        if self._session.exec(select(AuditLink.seq).where(AuditLink.key == event.key)).first() is not None:
            return
        self._session.add(self._link(event, *self.head()))
        self._mark()
        self._session.flush()

    def append_new(self, events: Sequence[AuditEvent]) -> None:
        """The same for many at once, of which none was ever added."""
        seq, prev = self.head()
        for event in events:
            link = self._link(event, seq, prev)
            seq, prev = link.seq, link.hash
            self._session.add(link)
        self._mark()
        self._session.flush()

    def _link(self, event: AuditEvent, seq: int, prev: str) -> AuditLink:
        link = AuditLink(
            seq=seq + 1,
            at=self._clock.now().astimezone(UTC),
            key=event.key,
            action=event.action,
            actor_id=event.actor.id,
            actor_name=event.actor.name,
            source=event.actor.source,
            transaction_id=event.transaction_id,
            body=json.loads(json.dumps(event.body)),
            prev=prev,
            hash="",
        )
        if self._key is not None:
            link.hash = _hash(self._key, link)
        return link

    def list(self, *, transaction_id: str | None = None, limit: int = 200) -> tuple[AuditRow, ...]:
        """Give the last rows, of one transaction or of all, oldest first."""
        query = select(AuditLink).order_by(col(AuditLink.seq).desc()).limit(limit)
        if transaction_id is not None:
            query = query.where(AuditLink.transaction_id == transaction_id)
        return tuple(audit_row(link) for link in reversed(self._session.exec(query).all()))

    def transaction_of(self, key: str) -> str:
        """Give the transaction that the event of this key is about; "" when there is no such event."""
        return self._session.exec(select(AuditLink.transaction_id).where(AuditLink.key == key)).first() or ""

    def find(self, key: str) -> AuditRow | None:
        """Give the event of this key, None if there is none."""
        link = self._session.exec(select(AuditLink).where(AuditLink.key == key)).one_or_none()
        return audit_row(link) if link else None

    def person(self, text: str) -> tuple[str, str] | None:
        """Give id and name of a user of Slack by either, as last seen; None: never seen."""
        named = (AuditLink.actor_id == text) | (AuditLink.actor_name == text)
        query = select(AuditLink.actor_id, AuditLink.actor_name).where(named, AuditLink.source == "slack")
        return self._session.exec(query.order_by(col(AuditLink.seq).desc()).limit(1)).first()

    def every(self) -> Iterator[AuditRow]:
        """Give all rows, oldest first, a few at a time: they may be more than memory holds."""
        links = self._session.exec(select(AuditLink).order_by(col(AuditLink.seq)).execution_options(yield_per=1000))
        for link in links:
            yield audit_row(link)
            self._session.expunge(link)

    def head(self) -> tuple[int, str]:
        """Give number and hash of the last row; (0, "") of an empty audit."""
        last = self._session.exec(select(AuditLink).order_by(col(AuditLink.seq).desc()).limit(1)).first()
        return (last.seq, last.hash) if last else (0, "")

    def is_signed(self) -> bool:
        """Whether rows were written with a key."""
        return self._session.get(SettingRow, _KEY_MARK) is not None

    def verify(self) -> AuditVerdict:
        """Walk the whole chain and tell the first row that does not fit."""
        rows = 0
        broken: tuple[int, str] | None = None
        cannot = self._why_it_cannot_judge()
        prev = ""
        links = self._session.exec(select(AuditLink).order_by(col(AuditLink.seq)).execution_options(yield_per=1000))
        for link in links:
            rows += 1
            if broken is None and self._key is not None and not cannot:
                broken = _flaw(self._key, link, rows, prev)
                prev = link.hash
        if cannot:
            return AuditVerdict(rows=rows, broken_at=None, why=cannot, judged=False)
        if broken:
            return AuditVerdict(rows=rows, broken_at=broken[0], why=broken[1])
        return AuditVerdict(rows=rows, broken_at=None, why="Every row is as it was written.")

    def verify_rows(self, transaction_id: str) -> AuditVerdict:
        """Tell the first row about a transaction that is not as it was written; one that is missing is not seen so."""
        cannot = self._why_it_cannot_judge()
        rows = 0
        query = select(AuditLink).where(AuditLink.transaction_id == transaction_id).order_by(col(AuditLink.seq))
        for link in self._session.exec(query):
            rows += 1
            if self._key is not None and not cannot and not hmac.compare_digest(link.hash, _hash(self._key, link)):
                return AuditVerdict(rows=rows, broken_at=link.seq, why=_CHANGED.format(link.seq))
        return AuditVerdict(rows=rows, broken_at=None, why=cannot, judged=not cannot)

    def _why_it_cannot_judge(self) -> str:
        if self._key is None:
            return (
                "Without the audit's key nothing can be judged: put audit.key back beside the configuration,"
                " or set CLOUDY_AUDIT_KEY."
            )
        mark = self._session.get(SettingRow, _KEY_MARK)
        if mark and mark.value != _mark_of(self._key):
            return "This is not the key that the rows were written with: put the first audit.key back."
        return ""

    def _mark(self) -> None:
        if self._key is not None and self._session.get(SettingRow, _KEY_MARK) is None:
            self._session.add(SettingRow(name=_KEY_MARK, value=_mark_of(self._key)))


def load_audit_key(path: Path, *, create: bool) -> bytes | None:
    """Read the key, 32 bytes in hex; where there is none, make one (mode 0600) or give None.

    ConfigError: the file cannot be read or written, or holds something else. Safe if several processes begin at once.
    """
    try:
        if create and not path.exists():
            _write_once(path, secrets.token_hex(_KEY_BYTES) + "\n")
        return decode_audit_key(path.read_text("ascii", errors="replace"), str(path))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError([f"{path}: the audit's key cannot be used: {error.strerror}"]) from error


def decode_audit_key(text: str, where: str = "CLOUDY_AUDIT_KEY") -> bytes:
    """Turn 64 hex digits into the key. ConfigError names where they stood, never what they were."""
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise ConfigError([f"{where}: the audit's key must be {_KEY_BYTES * 2} hex digits; restore it from a copy"])
    return key


def _write_once(path: Path, text: str) -> None:
    """Write a whole file or nothing; one that came meanwhile stays."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _flaw(key: bytes, link: AuditLink, place: int, prev: str) -> tuple[int, str] | None:
    """Tell what is wrong with the link that should be number `place` and follow `prev`."""
    if link.seq != place:
        return place, f"Row {place} is missing: row {link.seq} stands where it should be."
    if not link.hash:
        return place, f"Row {place} was written without the audit's key."
    if link.prev != prev:
        return place, f"Row {place} does not follow the row before it: one of the two was replaced or moved."
    if not hmac.compare_digest(link.hash, _hash(key, link)):
        return place, _CHANGED.format(place)
    return None


def _hash(key: bytes, link: AuditLink) -> str:
    fields: Json = {
        "seq": link.seq,
        "at": link.at.isoformat(timespec="microseconds"),
        "key": link.key,
        "action": link.action,
        "actor": [link.actor_id, link.actor_name],
        "source": link.source,
        "transaction": link.transaction_id,
        "body": link.body,
        "prev": link.prev,
    }
    canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hmac.new(key, canonical.encode("ascii"), hashlib.sha256).hexdigest()


def _mark_of(key: bytes) -> str:
    return hmac.new(key, b"cloudy audit key", hashlib.sha256).hexdigest()[:16]


def audit_row(link: AuditLink) -> AuditRow:
    """A link as a noun."""
    return AuditRow(
        seq=link.seq,
        at=link.at,
        key=link.key,
        action=link.action,
        actor_id=link.actor_id,
        actor_name=link.actor_name,
        source=link.source,
        transaction_id=link.transaction_id,
        body=link.body,
        prev=link.prev,
        hash=link.hash,
    )
