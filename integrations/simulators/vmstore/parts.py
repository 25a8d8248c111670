"""The parts of one VMstore's API, made in the order in which they need each other."""

from pathlib import Path

from integrations.simulators.vmstore.accounts import Accounts
from integrations.simulators.vmstore.alerts import Alerts
from integrations.simulators.vmstore.appliance import Appliance
from integrations.simulators.vmstore.calls import Route
from integrations.simulators.vmstore.capacity import Capacity
from integrations.simulators.vmstore.cinder import Cinder
from integrations.simulators.vmstore.clones import Cloner
from integrations.simulators.vmstore.datastore import Datastore
from integrations.simulators.vmstore.disks import Disks
from integrations.simulators.vmstore.faults import Faults
from integrations.simulators.vmstore.groups import Groups
from integrations.simulators.vmstore.ids import Ids
from integrations.simulators.vmstore.inventory import Inventory
from integrations.simulators.vmstore.jobs import Jobs
from integrations.simulators.vmstore.options import Options
from integrations.simulators.vmstore.protection import Protection
from integrations.simulators.vmstore.replication import Replication
from integrations.simulators.vmstore.sessions import Sessions
from integrations.simulators.vmstore.settings import Settings
from integrations.simulators.vmstore.snapshots import Snapshots
from integrations.simulators.vmstore.state import State
from integrations.simulators.vmstore.sync import Syncer
from integrations.simulators.vmstore.vm_json import VmViews
from integrations.simulators.vmstore.vms import Vms


class Parts:
    """All of it, over one export folder and what is remembered of it."""

    def __init__(self, export: Path, state: State, options: Options, faults: Faults) -> None:
        ids, settings = Ids(state.document.fs_uuid), Settings(state, options)
        accounts, alerts = Accounts(state, ids, options), Alerts(state, settings, ids, options)
        self.sessions = Sessions(options, accounts)
        self._jobs = Jobs(state, ids, options, faults, alerts.tell)
        vms = Vms(state, Inventory(export, state, options.vms), VmViews(export, state, ids, options))
        snapshots = Snapshots(export, state, vms, ids, options)
        protection = Protection(state, vms, snapshots, settings)
        capacity = Capacity(export, vms, options)
        self.cloner = Cloner(export, state, snapshots, self._jobs, options)
        # The first route that fits is taken: words before placeholders.
        self._all = (
            self.sessions,
            accounts,
            alerts,
            protection,
            Syncer(export, state, snapshots, self._jobs, options),
            self.cloner,
            vms,
            Disks(vms, vms.views),
            snapshots,
            Cinder(export, state, snapshots),
            self._jobs,
            Replication(state, settings, ids),
            Datastore(vms, settings, capacity, ids, options),
            Groups(state, vms, protection),
            Appliance(export, settings, alerts, capacity, ids, options),
        )

    @property
    def routes(self) -> list[Route]:
        """The whole API."""
        return [route for part in self._all for route in part.routes]

    def stop(self) -> None:
        """Break off tasks."""
        self._jobs.stop()
