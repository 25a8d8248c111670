"""A VMstore on loopback: REST API plus export folder."""

from integrations.simulators.vmstore.options import Options
from integrations.simulators.vmstore.server import VmstoreSimulator, run

__all__ = ["Options", "VmstoreSimulator", "run"]
