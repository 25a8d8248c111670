"""A second protect of a VM that has changed a little: little travels, and both recovery points are whole copies.

To the bucket, to Azurite, and to both by one command; the wire's counter and foreign clients have the last word.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from integrations.simulators.vmstore import sample_vms
from tests import azurite
from tests.e2e.demo import LEFT_OUT, Demo, Json, files_of
from tests.e2e.foreign import Blobs, Bucket, Cloud, held, remove, wire_up
from tests.e2e.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

CLOUDS: Mapping[str, type[Cloud]] = {"s3": Bucket, "azure": Blobs}
ZERO_OBJECT = 8 << 20  # bytes, sent once to each target
PART = 32 << 20  # bytes at most
AGREES = 1.05  # the wire may have so much more than is told, digests and manifest included


@dataclass(frozen=True, kw_only=True)
class Run:
    """One protect: what is told of it, and what went over the wire meanwhile, by target."""

    told: Json
    wire: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Played:
    """A demo in which vm01 was protected, touched and protected again."""

    demo: Demo
    targets: tuple[str, ...]
    first: Run
    second: Run

    @property
    def clouds(self) -> list[Cloud]:
        """Each target, seen by a foreign client."""
        return [CLOUDS[name](self.demo) for name in self.targets]


def protect(demo: Demo, vm: str, targets: tuple[str, ...]) -> Run:
    said = " and ".join(targets)
    before = {name: wire_up(demo, name) for name in targets}
    demo.tell(f"alice> /protect {vm} to {said}", f"{vm} is protected in {said}", 240)
    told = demo.transactions()[0]
    assert (told["vm"], told["state"]) == (vm, "succeeded")

    def wire() -> dict[str, int]:
        return {name: wire_up(demo, name) - before[name] for name in targets}

    sent = {name: told["bytes"]["targets"][name]["sent"] for name in targets}
    until(lambda: all(wire()[name] >= sent[name] for name in targets), "the wire has counted what was sent")
    return Run(told=told, wire=wire())


@pytest.fixture(
    scope="module",
    params=[pytest.param("s3", marks=pytest.mark.long), pytest.param("azure", marks=pytest.mark.long), "s3 and azure"],
)
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    targets = tuple(request.param.split(" and "))
    if "azure" in targets:
        azurite.require()
    demo = Demo(tmp_path_factory.mktemp("touched") / "demo", None)
    try:
        demo.tell("world users", "users: alice", 120)
        protect(demo, "vm02", targets)  # so that the stores are probed
        first = protect(demo, "vm01", targets)
        demo.tell("world touch vm01 2% in 16MiB runs", "disk are new")
        yield Played(demo=demo, targets=targets, first=first, second=protect(demo, "vm01", targets))
    finally:
        demo.process.kill()
        demo.process.wait()


def files(export: dict[str, str]) -> dict[str, str]:
    return {name: digest for name, digest in export.items() if name.startswith("vm01/") and not name.endswith(LEFT_OUT)}


def test_only_what_changed_has_travelled_to_each_target(played: Played) -> None:
    first, second = played.first.told["bytes"], played.second.told["bytes"]
    assert second["read"] == first["read"], "each byte once, however many targets"
    for run in (first, second):
        assert set(run["targets"]) == set(played.targets)
        for way in ("sent", "copied", "zero"):
            assert run[way] == sum(each[way] for each in run["targets"].values())
        assert all(sum(each.values()) == run["read"] for each in run["targets"].values())
    for carried in second["targets"].values():
        assert 0 < carried["sent"] < second["read"] * 0.05
        assert carried["copied"] > 0


def test_the_wire_says_the_same(played: Played) -> None:
    """A call that a busy machine had to repeat has sent its part once more."""
    again = (played.demo.data / "bot.log").read_text().count("call failed, trying again")
    for run, beside in ((played.first, ZERO_OBJECT), (played.second, 0)):
        for name, carried in run.told["bytes"]["targets"].items():
            assert carried["sent"] <= run.wire[name] <= carried["sent"] * AGREES + beside + again * PART


def test_the_receipt_says_the_same(played: Played) -> None:
    receipts = [line for line in played.demo.output.splitlines() if "copied in the store" in line]
    assert receipts
    assert len(played.targets) == 1 or any("azure: " in line and "s3: " in line for line in receipts)


def test_what_was_estimated_before_is_told_beside_what_it_came_to(played: Played) -> None:
    first, second = played.first.told, played.second.told
    assert first["estimate"]["read"]["likely"] == pytest.approx(first["bytes"]["read"], rel=0.05)
    assert second["estimate"]["read"]["likely"] == second["bytes"]["read"]
    assert second["estimate"]["sent"]["low"] <= second["bytes"]["sent"] <= second["estimate"]["sent"]["high"]
    assert second["estimate"]["fact"]["month"]["USD"] == pytest.approx(first["estimate"]["fact"]["month"]["USD"])
    assert "each recovery point is a whole copy" in played.demo.output


def test_all_recovery_points_are_their_snapshots_and_each_stands_alone(
    played: Played, tmp_path_factory: pytest.TempPathFactory
) -> None:
    before = tmp_path_factory.mktemp("before")
    sample_vms.create(before, ["vm01"])
    then, now = files(files_of(before)), files(played.demo.export())
    assert then != now
    first, second = played.first.told["id"], played.second.told["id"]
    for cloud in played.clouds:
        assert held(cloud, first) == then
        remove(cloud, first)
        assert held(cloud, first) == {}
        assert held(cloud, second) == now
        assert cloud.unfinished() == []
