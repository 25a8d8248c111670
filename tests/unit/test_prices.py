"""Prices: the configuration's, else a list price where it is the right one, else none."""

from dataclasses import replace
from pathlib import Path

import pytest

from bot import config
from bot.errors import ConfigError
from bot.model import Price, Tier
from bot.price_settings import classes_of
from bot.prices import Prices, list_price, settled
from bot.systems import ConfiguredSystems, prices_of
from tests.unit.test_retention import NOW, point

GIB = 1 << 30


def test_list_prices_are_those_of_the_cloud_itself_and_of_its_usual_class_alone() -> None:
    s3, azure = list_price("s3", "", has_endpoint=False), list_price("azure", "Hot", has_endpoint=False)
    assert s3 is not None
    assert (s3.storage, s3.write, s3.read, s3.currency) == (0.023, 0.005, 0.0004, "USD")
    assert azure is not None
    assert azure.listed
    assert list_price("s3", "STANDARD", has_endpoint=False) == s3
    assert list_price("s3", "", has_endpoint=True) is None
    assert list_price("s3", "GLACIER_IR", has_endpoint=False) is None
    assert list_price("azure", "Cool", has_endpoint=False) is None
    assert list_price("ftp", "", has_endpoint=False) is None


def test_what_is_configured_goes_before_and_the_rest_is_filled_in_the_same_currency_alone() -> None:
    listed = list_price("s3", "", has_endpoint=False)
    assert settled(listed, storage=None, write=None, read=None, currency="USD") == listed
    assert settled(listed, storage=0.01, write=None, read=None, currency="USD") == Price(
        storage=0.01, write=0.005, read=0.0004
    )
    assert settled(listed, storage=0.01, write=None, read=None, currency="EUR") == Price(storage=0.01, currency="EUR")
    assert settled(None, storage=None, write=None, read=None, currency="USD") is None


def test_money_of_several_currencies_is_told_side_by_side() -> None:
    prices = Prices({"s3": Price(storage=0.02), "azure": Price(storage=0.03, currency="EUR"), "x": Price(write=1.0)})
    assert prices.a_month({"s3": 100 * GIB, "azure": 100 * GIB}, "saves") == "saves about 2.00 USD and 3.00 EUR a month"
    assert prices.a_month({"x": GIB, "y": GIB}, "saves") == ""


def written(folder: Path, *lines: str) -> Path:
    file = folder / "cloudy.toml"
    file.write_text("\n".join(lines))
    return file


def test_prices_stand_in_a_section_of_the_target_or_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDY_TARGETS__OWN__PRICES__WRITE", "0.5")
    file = written(
        tmp_path,
        "[targets.aws]",
        'url = "s3://bucket"',
        "[targets.own]",
        'url = "s3://bucket"',
        'endpoint = "https://s3.example.com"',
        "[targets.own.prices]",
        "storage = 0.01",
        'currency = "EUR"',
        "[targets.silent]",
        'url = "s3://bucket"',
        'endpoint = "https://s3.example.com"',
        "[targets.older]",
        'url = "s3://bucket"',
        "price_gib_month = 0.02",
    )
    prices = prices_of(config.load(file))
    listed = list_price("s3", "", has_endpoint=False)
    assert listed is not None
    assert prices.of("aws") == replace(listed, cold=0.004, archive=0.0036)
    assert prices.of("own") == Price(storage=0.01, write=0.5, currency="EUR")
    assert prices.of("silent") is None
    assert prices.of("older") == Price(storage=0.02, write=0.005, read=0.0004, cold=0.004, archive=0.0036)


def test_what_is_moved_costs_less_by_the_prices_of_the_targets_own_classes(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        "[targets.s3]",
        'url = "s3://bucket"',
        'cold_class = "STANDARD_IA"',
        'archive_class = "DEEP_ARCHIVE"',
        "[targets.azure]",
        'url = "azure://account/container"',
        "[targets.own]",
        'url = "s3://bucket"',
        'endpoint = "https://s3.example.com"',
        "[targets.own.prices]",
        'storage = 0.03\narchive = 0.01\ncurrency = "EUR"',
    )
    told = config.load(file)
    prices = prices_of(told)
    points = {name: point(NOW, target=name, size=100 * GIB) for name in ("s3", "azure", "own")}
    assert prices.less(points["s3"], Tier.COLD) == pytest.approx(1.05)
    assert prices.less(replace(points["s3"], tier=Tier.COLD), Tier.ARCHIVE) == pytest.approx(1.151)
    assert prices.less(points["azure"], Tier.COLD) == pytest.approx(1.48)
    assert prices.less(points["own"], Tier.COLD) is None
    assert prices.less(replace(points["own"], target="elsewhere"), Tier.ARCHIVE) is None
    moves = [(points["own"], Tier.ARCHIVE), (points["own"], Tier.COLD), (points["s3"], Tier.COLD)]
    assert prices.all_less(moves) == "about 2.00 EUR and 1.05 USD a month"
    assert prices.all_less([]) == ""


def test_the_settings_name_the_classes_that_the_targets_themselves_name(tmp_path: Path) -> None:
    """A preview asks no target; what it says of classes and their prices is of the same ones."""
    file = written(
        tmp_path,
        "[targets.s3]",
        'url = "s3://bucket/prefix"',
        "[targets.deep]",
        'url = "s3://bucket/deep"',
        'cold_class = "ONEZONE_IA"',
        'archive_class = "DEEP_ARCHIVE"',
        "[targets.azure]",
        'url = "azure://account/container"',
        "[targets.cool]",
        'url = "azure://account/container/cool"',
        'cold_class = "Cool"',
    )
    (tmp_path / "secrets.env").write_text(
        "".join(f"CLOUDY_TARGETS__{name}__ACCOUNT_KEY=a2V5\n" for name in ("AZURE", "COOL"))
    )
    settings = config.load(file)
    systems = ConfiguredSystems(settings)
    for name, classes in classes_of(settings).items():
        assert classes == {tier: systems.target(name).class_of(tier) for tier in Tier}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("storag = 1", "unknown key; did you mean storage"),
        ("write = -1", "it should be of 1,000 requests that write, like write = 0.005"),
        ('currency = "euros"', 'it should be three letters, like currency = "EUR"'),
    ],
)
def test_a_mistake_in_a_price_is_told_with_its_key_and_cure(tmp_path: Path, line: str, words: str) -> None:
    file = written(tmp_path, "[targets.s3]", 'url = "s3://bucket"', "[targets.s3.prices]", line)
    with pytest.raises(ConfigError) as found:
        config.load(file)
    (problem,) = found.value.problems
    assert problem.startswith("cloudy.toml: targets.s3.prices.")
    assert words in problem


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
def test_where_the_environment_leads_to_another_server_there_is_no_list_price(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    told = config.load(written(tmp_path, "[targets.aws]", 'url = "s3://bucket"'))
    assert prices_of(told).of("aws") is not None
    monkeypatch.setenv(name, "https://s3.example.com")
    assert prices_of(told).of("aws") is None
