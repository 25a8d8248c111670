"""The form of a restore: opened by a command, button or shortcut, its menus, its submission.

What it asks for goes the way of the typed command.
"""

from dataclasses import replace
from functools import partial

from slack_bolt import Ack, App
from slack_sdk import WebClient

from bot.errors import CloudyError, NotFound, UsageError
from bot.model import Json, RestoreRequest
from bot.service import Service
from handlers import ids, modals, views
from handlers import restoreviews as drawn
from handlers.cards import Card
from handlers.modals import chosen, held
from handlers.orders import carry_out
from handlers.origin import Origin, of_click, of_view
from handlers.parse import Command, Verb
from handlers.restoring import BECAUSE
from handlers.whisper import after_ack_safe, tell_once

_USAGE = "/restore <vm, or transaction id of a recovery point> [to <VMstore>] [as <new name>]"
_NOTHING = "There is no recovery point yet: /protect <vm> to <target> makes one."
_STALE = "Look again: those were the recovery points of another VM than the one that is chosen."
_FIELDS = {  # of a request -> of the form
    "vmstore": drawn.VMSTORE,
    "name": drawn.NAME,
    "target": drawn.TARGET,
    "confirmed": drawn.CONFIRM,
}


def register(app: App, service: Service) -> None:
    """Listen."""
    app.view(ids.RESTORE_FORM)(after_ack_safe(partial(submitted, service)))
    app.options(ids.RESTORE_VM)(partial(suggested, service))
    app.action(ids.RESTORE_VM)(after_ack_safe(partial(vm_chosen, service)))
    for button in (ids.RESTORE, ids.RESTORE_ROW):
        app.action(button)(after_ack_safe(partial(clicked, service)))
    app.action(ids.RESTORE_OF)(after_ack_safe(partial(vm_clicked, service)))


# --- opening ---


def open_restore(
    service: Service, client: WebClient, trigger: str, origin: Origin, *, point: str = "", vm: str = ""
) -> None:
    """Open the form for who pressed the key; see modals.open_form.

    What is chosen already, point: a recovery point, or what is about one; vm: a VM, by its uuid.
    """
    draw = partial(_form, service, point=point, vm=vm)
    form = modals.Form(title=drawn.TITLE, command="restore", usage=_USAGE, draw=draw)
    modals.open_form(service, client, trigger, origin, form)


def clicked(service: Service, ack: Ack, body: Json, action: Json, client: WebClient) -> None:
    """ "Restore…" of a receipt, or a row of a list; the value is the id of a recovery point."""
    ack()
    point = str(action.get("value") or chosen(action))
    open_restore(service, client, str(body["trigger_id"]), of_click(body), point=point)


def vm_clicked(service: Service, ack: Ack, body: Json, action: Json, client: WebClient) -> None:
    """ "Restore…" of a VM; the value is its uuid."""
    ack()
    open_restore(service, client, str(body["trigger_id"]), of_click(body), vm=str(action.get("value") or ""))


def _form(service: Service, channel: str, *, point: str, vm: str) -> Json:
    if point:
        kept, point = service.recoverable.point(point)
    elif vm:
        kept = service.recoverable.vm(vm)
    elif service.recoverable.vms(limit=1):
        return drawn.draw(_known(service, channel))
    else:
        return views.shown(Card(kind="refused", lines=(_NOTHING,)), drawn.TITLE)
    points = service.recoverable.points(kept.uuid, point)
    return drawn.draw(replace(_known(service, channel), vm=kept, points=points, point=point))


def _known(service: Service, channel: str, notice: str = "") -> drawn.RestoreForm:
    return drawn.RestoreForm(
        memo=modals.memo(channel),
        where=modals.where(channel),
        vmstores=service.recoverable.vmstores,
        targets=service.recoverable.targets,
        now=service.now(),
        notice=notice,
    )


# --- its menus ---


def suggested(service: Service, ack: Ack, body: Json) -> None:
    """Answer each key stroke from the database."""
    vms = () if _barred(service, body) else service.recoverable.vms(str(body.get("value") or ""))
    ack(options=drawn.vm_options(vms))


def vm_chosen(service: Service, ack: Ack, body: Json, action: Json, client: WebClient) -> None:
    """Show the recovery points of the VM; of a later choice, in the place of those that came between."""
    ack()
    view, uuid = body["view"], chosen(action)
    channel, barred = modals.channel_of(view), _barred(service, body)
    shown = drawn.draw(_known(service, channel, barred)) if barred else _with_points(service, channel, uuid)
    if modals.called(lambda: client.views_update(view_id=view["id"], hash=view["hash"], view=shown)) == "hash_conflict":
        modals.called(lambda: client.views_update(view_id=view["id"], view=shown))


def _with_points(service: Service, channel: str, uuid: str, notice: str = "") -> Json:
    try:
        vm, points = service.recoverable.vm(uuid), service.recoverable.points(uuid)
    except CloudyError as error:
        return drawn.draw(_known(service, channel, error.message if uuid else notice))
    return drawn.draw(replace(_known(service, channel, notice), vm=vm, points=points))


def _barred(service: Service, body: Json) -> str:
    """Why who has it open may not restore anything by now; "": they may."""
    barred = service.barred("restore", of_view(body).actor, modals.channel_of(body["view"]))
    return barred.message if barred else ""


# --- its submission ---


def submitted(service: Service, ack: Ack, body: Json, client: WebClient) -> None:
    """Do what the same command would; what is wrong is said beside the field, and the form stays as it was filled."""
    view, channel = body["view"], modals.channel_of(body["view"])
    origin = of_view(body).at(channel)
    if uuid := drawn.stale(modals.values_of(view)):
        ack(response_action="update", view=_with_points(service, channel, uuid, _STALE))
        return
    answer, wrong = _carried_out(service, view, origin)
    if answer is None:
        ack(response_action="errors", errors=wrong)
        return
    ack()
    tell_once(service, client, origin, answer)


def _carried_out(service: Service, view: Json, origin: Origin) -> tuple[Card | None, dict[str, str]]:
    """The answer, or what is wrong by the block of each field."""
    request, at = read(view)
    if not request.what:
        return None, {drawn.VM: "Choose a VM."}
    try:
        is_barred = service.barred("restore", origin.actor, origin.channel) is not None  # refused below, and audited
        flaws = {} if is_barred else service.recoverable.flaws(request)
        if wrong := {_FIELDS[field]: why for field, why in flaws.items()}:
            _keep_refusal(service, origin, request, wrong)
            return None, wrong
        return carry_out(service, Command(verb=Verb.RESTORE, restoring=request), origin), {}
    except CloudyError as error:
        return None, {_block_of(error, at): error.message}


def _block_of(error: CloudyError, at: str) -> str:
    """Where an error belongs that the fields do not tell of themselves."""
    if isinstance(error, UsageError):
        return drawn.REASON if BECAUSE in error.usage else drawn.WISHES
    return at if isinstance(error, NotFound) else drawn.VM


def _keep_refusal(service: Service, origin: Origin, request: RestoreRequest, wrong: dict[str, str]) -> None:
    said = f"restore {request.what}"
    service.audit_refused(origin.actor, said, " ".join(wrong.values()), request_key=origin.key)


def read(view: Json) -> tuple[RestoreRequest, str]:
    """What was filled in, and the block of its recovery point, or of its VM where none was chosen."""
    values = modals.values_of(view)
    uuid = chosen(held(values, drawn.VM))
    block = drawn.point_block(uuid)
    point = chosen(held(values, block))
    wishes = {str(each.get("value")) for each in held(values, drawn.WISHES).get("selected_options") or ()}
    request = RestoreRequest(
        what=point or uuid,
        vmstore=chosen(held(values, drawn.VMSTORE)),
        name=_typed(values, drawn.NAME),
        target=chosen(held(values, drawn.TARGET)),
        via=chosen(held(values, drawn.VIA)),
        is_on=drawn.ON in wishes,
        is_over_original=drawn.OVER in wishes,
        is_off_allowed=drawn.OFF in wishes,
        confirmed=_typed(values, drawn.CONFIRM),
        reason=" ".join(_typed(values, drawn.REASON).split()),
    )
    return request, block if point else drawn.VM


def _typed(values: Json, block: str) -> str:
    return str(held(values, block).get("value") or "").strip()
