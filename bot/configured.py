"""What the configuration says, as far as requests go by it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.model import Slas
from bot.moments import ScheduleRules
from bot.prices import Prices
from bot.rota import Rules
from bot.tiering import Classes


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """Values only; the composition root makes them of cloudy.toml."""

    slas: Slas | None = None  # what is promised for which VMs; None: the same for all, by the defaults
    drills: Rules = field(default_factory=Rules)
    schedules: ScheduleRules = field(default_factory=ScheduleRules)
    prices: Prices = field(default_factory=lambda: Prices({}))
    classes: Mapping[str, Classes] = field(default_factory=dict)  # the stores' words for tiers, by target
    drillable: frozenset[str] = frozenset()  # VMstores whose VMs a hypervisor can start
