"""Where a recovery point stands by what was found of it: verified, proven, damaged. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bot.model import Damage, Proof, ProofKind

STRENGTH = {ProofKind.CHECKSUMS: 0, ProofKind.DRILL: 1, ProofKind.READ_BACK: 2}  # a drill fetches no zeros
_MOST_TOLD = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The last words on one recovery point in one target; None: there is none."""

    verified: Proof | None = None  # the last look at its bytes that came to an end, good or bad
    proven: Proof | None = None  # the last good drill
    drilled: Proof | None = None  # the last drill, whatever came of it
    damage: Proof | None = None  # that it is not to be restored from


def standing(proofs: Iterable[Proof]) -> Standing:
    """Of one recovery point in one target, whatever the order.

    Damage stands until a look that is as thorough finds it good: a store may keep the checksum of bytes that have
    rotted since.
    """
    found = sorted(proofs, key=lambda proof: (proof.at, proof.is_damaged))
    damage: Proof | None = None
    for proof in found:
        if proof.is_damaged:
            damage = proof
        elif proof.is_good and damage and STRENGTH[proof.kind] >= STRENGTH[damage.kind]:
            damage = None
    drills = [proof for proof in found if proof.kind is ProofKind.DRILL]
    looks = [proof for proof in found if proof.kind is not ProofKind.DRILL and (proof.is_good or proof.is_damaged)]
    return Standing(
        verified=looks[-1] if looks else None,
        proven=next((proof for proof in reversed(drills) if proof.is_good), None),
        drilled=drills[-1] if drills else None,
        damage=damage,
    )


def standings(proofs: Iterable[Proof]) -> Mapping[tuple[str, str], Standing]:
    """Of several: by recovery point and target; what nobody looked at is left out."""
    sorted_in: dict[tuple[str, str], list[Proof]] = {}
    for proof in proofs:
        sorted_in.setdefault((proof.point, proof.target), []).append(proof)
    return {place: standing(some) for place, some in sorted_in.items()}


def damage_text(damage: Iterable[Damage]) -> str:
    """ "vm01-flat.vmdk at byte 1,048,576 (65,536 bytes)", and so on."""
    told = list(damage)
    more = f" and {len(told) - _MOST_TOLD} more" if len(told) > _MOST_TOLD else ""
    said = [f"{each.file} at byte {each.offset:,} ({each.length:,} bytes)" for each in told[:_MOST_TOLD]]
    return "; ".join(said) + more
