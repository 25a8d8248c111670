"""KVM and QEMU by libvirt (port: bot.ports.Hypervisor).

A VM that Cloudy registered has its label in the domain's metadata, beside the uuid for which it was written: a clone
takes the metadata along and has another. A new VM's uuid is made of the label, so that one label registers one VM,
whoever asks at the same time.
"""

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any, TypeVar
from xml.etree.ElementTree import Element

import libvirt

from bot.errors import ConfigError, MissingError, PermanentError
from bot.model import LONGEST_SIGN, Alive, HypervisorInfo, Registered, RegisterSpec, Vm, VmShape
from integrations.hypervisors import specs
from integrations.hypervisors.libvirt import agent, definition, files, images, words, xml
from integrations.hypervisors.libvirt.addresses import dialled_url
from integrations.hypervisors.libvirt.connection import Connection
from integrations.hypervisors.libvirt.console import Consoles

T = TypeVar("T")
_START_FACTOR = 4  # a start may take as many times the time-out of a call: memory is made, files are opened
_TELLS_CHAINS = (6_000_000, 4_002_000)  # libvirt and QEMU: QEMU is told the whole chain, and looks for none
_NAME = re.compile(r"[^/\x00-\x1f]{1,255}")


def open_libvirt(name: str, url: str, datastore: str, settings: Mapping[str, object]) -> "LibvirtHypervisor":
    """Open one. ConfigError: an address, folder or file that it cannot use. It asks nothing yet."""
    if datastore and not PurePosixPath(datastore).is_absolute():
        raise ConfigError([f"vmstores: datastore is {datastore!r}; for libvirt it is a folder, like /mnt/tintri"])
    user, password = str(settings.get("user", "")), str(settings.get("password", ""))
    line = Connection(
        name,
        dialled_url(name, url, user, str(settings.get("ca", ""))),
        (user, password),
        float(str(settings.get("timeout_s", 30.0))),
    )
    return LibvirtHypervisor(name, line, datastore, str(settings.get("domain_type", "")))


class LibvirtHypervisor:
    """One host. datastore: where it has the export mounted."""

    kind = "libvirt"

    def __init__(self, name: str, line: Connection, datastore: str, domain_type: str) -> None:
        self.name = name
        self._line = line
        self._datastore = datastore.rstrip("/")
        self._domain_type = domain_type
        self._consoles = Consoles()
        self._registering = threading.Lock()

    def info(self) -> HypervisorInfo:
        """See the port."""

        def asked(line: Any) -> HypervisorInfo:
            versions = (_version(number) for number in (line.getLibVersion(), line.getVersion()))
            return HypervisorInfo(product="libvirt with QEMU", version=", ".join(versions))

        return self._line.ask("asking what it is", asked)

    def shape(self, vm: Vm) -> VmShape:
        """See the port."""

        def asked(line: Any) -> VmShape | None:
            root = self._definition_of(line, vm)
            return None if root is None else words.shape_of(root, self._datastore)

        found = self._line.ask("asking for a VM's shape", asked)
        if found is None:
            raise self._missing(vm.name, "asking for a VM's shape")
        return found

    def find(self, name: str) -> tuple[Registered, ...]:
        """See the port."""
        found = self._line.ask("finding a VM", lambda line: _told(_by_name(line, name)))
        return (found,) if found else ()

    def registered(self, label: str) -> Registered | None:
        """See the port."""
        return self._line.ask("finding what was registered", lambda line: self._labelled(line, label))

    def register_vm(self, label: str, spec: RegisterSpec) -> Registered:
        """See the port. Notes are told by the call that really registers it."""
        self._check(spec)
        with self._registering:
            return self._line.ask("registering a VM", lambda line: self._register(line, label, spec))

    def power_on(self, vm_id: str) -> None:
        """See the port. It starts when its console is read, so that nothing that it says is lost."""

        def asked(line: Any) -> None:
            domain = self._known(line, vm_id)
            if not domain.isActive():
                domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
            if domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED:  # by us just now, or by a process that died then
                with suppress(libvirt.libvirtError):  # it starts all the same; whoever looks at it is told why
                    self._consoles.attach(line, domain, vm_id)
                domain.resume()

        self._line.ask("starting a VM", asked, timeout_s=self._line.timeout_s * _START_FACTOR)

    def power_off(self, vm_id: str) -> None:
        """See the port."""

        def asked(line: Any) -> None:
            _stop(_by_id(line, vm_id))
            self._consoles.detach(vm_id)

        self._line.ask("stopping a VM", asked)

    def alive(self, vm_id: str, pattern: str = "") -> Alive | None:
        """See the port. A console that nobody read since the start is read from now on.

        PermanentError: it has no console, or somebody else reads it, so that no pattern will ever be seen.
        """
        wanted = self._compiled(pattern) if pattern else None

        def asked(line: Any) -> Alive | None:
            domain = self._known(line, vm_id)
            if not domain.isActive():
                return None
            if wanted is None:
                said = agent.answer(domain)
                return Alive(sign="agent", text=said[:LONGEST_SIGN]) if said else None
            return self._on_console(line, domain, vm_id, wanted)

        return self._line.ask("looking whether a VM lives", asked)

    def unregister(self, vm_id: str) -> None:
        """See the port. UEFI variables that lie on the export stay, too."""

        def asked(line: Any) -> None:
            self._forget(_by_id(line, vm_id))
            self._consoles.detach(vm_id)

        self._line.ask("forgetting a VM", asked)

    def close(self) -> None:
        """See the port."""
        self._line.close(self._consoles.detach_all)

    def _on_console(self, line: Any, domain: Any, vm_id: str, wanted: re.Pattern[str]) -> Alive | None:
        said = self._consoles.said(vm_id)
        if said is None:
            self._read_along(line, domain, vm_id)
            return None
        text = said.decode("utf-8", "replace")
        found = wanted.search(text)
        if found is None:
            return None
        seen = text[max(0, found.start() - LONGEST_SIGN // 8) :].encode()[:LONGEST_SIGN]
        return Alive(sign="console", text=seen.decode("utf-8", "ignore"))

    def _read_along(self, line: Any, domain: Any, vm_id: str) -> None:
        try:
            self._consoles.attach(line, domain, vm_id)
        except libvirt.libvirtError as error:
            if error.get_error_code() not in (libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_ERR_OPERATION_FAILED):
                raise
            raise PermanentError(
                f"{self.name}: the console of {domain.name()} cannot be read ({error.get_error_message()})."
                " It must have a serial console that nobody else has open.",
                system=self.name,
                operation="looking whether a VM lives",
            ) from error

    def _compiled(self, pattern: str) -> re.Pattern[str]:
        try:
            return re.compile(pattern)
        except re.error as error:
            raise PermanentError(
                f"{pattern!r} is not a regular expression ({error}).", system=self.name, operation="looking for life"
            ) from error

    def _labelled(self, line: Any, label: str) -> Registered | None:
        found = [told for told in map(_told, line.listAllDomains()) if told is not None and told.label == label]
        cure = f"Take the mark out of the wrong one: virsh metadata NAME {definition.OURS} --remove --config"
        return specs.only(found, label, self.name, cure)

    def _register(self, line: Any, label: str, spec: RegisterSpec) -> Registered:
        found = self._labelled(line, label)
        if found is not None:
            return found
        taken = _by_name(line, spec.name)
        if taken is not None:
            raise self._refused(f"there is a VM called {spec.name} already; choose another name")
        try:
            text, notes = self._adapted(line, label, spec)
        except (definition.NoDefinition, images.BadImage, xml.NotXml) as error:
            raise self._refused(f"{error}; nothing was registered") from error
        except files.NotThere as error:
            raise self._refused(
                f"the host does not see {error}. Is the export mounted there at {self._datastore} (`datastore`)?"
            ) from error
        domain = line.defineXML(text)
        return Registered(id=domain.UUIDString(), name=domain.name(), label=label, is_on=False, notes=notes)

    def _adapted(self, line: Any, label: str, spec: RegisterSpec) -> tuple[str, tuple[str, ...]]:
        shape = spec.shape
        if shape is None or shape.kind != self.kind or not shape.definition:
            raise definition.NoDefinition("the recovery point holds no definition for libvirt")
        root = xml.read(shape.definition)
        if spec.keeps_identity and _by_id(line, definition.own_uuid(root)) is not None:
            raise self._refused("the VM with that identity is still there; unregister it, or restore it as another one")
        full = {path: f"{self._datastore}/{path}" for path in spec.files}
        here = {path.removeprefix(f"{spec.directory}/"): place for path, place in full.items()}
        heads = files.heads_of(line, label, full.values())
        disks = definition.disks_of(root, here, shape.disks)
        is_told = line.getLibVersion() >= _TELLS_CHAINS[0] and line.getVersion() >= _TELLS_CHAINS[1]
        chains = {path: _chain(path, form, heads, takes_paths=is_told) for path, form in disks.values()}
        wanted = definition.Wanted(
            label=label,
            name=spec.name,
            files=here,
            chains=chains,
            protected=shape.disks,
            networks=spec.networks,
            known_networks=frozenset(network.name() for network in line.listAllNetworks()),
            is_connected=spec.is_connected,
            keeps_identity=spec.keeps_identity,
            domain_type=self._domain_type,
        )
        text, notes = definition.adapted(root, wanted)
        return text, (*notes, *_moved(chains, heads))

    def _check(self, spec: RegisterSpec) -> None:
        """What must be so of any spec, whoever made it."""
        if not self._datastore:
            raise self._refused("it sees no VMstore's files: `datastore` is not set")
        if why := specs.mistake_of(spec):
            raise self._refused(why)
        if not _NAME.fullmatch(spec.name) or spec.name in (".", ".."):
            raise self._refused(f"{spec.name!r} cannot be the name of a VM here")

    def _definition_of(self, line: Any, vm: Vm) -> Element | None:
        """Of the domain whose disks are the VM's; by the name alone where no disk of it is known."""
        known = {disk.path for disk in vm.disks}
        named = _by_name(line, vm.name)
        for domain in (*((named,) if named else ()), *(line.listAllDomains() if known else ())):
            root = _read(domain)
            if root is not None and self._is_of(root, known):
                return root
        return None

    def _is_of(self, root: Element, known: set[str]) -> bool:
        return not known or any(words.inside(file, self._datastore) in known for file in words.disk_files(root))

    def _forget(self, domain: Any) -> None:
        if domain is None:
            return
        _stop(domain)
        root = _read(domain)
        variables = (root.findtext("os/nvram") or "").strip() if root is not None else ""
        keeps = self._datastore and words.inside(variables, self._datastore)
        flags = libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
        flags |= libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
        flags |= libvirt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM if keeps else libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
        _unless(lambda: domain.undefineFlags(flags), libvirt.VIR_ERR_NO_DOMAIN)

    def _known(self, line: Any, vm_id: str) -> Any:
        domain = _by_id(line, vm_id)
        if domain is None:
            raise self._missing(vm_id, "looking a VM up")
        return domain

    def _missing(self, what: str, operation: str) -> MissingError:
        return MissingError(f"{self.name} knows no VM {what}.", system=self.name, operation=operation)

    def _refused(self, why: str) -> PermanentError:
        return PermanentError(f"{self.name}: {why}.", system=self.name, operation="registering a VM")


def _chain(path: str, form: str, heads: Mapping[str, bytes], *, takes_paths: bool) -> tuple[tuple[str, str], ...]:
    """An image and those below it by full path; only files of its own folder are looked at."""
    folder, _, name = path.rpartition("/")
    near = {each.rpartition("/")[2]: head for each, head in heads.items() if each.rpartition("/")[0] == folder}
    try:
        return tuple(
            (f"{folder}/{each}", kind) for each, kind in images.chain_of(name, form, near, takes_paths=takes_paths)
        )
    except images.BadImage as error:
        raise images.BadImage(f"{name}: {error}") from error


def _moved(chains: Mapping[str, tuple[tuple[str, str], ...]], heads: Mapping[str, bytes]) -> Iterator[str]:
    """What people must know of images that name another place than the one where they are used now."""
    for path, form in dict.fromkeys(image for chain in chains.values() for image in chain):
        image, name = images.examine(form, heads[path], takes_paths=True), path.rpartition("/")[2]
        if image.path:
            yield (
                f"{name} is built on the {image.backing} beside it, though it names {image.path}: before anything but"
                f" this VM uses it, `qemu-img rebase -u -b {image.backing} -F {image.backing_format} {name}`"
            )


def _told(domain: Any) -> Registered | None:
    """What a domain is; None where it is gone meanwhile."""
    if domain is None:
        return None
    return _unless(
        lambda: Registered(
            id=domain.UUIDString(), name=domain.name(), label=_label_of(domain), is_on=bool(domain.isActive())
        ),
        libvirt.VIR_ERR_NO_DOMAIN,
    )


def _label_of(domain: Any) -> str:
    text = _unless(
        lambda: domain.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, definition.OURS, 0),
        libvirt.VIR_ERR_NO_DOMAIN_METADATA,
    )
    try:
        mark = xml.read(text) if text else None
    except xml.NotXml:
        return ""
    return mark.get("label", "") if mark is not None and mark.get("uuid") == domain.UUIDString() else ""


def _read(domain: Any) -> Element | None:
    text = _unless(lambda: domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE), libvirt.VIR_ERR_NO_DOMAIN)
    return xml.read(text) if text else None


def _by_name(line: Any, name: str) -> Any:
    return _unless(lambda: line.lookupByName(name), libvirt.VIR_ERR_NO_DOMAIN) if name else None


def _by_id(line: Any, vm_id: str) -> Any:
    return _unless(lambda: line.lookupByUUIDString(vm_id), libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_INVALID_ARG)


def _stop(domain: Any) -> None:
    """At once; off already, or gone, is fine."""
    if domain is not None:
        _unless(domain.destroy, libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_NO_DOMAIN)


def _unless(work: Callable[[], T], *codes: int) -> T | None:
    """What the work gives; None where libvirt says one of these."""
    try:
        return work()
    except libvirt.libvirtError as error:
        if error.get_error_code() in codes:
            return None
        raise


def _version(number: int) -> str:
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"
