"""What holds for all tests: none measures time, nor do hypothesis and the local Slack; their order."""

from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from slack_bolt import App

from bot.store import Database, database
from integrations.simulators.slack import LocalSlack, triggers

settings.register_profile("cloudy", deadline=None)
settings.load_profile("cloudy")
migrate = Database.migrate


@cache
def empty_database() -> bytes:
    with TemporaryDirectory() as folder:
        migrate(Path(folder) / "cloudy.db")
        return (Path(folder) / "cloudy.db").read_bytes()


def begin(path: Path) -> None:
    """As Database.migrate does; a new file is made once and copied from then on."""
    if path.exists():
        migrate(path)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(empty_database())


@pytest.fixture(scope="module", autouse=True)
def quick_databases() -> Iterator[None]:
    """No power is cut in this process, so that nothing waits for the disk; real processes do as ever."""
    pragmas = tuple(each.replace("synchronous=FULL", "synchronous=OFF") for each in database._WRITING)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "_WRITING", pragmas)
        patch.setattr(Database, "migrate", staticmethod(begin))
        yield


@pytest.fixture(scope="session", autouse=True)
def patient_slack() -> Iterator[None]:
    """Slack, and Bolt with it, waits three seconds for an app; a busy machine needs more, now and then."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(LocalSlack.__init__.__kwdefaults__ or {}, "ack_deadline_s", 60.0)
        patch.setattr(triggers, "_VALID_S", 60.0)
        patch.setattr(App._register_listener, "__defaults__", (False, 60))  # its auto_acknowledge and ack_timeout
        yield


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Slow modules first: work that is begun last is short then, so that the workers end together."""
    if not hasattr(config, "workerinput"):
        return  # one after the other, they run as they stand
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    every = Counter(item.path for item in items)
    items.sort(key=lambda item: (-slow[item.path], -every[item.path], item.path))
