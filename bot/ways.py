"""Which way a restore takes: from the snapshot that the VMstore still has, or from a target; and why. Pure."""

from dataclasses import dataclass

SNAPSHOT, TARGET = "snapshot", "target"
WAYS = (SNAPSHOT, TARGET)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How, and the reason in words."""

    how: str  # SNAPSHOT | TARGET
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What was asked for, as far as it decides on the way."""

    via: str = ""  # SNAPSHOT | TARGET; "": what fits
    target: str = ""
    vmstore: str = ""


def at_once(wish: Wish, made_on: str) -> Way | None:
    """What needs no look at the VMstore; None: its snapshots decide. made_on: the VMstore that the VM was on."""
    if wish.target:
        return Way(how=TARGET, why=f"“from {wish.target}” was asked for")
    if wish.via == TARGET:
        return Way(how=TARGET, why="“via target” was asked for")
    if wish.vmstore and wish.vmstore != made_on:
        return Way(how=TARGET, why=f"{wish.vmstore} was asked for, and the snapshot was taken on {made_on}")
    return None


def by_snapshot(vmstore: str, *, is_there: bool) -> Way:
    """By whether the VMstore still has the snapshot that the recovery point was made from."""
    if is_there:
        return Way(how=SNAPSHOT, why=f"{vmstore} still has the snapshot of this recovery point, so nothing is fetched")
    return Way(how=TARGET, why=f"{vmstore} does not have the snapshot of this recovery point any more")


def workflow(way: Way, *, is_over: bool) -> str:
    """The file of the workflow that does it."""
    by_way = {SNAPSHOT: ("restore-clone", "restore-sync"), TARGET: ("restore", "restore-over")}
    return by_way[way.how][is_over]
