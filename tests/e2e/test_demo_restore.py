"""A VM whose files are destroyed comes back on the other VMstore: by the bot, by another machine, and by hand."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.demo import LEFT_OUT, Demo, cloudy, environment, files_of
from tests.e2e.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
PAGE = Path(__file__).resolve().parents[2] / "docs" / "restore-by-hand.md"
BOTO = """
import sys, boto3
from urllib.parse import urlsplit
place = urlsplit(sys.argv[1])
boto3.client("s3").download_file(place.netloc, place.path.lstrip("/"), sys.argv[2])
"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    world = Demo(tmp_path_factory.mktemp("restored") / "demo", None)
    try:
        world.tell("world users", "users: alice", 120)
        world.tell("alice> /protect vm01 to s3", "Asked for")
        world.tell('wait done 240\nexpect "is protected"\nworld users', "users: alice", 260)
        yield world
    finally:
        world.end()


@pytest.fixture(scope="module")
def before(demo: Demo) -> dict[str, str]:
    """Digests of the VM's files, which are destroyed then."""
    export = demo.data / demo.world["vmstores"]["vmstore"]["export"]
    digests = files_of(export / "vm01")
    shutil.rmtree(export / "vm01")
    return {name: digest for name, digest in digests.items() if not name.endswith(LEFT_OUT)}


def restored(demo: Demo, name: str) -> dict[str, str]:
    return files_of(demo.data / demo.world["vmstores"]["vmstore2"]["export"] / name)


@pytest.fixture(scope="module")
def point(demo: Demo) -> str:
    (manifest,) = [key for key in demo.objects() if key.endswith("/manifest.json")]
    return manifest.partition("/")[0]


def test_it_is_back_whole_on_the_other_vmstore_though_the_bot_is_killed_meanwhile(
    demo: Demo, before: dict[str, str]
) -> None:
    demo.tell("world slow s3 40MiB/s\nworld users", "users: alice")
    demo.tell("alice> /restore vm01 to vmstore2 as vm01-restored", "Asked for: restore vm01 of")
    demo.tell("wait step download 60\nrestart kill", "the bot is ready again", 120)
    demo.tell("world slow s3 off\nworld users", "users: alice")
    demo.tell('wait done 240\nexpect "is restored to vmstore2 as vm01-restored"\nworld users', "users: alice", 260)
    assert restored(demo, "vm01-restored") == before
    assert [path for path in demo.export("vmstore2") if path.startswith(".cloudy-")] == []
    (run,) = [each for each in demo.transactions() if each["workflow"] == "restore"]
    assert run["state"] == "succeeded"
    assert run["bytes"]["zero"] > run["bytes"]["read"]


def test_that_vmstore_lists_the_vm(demo: Demo) -> None:
    until(lambda: "vm01" in [vm["vmware"]["name"] for vm in demo.vms("vmstore2")], "it is listed")  # it looks by itself


def test_a_machine_that_never_saw_it_makes_the_catalogue_again_and_restores(
    demo: Demo, before: dict[str, str], point: str, tmp_path: Path
) -> None:
    for name in ("cloudy.toml", "secrets.env", "ca.pem"):
        shutil.copy(demo.data / name, tmp_path / name)
    for name in demo.world["vmstores"]:
        (tmp_path / name).symlink_to(demo.data / name)
    told = run(tmp_path, "catalog", "rebuild", "--target", "s3")
    assert point in told
    assert "made by installation" in told
    assert "is restored" in run(tmp_path, "restore", "vm01", "--to", "vmstore2", "--as", "elsewhere")
    assert restored(demo, "elsewhere") == before


@pytest.mark.parametrize("tool", ["boto3", "aws", "s5cmd"])
def test_by_hand_it_is_back_as_the_page_says(
    demo: Demo, before: dict[str, str], point: str, tmp_path: Path, tool: str
) -> None:
    if tool != "boto3" and shutil.which(tool) is None:
        pytest.skip(f"there is no {tool} here; the same lines run with boto3")
    settings, lines = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)[:2]
    told, folder = demo.world["s3"], tmp_path / "by-hand"
    (tmp_path / "get.py").write_text(BOTO)
    get = {
        "boto3": f'{sys.executable} {tmp_path}/get.py "$1" "$2"',
        "aws": 'aws s3 cp --only-show-errors "$1" "$2"',
        "s5cmd": 's5cmd cp "$1" "$2"',
    }[tool]
    for name, value in {"place": f"s3://{told['bucket']}", "id": point, "folder": str(folder)}.items():
        settings = re.sub(rf"(?m)^{name}=\S+", f"{name}={value}", settings)
    settings = re.sub(r"(?m)^get\(\).*$", lambda _found: f"get() {{ {get}; }}", settings)
    keys = {
        "AWS_ENDPOINT_URL": told["endpoint"],
        "S3_ENDPOINT_URL": told["endpoint"],
        "AWS_DEFAULT_REGION": told["region"],
        "AWS_ACCESS_KEY_ID": told["access_key"],
        "AWS_SECRET_ACCESS_KEY": told["secret_key"],
        "NO_PROXY": "*",
    }
    subprocess.run(["sh", "-c", settings + lines], env={**os.environ, **keys}, check=True, timeout=300)
    assert files_of(folder) == before


def run(folder: Path, *words: str) -> str:
    command = [*cloudy(), *words]
    done = subprocess.run(command, check=False, cwd=folder, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
