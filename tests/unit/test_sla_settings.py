"""[groups] and [[sla]] become values, or mistakes in words."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from bot import config
from bot.errors import ConfigError
from bot.model import Retention, Slas, Tiering
from bot.sla_settings import slas_of

HEAD = """
[protection]
rpo = "12h"

[targets.s3]
url = "s3://bucket/prefix"

[targets.azure]
url = "azure://account/container"

"""
GROUPS = """
[groups]
production = ["db*", "vmstore2/web*"]
scratch = ["tmp-*"]
"""
WHOLE = f"""{HEAD}{GROUPS}
[[sla]]
name = "gold"
vms = ["erp", "@production"]
rpo = "4h"
targets = ["s3", "azure"]
drill_every = "7d"
cold_after = "30d"
archive_after = "180d"
lock = "30d"
lock_mode = "compliance"
time_zone = "Europe/Berlin"
channel = "C0123456789"

[sla.retention]
last = 3
daily = 14
minimum_age = "7d"

[[sla]]
name = "none"
vms = ["@scratch"]
exempt = true

[[sla]]
name = "rest"
vms = ["*"]
drill_every = "0"
"""


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("CLOUDY_")]:
        monkeypatch.delenv(name)


def loaded(folder: Path, text: str) -> Slas:
    file = folder / "cloudy.toml"
    file.write_text(text)
    settings = config.load(file)
    return slas_of(settings.sla, settings.groups, rpo=settings.protection.rpo, drill_every=settings.drills.every)


def problems_of(folder: Path, text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        loaded(folder, text)
    return caught.value.problems


def test_a_whole_file_gives_slas_in_their_order(tmp_path: Path) -> None:
    gold, none, rest = (slas := loaded(tmp_path, WHOLE)).listed
    assert (gold.name, gold.rpo, gold.targets, gold.drill_every) == (
        "gold",
        timedelta(hours=4),
        ("s3", "azure"),
        timedelta(days=7),
    )
    assert gold.retention == Retention(last=3, daily=14, minimum_age=timedelta(days=7), zone="Europe/Berlin")
    assert (gold.lock, gold.lock_mode, gold.channel) == (timedelta(days=30), "COMPLIANCE", "C0123456789")
    assert gold.tiering == Tiering(cold_after=timedelta(days=30), archive_after=timedelta(days=180))
    assert rest.tiering == Tiering()
    assert none.is_exempt
    assert (rest.rpo, rest.drill_every, rest.retention.is_everything) == (timedelta(hours=12), None, True)
    assert slas.groups == {"production": ("db*", "vmstore2/web*"), "scratch": ("tmp-*",)}


def test_without_any_there_is_the_last_resort_alone(tmp_path: Path) -> None:
    slas = loaded(tmp_path, HEAD)
    assert slas.listed == ()
    assert (slas.last.rpo, slas.last.drill_every) == (timedelta(hours=12), timedelta(days=30))
    assert slas.last.is_default
    assert slas.last.retention.is_everything


def one(*lines: str) -> str:
    return HEAD + GROUPS + '[[sla]]\nname = "gold"\n' + "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (one('vms = ["@prodution"]'), "sla, entry 1: vms: there is no group @prodution in cloudy.toml. Did you mean"),
        (one('vms = ["a"]', 'targets = ["azur"]'), "targets: there is no target 'azur'; did you mean azure?"),
        (one("vms = []"), "sla, entry 1: vms: it names no VM"),
        (one('vms = ["a"]', 'lock_mode = "governance"'), "lock_mode: it means nothing without lock; add lock"),
        (one('vms = ["a"]', 'lock = "1d"', 'lock_mode = "strict"'), "lock_mode"),
        (one('vms = ["a"]', 'cold_after = "30d"', 'archive_after = "30d"'), "archive_after: it is not later than cold"),
        (one('vms = ["a"]', 'cold_after = "0"'), 'like cold_after = "30d"'),
        (one('vms = ["a"]', "exempt = true", 'rpo = "1h"'), "rpo: an exempt VM is promised nothing"),
        (one('vms = ["a"]', 'time_zone = "Mars"'), "no time zone"),
        (one('vms = ["a"]', 'channel = "#ops"'), "is not the id of a channel"),
        (one('vms = ["a"]', "rpo = 4"), 'it should be a duration, like rpo = "4h"'),
        (one('vms = ["a"]', "[sla.retention]", "daily = -1"), "sla, entry 1: retention: daily"),
        (one('vms = ["a"]', "[sla.retention]", "hourly = 1"), "unknown key"),
        (one('vms = ["*a*b*c*d*e*"]'), "more than 5 stars"),
        (one('vms = [" a"]'), "is no pattern of names"),
        (one('vms = ["a"]').replace('"gold"', '"default"'), "'default' is what holds where no SLA fits"),
        (one('vms = ["a"]', "[[sla]]", 'name = "gold"', 'vms = ["b"]'), "entry 2: name: there is an SLA 'gold'"),
        (one('vms = ["*"]', "[[sla]]", 'name = "b"', 'vms = ["b"]'), "sla, entry 2: it never decides, since 'gold'"),
        (HEAD + '[groups]\nweb = ["@db"]\n', "is a group, and a group has patterns of names only"),
        (HEAD + '[groups]\n"a b" = ["x"]\n', "is no name"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place_and_cure(tmp_path: Path, text: str, words: str) -> None:
    (problem,) = problems_of(tmp_path, text)
    assert words in problem
    assert problem.startswith("cloudy.toml: ")


def test_a_pattern_that_fits_no_vm_is_no_mistake(tmp_path: Path) -> None:
    assert loaded(tmp_path, one('vms = ["nobody-has-this-name"]')).listed
