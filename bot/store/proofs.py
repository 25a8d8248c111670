"""What verifications and drills found of recovery points: rows are added, and never changed or removed."""

from collections.abc import Collection
from datetime import datetime

from sqlmodel import Session, col, func, select

from bot.codec import decode, encode
from bot.model import Proof, ProofKind
from bot.store.rows import ProofRow

_MOST = 20_000  # of one answer


class Proofs:
    """Proofs by recovery point and by VM."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def append(self, proof: Proof) -> bool:
        """Keep it; False: that run has told this of that target before, and the first word stays."""
        known = select(ProofRow.number).where(
            ProofRow.run == proof.run, ProofRow.target == proof.target, ProofRow.kind == proof.kind.value
        )
        if self._session.exec(known).first() is not None:
            return False
        self._session.add(
            ProofRow(
                point=proof.point,
                target=proof.target,
                run=proof.run,
                kind=proof.kind.value,
                vm_uuid=proof.vm_uuid,
                at=proof.at,
                is_good=proof.is_good,
                is_damaged=proof.is_damaged,
                body=encode(proof),
            )
        )
        self._session.flush()
        return True

    def of(self, points: Collection[str]) -> tuple[Proof, ...]:
        """Give those of these recovery points, newest first; the last 20,000 of them."""
        rows = self._session.exec(
            select(ProofRow).where(col(ProofRow.point).in_(points)).order_by(col(ProofRow.number).desc()).limit(_MOST)
        )
        return tuple(decode(Proof, row.body) for row in rows)

    def suspected(self) -> tuple[Proof, ...]:
        """Give all proofs of the recovery points that were ever found damaged, newest first."""
        found = select(ProofRow.point).where(col(ProofRow.is_damaged)).distinct()
        return self.of(tuple(self._session.exec(found)))

    def drilled(self, *, good: bool) -> dict[str, datetime]:
        """Give when each VM was drilled last, by uuid; good: when one of its recovery points was proven last."""
        kind = ProofRow.kind == ProofKind.DRILL.value
        which = [kind, col(ProofRow.is_good)] if good else [kind]
        rows = self._session.execute(
            select(ProofRow.vm_uuid, func.max(ProofRow.at)).where(*which).group_by(ProofRow.vm_uuid)
        )
        return {uuid: at for uuid, at in rows}
