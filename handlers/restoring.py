"""What follows `/restore`: a VM or a recovery point, then where to, under which name, from where, as of when. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches

from bot.model import RestoreRequest
from handlers.clauses import Word

_FLAGS = {("power", "on"): "is_on", ("power", "off"): "is_off_allowed", ("over", "original"): "is_over_original"}
_CLAUSES = {"to": "vmstore", "as": "name", "from": "target", "at": "at", "confirm": "confirmed"}  # word -> field
VIA, BECAUSE = "via", "because"
WAYS = ("snapshot", "target")
_ONE_WORD = ("vmstore", "target")
_NAMES = ("name", "confirmed")
_LONGEST = 255
_WORDS = ("to", "as", "from", "at", "via", "power", "over", "original", "confirm")
_HALF = {"power": "power on", "over": "over original", "original": "over original", "via": "via snapshot"}
_INSTEAD = {  # what people say for it
    "on": "to", "onto": "to", "into": "to", "in": "to", "named": "as", "called": "as", "before": "at", "of": "from",
    "poweron": "power on", "power-on": "power on", "started": "power on", "start": "power on", "by": "via",
}  # fmt: skip


def read(words: Sequence[Word]) -> RestoreRequest:
    """Read it; nothing is looked up. ValueError says what is not understood."""
    cut = next((at for at in range(1, len(words)) if words[at].says(BECAUSE)), None)
    if cut is not None:
        return replace(read(words[:cut]), reason=_reason(words[cut + 1 :]))
    if any(word.kind == "comma" for word in words):
        raise ValueError("One at a time: there is a comma in it. Put a name that has one into quotes.")
    start = next((at for at in range(len(words)) if _begins(words, at)), len(words))
    request = RestoreRequest(what=_text(words[:start], "Say which VM, or the transaction id of a recovery point."))
    at = start
    while at < len(words):
        end = next((after for after in range(at + 1, len(words)) if _begins(words, after)), len(words))
        request = _with(request, words[at:end])
        at = end
    return request


def _reason(words: Sequence[Word]) -> str:
    """All that follows, whatever it is."""
    text = " ".join(word.text for word in words).replace(" ,", ",")
    if not text:
        raise ValueError(f"Something is missing behind “{BECAUSE}”.")
    if len(text) > _LONGEST:
        raise ValueError(f"The reason is longer than {_LONGEST} characters.")
    return text


def _begins(words: Sequence[Word], at: int) -> bool:
    is_via = words[at].says(VIA) and at + 1 < len(words) and words[at + 1].says(*WAYS)
    return bool(is_via or _flag(words, at)) or words[at].says(*_CLAUSES)


def _flag(words: Sequence[Word], at: int) -> str:
    """The two words that stand there, if they mean something together."""
    pairs = (pair for pair in _FLAGS if words[at].says(pair[0]) and at + 1 < len(words) and words[at + 1].says(pair[1]))
    return " ".join(next(pairs, ()))


def _with(request: RestoreRequest, words: Sequence[Word]) -> RestoreRequest:
    if flag := _flag(words, 0) or (words[0].says(VIA) and f"{VIA} {words[1].text.casefold()}"):
        if len(words) > 2:
            raise ValueError(f"“{_short(words[2].text)}” is not understood behind “{flag}”.")
        return _flagged(request, flag)
    word = words[0].text.casefold()
    field = _CLAUSES[word]
    _once(word, getattr(request, field))
    value = _text(words[1:], f"Something is missing behind “{word}”.")
    if len(words) > 2:
        _demand_no_slip(field, words)
    if field in _ONE_WORD and len(words) > 2:
        raise ValueError(f"“{_short(value)}” is not one {'VMstore' if field == 'vmstore' else 'target'}.")
    return {
        "vmstore": lambda: replace(request, vmstore=value),
        "name": lambda: replace(request, name=value),
        "target": lambda: replace(request, target=value),
        "at": lambda: replace(request, at=value),
        "confirmed": lambda: replace(request, confirmed=value),
    }[field]()


def _flagged(request: RestoreRequest, flag: str) -> RestoreRequest:
    first, second = flag.split()
    if first == VIA:
        _once(VIA, request.via)
        return replace(request, via=second)
    field = _FLAGS[first, second]
    _once(flag, getattr(request, field))
    return {
        "is_on": lambda: replace(request, is_on=True),
        "is_off_allowed": lambda: replace(request, is_off_allowed=True),
        "is_over_original": lambda: replace(request, is_over_original=True),
    }[field]()


def slip(text: str) -> str:
    """The word in a name that was perhaps meant to be one of the grammar, in words; "": there is none."""
    return _slip(text.split()[1:], _INSTEAD)


def _slip(words: Sequence[str], instead: Mapping[str, str]) -> str:
    for word in words:
        said = word.casefold()
        if (meant := instead.get(said) or _HALF.get(said) or _near(said)) and meant != said:
            return f"Did you mean “{meant}”, where “{_short(word)}” stands?"
    return ""


def _near(word: str) -> str:
    swapped = (known for known in _WORDS if sorted(word) == sorted(known))
    return next(swapped, "") or next(iter(get_close_matches(word, _WORDS, n=1, cutoff=0.75)), "")


def _demand_no_slip(field: str, words: Sequence[Word]) -> None:
    """A name of several words is one only without a mistyped word of the grammar; quotes say that it is meant."""
    is_name, said = field in _NAMES, [word.text for word in words[1:]]
    if not (hint := _slip(said[1:], {} if is_name else _INSTEAD)):
        return
    if is_name:
        raise ValueError(f"{hint} If it is a part of the name, put that into quotes.")
    raise ValueError(f"“{_short(' '.join(said))}” is not understood behind “{words[0].text}”. {hint}")


def _once(word: str, said: object) -> None:
    if said:
        raise ValueError(f"“{word}” stands there more than once. Put a name that has it into quotes.")


def _text(words: Sequence[Word], missing: str) -> str:
    if len(words) > 1 and any(word.kind == "quoted" for word in words):
        raise ValueError("There is something beside a quoted name.")
    text = " ".join(word.text for word in words)
    if not text:
        raise ValueError(missing)
    if len(text) > _LONGEST:
        raise ValueError(f"“{_short(text)}” is longer than {_LONGEST} characters.")
    return text


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"
