"""The way to one target, as all transfers of this process share it: how much is on it at once."""

from collections.abc import Sized
from dataclasses import dataclass, field
from typing import Any, cast

from bot.errors import TransientError
from bot.model import CopySource
from bot.ports import ObjectStore
from bot.slots import Slots
from bot.throttle import heed

UPLOADS, COPIES = 16, 32  # at once; a store copies some 70 MB/s for each request, and many go side by side


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Room for requests that bring bytes, and for those by which the store copies its own."""

    uploads: Slots = field(default_factory=lambda: Slots(UPLOADS))
    copies: Slots = field(default_factory=lambda: Slots(COPIES))

    def to(self, store: ObjectStore) -> ObjectStore:
        """The store behind it: each such call waits for room, and what is refused is learnt from.

        To be asked below what tries again, so that nothing holds room while it waits to be tried again. Waits hear the
        checks of bot/throttle.py.
        """
        bringing = dict.fromkeys(("put", "put_part", "get_into"), self.uploads)
        return cast(ObjectStore, _Behind(store, bringing, self.copies))


class _Behind:
    """Looks like the store that it wraps. Whatever may pass by itself, silence too, is taken for too much at once."""

    def __init__(self, store: Any, by_call: dict[str, Slots], copies: Slots) -> None:
        self._store = store
        self._by_call = by_call | {"copy_part": copies}

    def __repr__(self) -> str:
        return repr(self._store)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._store, name)
        slots = self._by_call.get(name)
        if slots is None:
            return value

        def call(*args: Any, **kwargs: Any) -> Any:
            with slots.taken(heed, _size(args)):
                setbacks = slots.setbacks
                try:
                    return value(*args, **kwargs)
                except TransientError as error:
                    slots.refused(setbacks, error.wait_s or 0.0)
                    raise

        return call


def _size(args: tuple[Any, ...]) -> int:
    """How many bytes a call is about; only their relation matters."""
    for each in args:
        if isinstance(each, CopySource):
            return each.length
        if isinstance(each, Sized) and not isinstance(each, str):
            return len(each)
    return 0
