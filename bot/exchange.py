"""New files take the place of a VM's own, one after the other, and may go back: what was there is never removed.

Where each file lies is read from the share alone, so that it goes on after a death at any call, in either direction.
"""

from collections.abc import Callable
from dataclasses import dataclass

from bot.errors import MissingError, PermanentError
from bot.placing import OURS, directories
from bot.ports import Share

ASIDE = f"{OURS}aside"  # in the folder of the new files; no file of a recovery point is called so (bot/placing.py)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One exchange. Nobody else writes into the folders meanwhile: the VM is off."""

    share: Share
    live: str  # the VM's folder
    new: str  # where the new files lie before
    names: tuple[str, ...]  # of the new files
    were: frozenset[str]  # those that the VM had, too, when this was begun
    check: Callable[[], None] = lambda: None  # before each call outside; may raise

    def forward(self) -> None:
        """Have all new files in place. Repeat: safe. PermanentError: something is not where it was.

        One whose new file is nowhere, and whose old one was never moved, was not exchanged: it is lost, not done.
        """
        self._directories(self._aside(""), self.were)
        self._directories(self.live, self.names)
        for name in self.names:
            self._forward(name)

    def back(self) -> None:
        """Have the VM's own files in place, and the new ones where they were before. Repeat: safe.

        PermanentError: something is in the way, or a file is gone, so that nobody can tell whether the VM is whole.
        """
        self._directories(self.new, self.names)
        for name in reversed(self.names):
            self._back(name)

    def _forward(self, name: str) -> None:
        live, new, aside = f"{self.live}/{name}", f"{self.new}/{name}", self._aside(name)
        if not self._exists(new):
            if not self._exists(live) or (name in self.were and not self._exists(self._aside(name))):
                raise _lost(new)
            return
        if name in self.were and not self._exists(aside):
            self._rename(live, aside)
        self._rename(new, live)

    def _back(self, name: str) -> None:
        live, new, aside = f"{self.live}/{name}", f"{self.new}/{name}", self._aside(name)
        if name not in self.were:
            if not self._exists(new) and self._exists(live):
                self._rename(live, new)
        elif self._exists(aside):
            if self._exists(live) and not self._exists(new):
                self._rename(live, new)
            self._rename(aside, live)
        elif not (self._exists(live) and self._exists(new)):  # what is in place may then be the new one
            raise _lost(aside)

    def _aside(self, name: str) -> str:
        return "/".join(filter(None, (self.new, ASIDE, name)))

    def _exists(self, path: str) -> bool:
        self.check()
        return self.share.exists(path)

    def _directories(self, above: str, names: "frozenset[str] | tuple[str, ...]") -> None:
        for below in ("", *directories(sorted(names))):
            self.check()
            self.share.make_directory("/".join(filter(None, (above, below))))

    def _rename(self, path: str, new: str) -> None:
        """PermanentError: something lies there already, or nothing here; what is there is never replaced."""
        self.check()
        try:
            self.share.rename(path, new)
        except MissingError:
            if not self.share.exists(new):  # else the answer to a call that did it was lost
                raise _lost(path) from None
        except PermanentError:
            if self.share.exists(path) or not self.share.exists(new):
                raise


def _lost(path: str) -> PermanentError:
    return PermanentError(
        f"{path} is not there any more: somebody moved or removed it meanwhile.", system="share", operation="exchange"
    )
