"""What each target of cloudy.toml costs, in each of its classes."""

import os
from collections.abc import Mapping

from bot.config import Settings, TargetSettings
from bot.model import Price, Tier
from bot.model.tiers import CLASSES
from bot.prices import Prices, list_price, settled, tiered

_ELSEWHERE = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")  # where boto3 then finds another server than AWS


def prices_of(settings: Settings) -> Prices:
    """What the configuration says; for a cloud without an endpoint of its own, else its list price."""
    found = {name: _price(target) for name, target in settings.targets.items()}
    return Prices({name: price for name, price in found.items() if price is not None})


def classes_of(settings: Settings) -> dict[str, Mapping[Tier, str]]:
    """The store's words for each tier, by target; as the targets themselves say them."""
    return {name: _classes(target) for name, target in settings.targets.items()}


def _price(target: TargetSettings) -> Price | None:
    scheme, said = target.url.partition(":")[0], target.prices
    has_endpoint = bool(target.endpoint or (scheme == "s3" and any(map(os.environ.get, _ELSEWHERE))))
    listed = list_price(scheme, target.storage_class or "", has_endpoint=has_endpoint)
    storage = target.price_gib_month if said.storage is None else said.storage
    price = settled(listed, storage=storage, write=said.write, read=said.read, currency=said.currency)
    if price is None:
        return None
    return tiered(price, listed, _classes(target), cold=said.cold, archive=said.archive)


def _classes(target: TargetSettings) -> Mapping[Tier, str]:
    usual = CLASSES.get(target.url.partition(":")[0], dict.fromkeys(Tier, ""))
    said = {Tier.COLD: target.cold_class, Tier.ARCHIVE: target.archive_class}
    return {tier: said[tier] or usual[tier] for tier in Tier}
