"""Plans a round of tier: which recovery points of one target move, and what that saves. Reads the database only."""

from collections.abc import Callable, Sequence

from bot import retained
from bot.errors import RequesterError
from bot.model import Json, Slas, Tier, Transaction, Turn
from bot.ports import ObjectStore
from bot.prices import Prices
from bot.retention_planning import Change
from bot.store import Database
from bot.tiering import Classes, stays_text, turns

MOST = 500  # recovery points that one round moves; the rest goes with the next ones
_NO_AGE = "Nothing in {} is to move: no SLA says from which age on (cold_after, archive_after)."


class TierPlans:
    """By the time at which it was asked for, so that planning it again later comes to the same."""

    def __init__(self, db: Database, slas: Slas, prices: Prices, open_target: Callable[[str], ObjectStore]) -> None:
        self._db = db
        self._slas = slas
        self._prices = prices
        self._open = open_target

    def round(self, transaction: Transaction) -> Change:
        """The recovery points of one target that move, oldest first; those that it could not before, last.

        RequesterError: there is none, or another round is under way there.
        """
        (target,) = transaction.targets
        store, now = self._open(target), transaction.created_at
        classes = {tier: store.class_of(tier) for tier in Tier}
        with self._db.read() as unit:
            retained.demand_turn(unit, transaction, "moves recovery points in")
            rules = retained.tier_rules(unit, self._slas, {target: classes}, now)
            if rules is None:
                raise RequesterError(_NO_AGE.format(target))
            known = retained.facts(unit, now, own=transaction.id)
            turned = list(turns(retained.verdicts(unit, unit.points.of_target(target), known), rules, known))
            passed = retained.passed_before(unit, transaction)
        going = [turn for turn in turned if not turn.stays]
        going.sort(
            key=lambda each: (each.point.transaction_id in passed, each.point.taken_at, each.point.transaction_id)
        )
        stays = stays_text(turned)
        if not going:
            raise RequesterError(f"Nothing in {target} is to move{f': {stays}' if stays else ''}.")
        return self._change(going[:MOST], classes, {"later": len(going[MOST:]), "stays": stays})

    def _change(self, going: Sequence[Turn], classes: Classes, others: Json) -> Change:
        target = going[0].point.target
        price, saves = self._prices.of(target), self._prices.all_less((turn.point, turn.tier) for turn in going)
        facts: Json = {
            "request": {"points": [turn.point.transaction_id for turn in going]},
            "moves": [self._move(turn) for turn in going],
            "saves": saves,
            "currency": price.currency if price else "",
            "warnings": [],
        }
        decided: Json = {
            "operation": "tier",
            "targets": [target],
            "moves": [f"{turn.point.transaction_id} of {turn.point.vm_name} to {classes[turn.tier]}" for turn in going],
        }
        estimates: Json = {"bytes_moved": sum(turn.point.size for turn in going), "price": saves}
        return Change(facts=facts | others, decided=decided, estimates=estimates)

    def _move(self, turn: Turn) -> list[object]:
        point = turn.point
        less = self._prices.less(point, turn.tier)
        return [point.transaction_id, point.vm_name, point.size, turn.tier.value, less]
