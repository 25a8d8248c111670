"""What happens in a round, all of it decided by the seed: who asks for what, and where the bot dies. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

VMS = {"ant": 2, "bee": 6, "cat": 11, "dog": 6}  # MiB of the disk; parts are of 5 MiB
TARGETS = ("s3", "s3b")
CHANNELS = ("ops", "backups", "general")
SLACK_METHODS = ("chat.postMessage", "chat.postMessage", "chat.update")
_FEWEST_KILLS, _MOST_KILLS = 4, 6

# Points of bot/crossings.py and how often each may be crossed before the death there.
POINTS = {
    "vmstore": {
        "vmstore.info": 4,
        "vmstore.login": 3,
        "vmstore.logout": 3,
        "vmstore.find_vm": 2,
        "vmstore.get_vm": 2,
        "vmstore.create_snapshot": 2,
        "vmstore.clone_files": 2,
        "vmstore.task": 4,
        "vmstore.open_clone_tasks": 1,
        "vmstore.find_snapshots": 2,
        "vmstore.delete_snapshot": 2,
    },
    "share": {
        "share.walk": 2,
        "share.exists": 2,
        "share.open": 6,
        "share.remove_tree": 2,
        "reader.read_into": 15,
        "reader.close": 6,
    },
    "target": {
        "target.capabilities": 4,
        "target.put": 8,
        "target.begin_upload": 3,
        "target.put_part": 6,
        "target.list_parts": 1,
        "target.complete_upload": 3,
        "target.abort_upload": 1,
        "target.list_uploads": 2,
        "target.head": 8,
        "target.get": 2,
        "target.list": 1,
        "target.delete": 2,
    },
    "slack": {
        "slack.chat_postMessage": 12,
        "slack.chat_update": 12,
        "slack.chat_postEphemeral": 1,
        "slack.conversations_history": 1,
        "slack.conversations_replies": 1,
    },
    "engine": {"engine.enqueue": 3, "engine.keep": 20},
    "database": {"database.unit": 120, "database.commit": 120, "database.read": 60},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a person does: a command, or "click Stop"."""

    user: str
    channel: str
    text: str
    after_s: float  # the order before, or the bot's being ready


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One process of the bot, from its start to its death."""

    how: str  # "crossing" | "moment" | "start" | "term"
    orders: tuple[Order, ...]
    crossings: str = ""  # for CLOUDY_CROSSINGS
    after_s: float = 0.0  # "start": its start; "moment" and "term": its being ready
    touched: str = ""  # the VM whose guest writes meanwhile


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """The lives of the bot in one world; one more, undisturbed, brings everything to its end."""

    name: str
    lives: tuple[Life, ...]
    habits: Mapping[str, Any]  # options of the VMstore simulator
    lost: tuple[str, ...]  # for each life the method of Slack's whose next answer is lost, "" for none

    @property
    def kills(self) -> int:
        """How many of them end by SIGKILL."""
        return sum(life.how != "term" for life in self.lives)


def plan(seed: int, number: int, points: Collection[str] = ()) -> Round:
    """Decide a round; the same arguments decide the same. points: the bot dies at these alone, after the call."""
    dice = Random(f"{seed}:{number}")
    ways = ["kill"] * dice.randint(_FEWEST_KILLS, _MOST_KILLS) + ["term"] * (dice.random() < 0.3)
    dice.shuffle(ways)
    lives = tuple(_life(dice, way, is_first=position == 0) for position, way in enumerate(ways))
    if points:
        lives = tuple(_at_one_of(dice, life, sorted(points)) for life in lives)
    habits = {
        "latency_seconds": dice.choice((0.0, 0.0, 0.1, 0.4)),
        "layout": dice.choice(("nested", "direct")),
        "refuse_snapshot_delete_while_clone": dice.random() < 0.5,
    }
    lost = tuple(dice.choice(SLACK_METHODS) if dice.random() < 0.3 else "" for _ in lives)
    return Round(name=f"{seed}-{number}", lives=lives, habits=habits, lost=lost)


def _life(dice: Random, way: str, *, is_first: bool) -> Life:
    orders = _first_orders(dice) if is_first else _later_orders(dice)
    touched = dice.choice(list(VMS)) if dice.random() < 0.4 else ""
    if way == "term":
        return Life(how="term", orders=orders, after_s=dice.uniform(0, 4), touched=touched)
    fate = dice.random()
    if fate < 0.65:
        return Life(how="crossing", orders=orders, crossings=_crossings(dice), touched=touched)
    if fate < 0.95:
        return Life(how="moment", orders=orders, after_s=dice.uniform(0, 5), touched=touched)
    return Life(how="start", orders=(), after_s=dice.uniform(0.1, 2), touched=touched)


def _at_one_of(dice: Random, life: Life, points: Sequence[str]) -> Life:
    asked = life.orders or (_order(dice, f"/protect {dice.choice(list(VMS))} to {_targets(dice)}"),)
    crossings = ",".join(f"{point}:after={dice.randint(1, 2)}" for point in points)
    return replace(life, how="crossing", crossings=crossings, orders=asked)


def _crossings(dice: Random) -> str:
    """Three points of different families; whichever is reached first is the death."""
    families = dice.sample(list(POINTS), 3)
    return ",".join(_crossing(dice, POINTS[family]) for family in families)


def _crossing(dice: Random, points: dict[str, int]) -> str:
    point = dice.choice(list(points))
    return f"{point}:{dice.choice(_sides(point))}={dice.randint(1, points[point])}"


def _sides(point: str) -> tuple[str, ...]:
    return ("before",) if point == "database.unit" else ("before", "after")


def _first_orders(dice: Random) -> tuple[Order, ...]:
    vms = dice.sample(list(VMS), dice.randint(2, 4))
    if dice.random() < 0.5:
        orders = [_order(dice, f"/protect {', '.join(vms)} to {_targets(dice)}")]
    else:
        orders = [_order(dice, f"/protect {vm} to {_targets(dice)}") for vm in vms]
    if dice.random() < 0.5:
        orders.append(_order(dice, f"/protect {dice.choice(vms)} to {_targets(dice)}"))
    return (*orders, *_stops(dice, 0.3))


def _later_orders(dice: Random) -> tuple[Order, ...]:
    asked = [_order(dice, f"/protect {dice.choice(list(VMS))} to {_targets(dice)}")] * (dice.random() < 0.7)
    return (*asked, *_stops(dice, 0.3))


def _stops(dice: Random, chance: float) -> tuple[Order, ...]:
    if dice.random() >= chance:
        return ()
    return (_order(dice, dice.choice(("/cloudy stop last", "click Stop")), longest_s=3.0),)


def _order(dice: Random, text: str, longest_s: float = 0.5) -> Order:
    return Order(
        user=dice.choice(("alice", "dave")),
        channel=dice.choice(CHANNELS),
        text=text,
        after_s=dice.uniform(0, longest_s),
    )


def _targets(dice: Random) -> str:
    return dice.choice(("s3", "s3", "s3b", "s3 and s3b"))
