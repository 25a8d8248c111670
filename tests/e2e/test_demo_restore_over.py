"""Over the original in the whole product: asked in Slack, approved there, from a target and by SyncVM."""

import re
from collections.abc import Iterator

import pytest
import requests

from tests.e2e.demo import LEFT_OUT, Demo, files_of

pytestmark = [pytest.mark.long, pytest.mark.slow, pytest.mark.timeout(900)]
DONE = "users: alice"  # what the last line of each piece of the script says


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    world = Demo(tmp_path_factory.mktemp("over") / "demo", None)
    try:
        world.tell("world users", DONE, 120)
        config = world.data / "cloudy.toml"
        config.write_text(re.sub(r"(\[vmstores\.vmstore\]\n)", r"\1keep_snapshots = 1\n", config.read_text(), count=1))
        world.tell("restart term", "ready again", 120)
        world.tell("alice> /protect vm02 to s3", "Asked for")
        world.tell('wait done 240\nexpect "is protected"\nworld users', DONE, 260)
        yield world
    finally:
        world.end()


@pytest.fixture(scope="module")
def then(demo: Demo) -> dict[str, str]:
    return whole(demo)


def whole(demo: Demo) -> dict[str, str]:
    found = files_of(demo.data / demo.world["vmstores"]["vmstore"]["export"] / "vm02")
    return {name: digest for name, digest in found.items() if not name.endswith(LEFT_OUT)}


def power(demo: Demo, *off: str) -> None:
    control = demo.world["vmstores"]["vmstore"]["control"]
    assert requests.patch(f"{control}/options", json={"powered_off": off}, timeout=60).ok


def change(demo: Demo, then: dict[str, str]) -> None:
    demo.tell("world touch vm02 20%\nworld users", DONE, 60)
    assert whole(demo) != then


def test_one_that_is_on_is_refused_with_words(demo: Demo) -> None:
    power(demo)
    demo.tell("alice> /restore vm02 over original confirm vm02", "vm02 is on", 60)


@pytest.mark.parametrize("way", ["target", "snapshot"])
def test_it_is_as_it_was_then_after_the_approval_of_another(demo: Demo, then: dict[str, str], way: str) -> None:
    change(demo, then)
    power(demo, "vm02")
    demo.tell(f"alice> /restore vm02 over original confirm vm02 via {way}", "Asked for", 60)
    demo.tell('wait approval 60\nbob> click "Approve"\nwait done 120\nworld users', DONE, 200)
    assert "vm02 is restored in place on vmstore" in demo.output
    assert whole(demo) == then
    assert [path for path in demo.export("vmstore") if path.startswith(".cloudy-")] == []
