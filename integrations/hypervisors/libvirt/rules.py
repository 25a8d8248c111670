"""What is taken over of a domain's XML: what is not named here is left out. Pure.

The XML may come from a bucket that others write to, so that no value with a `/` is taken (no path, no device, no
script), and nothing that gives the guest a part of the host. Names: https://libvirt.org/formatdomain.html.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, SubElement

_SAFE = re.compile(r"[\w .,:+@()=-]{0,256}", re.ASCII)
_ZONE = re.compile(r"\w[\w+-]{0,63}(?:/\w[\w+-]{0,63}){0,2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Rule:
    """Of one element: which attributes and children are taken, and whether its text is."""

    attributes: frozenset[str] = frozenset()
    children: Mapping[str, "Rule"] = field(default_factory=dict)
    has_text: bool = False
    values: Mapping[str, frozenset[str]] = field(default_factory=dict)  # all that an attribute may be; "": the text

    def takes(self, name: str, value: str) -> bool:
        """Whether an attribute, or the text by the name "", may be so."""
        if name in self.values:
            return value in self.values[name]
        return bool((_ZONE if name == "timezone" else _SAFE).fullmatch(value))


def _rule(attributes: str = "", **children: Rule) -> Rule:
    return Rule(frozenset(attributes.split()), children)


def _text(attributes: str = "") -> Rule:
    return Rule(frozenset(attributes.split()), {}, True)


def _one_of(*values: str) -> Rule:
    return Rule(frozenset(), {}, True, {"": frozenset(values)})


# Of the host, and made anew by libvirt: nobody misses them.
UNTOLD = frozenset({"emulator", "seclabel", "resource", "alias", "uuid", "name", "metadata", "domain@id", "audio"})

_ADDRESS = _rule("type domain bus slot function multifunction controller target unit port")
_FEATURE = _rule("state")

_CPU = _rule(
    "mode match check migratable",
    model=_text("fallback vendor_id"),
    vendor=_text(),
    topology=_rule("sockets dies cores threads"),
    feature=_rule("policy name"),
    cache=_rule("level mode"),
    maxphysaddr=_rule("mode bits"),
    numa=_rule("", cell=_rule("id cpus memory unit discard memAccess")),
)
_HYPERV = _rule(
    "mode",
    **{
        name: _rule("state retries value")
        for name in (
            "relaxed",
            "vapic",
            "spinlocks",
            "vpindex",
            "runtime",
            "synic",
            "reset",
            "vendor_id",
            "frequencies",
        )
    },
    stimer=_rule("state", direct=_FEATURE),
    reenlightenment=_FEATURE,
    tlbflush=_FEATURE,
    ipi=_FEATURE,
    evmcs=_FEATURE,
)
_FEATURES = _rule(
    "",
    acpi=_rule(),
    apic=_rule("eoi"),
    pae=_rule(),
    hap=_FEATURE,
    viridian=_rule(),
    hyperv=_HYPERV,
    kvm=_rule("", hidden=_FEATURE),
    vmport=_FEATURE,
    pmu=_FEATURE,
    smm=_FEATURE,
    ioapic=_rule("driver"),
    gic=_rule("version"),
    vmcoreinfo=_FEATURE,
)
_TIMER = _rule("name track tickpolicy present mode frequency")

# Of the domain itself. `devices`, `os`, `description` and `title` have rules of their own.
DOMAIN: Mapping[str, Rule] = {
    "memory": _text("unit"),
    "currentMemory": _text("unit"),
    "vcpu": _text("placement current"),
    "iothreads": _text(),
    "cpu": _CPU,
    "features": _FEATURES,
    "clock": _rule("offset adjustment basis timezone", timer=_TIMER),
    # Not the ones that write the guest's memory to the host's disk.
    "on_poweroff": _one_of("destroy", "restart", "preserve", "rename-restart"),
    "on_reboot": _one_of("destroy", "restart", "preserve", "rename-restart"),
    "on_crash": _one_of("destroy", "restart", "preserve", "rename-restart"),
    "pm": _rule("", **{"suspend-to-mem": _rule("enabled"), "suspend-to-disk": _rule("enabled")}),
}

OS: Mapping[str, Rule] = {
    "type": _text("arch machine"),
    "boot": _rule("dev"),
    "bootmenu": _rule("enable timeout"),
    "bios": _rule("useserial rebootTimeout"),
}

DEVICES: Mapping[str, Rule] = {
    "controller": _rule(
        "type index model ports vectors",
        model=_rule("name"),
        target=_rule("chassisNr chassis port busNr hotplug"),
        driver=_rule("queues cmd_per_lun max_sectors ioeventfd"),
        master=_rule("startport"),
        address=_ADDRESS,
    ),
    "input": _rule("type bus model", address=_ADDRESS),
    "video": _rule("", model=_rule("type ram vram vram64 vgamem heads primary"), address=_ADDRESS),
    "sound": _rule("model", codec=_rule("type"), address=_ADDRESS),
    "memballoon": _rule("model autodeflate freePageReporting", stats=_rule("period"), address=_ADDRESS),
    "watchdog": Rule(
        frozenset({"model", "action"}),
        {"address": _ADDRESS},
        values={"action": frozenset({"reset", "shutdown", "poweroff", "pause", "none", "inject-nmi"})},
    ),
    "panic": _rule("model", address=_ADDRESS),
    "hub": _rule("type", address=_ADDRESS),
    "iommu": _rule("model", driver=_rule("intremap caching_mode eim iotlb aw_bits")),
}

DISK = _rule(
    "device",
    driver=_rule("name type cache io discard detect_zeroes error_policy rerror_policy ioeventfd event_idx queues"),
    target=_rule("dev bus removable rotation_rate tray"),
    serial=_text(),
    wwn=_text(),
    vendor=_text(),
    product=_text(),
    readonly=_rule(),
    boot=_rule("order"),
    blockio=_rule("logical_block_size physical_block_size discard_granularity"),
    address=_ADDRESS,
)
INTERFACE = _rule(
    "", mac=_rule("address"), model=_rule("type"), boot=_rule("order"), mtu=_rule("size"), address=_ADDRESS
)
PORT = _rule("", target=_rule("type port name", model=_rule("name")), address=_ADDRESS)  # serial, console, channel


class Taken:
    """Copies by the rules, and keeps account of what it leaves out."""

    def __init__(self) -> None:
        self.left: dict[str, int] = {}  # what -> how often, in the order in which it was found

    def leave(self, what: str) -> None:
        """Note that something was left out."""
        if not UNTOLD & {what, what.rpartition("/")[2]}:
            self.left[what] = self.left.get(what, 0) + 1

    def copy(self, source: Element, rule: Rule, parent: Element, where: str) -> Element:
        """Add a copy of what the rule takes to the parent."""
        made = SubElement(parent, source.tag)
        for name, value in source.attrib.items():
            if name in rule.attributes and rule.takes(name, value):
                made.set(name, value)
            else:
                self.leave(f"{where}@{name}")
        text = (source.text or "").strip()
        if rule.has_text and rule.takes("", text):
            made.text = text
        elif "" in rule.values:  # without a word in it, it would mean nothing
            parent.remove(made)
            self.leave(where)
        for child in source:
            if child.tag in rule.children:
                self.copy(child, rule.children[child.tag], made, f"{where}/{child.tag}")
            else:
                self.leave(f"{where}/{child.tag}")
        return made

    def words(self) -> tuple[str, ...]:
        """What was left out, for people."""
        return tuple(
            f"left out: {what}" + (f" ({count} times)" if count > 1 else "") for what, count in self.left.items()
        )
