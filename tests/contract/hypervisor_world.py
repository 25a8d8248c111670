"""What the contract suite of hypervisors asks of the peer that an adapter talks to."""

from typing import Protocol

from bot.model import RegisterSpec, Vm
from bot.ports import Hypervisor


class HypervisorWorld(Protocol):
    """An export with a VM of each name that is asked for, and a hypervisor that sees it."""

    marker: str  # what the VM's first disk holds, another one each time
    secret: str  # nothing that Cloudy tells may hold it
    has_console: bool  # whether the adapter reads consoles: then `alive` must show the marker

    def open(self) -> Hypervisor:
        """A client of its own."""

    def original(self, name: str) -> Vm:
        """The VM as the VMstore knows it: made at the first call, registered, off, not by Cloudy."""

    def copied(self, name: str, new: str) -> RegisterSpec:
        """Copy the original's files into a directory of the new name; the spec has its shape, not its identity."""

    def clone(self, vm_id: str, name: str, *, is_forged: bool = False) -> None:
        """Make another VM of a registered one as people do by the hypervisor's own tools: all that it says comes along.

        is_forged: what the original's mark is bound to is put right in the clone's, too.
        """

    def lose(self, files: tuple[str, ...]) -> None:
        """Remove files from the export."""

    def there(self, files: tuple[str, ...]) -> bool:
        """Whether all are on the export."""

    def cannot_start(self, spec: RegisterSpec) -> None:
        """Let a registered VM be one that does not start."""

    def boots(self, vm_id: str) -> None:
        """Prove, where the peer does not really boot, that the disks would; and let the sign of life be there."""

    def identity(self, vm_id: str) -> str:
        """What tells the VM from all others, asked of the peer in another way than by the adapter."""

    def is_connected(self, vm_id: str) -> bool:
        """Whether any of its network cards is, asked likewise."""

    def close(self) -> None:
        """End what was begun."""
