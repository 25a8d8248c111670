"""User groups of Slack and who is in them, as last told: a cache, so that nobody's command waits for Slack."""

from collections.abc import Collection

from sqlmodel import Session, col, delete, select

from bot.ports import Clock
from bot.store.rows import MemberRow


class Members:
    """Users by group; what was told stays true until something newer is told."""

    def __init__(self, session: Session, clock: Clock) -> None:
        self._session = session
        self._clock = clock

    def keep(self, group: str, users: Collection[str]) -> None:
        """Replace the members of a group; an empty group has none."""
        now = self._clock.now()
        self._session.exec(delete(MemberRow).where(col(MemberRow.group_id) == group))
        self._session.add_all(MemberRow(group_id=group, user_id=user, at=now) for user in set(users))
        self._session.flush()

    def keep_only(self, groups: Collection[str]) -> None:
        """Forget groups that nobody asks for any more."""
        self._session.exec(delete(MemberRow).where(col(MemberRow.group_id).not_in(groups)))
        self._session.flush()

    def groups_of(self, user: str) -> frozenset[str]:
        """Give the groups of a user."""
        return frozenset(self._session.exec(select(MemberRow.group_id).where(MemberRow.user_id == user)))

    def users_of(self, group: str) -> tuple[str, ...]:
        """Give the users of a group."""
        query = select(MemberRow.user_id).where(MemberRow.group_id == group).order_by(col(MemberRow.user_id))
        return tuple(self._session.exec(query))
