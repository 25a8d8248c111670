"""What targets cost, as far as the configuration or a list price tells. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from bot.model import Price, RecoveryPoint, Tier
from bot.words import money_text

GIB = 1 << 30
# List prices, not a bill: without tax, discounts, free requests, and what minimum times or sizes of a class add.
# AWS's price page, S3 Standard, us-east-1, first 50 TB, as of 2026-11: a GB (2^30 bytes) and month; 1,000 PUT, COPY,
# POST and LIST; 1,000 GET and all others. DELETE is free, and so is what is sent to S3 or copied within a region.
_S3_STANDARD = Price(storage=0.023, write=0.005, read=0.0004, listed="AWS, S3 Standard, us-east-1, 2026-11")
# Azure's price page, block blobs, general purpose v2, hot, LRS, a cheap region of the US, first 50 TB, as of 2026-11;
# given there for 10,000 operations: 0.05 for those that write, 0.004 for those that read. What is which:
# https://learn.microsoft.com/azure/storage/blobs/map-rest-apis-transaction-categories
# (Put Block, Put Block From URL, Put Block List and Put Blob write). Blobs are deleted for nothing.
_AZURE_HOT_LRS = Price(storage=0.0184, write=0.005, read=0.0004, listed="Azure, Hot LRS, US, 2026-11")

# To bring back from an archive by the usual speed: a GiB, and 1,000 requests. AWS's price page, us-east-1, and Azure's
# (archive, LRS: data retrieval, read operations), as of 2026-11. While it is there it costs the usual storage, too.
_THAWS: Mapping[str, Mapping[str, tuple[float, float]]] = {
    _S3_STANDARD.listed: {"GLACIER": (0.01, 0.05), "DEEP_ARCHIVE": (0.02, 0.10), "INTELLIGENT_TIERING": (0.0, 0.0)},
    _AZURE_HOT_LRS.listed: {"Archive": (0.02, 0.50)},
}
# To keep a GB for a month in other classes, on the same pages.
_TIERS: Mapping[str, Mapping[str, float]] = {
    _S3_STANDARD.listed: {
        "STANDARD_IA": 0.0125,
        "ONEZONE_IA": 0.01,
        "GLACIER_IR": 0.004,
        "GLACIER": 0.0036,
        "DEEP_ARCHIVE": 0.00099,
    },
    _AZURE_HOT_LRS.listed: {"Cool": 0.01, "Cold": 0.0036, "Archive": 0.00099},
}
_LISTED = {"s3": _S3_STANDARD, "azure": _AZURE_HOT_LRS}
_USUAL = {"s3": {"", "STANDARD"}, "azure": {"", "HOT"}}  # classes that the list prices are of


def list_price(scheme: str, storage_class: str, *, has_endpoint: bool) -> Price | None:
    """The cloud's list price; None: nobody knows, since it is another's server, or another storage class."""
    is_usual = storage_class.upper() in _USUAL.get(scheme, ())
    return _LISTED.get(scheme) if is_usual and not has_endpoint else None


def settled(
    listed: Price | None, *, storage: float | None, write: float | None, read: float | None, currency: str
) -> Price | None:
    """What was configured; for the rest the list price, where it is in the same currency. None: nothing is known."""
    if storage is None and write is None and read is None:
        return listed
    beside = listed if listed and listed.currency == currency else Price()
    return Price(
        storage=beside.storage if storage is None else storage,
        write=beside.write if write is None else write,
        read=beside.read if read is None else read,
        currency=currency,
    )


def tiered(
    price: Price, listed: Price | None, classes: Mapping[Tier, str], *, cold: float | None, archive: float | None
) -> Price:
    """With what a GiB and month costs in each tier: as configured, else by the list where that is in this currency."""
    by_list = _TIERS[listed.listed] if listed and listed.currency == price.currency else {}
    return replace(
        price,
        cold=by_list.get(classes[Tier.COLD]) if cold is None else cold,
        archive=by_list.get(classes[Tier.ARCHIVE]) if archive is None else archive,
    )


@dataclass(frozen=True, slots=True)
class Prices:
    """By target; of one that is not there nothing is known."""

    by_target: Mapping[str, Price]

    def of(self, target: str) -> Price | None:
        """What is known of it."""
        return self.by_target.get(target)

    def thaw(self, target: str, objects: int, size: int, classes: Sequence[str]) -> str:
        """ "about 0.02 USD", by the dearest of the classes; "" where no price is known. size: bytes."""
        price = self.of(target)
        known = _THAWS.get(price.listed, {}) if price else {}
        if price is None or not all(name in known for name in classes):
            return ""
        amount = max(size / GIB * each + objects / 1000 * asked for each, asked in (known[name] for name in classes))
        return f"about {money_text(amount, price.currency)}"

    def less(self, point: RecoveryPoint, tier: Tier) -> float | None:
        """What its files cost less a month in that tier, in the target's currency; None: no price is known."""
        price = self.of(point.target)
        if price is None:
            return None
        each = {None: price.storage, Tier.COLD: price.cold, Tier.ARCHIVE: price.archive}
        was, will_be = each[point.tier], each[tier]
        return None if was is None or will_be is None else point.size / GIB * (was - will_be)

    def all_less(self, moves: Iterable[tuple[RecoveryPoint, Tier]]) -> str:
        """The same of many, for people; "": of none a price is known."""
        sums: dict[str, float] = {}
        for point, tier in moves:
            price, less = self.of(point.target), self.less(point, tier)
            if price is not None and less is not None:
                sums[price.currency] = sums.get(price.currency, 0.0) + less
        return a_month(sums)

    def a_month(self, sizes: Mapping[str, int], verb: str) -> str:
        """ "costs about 0.02 USD a month"; "" where no price is known."""
        sums: dict[str, float] = {}
        for name, size in sizes.items():
            price = self.of(name)
            if price is not None and price.storage is not None:
                sums[price.currency] = sums.get(price.currency, 0.0) + size / GIB * price.storage
        return f"{verb} {a_month(sums)}" if sums else ""


def a_month(amounts: Mapping[str, float]) -> str:
    """By currency: "about 2.00 USD and 3.00 EUR a month"; "" of none."""
    money = " and ".join(money_text(amount, currency) for currency, amount in amounts.items())
    about = "" if money.startswith("less") else "about "
    return f"{about}{money} a month" if money else ""
