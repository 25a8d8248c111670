"""Which hypervisor can run which VM."""

import pytest

from bot.model import VmShape
from bot.registrable import can_register, may_know


def shape(kind: str, definition: str = "words") -> VmShape:
    return VmShape(
        kind=kind, cpus=1, memory_mib=64, firmware="bios", nics=(), disks=("vm/vm.raw",), definition=definition
    )


@pytest.mark.parametrize(
    ("kind", "said", "expected"),
    [
        ("libvirt", "VMWARE", False),
        ("vsphere", "VMWARE", True),
        ("hyperv", "HYPERV", True),
        ("vsphere", "HYPERV", False),
        ("libvirt", "OTHERFILE", True),
        ("libvirt", "UNKNOWN", True),
    ],
)
def test_a_hypervisor_is_asked_for_vms_that_can_be_its_own(kind: str, said: str, expected: bool) -> None:
    assert may_know(kind, said) is expected


@pytest.mark.parametrize(
    ("kind", "told", "files", "expected"),
    [
        ("libvirt", shape("libvirt"), ["vm.raw"], True),
        ("libvirt", shape("vsphere"), ["vm.vmx"], False),
        ("libvirt", None, ["vm.raw"], False),
        ("libvirt", shape("libvirt", ""), ["vm.raw"], False),
        ("vsphere", None, ["vm.vmdk", "vm.VMX"], True),
        ("vsphere", shape("libvirt"), ["vm.raw"], False),
        ("hyperv", shape("hyperv"), ["vm.vhdx"], True),
        ("hyperv", None, ["vm.vmx"], False),
        ("hyperv", None, ["vm.vhdx", "Virtual Machines/vm.VMCX"], True),
    ],
)
def test_it_registers_what_is_defined_in_its_own_words(
    kind: str, told: VmShape | None, files: list[str], expected: bool
) -> None:
    assert can_register(kind, told, files) is expected
