"""A world of one round: a VMstore with small VMs, a Slack, two targets in the shared S3 server, the bot's papers."""

import json
import os
import threading
from pathlib import Path
from typing import Any

from bot.store import Database, load_audit_key
from integrations.simulators.slack import LocalSlack
from integrations.simulators.vmstore import VmstoreSimulator, sample_vms
from tests.chaos.plan import TARGETS, VMS, Round
from tests.peers import S3Peer

PASSWORD = "chaos-password-never-shown"
CLONE_S = 0.3
_MIB = 1 << 20


class World:
    """Everything but the bot; start and stop it in one thread."""

    def __init__(self, folder: Path, s3: S3Peer, tls: tuple[Path, Path, Path], chosen: Round) -> None:
        self.folder = folder
        self.s3 = s3
        self.slack = LocalSlack(ack_deadline_s=3.0)  # whoever asks a dead bot goes on
        export = folder / "vmstore" / "export"
        ca, certificate, key = tls
        self.ca = ca
        for vm, mib in VMS.items():
            sample_vms.create_vm(export, vm, mib * _MIB, mib * _MIB // 2)
        self.vmstore = VmstoreSimulator(
            export,
            name="vmstore",
            user="cloudy",
            password=PASSWORD,
            tls=(certificate, key),
            clone_seconds=CLONE_S,
            **chosen.habits,
        )
        self.prefixes = {target: f"{chosen.name}/{target}" for target in TARGETS}
        self.frozen = Frozen(export, folder / "frozen")

    def start(self) -> None:
        """Start it and write the bot's configuration."""
        self.slack.start()
        self.vmstore.start()
        self.frozen.start()
        (self.folder / "cloudy.toml").write_text(self._config())
        (self.folder / "secrets.env").write_text(self._secrets())

    def stop(self) -> None:
        """End it; repeating is safe."""
        self.frozen.stop()
        self.slack.stop()
        self.vmstore.stop()

    def database(self) -> Database:
        """The bot's database, to read; with the key of its audit where there is one."""
        key = load_audit_key(self.folder / "audit.key", create=False)
        return Database.open(self.folder / "cloudy.db", audit_key=key)

    def touch(self, vm: str) -> None:
        """The VM's guest writes."""
        sample_vms.touch(self.vmstore.export, vm, 10, 256 << 10)

    def _config(self) -> str:
        sections: dict[str, dict[str, Any]] = {
            "database": {"path": "cloudy.db", "engine": "engine.db"},
            "slack": {"api_url": self.slack.url},
            "vmstores.vmstore": {
                "url": self.vmstore.url,
                "user": "cloudy",
                "ca": str(self.ca),
                "export": "/tintri",
                "share": "path:vmstore/export",
                "cleanup_share": "path:vmstore/export",
            },
        }
        for target, prefix in self.prefixes.items():
            sections[f"targets.{target}"] = {
                "url": self.s3.url(prefix),
                "endpoint": self.s3.endpoint,
                "region": self.s3.region,
                "path_style": True,
                "part_mib": 5,
            }
        return "\n".join(_section(name, values) for name, values in sections.items())

    def _secrets(self) -> str:
        lines = {
            "SLACK__BOT_TOKEN": self.slack.bot_token,
            "SLACK__APP_TOKEN": self.slack.app_token,
            "SLACK__SIGNING_SECRET": self.slack.signing_secret,
            "VMSTORES__VMSTORE__PASSWORD": PASSWORD,
        }
        for target in TARGETS:
            lines[f"TARGETS__{target.upper()}__ACCESS_KEY"] = self.s3.access_key
            lines[f"TARGETS__{target.upper()}__SECRET_KEY"] = self.s3.secret_key
        return "".join(f"CLOUDY_{name}={value}\n" for name, value in lines.items())


def _section(name: str, values: dict[str, Any]) -> str:
    lines = (f"{key} = {json.dumps(value)}\n" for key, value in values.items())  # such JSON is TOML too
    return f"[{name}]\n{''.join(lines)}"


class Frozen:
    """Keeps each snapshot's files as they were frozen, also after the snapshot is deleted: by hard links."""

    def __init__(self, export: Path, kept: Path) -> None:
        self._state = export.with_name(f"{export.name}.state")
        self._kept = kept
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="frozen", daemon=True)
        self.of: dict[str, list[Path]] = {}  # by label, the transaction id: a folder for each snapshot ever taken
        self._seen: set[str] = set()

    def start(self) -> None:
        """Watch."""
        self._kept.mkdir(parents=True)
        self._thread.start()

    def stop(self) -> None:
        """End; repeating is safe."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.02):
            self.look()

    def look(self) -> None:
        """Link what is new. Frozen files never change, and a snapshot lives at least as long as its clone grows."""
        snapshots = json.loads((self._state / "state.json").read_text())["snapshots"]
        for name in snapshots.keys() - self._seen:
            self._seen.add(name)
            folder = self._kept / name
            for path in (self._state / "snapshots" / name).rglob("*"):
                if path.is_file():
                    copy = folder / path.relative_to(self._state / "snapshots" / name)
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    os.link(path, copy)
            self.of.setdefault(snapshots[name]["description"].partition(" ")[0], []).append(folder)
