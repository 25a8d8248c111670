"""What each target of cloudy.toml costs."""

import os

from bot.config import Settings, TargetSettings
from bot.model import Price
from bot.prices import Prices, list_price, settled

_ELSEWHERE = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")  # where boto3 then finds another server than AWS


def prices_of(settings: Settings) -> Prices:
    """What the configuration says; for a cloud without an endpoint of its own, else its list price."""
    found = {name: _price(target) for name, target in settings.targets.items()}
    return Prices({name: price for name, price in found.items() if price is not None})


def _price(target: TargetSettings) -> Price | None:
    scheme, said = target.url.partition(":")[0], target.prices
    has_endpoint = bool(target.endpoint or (scheme == "s3" and any(map(os.environ.get, _ELSEWHERE))))
    listed = list_price(scheme, target.storage_class or "", has_endpoint=has_endpoint)
    storage = target.price_gib_month if said.storage is None else said.storage
    return settled(listed, storage=storage, write=said.write, read=said.read, currency=said.currency)
