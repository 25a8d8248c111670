"""What rules would make of the recovery points that there are, and what that saves. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from bot.model import CostLine, Preview, PreviewRequest, RecoveryPoint, Retained, Retention, Verdict
from bot.prices import Prices
from bot.retention import Facts, compare, judge_all

MOST_VMS = 5  # that are told with what they cost


def preview(
    request: PreviewRequest,
    sla: str,
    points: Sequence[RecoveryPoint],
    before: Mapping[str, Retained],
    known: Facts,
    prices: Prices,
) -> Preview:
    """By what is in force, or by the rules that are asked about, against what is in force."""

    def was(point: RecoveryPoint) -> Retention:
        return before[point.vm_uuid].retention if point.vm_uuid in before else Retention()

    rules = request.rules
    in_force = judge_all(points, was, known)
    effect = compare(in_force, judge_all(points, lambda _point: rules, known) if rules else in_force)
    goes = sorted((*effect.goes, *effect.due), key=lambda each: (each.point.taken_at, each.point.transaction_id))
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
    )


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
