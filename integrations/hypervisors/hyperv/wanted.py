"""What a restored VM is to be, and what was made of it so far."""

from collections.abc import Callable
from dataclasses import dataclass, field

from bot.model import RegisterSpec
from integrations.hypervisors.hyperv.connection import Session
from integrations.hypervisors.hyperv.definition import Card, NoDefinition, Slot, network_for
from integrations.hypervisors.hyperv.paths import Paths, leaf, place_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """place: the folder for the new configuration, as the host names it. switches: those that it has."""

    spec: RegisterSpec
    paths: Paths
    place: str
    switches: frozenset[str]

    def restored(self, slot: Slot) -> Slot:
        """A disk's place, with the restored file. NoDefinition: it is not among them."""
        file = place_of(slot.path, self.spec.directory, self.spec.files)
        if not file:
            raise NoDefinition(f"it names {slot.path}, which is not among the restored files, or not only once")
        return Slot(bus=slot.bus, number=slot.number, location=slot.location, path=self.paths.full(file))

    def switch_for(self, card: Card) -> str:
        """What a card is to be connected to here; "": nothing. NoDefinition."""
        spec = self.spec
        return network_for(card.switch, spec.networks, self.switches, is_connected=spec.is_connected)

    def told_of(self, cards: tuple[Card, ...]) -> list[str]:
        """What people should know of the network adapters."""
        told = []
        for card in cards:
            if card.switch and not self.switch_for(card):
                why = "" if not self.spec.is_connected else ", which this host does not have"
                told.append(f"{card.name} is not connected; it was to {card.switch}{why}")
            if not card.is_dynamic and not self.spec.keeps_identity:
                told.append(f"{card.name} had a fixed address, and gets another one")
        return told

    @property
    def folder(self) -> str:
        """The last part of the place."""
        return leaf(self.place)


@dataclass(slots=True)
class Made:
    """A VM that the host has, without its name and label. go_on: what is to be done before it gets them."""

    id: object
    go_on: Callable[[Session, Wanted], None]
    notes: str = ""  # what people wrote, where the host does not know it
    told: list[str] = field(default_factory=list)
