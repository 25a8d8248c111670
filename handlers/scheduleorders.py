"""Carries out what `/schedule` asks for and draws what came of it, with the schedule as it stands then."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from bot.firetold import withdrawn_text
from bot.model import Fire, FireState, Schedule, ScheduleLine, ScheduleRequest
from bot.service import Service
from handlers.cards import one_line
from handlers.origin import Origin
from handlers.parse import Command
from handlers.schedulelists import PAGE, Asked, Listing, came, what
from handlers.scheduling import Act, Scheduling

_NAMES = 5  # VMs that are named of those that are meant
_FIRES = 10


def carry_out(service: Service, order: Scheduling, origin: Origin) -> Listing:
    """Whatever it asks for. Raises what the service raises."""
    return _ORDERS[order.act](service, order, origin)


def answer(service: Service, order: Command, origin: Origin) -> Listing:
    """What a parsed `schedule` or `schedules` gives. Raises what the service raises."""
    if order.scheduling is not None:
        return carry_out(service, order.scheduling, origin)
    service.demand_reading(order.verb, origin.actor, origin.channel)
    return listed(service, Asked(text=order.id), origin)


def listed(service: Service, asked: Asked, origin: Origin, said: tuple[str, ...] = ()) -> Listing:
    """One page of the list, with buttons on those that the reader may change."""
    page = service.schedules.page(asked.text, asked.offset, PAGE)
    about = f" with “{asked.text}”" if asked.text else ""
    empty = "none yet. /schedule protect <vm> to <target> every day at 02:00 makes one."
    first, total = page.offset + 1, page.total
    part = f"{first} to {page.end} of {total}" if len(page.rows) < total else str(total)
    title = f"Schedules{about}: {part if page.rows else 'none' if about or total else empty}"
    return replace(_with(service, title, page.rows, origin, asked), said=said, total=total)


def _with(
    service: Service, title: str, lines: tuple[ScheduleLine, ...], origin: Origin, asked: Asked | None = None
) -> Listing:
    changeable = service.schedules.changeable([line.schedule for line in lines], origin.actor, channel=origin.channel)
    asked = asked or Asked(text=lines[0].schedule.id if lines else "")
    return Listing(
        title=title, lines=lines, changeable=changeable, asked=asked, total=len(lines), version=asked.offset + 1
    )  # fmt: skip


def _of_one(service: Service, title: str, schedule: Schedule, origin: Origin, *said: str) -> Listing:
    listing = _with(service, title, (service.schedules.get(schedule.id),), origin)
    return replace(listing, said=tuple(filter(None, said)))


def add(service: Service, request: ScheduleRequest, origin: Origin) -> Listing:
    """Make one. Raises what Schedules.add raises."""
    made = service.schedules.add(request, origin.actor, request_key=origin.key, place=origin.place)
    return _of_one(service, f"Scheduled as {made.id}", made, origin, _meant(service, made.asked))


def edit(service: Service, which: str, request: ScheduleRequest, origin: Origin) -> Listing:
    """Change one. Raises what Schedules.edit raises."""
    changed = service.schedules.edit(which, request, origin.actor, request_key=origin.key, channel=origin.channel)
    return _of_one(service, f"Schedule {changed.id} is changed", changed, origin, _meant(service, changed.asked))


def _meant(service: Service, asked: ScheduleRequest) -> str:
    """Which VMs it is about now."""
    if not asked.vms:
        return ""
    vms = service.schedules.covered(asked)
    if not vms:
        return "It fits no VM now; those that come are looked for at each time."
    names = ", ".join(vm.name for vm in vms[:_NAMES])
    more = f" and {len(vms) - _NAMES:,} more" if len(vms) > _NAMES else ""
    return f"It means {len(vms):,} {'VM' if len(vms) == 1 else 'VMs'} now: {names}{more}"


def _added(service: Service, order: Scheduling, origin: Origin) -> Listing:
    return add(service, order.request(service.schedules.zone), origin)


def _edited(service: Service, order: Scheduling, origin: Origin) -> Listing:
    order = order.changed(service.schedules.get(order.id).schedule.asked)
    return edit(service, order.id, order.request(service.schedules.zone), origin)


def _paused(service: Service, order: Scheduling, origin: Origin) -> Listing:
    paused = service.schedules.pause(
        order.id,
        origin.actor,
        request_key=origin.key,
        until=order.ends(service.now(), service.schedules.zone),
        why=order.why,
        channel=origin.channel,
    )
    return _of_one(service, f"Schedule {paused.id} is paused", paused, origin, _goes_on(service, origin))


def _goes_on(service: Service, origin: Origin) -> str:
    """What becomes of what it has started."""
    number = service.schedules.withdrawn(origin.key)
    return f"What has begun goes on{f', {withdrawn_text(number)}' if number else ''}."


def _resumed(service: Service, order: Scheduling, origin: Origin) -> Listing:
    resumed = service.schedules.resume(order.id, origin.actor, request_key=origin.key, channel=origin.channel)
    return _of_one(service, f"Schedule {resumed.id} goes on", resumed, origin)


def _skipped(service: Service, order: Scheduling, origin: Origin) -> Listing:
    fire = service.schedules.skip_next(
        order.id, origin.actor, request_key=origin.key, channel=origin.channel, at=order.at
    )
    schedule = service.schedules.get(fire.schedule).schedule
    at = f"{fire.at:%Y-%m-%d %H:%M} UTC"
    return _of_one(service, f"Schedule {fire.schedule} skips {at}", schedule, origin)


def _unskipped(service: Service, order: Scheduling, origin: Origin) -> Listing:
    schedule = service.schedules.unskip(order.id, origin.actor, request_key=origin.key, channel=origin.channel)
    return _of_one(service, f"Schedule {schedule.id} skips nothing", schedule, origin)


def _run(service: Service, order: Scheduling, origin: Origin) -> Listing:
    fire = service.schedules.run_now(
        order.id, origin.actor, request_key=origin.key, channel=origin.channel, since=order.at
    )
    if origin.actor.source == "cli":  # nobody waits for an acknowledgement, and perhaps no bot is there
        fire = service.schedules.begin(fire)
    schedule = service.schedules.get(fire.schedule).schedule
    by = f"Asked for by {fire.by} at {fire.at:%Y-%m-%d %H:%M} UTC."
    if fire.state is FireState.ASKED:
        told = f"What it starts is told as it begins; /cloudy schedule show {schedule.id} says what came of it."
        return _of_one(service, f"Schedule {schedule.id} runs now", schedule, origin, by, told)
    started = service.schedules.started(fire)
    ids = ", ".join(each.id for each in started[:_NAMES])
    more = f" and {len(started) - _NAMES:,} more" if len(started) > _NAMES else ""
    title = f"Schedule {fire.schedule} runs now: {fire.started:,} started"
    return _of_one(service, title, schedule, origin, by, f"{ids}{more}", fire.why, *fire.passed[:_NAMES])


def _deleted(service: Service, order: Scheduling, origin: Origin) -> Listing:
    gone = service.schedules.delete(order.id, origin.actor, request_key=origin.key, channel=origin.channel)
    said = f"It starts nothing any more: {gone.asked.recurrence}. {_goes_on(service, origin)}"
    return Listing(title=f"Schedule {gone.id} is deleted", said=(said,))


def _shown(service: Service, order: Scheduling, origin: Origin) -> Listing:
    service.demand_reading("schedules", origin.actor, origin.channel)
    line = service.schedules.get(order.id)
    fires = service.schedules.fires(line.schedule.id, _FIRES)
    past = tuple(_fire(fire, line) for fire in fires)
    listing = _with(service, f"Schedule {line.schedule.id}: {what(line)}", (line,), origin)
    return replace(listing, said=past)


def _fire(fire: Fire, line: ScheduleLine) -> str:
    is_last = line.last is not None and fire.at == line.last.at
    told = came(fire, line if is_last else replace(line, results={}, waiting=0))
    return one_line(f"{fire.at:%Y-%m-%d %H:%M} UTC: {told or fire.state}")


_ORDERS: Mapping[Act, Callable[[Service, Scheduling, Origin], Listing]] = {
    Act.ADD: _added,
    Act.EDIT: _edited,
    Act.PAUSE: _paused,
    Act.RESUME: _resumed,
    Act.SKIP: _skipped,
    Act.UNSKIP: _unskipped,
    Act.RUN: _run,
    Act.DELETE: _deleted,
    Act.SHOW: _shown,
}
