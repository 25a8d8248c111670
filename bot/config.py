"""The configuration: cloudy.toml, the environment, and secrets.env beside the file; nobody else reads them.

The environment goes before secrets.env, and that before cloudy.toml. Secrets never stand in cloudy.toml.
"""

import os
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from bot import mistakes, policy_settings, schedule_settings, sla_settings
from bot.drill_settings import DrillSettings
from bot.errors import ConfigError
from bot.janitor_settings import JanitorSettings
from bot.mistakes import Raw
from bot.policy_settings import PolicySettings
from bot.rate_settings import HoursTexts, Rates, TimeZone
from bot.schedule_settings import SchedulesSettings
from bot.sections import Duration, DurationOrNone, Section
from bot.sla_settings import Groups, SlaSettings


class DatabaseSettings(Section):
    """Where the two SQLite files are; absolute once loaded."""

    path: Path = Field(default=Path("cloudy.db"), description='a file, like path = "cloudy.db"')
    engine: Path = Field(default=Path("engine.db"), description='a file, like engine = "engine.db"')


class SlackSettings(Section):
    """The Slack app; without its tokens only the command line works."""

    api_url: str = Field(default="https://slack.com/api/", description="an address that ends with /api/")
    bot_token: SecretStr | None = Field(default=None, description="the bot token, xoxb-..., of the Slack app")
    app_token: SecretStr | None = Field(default=None, description="the app-level token, xapp-..., of the Slack app")
    signing_secret: SecretStr | None = Field(default=None, description="the signing secret of the Slack app")
    admin_channel: str = Field(default="", description='a channel id, like admin_channel = "C0123456789"')
    receipt_chart: bool = Field(default=False, description="true or false: a chart after each receipt of a protect")


class VMstoreSettings(Section):
    """One VMstore and the ways to the files of its export."""

    kind: str = Field(default="tintri", description='the kind of array: kind = "tintri"')
    url: str = Field(description='its address, like url = "https://vmstore.example.com"')
    user: str = Field(description='a user of the VMstore, like user = "cloudy"')
    password: SecretStr | None = Field(default=None, description="the password of that user")
    ca: Path | None = Field(default=None, description='a file of certificates to trust, like ca = "ca.pem"')
    share: str = Field(description='how its files are read, like share = "path:/mnt/tintri"')
    cleanup_share: str | None = Field(
        default=None, description='a writable way to its files, like cleanup_share = "path:/mnt/tintri-rw"'
    )
    restore_share: str | None = Field(
        default=None, description='a writable way for restores, like restore_share = "nfs://vmstore-data/tintri"'
    )
    share_password: SecretStr | None = Field(default=None, description="the password of the user in smb://user@...")
    share_uid: int | None = Field(
        default=None, ge=0, lt=1 << 32, description="the owner of the VMs' files, like share_uid = 0"
    )
    share_gid: int | None = Field(
        default=None, ge=0, lt=1 << 32, description="the group of the VMs' files, like share_gid = 0"
    )
    share_timeout_s: float = Field(
        default=60.0, gt=0, description="seconds for one read of a file, like share_timeout_s = 60"
    )
    hypervisor: str | None = Field(
        default=None, description='the hypervisor of its VMs, like hypervisor = "vcenter" with a section of that name'
    )
    datastore: str | None = Field(
        default=None, description='how the hypervisor calls the export, like datastore = "tintri" or "/mnt/tintri"'
    )
    cleanup: Literal["auto", "manual"] = Field(default="auto", description='cleanup = "auto" or "manual"')
    keep_snapshots: int = Field(
        default=0,
        ge=0,
        le=30,
        description="so many snapshots of each VM stay after protections, like keep_snapshots = 1",
    )
    export: str = Field(default="/tintri", description='the name of its export, like export = "/tintri"')
    parallel: int = Field(default=4, ge=1, le=64, description="a number of transactions at once, like parallel = 4")
    parallel_reads: int = Field(
        default=8,
        ge=1,
        le=256,
        description="a number of reads at once, of all transactions together, like parallel_reads = 8",
    )
    read_limit: Rates = Field(default=(), description='a rate, like read_limit = "300 MiB/s", or a list by hours')
    time_zone: TimeZone = Field(default="UTC", description='a time zone, like time_zone = "Europe/Berlin"')
    timeout_s: float = Field(default=30.0, gt=0, description="seconds for one call, like timeout_s = 30")

    @property
    def dials_smb(self) -> bool:
        """Whether one of its shares logs in."""
        return any((url or "").startswith("smb:") for url in (self.share, self.cleanup_share, self.restore_share))


class HypervisorSettings(Section):
    """One hypervisor, or what manages several hosts of one kind."""

    kind: str = Field(description='the kind of hypervisor: kind = "libvirt"')
    url: str = Field(description='its address, like url = "qemu+tls://kvm1.example.com/system"')
    user: str = Field(default="", description='a user of the hypervisor, like user = "cloudy"')
    password: SecretStr | None = Field(default=None, description="the password of that user")
    ca: Path | None = Field(default=None, description='a file of certificates to trust, like ca = "ca.pem"')
    timeout_s: float = Field(default=30.0, gt=0, description="seconds for one call, like timeout_s = 30")
    auth: Literal["negotiate", "ntlm", "kerberos", "credssp", "certificate", "basic"] | None = Field(
        default=None, description='of hyperv: how its user logs in, auth = "kerberos"'
    )
    certificate: Path | None = Field(
        default=None, description='of hyperv, auth = "certificate": a PEM file, certificate = "cloudy.pem"'
    )
    certificate_key: Path | None = Field(
        default=None, description='of hyperv: the key of that certificate, certificate_key = "cloudy.key"'
    )
    domain_type: Literal["kvm", "qemu"] | None = Field(
        default=None, description='of libvirt: domain_type = "kvm", or "qemu" for a host without it'
    )
    host: str | None = Field(default=None, description='of vsphere: the host for restored VMs, host = "esx1"')
    resource_pool: str | None = Field(
        default=None, description='of vsphere: the pool for restored VMs, resource_pool = "restored"'
    )
    folder: str | None = Field(default=None, description='of vsphere: the folder for restored VMs, folder = "restored"')

    @property
    def needs_password(self) -> bool:
        """Whether its user logs in by one; by SSH it is a key, by Kerberos a ticket does."""
        return bool(self.user) and "+ssh:" not in self.url and self.auth not in ("kerberos", "certificate")


class PriceSettings(Section):
    """What one target costs; without it the cloud's list price, where there is one."""

    storage: float | None = Field(default=None, ge=0, description="the price of a GiB and month, like storage = 0.023")
    write: float | None = Field(default=None, ge=0, description="of 1,000 requests that write, like write = 0.005")
    read: float | None = Field(default=None, ge=0, description="of 1,000 requests that read, like read = 0.0004")
    cold: float | None = Field(default=None, ge=0, description="of a GiB and month in a cold class, like cold = 0.004")
    archive: float | None = Field(default=None, ge=0, description="of one in the archive, like archive = 0.001")
    currency: str = Field(default="USD", pattern="^[A-Z]{3}$", description='three letters, like currency = "EUR"')


class TargetSettings(Section):
    """One place in a cloud; without keys the store's own library looks for them in its own way."""

    url: str = Field(description='a bucket and prefix, like url = "s3://bucket/prefix"')
    endpoint: str | None = Field(default=None, description='an address, like endpoint = "https://s3.example.com"')
    region: str | None = Field(default=None, description='a region, like region = "eu-central-1"')
    path_style: bool | None = Field(
        default=None, description="true or false; without it, true where there is an endpoint of its own"
    )
    access_key: SecretStr | None = Field(default=None, description="the id of the access key")
    secret_key: SecretStr | None = Field(default=None, description="the secret of the access key")
    session_token: SecretStr | None = Field(default=None, description="the token that goes with temporary keys")
    account_key: SecretStr | None = Field(default=None, description="a key of the storage account")
    account_key2: SecretStr | None = Field(default=None, description="the other key of the storage account")
    sas_token: SecretStr | None = Field(default=None, description="a SAS token of the container or account")
    identity: str | None = Field(default=None, description="the client id of a managed identity")
    legal_hold: bool | None = Field(default=None, description="true or false: a legal hold on each object")
    ca: Path | None = Field(default=None, description='a file of certificates to trust, like ca = "ca.pem"')
    storage_class: str | None = Field(default=None, description='a storage class, like storage_class = "STANDARD_IA"')
    cold_class: str | None = Field(default=None, description='a class that is read at once, like "GLACIER_IR"')
    archive_class: str | None = Field(default=None, description='a class that is not, like "DEEP_ARCHIVE"')
    profile: str | None = Field(default=None, description='a profile of the AWS configuration, like profile = "backup"')
    assume_role: str | None = Field(default=None, description="the ARN of a role that Cloudy is to take")
    external_id: str | None = Field(default=None, description="the external id that the role asks for")
    proxy: str | None = Field(
        default=None, description='an address without a login, like proxy = "http://proxy.example.com:3128"'
    )
    lock: str | None = Field(default=None, description='lock = "GOVERNANCE" or "COMPLIANCE", with lock_for')
    lock_for: Duration | None = Field(default=None, description='a duration, like lock_for = "30d"')
    tags: dict[str, str] | None = Field(default=None, description='tags of objects, like tags = {department = "IT"}')
    sse: str | None = Field(default=None, description='encryption by the store, like sse = "aws:kms"')
    sse_kms_key: str | None = Field(default=None, description="the id of the key that the store is to use")
    sse_bucket_key: bool | None = Field(default=None, description="true or false: one KMS call for many objects")
    threads: int = Field(default=4, ge=1, le=64, description="a number of parts in flight, like threads = 4")
    parallel_parts: int = Field(
        default=16,
        ge=1,
        le=256,
        description="a number of parts in flight, of all transactions together, like parallel_parts = 16",
    )
    copies: int = Field(
        default=32,
        ge=1,
        le=1024,
        description="a number of copies by the store at once, of all transactions together, like copies = 32",
    )
    upload_window: HoursTexts = Field(default=(), description='hours, like upload_window = "mon-fri 20:00-06:00"')
    bandwidth: Rates = Field(default=(), description='a rate, like bandwidth = "200 MiB/s", or a list by hours')
    time_zone: TimeZone = Field(default="UTC", description='a time zone, like time_zone = "Europe/Berlin"')
    prices: PriceSettings = Field(
        default=PriceSettings(), description="a section like [targets.s3.prices] with storage, write, read, currency"
    )
    price_gib_month: float | None = Field(
        default=None, ge=0, description="USD for a GiB and month, like price_gib_month = 0.023"
    )
    part_mib: int = Field(default=16, ge=5, le=5120, description="a part's size in MiB, like part_mib = 16")


class InventorySettings(Section):
    """The list of all VMs, which questions are answered from."""

    refresh: Duration = Field(
        default=timedelta(minutes=10), ge=timedelta(seconds=10), description='a duration, like refresh = "10m"'
    )


class ProtectionSettings(Section):
    """What is expected of the protection of each VM."""

    rpo: Duration = Field(default=timedelta(hours=24), description='a duration, like rpo = "24h"')
    hold: DurationOrNone = Field(default=timedelta(hours=1), description='a duration, like hold = "1h", or "0"')


class Settings(BaseSettings):
    """All settings, checked; paths are absolute. Printing it shows no secret."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        env_prefix="CLOUDY_",
        env_nested_delimiter="__",
        env_ignore_empty=True,
    )

    folder: Path
    database: DatabaseSettings = DatabaseSettings()
    slack: SlackSettings = SlackSettings()
    vmstores: dict[str, VMstoreSettings] = Field(default_factory=dict, description="sections like [vmstores.vmstore]")
    targets: dict[str, TargetSettings] = Field(default_factory=dict, description="sections like [targets.s3]")
    hypervisors: dict[str, HypervisorSettings] = Field(
        default_factory=dict, description="sections like [hypervisors.vcenter]"
    )
    inventory: InventorySettings = InventorySettings()
    protection: ProtectionSettings = ProtectionSettings()
    drills: DrillSettings = DrillSettings()
    janitor: JanitorSettings = JanitorSettings()
    groups: Groups = Field(default_factory=dict, description='patterns of names of VMs, like web = ["web*"]')
    sla: tuple[SlaSettings, ...] = Field(default=(), description="sections [[sla]]")
    policy: PolicySettings = PolicySettings()
    schedules: SchedulesSettings = SchedulesSettings()
    audit_key: SecretStr | None = Field(default=None, description="64 hex digits; without it audit.key is used")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic-settings calls it so
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Leave the reading of the environment to `load`, which knows where each value came from."""
        return (init_settings,)

    def secrets(self) -> tuple[str, ...]:
        """Every secret value, for the log's redaction."""
        sections = (self, self.slack, *self.vmstores.values(), *self.targets.values(), *self.hypervisors.values())
        values = (getattr(section, name) for section in sections for name in type(section).model_fields)
        return tuple(value.get_secret_value() for value in values if isinstance(value, SecretStr))

    def require_secrets(
        self, *, slack: bool = False, slack_http: bool = False, vmstores: bool = False, targets: bool = False
    ) -> None:
        """Refuse to go on without the secrets of what is to be used. ConfigError names each variable to set.

        slack: by Socket Mode; slack_http: by signed HTTP.
        """
        problems: list[str] = []
        for name, is_used in (("bot_token", slack or slack_http), ("app_token", slack), ("signing_secret", slack_http)):
            problems += mistakes.missing_secrets(self.slack, ("slack",), (name,) if is_used else ())
        for name, vmstore in self.vmstores.items() if vmstores else ():
            needs = ("password", "share_password") if vmstore.dials_smb else ("password",)
            problems += mistakes.missing_secrets(vmstore, ("vmstores", name), needs)
        for name, hypervisor in self.hypervisors.items() if vmstores else ():
            if hypervisor.needs_password:
                problems += mistakes.missing_secrets(hypervisor, ("hypervisors", name), ("password",))
        for name, target in self.targets.items() if targets else ():
            if target.access_key or target.secret_key:
                problems += mistakes.missing_secrets(target, ("targets", name), ("access_key", "secret_key"))
        if problems:
            raise ConfigError(problems)


def load(path: Path | None = None) -> Settings:
    """Read the configuration: the file given, else the one CLOUDY_CONFIG names, else ./cloudy.toml.

    Secrets may still be missing (see `require_secrets`). ConfigError tells every mistake at once.
    """
    file = (path or Path(os.environ.get("CLOUDY_CONFIG") or "cloudy.toml")).absolute()
    written = _read_toml(file)
    told, problems = _read_environment(file.with_name("secrets.env"), written)
    problems += mistakes.written_secrets(Settings, written, file.name)
    raw = _merge(mistakes.without_secrets(Settings, written), told)
    problems += mistakes.rule_breaks(raw, file.name)
    try:
        settings = Settings(**_resolved(raw, file.parent))
    except ValidationError as error:
        problems += mistakes.in_words(Settings, error, file.name, told)
        raise ConfigError(problems) from None  # the cause would show values
    problems += policy_settings.flaws(
        settings.policy, file.name, vmstores=tuple(settings.vmstores), targets=tuple(settings.targets)
    )
    problems += schedule_settings.flaws(settings.schedules, file.name)
    problems += sla_settings.flaws(settings.sla, settings.groups, file.name, targets=tuple(settings.targets))
    if problems:
        raise ConfigError(problems)
    return settings


class _SecretsFile(EnvSettingsSource):
    """The lines of secrets.env, read as if they stood in the environment."""

    def __init__(self, variables: Mapping[str, str | None]) -> None:
        self._variables = {name.lower(): value for name, value in variables.items() if value}
        super().__init__(Settings)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return self._variables


def _read_toml(file: Path) -> Raw:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            [f"{file}: there is no such file; name one with --config or in CLOUDY_CONFIG, or go to its folder"]
        ) from None
    except OSError as error:
        raise ConfigError([f"{file}: it cannot be read: {error.strerror}; look at its owner and mode"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{file}: it is not UTF-8 text (byte {error.start}); save it as UTF-8"]) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{file}: it is not TOML: {error}; correct that line"]) from error


def _read_environment(secrets_file: Path, written: Raw) -> tuple[Raw, list[str]]:
    """Give what environment and secrets.env say, by the names of cloudy.toml, and their mistakes."""
    told: Raw = {}
    problems: list[str] = []
    try:
        lines = dotenv_values(secrets_file, interpolate=False) if secrets_file.exists() else {}
        problems += mistakes.unknown_variables(Settings, lines, secrets_file.name)
        told = _merge(_SecretsFile(lines)(), EnvSettingsSource(Settings)())
    except OSError as error:
        problems.append(f"{secrets_file}: it cannot be read: {error.strerror}; look at its owner and mode")
    except SettingsError as error:
        problems.append(f"environment: {error}; set the single values, like CLOUDY_SLACK__BOT_TOKEN")
    told.pop("folder", None)
    return mistakes.known_systems(told, written, problems), problems


def _merge(below: Raw, above: Raw) -> Raw:
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        merged[key] = _merge(under, value) if isinstance(value, dict) and isinstance(under, dict) else value
    return merged


def _resolved(raw: Raw, folder: Path) -> Raw:
    """Make paths absolute, as seen from the file's folder; what is not text is left for the check."""
    resolved = {**raw, "folder": folder}
    database = raw.get("database", {})
    if isinstance(database, dict):
        resolved["database"] = _with_paths({"path": "cloudy.db", "engine": "engine.db", **database}, folder)
    for family in ("vmstores", "targets", "hypervisors"):
        systems = raw.get(family)
        if isinstance(systems, dict):
            resolved[family] = {name: _with_paths(system, folder) for name, system in systems.items()}
    return resolved


def _with_paths(section: Any, folder: Path) -> Any:
    if not isinstance(section, dict):
        return section
    resolved = dict(section)
    for key in ("path", "engine", "ca", "certificate", "certificate_key"):
        if isinstance(section.get(key), str):
            resolved[key] = folder / section[key]
    for key in ("share", "cleanup_share", "restore_share"):
        scheme, _, place = str(section.get(key, "")).partition(":")
        if scheme == "path":
            resolved[key] = f"path:{folder / place}"
    return resolved
