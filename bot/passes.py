"""What each pass over a file gave: several, for targets that are late or after a loss, have to give the same."""

from collections.abc import Sequence
from threading import Lock

from bot.checksum import to_hex
from bot.desk import Journal
from bot.errors import IntegrityError
from bot.model import SourceFile


class Passes:
    """The CRC of each file as it was first known, in this transfer or by what a target has of it since before."""

    def __init__(self, journal: Journal, targets: Sequence[str]) -> None:
        self._journal = journal
        self._targets = targets
        self._known: dict[str, int] = {}
        self._lock = Lock()

    def agree(self, file: SourceFile, value: int) -> None:
        """IntegrityError: a whole pass gave this, and another one something else. Called from several threads."""
        before = self._before(file)
        with self._lock:
            known = self._known.setdefault(file.key, value if before is None else before)
        if known != value:
            raise IntegrityError(
                f"{file.path} changed while it was sent: its CRC-64 is {to_hex(value)}, and was {to_hex(known)} when "
                "it was read before. Something else writes into the clone. Protect the VM again."
            )

    def _before(self, file: SourceFile) -> int | None:
        if file.key in self._known:
            return None
        stored = (self._journal.is_stored(target, file.key) for target in self._targets)
        return next((each.crc64 for each in stored if each is not None), None)
