"""What a protection will move, take and cost, from the runs before it and from the sizes of the disks. Pure.

No number is better than what it rests on: medians of the newest runs, so that one odd run changes little; where no run
tells, only what cannot be exceeded, or nothing.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from bot.model import Cost, Estimate, Guess, PartLimits, Past, Price, Requests

GIB = 1 << 30
RECENT = 7  # runs that are looked at
PART = 16 << 20  # bytes of an uploaded part; a target's part_mib is ignored
UPLOAD = "upload"  # the step whose time goes with the bytes
_SMALL = 6  # files that a VM has beside its disks, about
_OF_A_DISK = 3  # requests that write beside its parts: begin, complete, digests
_MOVED = ("sent", "copied", "zero")
_FAR = 1000  # times larger than what a speed was measured with: it tells nothing any more


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """A VM as the VMstore tells of it; 0 bytes: it does not tell."""

    disks: int = 1
    used: int = 0  # allocated
    provisioned: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """One target, as far as it matters."""

    name: str
    has_base: bool = False
    has_relatives: bool = False  # recovery points of VMs that may hold the same
    limits: PartLimits = field(default_factory=PartLimits)
    price: Price | None = None
    kept: int = 0  # bytes of the VM's recovery points there


@dataclass(frozen=True, slots=True, kw_only=True)
class _Load:
    """What is expected in one target."""

    rests_on: str
    sent: Guess | None = None
    copied: Guess | None = None
    zero: Guess | None = None
    writes: Guess | None = None
    reads: Guess | None = None


def estimate(
    sizes: Sizes, destinations: Sequence[Destination], own: Sequence[Past], others: Sequence[Past]
) -> Estimate:
    """What is expected. own: runs of this VM; others: of any VM; both newest first, at most `RECENT` of each count."""
    read = _read(sizes, own)
    loads = {each.name: _load(sizes, each, read, own) for each in destinations}
    stored = read.likely if read and read.likely is not None else None
    prices = {each.name: each.price for each in destinations if each.price}
    return Estimate(
        rests_on=_rests_on({name: load.rests_on for name, load in loads.items()}),
        read=read,
        sent=_sum(load.sent for load in loads.values()),
        copied=_sum(load.copied for load in loads.values()),
        zero=_sum(load.zero for load in loads.values()),
        requests=_sum(guess for load in loads.values() for guess in (load.writes, load.reads)),
        seconds=_seconds(destinations, read, own, others),
        once=_together(_once(prices.get(name), load) for name, load in loads.items()),
        month=_together(_month(each.price, stored) for each in destinations),
        month_in_all=_together(
            _month(each.price, None if stored is None else stored + each.kept) for each in destinations
        ),
        prices=prices,
        unpriced=tuple(each.name for each in destinations if each.price is None or each.price.storage is None),
    )


def spread(values: Iterable[float]) -> Guess | None:
    """The median and how far they lie apart, of three or more without the two outermost; None: there are none."""
    found = sorted(round(value) for value in values)
    if not found:
        return None
    inner = found[1:-1] if len(found) > 2 else found
    return Guess(low=inner[0], high=inner[-1], likely=int(median(inner)))


def cost_of(price: Price, requests: Requests) -> float | None:
    """What these requests cost; None: one of the two prices is not known."""
    if price.write is None or price.read is None:
        return None
    return (requests.writes * price.write + requests.reads * price.read) / 1000


def cost_a_month(price: Price, size: int) -> float | None:
    """What so many bytes cost each month; None: the price is not known."""
    return None if price.storage is None else size / GIB * price.storage


def requests_of(parts: int, objects: int, files: int, digests: int, *, temporary: int = 0, has_base: bool) -> Requests:
    """The requests that made a recovery point. objects: those made of parts; of them `temporary` became parts, and the
    others are files. digests: digest objects.

    Each object of parts is begun and completed, each other written at once, what is temporary is removed; each file is
    asked for once to verify it.
    """
    at_once = files - (objects - temporary)
    return Requests(
        writes=parts + 2 * objects + temporary + at_once + digests + 1,
        reads=files + 2 + (2 * digests + 1 if has_base else 0),
    )


def _read(sizes: Sizes, own: Sequence[Past]) -> Guess | None:
    known = [past for past in own if past.bytes.read][:RECENT]
    if known:
        return spread(_scaled(past.bytes.read, past, sizes) for past in known)
    return _surely(sizes.provisioned) if sizes.provisioned else None


def _load(sizes: Sizes, to: Destination, read: Guess | None, own: Sequence[Past]) -> _Load:
    alike = [(past, carried) for past in own if (carried := past.carried(to.name)) and _is_like(past, to)][:RECENT]
    if alike:
        runs = "1 run before" if len(alike) == 1 else f"{len(alike)} runs before"
        moved = {
            "sent": spread(carried.sent for _, carried in alike),
            "copied": spread(_scaled(carried.copied, past, sizes) for past, carried in alike),
            "zero": spread(_scaled(carried.zero, past, sizes) for past, carried in alike),
        }
    elif read is None:
        return _Load(rests_on="nothing known")
    else:
        begun = "in full" if any(past.carried(to.name) for past in own) else "first run"
        if to.has_relatives:
            begun += ", beside relatives of the VM that may hold the same"
        runs, moved = _unlike(sizes, to, read.high, begun)
    counted = [past.requests[to.name] for past, _ in alike if to.name in past.requests]
    writes, reads = _counted(counted) if counted else _requests(sizes, to, read, moved)
    return _Load(rests_on=runs, writes=writes, reads=reads, **moved)


def _is_like(past: Past, to: Destination) -> bool:
    return (to.name in past.bases) == to.has_base


def _unlike(sizes: Sizes, to: Destination, size: int, begun: str) -> tuple[str, dict[str, Guess | None]]:
    """What no run before tells: with a base anything may have changed; without one all that is allocated is sent."""
    anything = Guess(low=0, high=size)
    if to.has_base:
        return "the first run after a full one: what changed is not known", dict.fromkeys(_MOVED, anything)
    if not sizes.used:
        copied = anything if to.has_relatives else _surely(0)
        return f"{begun}: sizes of the disks", {"sent": anything, "copied": copied, "zero": anything}
    sent = min(sizes.used, size)
    if to.has_relatives:
        most = Guess(low=0, high=sent)
        return f"{begun}: allocated bytes of the disks", {"sent": most, "copied": most, "zero": _surely(size - sent)}
    moved: dict[str, Guess | None] = {"sent": _surely(sent), "copied": _surely(0), "zero": _surely(size - sent)}
    return f"{begun}: allocated bytes of the disks", moved


def _counted(counted: Sequence[Requests]) -> tuple[Guess | None, Guess | None]:
    return spread(each.writes for each in counted), spread(each.reads for each in counted)


def _requests(
    sizes: Sizes, to: Destination, read: Guess | None, moved: Mapping[str, Guess | None]
) -> tuple[Guess | None, Guess | None]:
    """By the lengths of parts: the fewest where all is copied, the most where all is sent."""
    if read is None:
        return None, None
    disks, size = max(1, sizes.disks), read.high
    part = max(PART, -(-size // to.limits.most))
    beside = _OF_A_DISK * disks + _SMALL + 1

    def writes(sent: int, made: int) -> int:
        return -(-sent // part) + -(-made // to.limits.copy_wanted) + beside

    sent, least, most = moved["sent"], writes(0, size), writes(size, 0)
    likely = writes(sent.likely, max(0, size - sent.likely)) if sent and sent.likely is not None else None
    reads = disks + _SMALL + 2 + (2 * disks + 1 if to.has_base else 0)
    if likely is not None:
        return _surely(likely), _surely(reads)
    return Guess(low=min(least, most), high=max(least, most)), _surely(reads)


def _seconds(
    destinations: Sequence[Destination], read: Guess | None, own: Sequence[Past], others: Sequence[Past]
) -> Guess | None:
    """By runs of this VM like this one; else by the speed of others like it; else no longer than in full."""
    targets = {each.name for each in destinations}
    bases = {each.name for each in destinations if each.has_base}

    def of(runs: Sequence[Past]) -> list[Past]:
        return [each for each in runs if set(each.targets) == targets and each.seconds]

    alike = [each for each in of(own) if each.bases & targets == bases][:RECENT]
    if alike:
        return spread(sum(each.seconds.values()) for each in alike)
    size = read.likely if read and read.likely is not None else 0
    measured = [each for each in of(others) if each.bases & targets == bases and 0 < size <= each.bytes.read * _FAR]
    if measured:
        return spread(_as_fast(each, size) for each in measured[:RECENT])
    in_full = [sum(each.seconds.values()) for each in of(own) if not each.bases & targets]
    return Guess(low=0, high=round(max(in_full))) if in_full and bases else None


def _as_fast(past: Past, size: int) -> float:
    upload = past.seconds.get(UPLOAD, 0.0)
    return sum(past.seconds.values()) - upload + upload * size / past.bytes.read


def _scaled(value: int, past: Past, sizes: Sizes) -> float:
    """As the VM is now, which may be larger than it was then."""
    return value * sizes.provisioned / past.size if past.size and sizes.provisioned else value


def _rests_on(reasons: Mapping[str, str]) -> str:
    if len(set(reasons.values())) == 1:
        return next(iter(reasons.values()))
    return "; ".join(f"{name}: {reason}" for name, reason in reasons.items()) or "nothing known"


def _once(price: Price | None, load: _Load) -> Cost | None:
    writes, reads = load.writes, load.reads
    if price is None or writes is None or reads is None:
        return None

    def cost(of: Callable[[Guess], int | None]) -> float | None:
        written, got = of(writes), of(reads)
        return None if written is None or got is None else cost_of(price, Requests(writes=written, reads=got))

    low, high = cost(lambda guess: guess.low), cost(lambda guess: guess.high)
    if low is None or high is None:
        return None
    return Cost(currency=price.currency, low=low, high=high, likely=cost(lambda guess: guess.likely))


def _month(price: Price | None, size: int | None) -> Cost | None:
    money = cost_a_month(price, size) if price and size is not None else None
    return Cost(currency=price.currency, low=money, high=money, likely=money) if price and money is not None else None


def _together(costs: Iterable[Cost | None]) -> tuple[Cost, ...]:
    """One sum a currency; what is not known is left out."""
    sums: dict[str, Cost] = {}
    for cost in costs:
        if cost is not None:
            sums[cost.currency] = _plus(sums[cost.currency], cost) if cost.currency in sums else cost
    return tuple(sums.values())


def _plus(one: Cost, other: Cost) -> Cost:
    likely = None if one.likely is None or other.likely is None else one.likely + other.likely
    return Cost(currency=one.currency, low=one.low + other.low, high=one.high + other.high, likely=likely)


def _sum(guesses: Iterable[Guess | None]) -> Guess | None:
    """None: one of them is not known."""
    total = Guess(low=0, high=0, likely=0)
    found = False
    for guess in guesses:
        if guess is None:
            return None
        total, found = total + guess, True
    return total if found else None


def _surely(value: int) -> Guess:
    return Guess(low=value, high=value, likely=value)
