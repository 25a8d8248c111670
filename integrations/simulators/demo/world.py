"""The demo's world: two VMstores, Slack, an S3 server and more on loopback, and the unchanged bot among them."""

import json
import secrets
import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from integrations.simulators.demo.azureplace import open_place
from integrations.simulators.demo.bot import Bot, Watcher, cloudy_command
from integrations.simulators.demo.kvmplace import DISKS, KvmPlace
from integrations.simulators.demo.papers import Papers, SlackPaper, VmstorePaper
from integrations.simulators.demo.ports import free_ports, kept_port
from integrations.simulators.demo.proxy import S3Proxy
from integrations.simulators.demo.s3server import Account, S3Server
from integrations.simulators.demo.wire import Wire
from integrations.simulators.slack import LocalSlack, Shortcut
from integrations.simulators.slack.people import default_users
from integrations.simulators.vmstore import VmstoreSimulator, sample_vms, tls

CHANNEL = "ops"
_VMS = {"vmstore": ("vm01", "vm02", "web01"), "vmstore2": ("db01", "app server 03")}
_S3_READY_S = 30.0
_AZURE_READY_S = 30.0
_USER = "cloudy"


class World:
    """Everything that a bot needs, in one folder. Start and stop it from the main thread.

    A folder that held a world before goes on with its VMs, its bucket and its database.
    """

    def __init__(
        self, folder: Path, *, http: bool = False, shortcuts: Sequence[Shortcut] = (), usages: Sequence[str] = ()
    ) -> None:
        """http: Slack comes to the bot by signed HTTP, not by Socket Mode. The rest: see LocalSlack."""
        self.folder = folder
        self.account = Account(
            access_key=f"demo{secrets.token_hex(8)}", secret_key=secrets.token_hex(20), bucket="cloudy-demo"
        )
        port = free_ports(1)[0] if http else 0
        self.slack = LocalSlack(
            port=_last_port(folder),
            ack_deadline_s=10.0,  # longer than Slack: this machine runs a whole world beside the bot
            request_url=f"http://127.0.0.1:{port}/slack/events" if http else "",
            shortcuts=shortcuts,
            usages=usages,
        )
        self.vmstores: dict[str, VmstoreSimulator] = {}
        self.s3 = S3Server(folder, self.account)
        wire = Wire(folder / "wire.json")
        self.proxy = S3Proxy(("127.0.0.1", 0), counts=wire.of("s3"))
        self.azure = open_place(folder, wire)
        self.kvm = KvmPlace(folder)
        self.bot = Bot(folder, cloudy_command(), ["--http", "--host", "127.0.0.1", "--port", str(port)] if http else [])
        self.watcher = Watcher(folder, cloudy_command())

    @property
    def vms(self) -> dict[str, tuple[str, ...]]:
        """Names of the VMs by VMstore."""
        return {name: _vms_in(one.export) for name, one in self.vmstores.items()}

    @property
    def wires(self) -> dict[str, S3Proxy]:
        """What passes to each target, by name."""
        return {"s3": self.proxy} | ({"azure": self.azure.proxy} if self.azure is not None else {})

    def start(self) -> None:
        """Start all of it; returns when the bot is ready. RuntimeError, OSError: a piece did not start."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.s3.start()
        self.proxy.start()
        if self.azure is not None:
            self.azure.start()
        self.slack.start()
        self.kvm.start(self.folder / next(iter(_VMS)) / "export")
        for name in _VMS:
            self._start_vmstore(name)
        self._papers().write(self.folder)
        self.bot.start()
        self.s3.wait_ready(_S3_READY_S)
        self.proxy.upstream = ("127.0.0.1", self.s3.port)
        if self.azure is not None:
            self.azure.wait_ready(_AZURE_READY_S)
        self.bot.wait_ready()
        if not self.slack.ready(10):
            raise RuntimeError(f"the bot says that it is ready, but Slack does not reach it:\n{self.bot.tail()}")
        self.watcher.start()

    def stop(self) -> None:
        """End all of it; repeating is safe."""
        self.watcher.stop()
        self.bot.stop()
        endings: list[Callable[[], None]] = [self.s3.stop, self.proxy.stop, self.slack.stop, self.kvm.stop]
        endings += [vmstore.stop for vmstore in self.vmstores.values()]
        endings += [self.azure.stop] if self.azure is not None else []
        threads = [threading.Thread(target=end, name="end") for end in endings]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def restart(self, how: str) -> None:
        """End the bot by "kill" or "term" and start it again; the rest of the world goes on."""
        if how == "kill":
            self.bot.kill()
        else:
            self.bot.stop()
        self.bot.start()
        self.bot.wait_ready()

    def touch(self, vm: str, percent: float, run_bytes: int) -> int:
        """Change a share of a VM's first disk; gives the bytes changed. LookupError: no such VM, or one that boots."""
        export = self._home_of(vm).export
        if not any((export / vm).glob("*.vmx")):
            raise LookupError(f"{vm} boots from its disk, which is left as it is: touch another VM")
        return sample_vms.touch(export, vm, percent, run_bytes)

    def clone(self, vm: str, name: str) -> None:
        """Make a VM of another one, as its VMstore does. LookupError: no such VM, or a VM has that name."""
        self._home_of(vm).clone(vm, name)

    def destroy(self, vm: str) -> None:
        """Delete a VM: its host forgets it, its files go from the export. LookupError: no such VM. OSError."""
        home = self._home_of(vm)
        self.kvm.forget(vm)
        shutil.rmtree(home.export / vm)

    def _home_of(self, vm: str) -> VmstoreSimulator:
        for vmstore in self.vmstores.values():
            if (vmstore.export / vm).is_dir():
                return vmstore
        raise LookupError(
            f"there is no VM {vm}; there are: {', '.join(name for all_ in self.vms.values() for name in all_)}"
        )

    def _start_vmstore(self, name: str) -> None:
        export = self.folder / name / "export"
        sample_vms.create(export, _VMS[name])
        _, certificate, key = tls.ensure(self.folder, "demo")
        simulator = VmstoreSimulator(
            export,
            name=name,
            user=_USER,
            password=secrets.token_urlsafe(12),
            tls=(certificate, key),
            plain_disks=DISKS,
        )
        simulator.start()
        self.vmstores[name] = simulator

    def _papers(self) -> Papers:
        slack = SlackPaper(
            url=self.slack.url,
            bot_token=self.slack.bot_token,
            app_token=self.slack.app_token,
            signing_secret=self.slack.signing_secret,
            channel=self.slack.channel_id(CHANNEL),
            page=self.slack.page_url,
        )
        vmstores = tuple(self._vmstore_paper(name) for name in self.vmstores)
        return Papers(
            slack=slack,
            vmstores=vmstores,
            endpoint=self.proxy.url,
            account=self.account,
            azure=self.azure,
            kvm=self.kvm,
            roles=_roles(),
        )

    def _vmstore_paper(self, name: str) -> VmstorePaper:
        vmstore = self.vmstores[name]
        return VmstorePaper(
            name=name,
            url=vmstore.url,
            user=vmstore.options.user,
            password=vmstore.options.password,
            export=f"{name}/export",
            ca="ca.pem",
            control=vmstore.control,
            place=str(vmstore.export),
        )


def _vms_in(export: Path) -> tuple[str, ...]:
    found = {path.parent.name for ending in ("vmx", *DISKS) for path in export.glob(f"[!.]*/*.{ending}")}
    return tuple(sorted(found))


def _last_port(folder: Path) -> int:
    """Where the page of the folder's last world was, so that one which is still open finds the next; else 0."""
    try:
        address = json.loads((folder / "world.json").read_text())["slack"]["page"]
        return kept_port(urlsplit(address).port or 0)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return 0


def _roles() -> dict[str, list[str]]:
    """The cast by role, as anybody would write it into cloudy.toml."""
    people = [user for user in default_users() if user.title]
    return {role: [user.id for user in people if user.title == role] for role in sorted({u.title for u in people})}
