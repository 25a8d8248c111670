"""How each file is to get to each target: what it is compared with, by which grain, and how it is cut."""

from collections.abc import Callable
from dataclasses import replace

from bot import plan
from bot.comparison import Comparison
from bot.desk import Desk
from bot.grains import grain_for
from bot.lane import Route, is_worth_digests
from bot.losses import Losses
from bot.model import SourceFile
from bot.ports import ObjectStore

# What a file is compared with in a target, but for objects of these keys; called by one thread for each target.
Compare = Callable[[ObjectStore, SourceFile, frozenset[str]], Comparison]


class Routes:
    """Asked by one thread for each target."""

    def __init__(
        self, desk: Desk, compare: Compare, *, window: int, grain: int, part_bytes: int, look_ahead: int
    ) -> None:
        """Lengths in bytes. window: in which files lie in memory. grain: 0: by the file's size and the targets."""
        self._desk = desk
        self._compare = compare
        self._window = window
        self._grain = grain
        self._part_bytes = part_bytes
        self._look_ahead = look_ahead

    def of(self, file: SourceFile, target: ObjectStore) -> Route:
        """The one that is left, after what was lost before."""
        losses = self._desk.journal.losses(target.name).get(file.key, Losses())
        able = self._desk.ask(target, target.capabilities)
        is_compared = able.copies_parts and not losses.is_last
        comparison = self._comparison(file, target, losses) if is_compared else Comparison()
        kept = self._grain or grain_for(file.size, target.limits.smallest, comparison.last)
        grain = comparison.grain or kept
        rules = replace(
            plan.CutRules.of(target.limits, able, granule=grain),
            upload=self._part_bytes,  # so that it lies in one window
            look_ahead=self._look_ahead,
        )
        return Route(
            cut=plan.cutter(file.size, rules),
            grain=grain,
            kept=kept,
            is_small=file.size <= min(self._window, self._part_bytes),
            comparison=comparison,
            losses=losses,
        )

    def _comparison(self, file: SourceFile, target: ObjectStore, losses: Losses) -> Comparison:
        """What does not fit the windows, whoever wrote it, is no base."""
        is_stored = self._desk.journal.is_stored(target.name, file.key) is not None
        if is_stored or not is_worth_digests(file, target):
            return Comparison()
        comparison = self._compare(target, file, losses.avoided)
        fits = not comparison.grain or not self._window % comparison.grain
        return comparison if fits else Comparison()
