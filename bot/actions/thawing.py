"""Bringing a recovery point back from an archive: asked for once, then waited for without holding anything."""

from datetime import datetime, timedelta

from bot.actions.context import Context
from bot.cold import KEPT_DAYS, any_file, cold, keys_of
from bot.errors import Paused
from bot.lenient import found
from bot.manifest import Manifest
from bot.model import Json, ObjectInfo
from bot.ports import ObjectStore

LOOK_EVERY = timedelta(minutes=30)
ASK_AGAIN = timedelta(days=KEPT_DAYS)  # what was brought back so long ago may be archived again


def bring_back(context: Context, target: str, written: Manifest) -> Json:
    """Have all objects so that they can be read. Paused: they are on their way, it is looked at again later.

    Repeat: safe; what was asked for is not asked for again. DeniedError: Cloudy may not ask for it.
    """
    store, now = context.target(target), context.clock.now()
    asked: dict[str, str] = dict(context.before.get("asked", {}))
    frozen = [info for key in keys_of(written.files) if (info := _look(context, store, key)) and info.is_archived]
    if not any_file(written.files, frozen):  # without the digests all is fetched, which is sooner than they are back
        frozen = []
    everything = context.before.get("all", str(cold(frozen) or ""))
    for info in [info for info in frozen if not _is_asked(asked.get(info.key), now)]:
        context.check()
        if store.thaw(info.key, KEPT_DAYS).is_ready:
            frozen.remove(info)
        asked[info.key] = now.isoformat()
    if left := cold(frozen):
        first = min(datetime.fromisoformat(asked[info.key]) for info in frozen)
        kept: Json = {
            "asked": asked,
            "all": everything,
            "left": str(left),
            "from": target,
            "since": first.isoformat(),
            "due": (first + timedelta(hours=left.hours)).isoformat(),
        }
        raise later(context, kept)
    return {"brought_back": everything}


def later(context: Context, kept: Json) -> Paused:
    """To be raised: it is looked at again in a while. kept: what is known of it."""
    return Paused(kept | {"looks_at": (context.clock.now() + LOOK_EVERY).isoformat()})


def _look(context: Context, store: ObjectStore, key: str) -> ObjectInfo | None:
    context.check()
    return found(store, key)  # None: who needs it says so


def _is_asked(at: str | None, now: datetime) -> bool:
    return at is not None and now - datetime.fromisoformat(at) < ASK_AGAIN
