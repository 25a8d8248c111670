"""Keeps the inventory: looks at all VMs of each VMstore soon after the start and every few minutes from then on."""

import logging
import threading
from collections.abc import Callable
from datetime import timedelta

from bot.errors import CloudyError, Stopped
from bot.model import Vm
from bot.ports import Clock, Systems, VMstore
from bot.retry import Patience, retrying
from bot.store import Database, Unit

log = logging.getLogger(__name__)

EVERY = timedelta(minutes=10)
AFTER_FAULT = timedelta(minutes=1)
PATIENCE = Patience(tries=3, first_s=1.0, longest_s=10.0)  # the next look is never far


class Refresher:
    """May look beside runs and other lookers: it only reads, in sessions of its own."""

    def __init__(self, db: Database, systems: Systems, clock: Clock) -> None:
        self._db = db
        self._systems = systems
        self._clock = clock
        self._every = EVERY
        self._stop = threading.Event()

    def run(self, stop: threading.Event, every: timedelta = EVERY) -> None:
        """Look at each VMstore when its last look is old enough, until told to stop. Never raises."""
        self._stop, self._every = stop, every
        try:
            self._write(lambda unit: unit.inventory.keep_only(self._systems.vmstore_names))
        except Exception:  # whatever it is: old names in a list harm nobody
            log.exception("VMstores that are gone were not taken out of the inventory", extra={"action": "inventory"})
        lookers = [
            threading.Thread(target=self._look_again_and_again, args=(name,), name=f"inventory {name}", daemon=True)
            for name in self._systems.vmstore_names  # each in a thread: one that hangs keeps no other waiting
        ]
        for looker in lookers:
            looker.start()
        for looker in lookers:
            looker.join()

    def look(self, vmstore: str) -> None:
        """Look at one VMstore now. What does not work is noted with the look. Stopped: before anything was changed."""
        try:
            vms = self._listed(vmstore)
        except Stopped:
            raise
        except CloudyError as error:
            log.warning(
                "the VMs could not be listed",
                extra={"action": "inventory", "system": vmstore, "error": error.message},
            )
            words = error.message
            self._write(lambda unit: unit.inventory.fail(vmstore, words))
            return
        self._write(lambda unit: unit.inventory.refresh(vmstore, vms))

    def _look_again_and_again(self, vmstore: str) -> None:
        wait_s = 0.0
        while not self._stop.wait(wait_s):
            try:
                wait_s = self._due_in_s(vmstore)
                if wait_s <= 0:
                    self.look(vmstore)
            except Stopped:
                return
            except Exception:  # whatever it is: the next look may fare better, and nothing else may suffer
                log.exception("the look at the VMs failed", extra={"action": "inventory", "system": vmstore})
                wait_s = self._every.total_seconds()

    def _due_in_s(self, vmstore: str) -> float:
        """Until the next look; one from before a restart counts, unless the clock was set back meanwhile."""
        with self._db.read() as unit:
            last = next((look for look in unit.inventory.looks() if look.vmstore == vmstore), None)
        if last is None:
            return 0.0
        every_s = min(self._every, AFTER_FAULT if last.error else self._every).total_seconds()
        return min(every_s, max(0.0, every_s - (self._clock.now() - last.at).total_seconds()))

    def _listed(self, vmstore: str) -> tuple[Vm, ...]:
        client: VMstore = retrying(self._systems.open_vmstore(vmstore), self._pause, PATIENCE)
        self._check()
        client.info()
        client.login()
        try:
            return tuple(client.list_vms())
        finally:
            _log_out(client, vmstore)

    def _write(self, work: Callable[[Unit], None]) -> None:
        self._check()
        with self._db.unit() as unit:
            work(unit)

    def _check(self) -> None:
        if self._stop.is_set():
            raise Stopped()

    def _pause(self, seconds: float) -> None:
        self._check()
        self._clock.sleep(seconds)
        self._check()


def _log_out(client: VMstore, vmstore: str) -> None:
    try:
        client.logout()
    except CloudyError as error:
        words = "log-out failed; the session will expire"
        log.warning(words, extra={"action": "inventory", "system": vmstore, "error": error.message})
