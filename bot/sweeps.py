"""What was left behind, asked for in the chat: the wish is recorded, and the janitor answers where it was said."""

import json

from bot.model import Actor, AuditEvent, Json, Place
from bot.operations import Operation
from bot.policy import About
from bot.recorder import Recorder
from bot.store import Unit

COMMAND = "orphans"
_WANTED = "sweeps.wanted"  # the setting that has them until they are answered


class Sweeps(Recorder):
    """The part of the service that `/cloudy orphans` is."""

    def ask(self, actor: Actor, *, request_key: str, place: Place, removes: bool = False) -> None:
        """Have everything looked at, and with `removes` what is ours and old enough removed. Repeat: safe.

        NotAllowed. BusyError: nothing was recorded.
        """
        operation = Operation.CLEAN_UP if removes else Operation.READ
        text = f"{COMMAND} remove" if removes else COMMAND
        with self._recording(actor, text, request_key) as (unit, _):
            about = About(channel=place.channel, command=COMMAND)
            self._rights.demand(unit, actor, operation, about, key=request_key)
            if removes:
                event = AuditEvent(key=f"{request_key}:{COMMAND}", action=COMMAND, actor=actor, body={"removes": True})
                unit.audit.append(event)
            wish = {"key": request_key, "channel": place.channel, "thread": place.thread, "removes": removes}
            _put(unit, [*wanted(unit), wish | {"by": actor.id, "name": actor.name, "source": actor.source}])
        self._wake()


def wanted(unit: Unit) -> tuple[Json, ...]:
    """What was asked for and is not answered, in order; each delivery once."""
    known: dict[str, Json] = {wish["key"]: wish for wish in json.loads(unit.settings.get(_WANTED) or "[]")}
    return tuple(known.values())


def answered(unit: Unit, key: str) -> None:
    """It is answered; repeating is safe."""
    _put(unit, [wish for wish in wanted(unit) if wish["key"] != key])


def _put(unit: Unit, wishes: list[Json]) -> None:
    unit.settings.put(_WANTED, json.dumps(wishes))
