"""A running simulator with two small VMs, and a session on it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from integrations.simulators.vmstore import VmstoreSimulator, sample_vms
from tests.contract.vmstore_simulator.caller import FS, MIB, Caller


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[VmstoreSimulator]:
    export = tmp_path / "export"
    sample_vms.create_vm(export, "vm01", 8 * MIB, 2 * MIB)
    sample_vms.create_vm(export, "vm011", 1 * MIB, 100_000)
    simulator = VmstoreSimulator(export, http=True, clone_seconds=0.2, fs_uuid=FS)
    simulator.start()
    yield simulator
    simulator.stop()


@pytest.fixture
def caller(simulator: VmstoreSimulator) -> Caller:
    caller = Caller(simulator)
    assert caller.login().status_code == 200
    return caller
