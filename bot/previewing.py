"""What rules would make of the recovery points that there are, and what that saves. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from bot.model import CostLine, Preview, PreviewRequest, RecoveryPoint, Retained, Retention, Tier, Verdict
from bot.prices import Prices
from bot.retention import Facts, compare, judge_all
from bot.retention_text import word_of
from bot.tiering import Rules, stays_text, turns
from bot.words import size_text

MOST_VMS = 5  # that are told with what they cost


def preview(
    request: PreviewRequest,
    sla: str,
    points: Sequence[RecoveryPoint],
    before: Mapping[str, Retained],
    known: Facts,
    prices: Prices,
    tiers: Rules | None = None,
) -> Preview:
    """By what is in force, or by the rules that are asked about, against what is in force.

    tiers: by what recovery points move; None: none does.
    """

    def was(point: RecoveryPoint) -> Retention:
        return before[point.vm_uuid].retention if point.vm_uuid in before else Retention()

    rules = request.rules
    in_force = judge_all(points, was, known)
    effect = compare(in_force, judge_all(points, lambda _point: rules, known) if rules else in_force)
    goes = sorted((*effect.goes, *effect.due), key=lambda each: (each.point.taken_at, each.point.transaction_id))
    turned = (
        list(turns(effect.stays, replace(tiers, retention=lambda _: rules) if rules else tiers, known)) if tiers else []
    )
    turned.sort(key=lambda each: (each.point.taken_at, each.point.transaction_id))
    return Preview(
        request=request,
        sla=sla,
        goes=tuple(goes),
        stays=effect.stays,
        due=len(effect.due),
        spared=len(effect.spared),
        saves=money(goes, prices),
        costs=money(effect.stays, prices),
        by_vm=_by_vm(goes, effect.stays, prices),
        is_shorter=rules is not None and not all(rules.covers(was(point)) for point in points),
        turns=tuple(turned),
        has_tiers=tiers is not None and any(point.vm_uuid in tiers.tiering for point in points),
        moves_save=prices.all_less((turn.point, turn.tier) for turn in turned if not turn.stays),
    )


def kept_text(judged: Sequence[Verdict]) -> str:
    """ "812 are kept: last 84, daily 168"; one may be kept for several reasons."""
    kept = [each for each in judged if each.is_kept]
    reasons = Counter(keep.reason for each in kept for keep in {keep.reason: keep for keep in each.keeps}.values())
    told = ", ".join(f"{word_of(reason)} {count:,}" for reason, count in sorted(reasons.items()))
    return f"{len(kept):,} {'is' if len(kept) == 1 else 'are'} kept{f': {told}' if told else ''}"


def money(verdicts: Iterable[Verdict], prices: Prices) -> str:
    """ "about 0.02 USD a month"; "" where no price is known."""
    sizes: Counter[str] = Counter()
    for verdict in verdicts:
        sizes[verdict.point.target] += verdict.point.size
    return prices.a_month(sizes, "").strip()


def _by_vm(goes: Sequence[Verdict], stays: Sequence[Verdict], prices: Prices) -> tuple[CostLine, ...]:
    every: dict[str, list[Verdict]] = defaultdict(list)
    going: dict[str, list[Verdict]] = defaultdict(list)
    for verdict in (*goes, *stays):
        every[verdict.point.vm_uuid].append(verdict)
    for verdict in goes:
        going[verdict.point.vm_uuid].append(verdict)
    sizes = {uuid: sum(each.point.size for each in found) for uuid, found in every.items()}
    largest = sorted(sizes, key=lambda uuid: (-sizes[uuid], uuid))[:MOST_VMS]
    return tuple(
        CostLine(
            vm=max(every[uuid], key=lambda each: each.point.taken_at).point.vm_name,
            points=len(every[uuid]),
            size=sizes[uuid],
            a_month=money(every[uuid], prices),
            less=money(going[uuid], prices) if going[uuid] else "",
        )
        for uuid in largest
    )


def summary(found: Preview) -> Iterator[str]:
    """What rules come to, in a few sentences."""
    goes = found.goes
    vms = len({each.point.vm_uuid for each in goes})
    if goes:
        where = ", ".join(f"{target} {count:,}" for target, count in sorted(Counter(_targets(goes)).items()))
        size = size_text(sum(each.point.size for each in goes))
        yield f"{points_text(len(goes))} of {vms} {'VM' if vms == 1 else 'VMs'} would go ({where}): {size} freed"
        if found.saves:
            yield f"Saves {found.saves}"
    else:
        yield "Nothing would go."
    if found.request.rules and found.due:
        yield f"{found.due:,} of them go in any case, by what is in force"
    if found.spared:
        yield f"{found.spared:,} stay only by these rules: by what is in force they go"
    verb = "it costs" if len(found.stays) == 1 else "they cost"
    costs = f"; {verb} {found.costs}" if found.costs else ""
    yield f"{'Of the others ' if goes else ''}{kept_text(found.stays)}{costs}"
    if found.has_tiers:
        yield f"Moves: {moves_text(found)}"


def moves_text(found: Preview) -> str:
    """ "3 recovery points to cold, 1 to archive; saves about 1.20 USD a month": what has grown old enough by now."""
    by_tier = Counter(turn.tier for turn in found.turns if not turn.stays)
    moves = ", ".join(f"{points_text(by_tier[tier])} to {tier}" for tier in Tier if by_tier[tier])
    over = stays_text(found.turns)
    saves = f"; saves {found.moves_save}" if found.moves_save else ""
    return f"{moves or 'nothing now'}{saves}{f' (old enough, and stays: {over})' if over else ''}"


def _targets(verdicts: Sequence[Verdict]) -> Iterator[str]:
    return (each.point.target for each in verdicts)


def points_text(count: int) -> str:
    """ "3 recovery points"."""
    return f"{count:,} recovery {'point' if count == 1 else 'points'}"
