"""Approvals and the decisions on them."""

from datetime import datetime

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, func, select

from bot.model import Actor, Approval, ApprovalState, Choice, Decision
from bot.store.rows import ApprovalRow, DecisionRow, TransactionRow

_OPEN = (ApprovalState.PENDING.value, ApprovalState.APPROVED.value)


class Approvals:
    """Approvals by id, by token, and by transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def put(self, approval: Approval) -> None:
        """Keep it with its decisions; one of that id is replaced."""
        self._session.merge(_row(approval))
        for decision in approval.decisions:
            self._session.merge(_decision_row(approval.id, decision))
        self._session.flush()

    def by_token(self, token: str) -> Approval | None:
        """Give the one that a button names."""
        row = self._session.exec(select(ApprovalRow).where(ApprovalRow.token == token)).one_or_none()
        return self._approval(row) if row else None

    def newest(self, tx_id: str) -> Approval | None:
        """Give the last one of a transaction, None if it needed none."""
        query = select(ApprovalRow).where(ApprovalRow.transaction_id == tx_id)
        row = self._session.exec(query.order_by(col(ApprovalRow.number).desc()).limit(1)).first()
        return self._approval(row) if row else None

    def first_under(self, prefix: str, offset: int, limit: int) -> tuple[Approval | None, ...]:
        """Give, of each transaction whose request key begins so, the first one; None: it needed none yet.

        In the order of the transactions, which stays.
        """
        query = select(TransactionRow.id).where(*_under(prefix)).order_by(col(TransactionRow.number))
        ids = self._session.exec(query.offset(offset).limit(limit)).all()
        is_first = (col(ApprovalRow.transaction_id).in_(ids), col(ApprovalRow.number) == 1)
        found = {
            row.transaction_id: self._approval(row) for row in self._session.exec(select(ApprovalRow).where(*is_first))
        }
        return tuple(found.get(each) for each in ids)

    def rank_under(self, prefix: str, tx_id: str) -> int:
        """Count the transactions that stand before this one in `first_under`."""
        own = select(TransactionRow.number).where(TransactionRow.id == tx_id).scalar_subquery()
        query = (
            select(func.count()).select_from(TransactionRow).where(*_under(prefix), col(TransactionRow.number) < own)
        )
        return self._session.exec(query).one()

    def open(self) -> tuple[Approval, ...]:
        """Give those that are pending, or approved and not begun, oldest first."""
        query = select(ApprovalRow).where(col(ApprovalRow.state).in_(_OPEN))
        rows = self._session.exec(query.order_by(col(ApprovalRow.created_at), col(ApprovalRow.id)))
        return tuple(self._approval(row) for row in rows)

    def _approval(self, row: ApprovalRow) -> Approval:
        query = select(DecisionRow).where(DecisionRow.approval_id == row.id)
        rows = self._session.exec(query.order_by(col(DecisionRow.at), col(DecisionRow.actor_id)))
        return Approval(
            id=row.id,
            transaction_id=row.transaction_id,
            number=row.number,
            operation=row.operation,
            state=ApprovalState(row.state),
            token=row.token,
            decided=row.decided,
            estimates=row.estimates,
            plan_hash=row.plan_hash,
            requester=Actor(id=row.requester_id, name=row.requester_name, source=row.requester_source),
            reason=row.reason,
            needed=row.needed,
            created_at=row.created_at,
            expires_at=row.expires_at,
            good_for_s=row.good_for_s,
            remind_at=row.remind_at,
            good_until=row.good_until,
            why=row.why,
            decisions=tuple(_decision(each) for each in rows),
        )


def _under(prefix: str) -> tuple[ColumnElement[bool], ...]:
    key = col(TransactionRow.request_key)
    return (key >= prefix, key < f"{prefix}\uffff")


def _row(approval: Approval) -> ApprovalRow:
    return ApprovalRow(
        id=approval.id,
        transaction_id=approval.transaction_id,
        number=approval.number,
        operation=approval.operation,
        state=approval.state.value,
        token=approval.token,
        decided=dict(approval.decided),
        estimates=dict(approval.estimates),
        plan_hash=approval.plan_hash,
        requester_id=approval.requester.id,
        requester_name=approval.requester.name,
        requester_source=approval.requester.source,
        reason=approval.reason,
        needed=approval.needed,
        created_at=approval.created_at,
        expires_at=approval.expires_at,
        good_for_s=approval.good_for_s,
        remind_at=approval.remind_at,
        good_until=approval.good_until,
        why=approval.why,
    )


def _decision_row(approval_id: str, decision: Decision) -> DecisionRow:
    return DecisionRow(
        approval_id=approval_id,
        actor_id=decision.actor.id,
        actor_name=decision.actor.name,
        actor_source=decision.actor.source,
        choice=decision.choice.value,
        at=decision.at,
    )


def _decision(row: DecisionRow) -> Decision:
    actor = Actor(id=row.actor_id, name=row.actor_name, source=row.actor_source)
    at: datetime = row.at
    return Decision(actor=actor, choice=Choice(row.choice), at=at)
