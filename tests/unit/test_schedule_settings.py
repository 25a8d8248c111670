"""[schedules] of cloudy.toml: what it says as values, and the mistakes that it tells."""

from datetime import timedelta
from pathlib import Path

import pytest

from bot.config import load
from bot.errors import ConfigError
from bot.model import CatchUp
from bot.schedule_settings import rules_of

HOUSE = """
[schedules]
catch_up = "all"
grace = "2d"
[[schedules.blackouts]]
name = "office hours"
from = "08:00"
until = "18:00"
days = "mon-fri"
zone = "Europe/Berlin"
then = "skip"
[[schedules.blackouts]]
name = "night"
from = "22:00"
until = "02:00"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "cloudy.toml"
    path.write_text(text)
    return path


def test_it_becomes_rules(tmp_path: Path) -> None:
    settings = load(written(tmp_path, HOUSE)).schedules
    rules = rules_of(settings, {"prod": ("db*",)}, "C_ADMIN")
    assert (rules.catch_up, rules.grace, rules.admin_channel) == (CatchUp.ALL, timedelta(days=2), "C_ADMIN")
    office, night = rules.blackouts
    assert (office.name, office.zone, office.blackout.postpones) == ("office hours", "Europe/Berlin", False)
    assert (night.zone, night.blackout.postpones, len(night.blackout.span.days)) == ("UTC", True, 7)


def test_without_it_the_latest_is_caught_up_with_however_late(tmp_path: Path) -> None:
    rules = rules_of(load(written(tmp_path, "")).schedules, {}, "")
    assert (rules.catch_up, rules.grace, rules.blackouts) == (CatchUp.LATEST, None, ())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('from = "08:00"\nuntil = "08:00"', "from and until are the same"),
        ('from = "8 o\'clock"\nuntil = "18:00"', "from"),
        ('from = "08:00"\nuntil = "18:00"\ndays = "monday-friday"', "days"),
        ('from = "08:00"\nuntil = "18:00"\nzone = "Europe/Bonn"', "zone"),
        ('from = "08:00"\nuntil = "18:00"\nthen = "wait"', "then"),
    ],
)
def test_each_mistake_is_told_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, f'[[schedules.blackouts]]\nname = "x"\n{text}\n'))
    assert "schedules.blackouts" in caught.value.message
    assert told in caught.value.message
