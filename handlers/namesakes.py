"""Which of several VMs that had one name: the question, and what stands in its buttons.

A button carries the order with the VM in it, who was asked, and the request that it began with: so whatever is clicked
how often, it is one order, and of the one who gave it.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from bot.errors import UsageError
from bot.model import RestoreRequest
from bot.recoverable import KeptVm, told
from handlers import clauses, ids
from handlers.cards import Card, Pick

_LONGEST = 2000  # characters of a button's value
_MOST = 10  # VMs in one question
_SHORT = 13  # characters of a uuid on a button


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a button says."""

    by: str  # id of the one who was asked
    key: str  # of the request that the question began with
    request: RestoreRequest


def question(vms: Sequence[KeptVm], request: RestoreRequest, by: str, key: str) -> Card:
    """Ask which one; vms: newest first."""
    picks = tuple(_pick(vm, Answer(by=by, key=key, request=replace(request, what=vm.uuid))) for vm in vms[:_MOST])
    more = f"… and {len(vms) - _MOST} more: say the uuid instead of the name." if len(vms) > _MOST else ""
    return Card(
        kind="which",
        title=f"{request.what} was the name of {len(vms)} VMs. Which one?",
        lines=("Each is another VM, told by its uuid. What else you asked for stays as it is.",),
        picks=tuple(pick for pick in picks if len(pick.value) <= _LONGEST),
        closing=(more,) if more else (),
    )


def said(card: Card) -> str:
    """The question in words, with the command for each answer."""
    return "\n".join([card.title, *(f"• {' · '.join(pick.lines)}: {pick.typed}" for pick in card.picks), *card.closing])


def typed(request: RestoreRequest) -> str:
    """The order as a command."""
    words = (("to", request.vmstore), ("as", request.name), ("from", request.target), ("at", request.at))
    said = [f'{word} "{clauses.escaped(text)}"' for word, text in words if text]
    said += [f"via {request.via}"] if request.via else []
    said += ["power on"] if request.is_on else []
    said += ["over original"] if request.is_over_original else []
    said += [f'confirm "{clauses.escaped(request.confirmed)}"'] if request.confirmed else []
    said += ["power off"] if request.is_off_allowed else []
    said += [f"because {clauses.escaped(request.reason)}"] if request.reason else []
    return " ".join([f"/restore {request.what}", *said])


def of_button(value: str) -> Answer:
    """Read what a button carries; whoever clicked may have sent anything. UsageError: it is none of ours."""
    try:
        whole = json.loads(value) if len(value) <= _LONGEST else None
    except (ValueError, RecursionError):
        whole = None
    asked = whole.get("request") if isinstance(whole, dict) else None
    if not isinstance(whole, dict) or not isinstance(asked, dict) or asked.keys() - _LEAST.keys():
        raise _foreign()
    by, key = whole.get("by"), whole.get("key")
    is_whole = isinstance(by, str) and isinstance(key, str) and by and key and asked.get("what")
    if not is_whole or not all(type(each) is type(_LEAST[name]) for name, each in asked.items()):
        raise _foreign()
    return Answer(by=str(by), key=str(key), request=RestoreRequest(**asked))


def _pick(vm: KeptVm, answer: Answer) -> Pick:
    return Pick(
        title=vm.name, lines=told(vm), label=f"Restore {vm.uuid[:_SHORT]}", action_id=ids.WHICH_VM,
        value=_value(answer), typed=typed(answer.request),
    )  # fmt: skip


def _value(answer: Answer) -> str:
    asked = {name: value for name, value in asdict(answer.request).items() if value != _LEAST[name] or name == "what"}
    whole = {"by": answer.by, "key": answer.key, "request": asked}
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":"))


def _foreign() -> UsageError:
    return UsageError("That button is not understood any more. Ask again.")


_LEAST: dict[str, Any] = asdict(RestoreRequest(what=""))
