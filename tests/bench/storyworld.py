"""The world of `tests.bench.story`: the real bot among two VMstores, a slow wire to a real S3 server, and Slack."""

import json
from collections import Counter
from pathlib import Path

from integrations.simulators.demo.bot import Bot, cloudy_command
from integrations.simulators.demo.proxy import S3Proxy
from integrations.simulators.demo.s3server import Account, S3Server
from integrations.simulators.slack import LocalSlack
from integrations.simulators.vmstore import VmstoreSimulator, sample_vms, tls

DATA_BYTES = 1 << 20
PART_MIB = 5  # the least: as many states of a disk's progress as can be
VMSTORES = ("vmstore", "vmstore2")
CHANNELS = ("ops", "backups", "general")
_PASSWORD = "bench-password"


class StoryWorld:
    """Everything in one folder. Start and stop it from the main thread."""

    def __init__(self, folder: Path, transactions: int, disk_bytes: int) -> None:
        """ValueError: a VMstore takes 64 at once, so it can be 128."""
        if not 1 <= transactions <= 64 * len(VMSTORES):
            raise ValueError(f"1 to {64 * len(VMSTORES)} transactions, not {transactions}")
        self.folder = folder
        self._disk_bytes = disk_bytes
        self.vms = [f"small{number:03}" for number in range(1, transactions + 1)]
        self.slack = LocalSlack()
        self.account = Account(access_key="bench", secret_key="bench-secret-never-shown", bucket="cloudy-bench")
        self.s3 = S3Server(folder, self.account)
        self.proxy = S3Proxy(("127.0.0.1", 0))
        self.bot = Bot(folder, cloudy_command())
        self._certificates = tls.ensure(folder, "bench")
        self.vmstores = [self._vmstore(number) for number in range(len(VMSTORES))]

    @property
    def database(self) -> Path:
        """The bot's database."""
        return self.folder / "cloudy.db"

    def start(self) -> None:
        """Start all of it; returns when the bot is ready and Slack reaches it."""
        self.s3.start()
        self.proxy.start()
        self.slack.start()
        self.slack.limit_rates()
        for vmstore in self.vmstores:
            vmstore.start()
        self.s3.wait_ready(30)
        self.proxy.upstream = ("127.0.0.1", self.s3.port)
        self._configure()
        self.bot.start()
        self.bot.wait_ready()
        if not self.slack.ready(10):
            raise RuntimeError(f"Slack does not reach the bot:\n{self.bot.tail()}")

    def stop(self) -> None:
        """End all of it."""
        self.bot.stop()
        for end in (self.proxy.stop, self.slack.stop, *(one.stop for one in self.vmstores), self.s3.stop):
            end()

    def ask(self) -> list[str]:
        """Ask for all of them in Slack, over the channels in turn; gives those that were not acknowledged well."""
        lost = []
        for number, vm in enumerate(self.vms):
            ack = self.slack.command("alice", CHANNELS[number % len(CHANNELS)], f"/protect {vm} to s3")
            lost += [] if ack.ok else [f"{vm}: {ack.text}"]
        return lost

    def complaints(self) -> Counter[str]:
        """What the bot warned of, and how often."""
        found: Counter[str] = Counter()
        for line in (self.folder / "bot.log").read_text(errors="replace").splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if isinstance(row, dict) and row.get("level", "INFO").upper() not in ("INFO", "DEBUG"):
                error = str(row.get("error", "")).partition(":")[0][:60]
                found[f"{row['level']}: {row.get('message', '')} {error}".strip()] += 1
        return found

    def _vmstore(self, number: int) -> VmstoreSimulator:
        export = self.folder / VMSTORES[number] / "export"
        for vm in self.vms[number :: len(VMSTORES)]:
            sample_vms.create_vm(export, vm, self._disk_bytes, DATA_BYTES)
        _ca, certificate, key = self._certificates
        return VmstoreSimulator(
            export, name=VMSTORES[number], user="cloudy", password=_PASSWORD, tls=(certificate, key), clone_seconds=0.5
        )

    def _configure(self) -> None:
        sections = [f'[slack]\napi_url = "{self.slack.url}"']
        for name, vmstore in zip(VMSTORES, self.vmstores, strict=True):
            sections.append(f"""
                [vmstores.{name}]
                url = "{vmstore.url}"
                user = "cloudy"
                ca = "{self._certificates[0]}"
                share = "path:{name}/export"
                cleanup_share = "path:{name}/export"
                parallel = 64
            """)
        sections.append(f"""
            [targets.s3]
            url = "s3://{self.account.bucket}"
            endpoint = "{self.proxy.url}"
            region = "{self.account.region}"
            part_mib = {PART_MIB}
            [policy.roles]
            operator = ["{self.slack.user_id("alice")}"]
        """)
        (self.folder / "cloudy.toml").write_text("\n".join(sections))
        secrets = {
            "SLACK__BOT_TOKEN": self.slack.bot_token,
            "SLACK__APP_TOKEN": self.slack.app_token,
            "SLACK__SIGNING_SECRET": self.slack.signing_secret,
            **{f"VMSTORES__{name.upper()}__PASSWORD": _PASSWORD for name in VMSTORES},
            "TARGETS__S3__ACCESS_KEY": self.account.access_key,
            "TARGETS__S3__SECRET_KEY": self.account.secret_key,
        }
        (self.folder / "secrets.env").write_text("".join(f"CLOUDY_{key}={value}\n" for key, value in secrets.items()))
