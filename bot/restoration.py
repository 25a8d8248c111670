"""Plans a restore by reading only: from which target, to where, under which name, how much, does it fit."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from bot import overwriting, ways
from bot.errors import CloudyError, ConfigError, IntegrityError, NotFound, RequesterError
from bot.manifest import Manifest
from bot.model import Json, ResourceKind, State, StepState, Transaction
from bot.mounted import check_mounted
from bot.nearby import folders_of, older_copies
from bot.original import unsettled
from bot.overwriting import Overwriting
from bot.placing import safe_place, safe_places
from bot.ports import Hypervisor, Share, Systems, VMstore
from bot.prices import Prices
from bot.registrable import can_register
from bot.retry import Patience, retrying
from bot.sources import Source, Sources
from bot.store import Database
from bot.vacancy import is_for_windows, lack, taken
from bot.watchdog import Watchdog
from bot.ways import SNAPSHOT
from bot.words import rough_text, size_text

MARGIN, LEAST_MARGIN = 0.05, 64 << 20  # of what is written; bytes
_TRIES = 99  # of names that are not asked for
_UNFIT = re.compile(r"[^\w .+@=()-]")
_LONGEST_NAME = 80  # characters: vSphere takes no more
_LATELY = 100  # transactions that are looked through for how fast restores are


@dataclass(frozen=True, slots=True, kw_only=True)
class Restoration:
    """It can be done."""

    vm: str
    vmstore: str
    facts: Json
    decided: Json
    estimates: Json
    workflow: str = "restore"
    vm_uuid: str = ""  # of a VM that is overwritten: no other run of it may go on meanwhile


@dataclass(slots=True)
class _Place:
    """Where it goes."""

    vmstore: str
    share: Share
    host: Hypervisor | None
    client: VMstore
    names: set[str] = field(default_factory=set)  # that other restores are about to take


class Restorations:
    """Asks targets, VMstore, share and hypervisor, each for a short while only: somebody waits for the answer."""

    def __init__(
        self, db: Database, systems: Systems, pause: Callable[[float], None], patience: Patience, prices: Prices
    ) -> None:
        self._db = db
        self._prices = prices
        self._systems = systems
        self._pause = pause
        self._patience = patience
        self._sources = Sources(systems, pause, patience)
        self._watchdogs = {name: Watchdog() for name in systems.vmstore_names}

    def plan(self, transaction: Transaction, addresses: Json) -> Restoration:
        """RequesterError: it cannot be so. RemoteError: whom it could not ask. IntegrityError: no target has it whole.

        addresses: of its targets, which an approval is bound to.
        """
        asked, first = transaction.request, self._sources.manifest(transaction)
        vmstore = str(asked.get("to", "")) or first[1].vm.vmstore
        if vmstore not in self._systems.vmstore_names:
            known = self._systems.vmstore_names
            raise NotFound(
                f"{transaction.vm} was on {vmstore}, which is not configured. Say to which: {', '.join(known)}.",
                known,
            )
        with self._place(vmstore, transaction) as place:
            source = self._sources.choose(transaction, place.client, vmstore, first)
            windows = is_for_windows(self._systems.restore_address(vmstore), place.host)
            safe_places([file.name for file in source.written.files], is_for_windows=windows)
            over = None
            if asked.get("is_over"):
                self._demand_settled(vmstore, first[1], transaction.id)
                over = overwriting.plan(asked, source.written, source.way, place.client, place.host)
            elif asked.get("is_on"):
                _demand_host(place, source.written)
            name = over.name if over else self._name(transaction, place)
            room = 0 if source.way.how == SNAPSHOT else int(source.data * (1 + MARGIN)) + LEAST_MARGIN
            if why := lack(place.share.free(), room, vmstore):
                raise RequesterError(why)
            if transaction.workflow == "restore":  # a drill reads all of it from the target
                source = _with_older(source, place)
        found = self._restoration(transaction, source, place, {"name": name, "room": room}, over)
        return replace(found, decided=found.decided | {"addresses": addresses})

    # --- to where ---

    @contextmanager
    def _place(self, vmstore: str, transaction: Transaction) -> Iterator[_Place]:
        share = self._systems.restore_share(vmstore)
        if share is None:
            raise ConfigError(
                [f"vmstores.{vmstore}: a restore needs restore_share or cleanup_share, a writable way to its files"]
            )
        watched = self._watchdogs[vmstore].watch(share, lambda: None)
        watched = retrying(watched, self._pause, self._patience)
        check_mounted(watched, vmstore, self._systems.restore_setting(vmstore))
        host = self._systems.hypervisor_of(vmstore)
        host = None if host is None else retrying(host, self._pause, self._patience)
        if host is not None:
            host.info()
        client: VMstore = retrying(self._systems.open_vmstore(vmstore), self._pause, self._patience)
        client.info()
        client.login()
        try:
            names = self._promised(vmstore, transaction)
            yield _Place(vmstore=vmstore, share=watched, host=host, client=client, names=names)
        finally:
            with suppress(CloudyError):  # the session will expire
                client.logout()

    def _demand_settled(self, vmstore: str, written: Manifest, transaction_id: str) -> None:
        with self._db.read() as unit:
            other = unit.ledger.unsettled(ResourceKind.ORIGINAL, vmstore, written.vm.uuid, but=transaction_id)
        if other:
            raise RequesterError(unsettled(written.vm.name, other))

    def _promised(self, vmstore: str, transaction: Transaction) -> set[str]:
        with self._db.read() as unit:
            active = unit.transactions.active()
        others = (other for other in active if other.workflow == "restore" and other.id != transaction.id)
        return {str(other.settled.get("name", "")) for other in others if other.vmstore == vmstore} - {""}

    def _name(self, transaction: Transaction, place: _Place) -> str:
        """The one that is asked for, if it is free; else the first free one. RequesterError: it is taken, or unfit."""
        if asked := str(transaction.request.get("as", "")):
            name = checked_name(asked)
            if what := _taken(name, place):
                raise RequesterError(f"There is {what} on {place.vmstore} already: say another name behind “as”.")
            return name
        stem = _UNFIT.sub("-", transaction.vm)[: _LONGEST_NAME - 16].strip(" .-") or "vm"
        for number in range(1, _TRIES + 1):
            name = checked_name(f"{stem}-restored" if number == 1 else f"{stem}-restored-{number}")
            if not _taken(name, place):
                return name
        raise RequesterError(f"{stem}-restored and {_TRIES - 1} like it are taken: say a name, with “as”.")

    # --- what is told ---

    def _restoration(
        self, transaction: Transaction, source: Source, place: _Place, settled: Json, over: Overwriting | None
    ) -> Restoration:
        written = source.written
        expected, time = _expected(source), self._time(source, place.vmstore)
        notes = over.notes if over else tuple(_notes(source, place))
        thaw = self._thaw(source)
        facts: Json = {
            "vm": written.vm.name,
            "source": written.vm.vmstore,  # rights are judged by it, too
            "settled": {**settled, "target": source.target, **_by_snapshot(source), **(over.settled if over else {})},
            "bytes": written.size,
            "to_fetch": source.data,
            "taken_at": written.taken_at.isoformat(),
            "way": source.way.how,
            "why": source.way.why,
            "expected": expected,
            "time": time,
            "hypervisor": place.host.name if place.host and _knows(place.host, written) else "",
            "warnings": [*transaction.plan.get("passed", ()), *source.passed, *([thaw] if thaw else ()), *notes],
        }
        return Restoration(
            vm=written.vm.name,
            vmstore=place.vmstore,
            facts=facts,
            decided=_decided(transaction.request, source, place.vmstore, settled["name"], over),
            estimates={"expected": expected, "time": time, "why": source.way.why} | ({"archive": thaw} if thaw else {}),
            workflow=ways.workflow(source.way, is_over=over is not None),
            vm_uuid=written.vm.uuid if over else "",
        )

    def _thaw(self, source: Source) -> str:
        """What is brought back from an archive, how long that takes and what it costs; "": nothing is."""
        if source.cold is None:
            return ""
        cost = self._prices.thaw(source.target, source.cold.objects, source.cold.size, source.cold.classes)
        return (
            f"{source.cold} in an archive of {source.target} are brought back first: up to {source.cold.hours} h,"
            f" {cost or 'the price is not known here'}"
        )

    def _time(self, source: Source, vmstore: str) -> str:
        """By how fast the last restores from there to here were."""
        if source.way.how == SNAPSHOT:
            return "seconds, since no bytes are moved"
        with self._db.read() as unit:
            ended = unit.transactions.list(states=(State.SUCCEEDED, State.PARTIAL), limit=_LATELY)
            alike = (each for each in ended if each.workflow in ("restore", "drill") and each.vmstore == vmstore)
            alike = (each for each in alike if each.plan.get("way") != SNAPSHOT)
            last = next((each for each in alike if each.settled.get("target") == source.target), None)
            steps = unit.steps.of(last.id) if last else ()
        took = sum(
            (step.ended_at - step.started_at).total_seconds()
            for step in steps
            if step.id == "download" and step.state is StepState.COMPLETE and step.started_at and step.ended_at
        )
        if last is None or not took or not last.bytes.read:
            return f"unknown: nothing was restored from {source.target} to {vmstore} lately"
        return f"about {rough_text(source.data * took / last.bytes.read)}"


def checked_name(name: str) -> str:
    """A name that a VM and its folder can have. RequesterError says why not."""
    try:
        safe_place(name)
    except IntegrityError as error:
        raise RequesterError(f"A VM cannot be called {name!r}: {error.message.partition(', and ')[2]}") from error
    if "/" in name or name.startswith(".") or len(name) > _LONGEST_NAME:
        raise RequesterError(
            f"A VM cannot be called {name!r}: it is also the name of its folder, without / and without a dot at its"
            f" beginning, and has {_LONGEST_NAME} characters at most."
        )
    return name


def _taken(name: str, place: _Place) -> str:
    """What has the name already; "": nothing."""
    if name in place.names:
        return f"another restore that is about to take the name {name}"
    return taken(name, place.share, place.client, place.host)


def _with_older(source: Source, place: _Place) -> Source:
    """With what lies on the VMstore already of what would be fetched."""
    if source.way.how == SNAPSHOT:
        return source
    folders = folders_of(source.written.vm, place.client)
    return replace(source, older=tuple(older_copies(source.written.files, place.share, folders).values()))


def _by_snapshot(source: Source) -> Json:
    return {"snapshot": source.written.snapshot_uuid} if source.way.how == SNAPSHOT else {}


def _decided(asked: Json, source: Source, vmstore: str, name: str, over: Overwriting | None) -> Json:
    """What an approval is for. What came later stands there only where it says something: those from before hold."""
    written = source.written
    is_cloned = source.way.how == SNAPSHOT
    decided: Json = {
        "operation": "restore-over" if over else "restore",
        "point": asked["point"],
        "vm": written.vm.name,
        "vm_uuid": written.vm.uuid,
        "taken_at": f"{written.taken_at:%Y-%m-%d %H:%M} UTC",
        "from": f"its snapshot on {vmstore} ({written.snapshot_uuid})" if is_cloned else source.target,
        "vmstore": vmstore,
        "name": name,
        "power": "on" if asked.get("is_on") else "stays off",
    }
    if source.cold:
        decided |= {"archive": f"{source.cold} brought back"}
    if over:
        disks = [ours for _, ours in over.disks]
        what = f"{', '.join(disks)} of it" if disks else "all of it"
        decided |= {"overwrites": f"{what}, in {over.folder}; a snapshot of it as it is now is taken first, and stays"}
        decided |= {"power_off": "if it is on"} if asked.get("is_off_allowed") else {}
    return decided


def _demand_host(place: _Place, written: Manifest) -> None:
    """RequesterError: nobody could power it on."""
    if place.host is None:
        raise RequesterError(
            f"{place.vmstore} has no hypervisor in the configuration, so nobody could power it on."
            " Leave “power on” out, or have one configured."
        )
    if not _knows(place.host, written):
        raise RequesterError(
            f"{place.host.name} cannot power it on: it finds no definition of the VM in its own words. Leave"
            " “power on” out; the VM is then to be registered by hand."
        )


def _knows(host: Hypervisor, written: Manifest) -> bool:
    return can_register(host.kind, written.vm.shape, (file.name for file in written.files))


def _expected(source: Source) -> str:
    if source.way.how == SNAPSHOT:
        return "nothing fetched"
    zero = source.written.size - source.data
    told = f"{size_text(source.data)} fetched" + (f", {size_text(zero)} zeros never fetched" if zero else "")
    folders = dict.fromkeys(path.partition("/")[0] for path in source.older)
    return f"{told}; less, where {' or '.join(folders)} still has it" if folders else told


def _notes(source: Source, place: _Place) -> Iterator[str]:
    if not source.is_exact:
        yield "how much of it is zeros is not known for all files: the estimate is their size"
    if source.locked_until:
        yield f"the recovery point is locked in {source.target} until {source.locked_until:%Y-%m-%d %H:%M} UTC"
    if place.host is not None and not _knows(place.host, source.written):
        yield (
            f"the recovery point does not tell {place.host.name} in its own words what the VM was made of: the VM is to"
            " be registered by hand"
        )
    if place.host is None:
        yield f"{place.vmstore} has no hypervisor in the configuration: the VM is to be registered by hand"
