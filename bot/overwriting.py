"""Plans what overwrites a VM in place: by reading only, and refusing with words what could not be undone."""

from dataclasses import dataclass

from bot.errors import MissingError, RequesterError
from bot.manifest import Manifest
from bot.model import Json
from bot.original import differences, look, misfit, objection, paired
from bot.ports import Hypervisor, VMstore
from bot.ways import SNAPSHOT, Way


@dataclass(frozen=True, slots=True, kw_only=True)
class Overwriting:
    """It can be done."""

    name: str  # of the VM now
    folder: str  # of its files, relative to the export
    disks: tuple[tuple[str, str], ...]  # via the snapshot: those alone that are put back; (): all of the VM
    is_on: bool  # now: it is powered off for it
    notes: tuple[str, ...]  # what to mind

    @property
    def settled(self) -> Json:
        """What the workflow is given of it."""
        return {"folder": self.folder} | ({"disks": [list(pair) for pair in self.disks]} if self.disks else {})


def plan(asked: Json, written: Manifest, way: Way, client: VMstore, host: Hypervisor | None) -> Overwriting:
    """RequesterError: it is not there, has another name or other disks by now, runs, or nobody tells."""
    store = client.name
    if store != written.vm.vmstore:
        raise RequesterError(f"The original is on {written.vm.vmstore}: leave “to” out, or “over original”.")
    try:
        original = look(client, host, written.vm.uuid)
    except MissingError as error:
        raise RequesterError(
            f"{written.vm.name} ({written.vm.uuid}) is not on {store} any more, so there is nothing to overwrite."
            f" Restore it without “over original”: “as {written.vm.name}” gives it its name, if that is free."
        ) from error
    name = original.vm.name
    if asked.get("confirmed") != name:
        raise RequesterError(f"The VM is called {name} by now: type that name behind “confirm” if it is meant.")
    disks = paired(original, written) if way.how == SNAPSHOT else ()
    if why := misfit(original, written) if not disks else "":
        raise RequesterError(why)
    if why := objection(original, is_off_allowed=bool(asked.get("is_off_allowed"))):
        raise RequesterError(why)
    if asked.get("is_on") and not original.vm_id:
        raise RequesterError(f"No hypervisor of {store} knows {name}, so nobody could power it on: leave that out.")
    notes = [f"{name} is on, and is powered off for it"] if original.is_on else []
    notes += [f"{name} as it is now is overwritten; before that a snapshot of it is taken, which stays"]
    notes += (
        [f"only {', '.join(ours for _, ours in disks)} of it: it has other disks by now, which stay"] if disks else []
    )
    notes += [f"{name}: {difference}" for difference in differences(original, written)]
    is_on = bool(original.is_on)
    return Overwriting(name=name, folder=original.folder, disks=disks or (), is_on=is_on, notes=tuple(notes))
