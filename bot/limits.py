"""What the configuration says of how the worker works: how much at once, how long, for whom and what it costs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from bot.model import Slas
from bot.prices import Prices
from bot.transfer import TransferSettings

# (VMstore, targets) -> how files are sent from the one to the others.
TransferSettingsFor = Callable[[str, Sequence[str]], TransferSettings]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Values only; the composition root makes them of cloudy.toml."""

    transfer_settings: TransferSettingsFor
    parallel: Mapping[str, int] = field(default_factory=dict)  # transactions at once, by VMstore
    hold: timedelta = timedelta()  # how long what a failed transaction made is kept for a Retry; none: not at all
    prices: Prices = field(default_factory=lambda: Prices({}))
    slas: Slas = field(default_factory=Slas)  # what is promised for VMs
    remove_after: timedelta = timedelta()  # how old an orphan of ours goes by itself; none: a person removes it
