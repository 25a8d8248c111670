"""The form of a protect: opened by a command or shortcut, its menu of VMs, its submission."""

from collections.abc import Callable
from functools import partial

from slack_bolt import Ack, App
from slack_sdk import WebClient

from bot import keeping
from bot.errors import CloudyError, NotFound
from bot.model import Json, ProtectRequest, Transaction
from bot.service import Service
from bot.suggestions import VmChoice
from handlers import answers, ids, modals, views
from handlers.cards import Card
from handlers.origin import Origin, of_view
from handlers.whisper import after_ack_safe, tell_once

_NO_TARGET = "There is no target to protect to: whoever runs Cloudy adds one to cloudy.toml, like [targets.s3]."


def register(app: App, service: Service) -> None:
    """Listen."""
    app.view(ids.PROTECT_FORM)(after_ack_safe(partial(submitted, service)))
    app.options(ids.FORM_VM)(partial(suggested, service))


# --- opening ---


def open_protect(service: Service, client: WebClient, trigger: str, origin: Origin, *, vm: str = "") -> None:
    """Open the form for who pressed the key; see modals.open_form. vm: the value of a choice that is made already."""
    draw = partial(_form, service, vm)
    form = modals.Form(title=views.PROTECT_TITLE, command="protect", usage="/protect <vm> to <target>", draw=draw)
    modals.open_form(service, client, trigger, origin, form)


def _form(service: Service, vm: str, channel: str) -> Json:
    if not service.target_names:
        return views.shown(Card(kind="refused", lines=(_NO_TARGET,)), views.PROTECT_TITLE)
    choice = VmChoice(label=service.vm_typed(vm), value=vm) if vm else None
    known = views.ProtectForm(
        targets=service.target_names, memo=modals.memo(channel), where=modals.where(channel), vm=choice
    )
    return views.protect_form(known)


# --- its menu of VMs ---


def suggested(service: Service, ack: Ack, body: Json) -> None:
    """Answer each key stroke from the database."""
    ack(options=views.options(service.suggest_vms(str(body.get("value") or ""))))


# --- its submission ---


def submitted(service: Service, ack: Ack, body: Json, client: WebClient) -> None:
    """Do what the same command would; what is wrong is said beside the field."""
    origin = of_view(body).at(modals.channel_of(body["view"]))
    asked, wrong = _carried_out(service, body["view"], origin)
    if wrong:
        ack(response_action="errors", errors=wrong)
        return
    ack()
    tell_once(service, client, origin, answers.accepted(asked))


def _carried_out(service: Service, view: Json, origin: Origin) -> tuple[tuple[Transaction, ...], dict[str, str]]:
    """What was asked for, or what is wrong by the block of each field."""
    request, wrong = read(view, service.vm_typed)
    if request is None:
        return (), wrong
    try:
        return service.protect(request, origin.actor, request_key=origin.key, place=origin.place), {}
    except CloudyError as error:
        return (), {views.TARGETS if isinstance(error, NotFound) else views.VM: error.message}


def read(view: Json, vm_typed: Callable[[str], str]) -> tuple[ProtectRequest | None, dict[str, str]]:
    """Read what was filled in: a request, or what is wrong by the block of each field.

    vm_typed: choice to name; NotFound: it is gone.
    """
    values = modals.values_of(view)
    wrong: dict[str, str] = {}

    def field(block: str, of: Callable[[Json], str]) -> str:
        try:
            return of(modals.held(values, block))
        except (ValueError, CloudyError) as error:
            wrong[block] = str(error)
            return ""

    targets = tuple(str(each.get("value")) for each in modals.held(values, views.TARGETS).get("selected_options") or ())
    if not targets:
        wrong[views.TARGETS] = "Choose at least one target."
    request = ProtectRequest(
        vms=(field(views.VM, lambda held: _vm(held, vm_typed)),),
        targets=targets,
        consistency=modals.chosen(modals.held(values, views.CONSISTENCY)) or "crash",
        note=field(views.NOTE, lambda held: keeping.note(str(held.get("value") or ""))),
        keep_for=field(views.KEEP_FOR, _keep_for),
    )
    return (None if wrong else request), wrong


def _vm(held: Json, vm_typed: Callable[[str], str]) -> str:
    if not (value := modals.chosen(held)):
        raise ValueError("Choose a VM.")
    return vm_typed(value)


def _keep_for(held: Json) -> str:
    said = str(held.get("value") or "").strip()
    return keeping.parse(said) if said else ""
