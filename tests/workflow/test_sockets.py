"""What the bot says of its connections to Slack, as the doctor reads it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bot import sockets
from bot.checkups import home
from bot.clock import SystemClock
from bot.config import DatabaseSettings, Settings
from bot.doctor import Finding, Health, examine
from bot.store import Database


class Clock(SystemClock):
    """Runs behind or ahead."""

    def __init__(self, ahead: timedelta) -> None:
        self._ahead = ahead

    def now(self) -> datetime:
        return super().now() + self._ahead


@pytest.fixture
def look(tmp_path: Path) -> Callable[[], Finding]:
    settings = Settings(folder=tmp_path, database=DatabaseSettings(path=tmp_path / "cloudy.db"))

    def found() -> Finding:
        (finding,) = examine((home.of_sockets(settings),))
        return finding

    return found


def test_what_the_bot_said_lately_is_judged(tmp_path: Path, look: Callable[[], Finding]) -> None:
    assert look().health is Health.UNJUDGED
    Database.migrate(tmp_path / "cloudy.db")
    db = Database.open(tmp_path / "cloudy.db", audit_key=None)
    assert "told nothing" in look().words
    for standing, health in ((2, Health.GOOD), (1, Health.UNJUDGED), (0, Health.BAD)):
        sockets.keep_sockets(db, standing, 2)
        assert (look().health, f"{standing} of 2" in look().words) == (health, True)


def test_what_was_said_long_ago_is_not_judged(
    tmp_path: Path, look: Callable[[], Finding], monkeypatch: pytest.MonkeyPatch
) -> None:
    Database.migrate(tmp_path / "cloudy.db")
    sockets.keep_sockets(Database.open(tmp_path / "cloudy.db", audit_key=None), 0, 2)
    monkeypatch.setattr(home, "SystemClock", lambda: Clock(timedelta(hours=1)))
    assert look().health is Health.UNJUDGED


def test_a_database_that_cannot_be_written_loses_no_connection(tmp_path: Path) -> None:
    sockets.keep_sockets(Database.open(tmp_path / "none.db", audit_key=None), 1, 2)
