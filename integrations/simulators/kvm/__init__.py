"""A KVM host to try with: real libvirt with real QEMU, apart from the machine's own, and VMs that prove themselves."""

from integrations.simulators.kvm.bootdisk import BootDisk
from integrations.simulators.kvm.daemon import PrivateLibvirt
from integrations.simulators.kvm.ondemand import LibvirtOnDemand
from integrations.simulators.kvm.sample import create_kvm, domain_xml

__all__ = ["BootDisk", "LibvirtOnDemand", "PrivateLibvirt", "create_kvm", "domain_xml"]
