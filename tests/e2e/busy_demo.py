"""A demo with more in its papers: a VMstore with 5,000 VMs, a rule whose approvals live for seconds, some points."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from integrations.simulators.vmstore import VmstoreSimulator
from tests.e2e.demo import Demo

MANY = 5000
PASSWORD = "many-vms"
PROTECTED = {"vmstore/web01": "alice", "vmstore2/db01": "bob", "vmstore/vm02": "dave", "vmstore2/app server 03": "dave"}
MORE_PAPERS = """
[vmstores.many]
url = "{url}"
user = "admin"
share = "path:{export}"
cleanup = "manual"

[[policy.rules]]
operation = "delete"
vm = "vm02"
lives = "10s"
"""


@contextmanager
def busy_demo(folder: Path) -> Iterator[Demo]:
    """The demo, ready; it does what `tell` says."""
    export = folder / "many"
    export.mkdir(parents=True)
    many = VmstoreSimulator(export, http=True, vms=MANY, password=PASSWORD)
    many.start()
    demo = Demo(folder / "demo", None)
    try:
        _extend(demo, many)
        yield demo
    finally:
        demo.process.kill()
        demo.process.wait()
        many.stop()


def _extend(demo: Demo, many: VmstoreSimulator) -> None:
    demo.tell("world users", "users: alice", 120)
    with (demo.data / "cloudy.toml").open("a") as papers:
        papers.write(MORE_PAPERS.format(url=many.url, export=many.export))
    with (demo.data / "secrets.env").open("a") as secrets:
        secrets.write(f"CLOUDY_VMSTORES__MANY__PASSWORD={PASSWORD}\n")
    demo.tell("restart term", "the bot is ready again")
    for vm, who in PROTECTED.items():  # in conversations of their own, whose messages do not wait for each other
        demo.tell(f"{who}> dm protect {vm} to s3", "Asked for: protect")
    demo.tell("wait done 240\nworld users", "users: alice", 250)


def points(demo: Demo) -> dict[str, str]:
    """Ids of the newest recovery points by VM."""
    return {row["vm"]: row["id"] for row in reversed(demo.transactions()) if row["state"] == "succeeded"}
