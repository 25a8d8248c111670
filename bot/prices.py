"""What storage costs, as far as the configuration or a list price tells. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

GIB = 1 << 30
# Source: AWS's price list, S3 Standard, us-east-1, first 50 TB (2026-11); a list price, not a bill.
LIST_PRICES = {"s3": 0.023}  # USD for a GiB and month, by the scheme of a target's url


@dataclass(frozen=True, slots=True)
class Prices:
    """For a GiB and month, by target; a target that is not there is not told."""

    by_target: Mapping[str, float]

    def a_month(self, sizes: Mapping[str, int], verb: str) -> str:
        """ "costs about 0.02 USD a month"; "" where no price is known."""
        known = {name: size for name, size in sizes.items() if name in self.by_target}
        if not known:
            return ""
        money = sum(size / GIB * self.by_target[name] for name, size in known.items())
        return f"{verb} about {money:.2f} USD a month"
