"""Which settings of a .vmx are taken over: what is not named here is left out. Pure.

The file may come from a bucket that others write to, so that nothing is taken that leads out of the VM's folder: no
path, no device of the host, no pipe, socket or screen. Names: https://sanbarrow.com/vmx.html, and what ESXi 6.5 to 8
write themselves.
"""

import re

# Of the VM's machine and how it behaves.
_TAKEN = (
    r"\.encoding|config\.version|virtualhw\.(version|productcompatibility)|displayname|guestos(altname)?|annotation",
    r"memsize|numvcpus|cpuid\.\w+|firmware|uefi\.secureboot\.enabled|bios\.\w+|efi\.\w+",
    r"pcibridge\d+\.\w+|vmci0\.(present|pcislotnumber|id)|hpet0\.present|svga\.\w+|smc\.present",
    r"vhv\.enable|vvtd\.enable|vpmc\.enable|vbs\.enabled|hypervisor\.cpuid\.v0|vcpu\.hot(add|remove)|mem\.hotadd",
    r"numa\.[\w.]+|sched\.(cpu|mem)\.[\w.]+|disk\.enableuuid|tools\.[\w.]+|toolscripts\.\w+|time\.synchronize\.[\w.]+",
    r"powertype\.\w+|isolation\.[\w.]+|monitor_control\.\w+|guestinfo\.[\w.-]+|sound\.(present|virtualdev|pcislotnumber)",
    r"(usb|ehci|usb_xhci)\.(present|pcislotnumber)|(ehci|usb|usb_xhci):\d+\.(present|devicetype|port|parent)",
    r"vtpm\.(present|ekcsr\S*|ekcrt\S*)|encryption\.\w+|datafilekey|vmx\.encryptiontype|nvram|extendedconfigfile",
    r"uuid\.bios|vc\.uuid|cleanshutdown|checkpoint\.vmstate",
    r"(ide|scsi|sata|nvme)\d+\.(present|virtualdev|pcislotnumber|saswwid)",
    r"(ide|scsi|sata|nvme)\d+:\d+\.(present|devicetype|filename|mode|writethrough|virtualssd|throughputcap|shares)",
    r"ethernet\d+\.(present|virtualdev|networkname|pcislotnumber|addresstype|address|generatedaddress(offset)?)",
    r"ethernet\d+\.(wakeonpcktrcv|uptcompatibility|features|mtu)",
)
# Text for people or for the guest, names, ciphered keys: a slash in them leads nowhere.
_FREE = (
    r"annotation|displayname|guestosaltname|guestinfo\..*|ethernet\d+\.networkname|encryption\..*|datafilekey|vtpm\..*"
)
# Written by a host for itself, made anew, or told otherwise: nobody misses them.
_UNTOLD = (
    r"(host|guest|user)cpuid.*|evccompatibilitymode|monitor\.\w+|migrate\.\w+|vmotion\.\w+|sched\.swap\.\w+|viv\.\w+",
    r"softpoweroff|vmxstats\.\w+|replay\.\w+|log\.\w+|uuid\.(location|action)|(.*\.)?ctkenabled|floppy\d+\..*|toolsinstall.*",
    r"ethernet\d+\.(dvs\..*|startconnected|allowguestconnectioncontrol|connectiontype|opaquenetwork\..*|externalid)",
    r"(ide|scsi|sata|nvme)\d+(:\d+)?\.(redo|clientdevice|startconnected|allowguestconnectioncontrol|autodetect|sharedbus)",
    r"cloudy\..*|sound\.(filename|autodetect)|sched\.scsi.*|workingdir|snapshot\.\w+|virtualhw\.\w+|vmxf.*|sharing",
)
_PATH = re.compile(r"[/\\]|\.\.")
_DISK = re.compile(r"|disk|(scsi|ata|sata|nvme)-harddisk", re.IGNORECASE)
_TAKEN_RE = re.compile("|".join(_TAKEN))
_FREE_RE = re.compile(_FREE)
_UNTOLD_RE = re.compile("|".join(_UNTOLD))
_FILE = re.compile(r"(ide|scsi|sata|nvme)\d+:\d+\.filename|nvram|extendedconfigfile|checkpoint\.vmstate")


def is_taken(key: str, value: str) -> bool:
    """Whether a setting is taken as it stands; one that names a file is looked at apart (`is_file`)."""
    if not _TAKEN_RE.fullmatch(key) or is_file(key):
        return False
    return bool(_FREE_RE.fullmatch(key)) or not _PATH.search(value)


def is_file(key: str) -> bool:
    """Whether it names one of the VM's files."""
    return bool(_FILE.fullmatch(key))


def is_missed(key: str) -> bool:
    """Whether people are told that it was left out."""
    return not _UNTOLD_RE.fullmatch(key)


def is_disk_type(value: str) -> bool:
    """Whether a slot's deviceType is a plain disk, not a device of the host."""
    return bool(_DISK.fullmatch(value.strip()))
