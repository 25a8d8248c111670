"""`cloudy estimate`: what a protection would move, take and cost; nothing is begun and nobody is asked."""

from typing import Annotated

import typer

from bot import estimated
from bot.cli.common import ConfigOption, JsonOption, print_json, reading
from bot.errors import NotFound
from bot.estimating import foresee_seen


def estimate(
    vm: Annotated[str, typer.Argument(help="Its name, VMstore/name or uuid.")],
    to: Annotated[list[str], typer.Option("--to", help="Target; more than one may be given.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """What a protection would move, take and cost, by the list of VMs and the runs before; asks no other system."""
    from bot.systems import ConfiguredSystems, prices_of  # adapters are loaded only by commands that need them

    with reading(config) as (settings, db):
        systems, names = ConfiguredSystems(settings), tuple(dict.fromkeys(to))
        unknown = [name for name in names if name not in systems.target_names]
        if unknown:
            known = ", ".join(systems.target_names)
            raise NotFound(f"There is no target called {unknown[0]}. The targets are: {known}.", systems.target_names)
        limits = {name: systems.target(name).limits for name in names}
        with db.read() as unit:
            seen, found = foresee_seen(unit, vm, limits, prices_of(settings))
    if as_json:
        print_json({"vm": seen.name, "vmstore": seen.vmstore, "targets": list(names), **estimated.guesses(found)})
        return
    print(f"{seen.name} on {seen.vmstore} to {' and '.join(names)}")
    for label, said in (
        ("Estimate", estimated.moves(found)),
        ("Time", estimated.time(found)),
        ("Price", estimated.price(found)),
    ):
        print(f"  {label}: {said}")
