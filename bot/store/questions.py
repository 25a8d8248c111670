"""What people were asked and have not answered."""

from datetime import datetime

from sqlmodel import Session, col, select

from bot.model import Actor, OpenQuestion
from bot.store.question_rows import QuestionRow


class Questions:
    """Questions by key; what is answered is not kept."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def put(self, question: OpenQuestion) -> None:
        """Keep it; one of that key is replaced."""
        self._session.merge(_row(question))
        self._session.flush()

    def get(self, key: str) -> OpenQuestion | None:
        """Give it; None: it was never asked, or is answered."""
        row = self._session.get(QuestionRow, key)
        return _question(row) if row else None

    def of(self, person_id: str) -> tuple[OpenQuestion, ...]:
        """Give what waits for this person, oldest first."""
        query = select(QuestionRow).where(QuestionRow.person_id == person_id)
        return tuple(map(_question, self._session.exec(query.order_by(col(QuestionRow.asked_at)))))

    def due(self, now: datetime) -> tuple[OpenQuestion, ...]:
        """Give what is to be reminded of by now, oldest first."""
        query = select(QuestionRow).where(col(QuestionRow.remind_at) <= now)
        return tuple(map(_question, self._session.exec(query.order_by(col(QuestionRow.asked_at)))))

    def remove(self, key: str) -> None:
        """Forget it; repeating is safe."""
        if row := self._session.get(QuestionRow, key):
            self._session.delete(row)
            self._session.flush()


def _row(question: OpenQuestion) -> QuestionRow:
    return QuestionRow(
        key=question.key,
        person_id=question.person.id,
        person_name=question.person.name,
        person_source=question.person.source,
        about=list(question.about),
        text=question.text,
        asked_at=question.asked_at,
        remind_at=question.remind_at,
    )


def _question(row: QuestionRow) -> OpenQuestion:
    return OpenQuestion(
        key=row.key,
        person=Actor(id=row.person_id, name=row.person_name, source=row.person_source),
        about=tuple(row.about),
        text=row.text,
        asked_at=row.asked_at,
        remind_at=row.remind_at,
    )
