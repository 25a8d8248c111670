"""The files that describe the demo's world: cloudy.toml and secrets.env for the bot, world.json for everybody."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from integrations.simulators.demo.azureplace import AzurePlace
from integrations.simulators.demo.kvmplace import ALIVE, HOST, VM, KvmPlace
from integrations.simulators.demo.s3server import Account

EXPORT = "/tintri"  # what the export is called on a VMstore


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackPaper:
    """How to reach the local Slack."""

    url: str
    bot_token: str
    app_token: str
    signing_secret: str
    channel: str
    page: str = ""  # where a browser shows it


@dataclass(frozen=True, slots=True, kw_only=True)
class VmstorePaper:
    """How to reach one VMstore; export and ca are paths inside the world's folder."""

    name: str
    url: str
    user: str
    password: str
    export: str
    ca: str
    control: str  # URL where faults are ordered
    place: str = ""  # the export as the KVM host sees it


_PRICES = {"storage": 0.02, "write": 0.005, "read": 0.0004, "currency": "USD"}  # as clouds ask for about


@dataclass(frozen=True, slots=True, kw_only=True)
class Papers:
    """All that is written down."""

    slack: SlackPaper
    vmstores: tuple[VmstorePaper, ...]
    endpoint: str
    account: Account
    azure: AzurePlace | None = None
    kvm: KvmPlace | None = None
    roles: Mapping[str, Sequence[str]] = field(default_factory=dict)  # Slack ids by role

    def write(self, folder: Path) -> None:
        """Write the three files; secrets.env for the owner alone."""
        (folder / "cloudy.toml").write_text(self.config())
        _write_private(folder / "secrets.env", self.secrets())
        _write_private(folder / "world.json", json.dumps(self.world(), indent=2) + "\n")

    def config(self) -> str:
        """The bot's configuration, as anybody's would be."""
        sections = [
            "# Written by `cloudy demo` at each start; the secrets are in secrets.env.",
            _section("database", path="cloudy.db", engine="engine.db"),
            _section("slack", api_url=self.slack.url),
            *(self._vmstore_section(vmstore) for vmstore in self.vmstores),
            *self._kvm_sections(),
            _section("targets.s3", url=f"s3://{self.account.bucket}", **self._target_fields()),
            _section("targets.s3.prices", **_PRICES),
            *([_section("targets.azure", **_place_fields(self.azure))] if self.azure else []),
            *([_section("targets.azure.prices", **_PRICES)] if self.azure else []),
            *([_section("policy.roles", **self.roles)] if self.roles else []),
        ]
        return "\n".join(sections)

    def secrets(self) -> str:
        """The bot's secrets as lines of an environment."""
        lines = {
            "SLACK__BOT_TOKEN": self.slack.bot_token,
            "SLACK__APP_TOKEN": self.slack.app_token,
            "SLACK__SIGNING_SECRET": self.slack.signing_secret,
            **{f"VMSTORES__{one.name.upper()}__PASSWORD": one.password for one in self.vmstores},
            "TARGETS__S3__ACCESS_KEY": self.account.access_key,
            "TARGETS__S3__SECRET_KEY": self.account.secret_key,
        }
        if self.azure is not None:
            lines["TARGETS__AZURE__ACCOUNT_KEY"] = self.azure.account.key
            lines["TARGETS__AZURE__ACCOUNT_KEY2"] = self.azure.account.key2
        return "".join(f"CLOUDY_{name}={value}\n" for name, value in lines.items())

    def world(self) -> dict[str, Any]:
        """The running world for any outside tool; paths are relative to the folder."""
        vmstores = {one.name: _vmstore_fields(one) for one in self.vmstores}
        targets = {"s3": {"url": f"s3://{self.account.bucket}", "endpoint": self.endpoint}}
        if self.azure is not None:
            targets["azure"] = _place_fields(self.azure)
        return {
            "slack": {name: getattr(self.slack, name) for name in SlackPaper.__dataclass_fields__},
            "vmstore": vmstores[self.vmstores[0].name],
            "vmstores": vmstores,
            "s3": {
                "endpoint": self.endpoint,
                "region": self.account.region,
                "access_key": self.account.access_key,
                "secret_key": self.account.secret_key,
                "bucket": self.account.bucket,
            },
            **({"azure": _account_fields(self.azure)} if self.azure else {}),
            **({"kvm": self.kvm.told()} if self.kvm else {}),
            "targets": targets,
            "database": "cloudy.db",
            "config": "cloudy.toml",
        }

    def _vmstore_section(self, vmstore: VmstorePaper) -> str:
        return _section(
            f"vmstores.{vmstore.name}",
            url=vmstore.url,
            user=vmstore.user,
            ca=vmstore.ca,
            export=EXPORT,
            share=f"path:{vmstore.export}",
            cleanup_share=f"path:{vmstore.export}",
            **({"hypervisor": HOST, "datastore": vmstore.place} if self.kvm and self.kvm.host else {}),
        )

    def _kvm_sections(self) -> list[str]:
        """The host, and what shows that a VM of it lives."""
        if self.kvm is None or self.kvm.host is None:
            return []
        host = _section(f"hypervisors.{HOST}", kind="libvirt", url=self.kvm.host.url, domain_type="qemu")
        return [host, _section("drills.patterns", **{f'"{VM}*"': ALIVE})]

    def _target_fields(self) -> dict[str, Any]:
        return {"endpoint": self.endpoint, "region": self.account.region, "path_style": True}


def _section(name: str, **values: Any) -> str:
    lines = (f"{key} = {json.dumps(value)}\n" for key, value in values.items())  # such JSON is TOML too
    return f"[{name}]\n{''.join(lines)}"


def _place_fields(azure: AzurePlace) -> dict[str, str]:
    return {"url": azure.url, "endpoint": azure.proxy.url}


def _account_fields(azure: AzurePlace) -> dict[str, str]:
    account = azure.account
    return {
        "endpoint": f"{azure.proxy.url}/{account.name}",
        "account": account.name,
        "account_key": account.key,
        "account_key2": account.key2,
        "container": account.container,
    }


def _vmstore_fields(vmstore: VmstorePaper) -> dict[str, Any]:
    return {name: getattr(vmstore, name) for name in VmstorePaper.__dataclass_fields__ if name not in ("name", "place")}


def _write_private(file: Path, text: str) -> None:
    draft = file.with_name(file.name + ".tmp")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as sink:
        sink.write(text)
    draft.replace(file)
