"""The outbox: messages as they should stand in the chat, and how far the sender has come."""

from datetime import datetime

from sqlmodel import Session, col, func, select

from bot.errors import MissingError
from bot.model import Message
from bot.ports import Clock
from bot.store.rows import MessageRow


class Outbox:
    """Messages by key."""

    def __init__(self, session: Session, clock: Clock) -> None:
        self._session = session
        self._clock = clock

    def put(self, message: Message) -> None:
        """Say what should stand there. A changed view is a new version, the same view changes nothing.

        Place and reader are those of the first time; what was sent stays known.
        """
        row = self._find(message.key)
        if row is None:
            self._save(_row(message))
        elif row.view != message.view:
            row.view = dict(message.view)
            row.version += 1
            self._save(row)

    def get(self, key: str) -> Message | None:
        """Give the message, None if there is none of that key."""
        row = self._find(key)
        return _message(row) if row else None

    def keys_under(self, prefix: str) -> tuple[str, ...]:
        """Give the keys that begin so, in order."""
        query = select(MessageRow.key).where(MessageRow.key >= prefix, MessageRow.key < f"{prefix}\uffff")
        return tuple(self._session.exec(query.order_by(col(MessageRow.key))))

    def by_ts(self, channel: str, ts: str) -> Message | None:
        """Give the message that stands there in the chat, None if it is not ours."""
        row = self._session.exec(select(MessageRow).where(MessageRow.channel == channel, MessageRow.ts == ts)).first()
        return _message(row) if row and ts else None

    def summaries(self, channel: str, limit: int) -> tuple[Message, ...]:
        """Give the newest summaries that stand in a channel, the newest first."""
        query = select(MessageRow).where(MessageRow.channel == channel, col(MessageRow.key).like("schedule:%:summary"))
        rows = self._session.exec(query.order_by(col(MessageRow.id).desc()).limit(limit))
        return tuple(map(_message, rows))

    def pending(self) -> tuple[Message, ...]:
        """Give what is not sent in its last version and not given up, oldest first; also what has to wait."""
        rows = self._session.exec(
            select(MessageRow)
            .where(col(MessageRow.version) > col(MessageRow.sent_version), col(MessageRow.failed).is_(False))
            .order_by(col(MessageRow.id))
        )
        return tuple(_message(row) for row in rows)

    def last_sent(self) -> dict[str, datetime]:
        """When a message was sent or edited last, by channel."""
        sent = col(MessageRow.last_sent_at)
        rows = self._session.execute(
            select(MessageRow.channel, func.max(sent)).where(sent.is_not(None)).group_by(MessageRow.channel)
        )
        return {channel: at for channel, at in rows}

    def intend(self, key: str, token: str) -> None:
        """Note before a first send that its outcome may stay unknown. MissingError."""
        row = self._row(key)
        row.intent = token
        self._save(row)

    def sent(self, key: str, version: int, ts: str, channel: str = "") -> None:
        """Note that this version stands at ts; a newer version stays pending. MissingError.

        channel: where it really stands, when it was sent to a person.
        """
        row = self._row(key)
        row.channel = channel or row.channel
        row.sent_version = max(row.sent_version, version)
        row.ts = ts
        row.intent = ""
        row.attempts = 0
        row.not_before = None
        row.error = ""
        row.last_sent_at = self._clock.now()
        self._save(row)

    def defer(self, key: str, until: datetime, error: str) -> None:
        """Note a try that did not work and when the next one may be made. MissingError."""
        row = self._row(key)
        row.attempts += 1
        row.not_before = until
        row.error = error
        self._save(row)

    def give_up(self, key: str, error: str) -> None:
        """Send it no more, whatever its view becomes; it is kept with its error. MissingError."""
        row = self._row(key)
        row.failed = True
        row.error = error
        self._save(row)

    def _find(self, key: str) -> MessageRow | None:
        return self._session.exec(select(MessageRow).where(MessageRow.key == key)).one_or_none()

    def _row(self, key: str) -> MessageRow:
        row = self._find(key)
        if row is None:
            raise MissingError(f"The outbox has no message {key}.", system="database", operation="find message")
        return row

    def _save(self, row: MessageRow) -> None:
        self._session.add(row)
        self._session.flush()


def _row(message: Message) -> MessageRow:
    return MessageRow(
        key=message.key,
        channel=message.channel,
        view=dict(message.view),
        thread_key=message.thread_key,
        thread_ts=message.thread_ts,
        only_for=message.only_for,
        version=message.version,
    )


def _message(row: MessageRow) -> Message:
    return Message(
        id=row.id or 0,
        key=row.key,
        channel=row.channel,
        view=row.view,
        thread_key=row.thread_key,
        thread_ts=row.thread_ts,
        only_for=row.only_for,
        version=row.version,
        sent_version=row.sent_version,
        ts=row.ts,
        intent=row.intent,
        attempts=row.attempts,
        not_before=row.not_before,
        last_sent_at=row.last_sent_at,
    )
