"""What people are told of an estimate: before a run, and beside what it came to. Pure; all text is raw."""

from collections.abc import Callable, Sequence

from pydantic import ValidationError

from bot.codec import decode
from bot.estimate import cost_a_month, cost_of
from bot.model import Bytes, Cost, Estimate, Guess, Json, Requests, Transaction
from bot.words import duration_text, money_text, rough_text, size_text

_NEAR, _NEAR_BYTES = 1.25, 4 << 20  # an estimate of bytes that is off by less is as good as right
_NEAR_TIME, _NEAR_S = 1.5, 15.0  # and one of the time
_WIDE = 2  # times the lowest: then both ends are told instead of the middle
_WHOLE = "each recovery point is a whole copy"


def of(transaction: Transaction) -> Estimate | None:
    """What was estimated of it; None: nothing, or nothing that this version can read."""
    told = transaction.plan.get("estimate")
    try:
        return decode(Estimate, told) if told else None
    except ValidationError:
        return None


def requests_of(transaction: Transaction) -> dict[str, Requests]:
    """The requests that made its recovery points, by target; {}: nobody counted them, or nobody can read them."""
    told: Json = transaction.plan.get("requests") or {}
    try:
        return {target: decode(Requests, each) for target, each in told.items()}
    except (ValidationError, AttributeError):
        return {}


def line(estimate: Estimate) -> str:
    """The shortest: what is sent, how long it takes, what it costs, on what that rests; "": nothing is known."""
    told = [_told(estimate.sent, size_text, " sent"), _time(estimate.seconds), _costs("", estimate.month, " a month")]
    said = ", ".join(filter(None, told))
    return f"{said} ({estimate.rests_on})" if said else ""


def moves(estimate: Estimate) -> str:
    """What is read, sent, copied and zero; what is not known is not there."""
    each = (
        (estimate.read, " read"),
        (estimate.sent, " sent"),
        (estimate.copied, " copied in the store"),
        (estimate.zero, " zeros never sent"),
    )
    said = ", ".join(_told(guess, size_text, verb) for guess, verb in each if guess and guess.high)
    return f"{said}; rests on: {estimate.rests_on}" if said else f"unknown: {estimate.rests_on}"


def time(estimate: Estimate) -> str:
    """How long it takes."""
    return _time(estimate.seconds) or "unknown"


def price(estimate: Estimate) -> str:
    """What it costs once and each month, and of which targets nobody knows."""
    said = [
        _costs("", estimate.month, " more a month"),
        _costs("requests ", estimate.once, ", once"),
        _in_all(estimate),
    ]
    told = "; ".join(filter(None, said))
    listed = sorted({each.listed for each in estimate.prices.values() if each.listed})
    if told and listed:
        told += f"; list price ({'; '.join(listed)})"
    if bare := sorted(name for name, each in estimate.prices.items() if each.storage is None):
        told += f"{'; ' if told else ''}storage price unknown for {' and '.join(bare)}"
    if estimate.unpriced:
        names = " and ".join(estimate.unpriced)
        told += f"{'; ' if told else ''}unknown for {names}: no prices are configured"
    return told or "unknown: the size is not known"


def beside_fact(transaction: Transaction) -> str:
    """The estimate, and what it came to where that is something else; "": there was none."""
    estimate = of(transaction)
    if estimate is None or estimate.sent is None:
        return ""
    took, sent = _took(transaction), transaction.bytes.sent
    guessed, was = [_told(estimate.sent, size_text, " sent")], [f"{size_text(sent)} sent"]
    is_right = _is_right(estimate.sent, sent, _NEAR, _NEAR_BYTES)
    if estimate.seconds is not None and took is not None:
        guessed.append(_time(estimate.seconds))
        was.append(duration_text(took))
        is_right = is_right and _is_right(estimate.seconds, took, _NEAR_TIME, _NEAR_S)
    came_to = "and so it was" if is_right else f"was {', '.join(was)}"
    return f"{', '.join(filter(None, guessed))}; {came_to}"


def costs(transaction: Transaction) -> str:
    """What it really costs, by the prices that its estimate was made with; "": they are not known."""
    estimate = of(transaction)
    if estimate is None:
        return ""
    month, once = _fact(estimate, transaction.bytes, requests_of(transaction))
    said = [_costs("", month, f" more a month: {_WHOLE}"), _costs("requests ", once, ", once")]
    return "; ".join(filter(None, said))


def as_json(transaction: Transaction) -> Json | None:
    """For `--json`: the guesses, and what it came to."""
    estimate = of(transaction)
    if estimate is None:
        return None
    counted, took = requests_of(transaction), _took(transaction)
    month, once = _fact(estimate, transaction.bytes, counted)
    fact: Json = {
        "requests": sum(each.total for each in counted.values()) if counted else None,
        "seconds": None if took is None else round(took, 1),
        "once": {each.currency: each.low for each in once},
        "month": {each.currency: each.low for each in month},
    }
    return guesses(estimate) | {"fact": fact}


def guesses(estimate: Estimate) -> Json:
    """For `--json`: each number by low, likely and high; what is not known is null."""
    told: Json = {"rests_on": estimate.rests_on}
    for name in ("read", "sent", "copied", "zero", "requests", "seconds"):
        guess: Guess | None = getattr(estimate, name)
        told[name] = guess and {"low": guess.low, "likely": guess.likely, "high": guess.high}
    for name in ("once", "month", "month_in_all"):
        costs: Sequence[Cost] = getattr(estimate, name)
        told[name] = {each.currency: {"low": each.low, "likely": each.likely, "high": each.high} for each in costs}
    return told | {"unpriced": list(estimate.unpriced)}


def _fact(estimate: Estimate, moved: Bytes, counted: dict[str, Requests]) -> tuple[list[Cost], list[Cost]]:
    month, once = dict[str, float](), dict[str, float]()
    for name, prices in estimate.prices.items():
        carried = moved.targets.get(name)
        size = carried.sent + carried.copied + carried.zero if carried else 0
        for sums, money in (
            (month, cost_a_month(prices, size) if size else None),
            (once, cost_of(prices, counted[name]) if name in counted else None),
        ):
            if money is not None:
                sums[prices.currency] = sums.get(prices.currency, 0.0) + money
    return [_cost(*each) for each in month.items()], [_cost(*each) for each in once.items()]


def _cost(currency: str, money: float) -> Cost:
    return Cost(currency=currency, low=money, high=money, likely=money)


def _time(guess: Guess | None) -> str:
    """Of a limit: nobody can promise how long something takes."""
    return _told(guess, rough_text).replace("at most", "up to about")


def _told(guess: Guess | None, text: Callable[[int], str], verb: str = "") -> str:
    if guess is None:
        return ""
    if guess.likely is None and guess.low <= 0:
        return f"at most {text(guess.high)}{verb}"
    if guess.likely is None or (guess.high > _WIDE * max(1, guess.low) and text(guess.low) != text(guess.high)):
        return f"{text(guess.low)} to {text(guess.high)}{verb}"
    return f"about {text(guess.likely)}{verb}"


def _costs(lead: str, costs: Sequence[Cost], end: str) -> str:
    said = " and ".join(_money(each) for each in costs)
    return f"{lead}{said}{end}" if said else ""


def _money(cost: Cost) -> str:
    if cost.likely is None:
        return f"at most {money_text(cost.high, cost.currency)}"
    said = money_text(cost.likely, cost.currency)
    return said if said.startswith("less") else f"about {said}"


def _in_all(estimate: Estimate) -> str:
    """What they all cost, where there are more: that nothing is saved by copying is said in money."""
    if not estimate.month or estimate.month_in_all == estimate.month:
        return _WHOLE if estimate.month else ""
    said = " and ".join(_money(each) for each in estimate.month_in_all)
    return f"{_WHOLE}: with those that are there {said} a month"


def _is_right(guess: Guess, fact: float, factor: float, least: float) -> bool:
    """Of mere limits the fact is always news."""
    if guess.likely is None:
        return False
    return guess.low / factor - least <= fact <= guess.high * factor + least


def _took(transaction: Transaction) -> float | None:
    if not (transaction.started_at and transaction.ended_at):
        return None
    return (transaction.ended_at - transaction.started_at).total_seconds()
