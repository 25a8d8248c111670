"""`cloudy catalog rebuild`: the catalogue of recovery points, made again from a target alone."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.cli.common import ConfigOption, JsonOption, print_json, settings_of
from bot.logs import setup

if TYPE_CHECKING:
    from bot.rebuilding import Rebuilt

app = typer.Typer(help="The catalogue of recovery points.", no_args_is_help=True)
_FOREIGN = "made by installation {}"


@app.callback()
def _group() -> None:
    """Keep `rebuild` a command of its own, though it is alone."""


@app.command()
def rebuild(
    target: Annotated[list[str], typer.Option("--target", help="Target; more than one may be given.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read every manifest in a target and note its recovery point, also into an empty database. Nothing is removed.

    May be repeated, also beside a running bot. Exit status 1: a manifest is damaged or of a later format.
    """
    from bot.main import catalogued  # adapters are loaded only by commands that work

    settings = settings_of(config)
    setup("WARNING", settings.secrets())
    found, installation = catalogued(settings, tuple(dict.fromkeys(target)))
    if as_json:
        print_json({"targets": [_document(each, installation) for each in found]})
    else:
        for each in found:
            _tell(each, installation)
    raise typer.Exit(1 if any(each.unread for each in found) else 0)


def _document(found: "Rebuilt", installation: str) -> dict[str, Any]:
    return {
        "target": found.target,
        "added": [point.transaction_id for point in found.added],
        "known": [point.transaction_id for point in found.known],
        "foreign": {point.transaction_id: point.installation for point in found.foreign(installation)},
        "unread": dict(found.unread),
        "lost": list(found.lost),
        "going": list(found.going),
    }


def _tell(found: "Rebuilt", installation: str) -> None:
    """Names come from a bucket: none of them steers the terminal."""
    foreign = set(found.foreign(installation))
    _say(f"{found.target}: {len(found.added)} recovery points added, {len(found.known)} known already")
    for point in found.added:
        made = f", {_FOREIGN.format(point.installation)}" if point in foreign else ""
        _say(f"  {point.transaction_id}  {point.vm_name}, {point.taken_at:%Y-%m-%d %H:%M} UTC{made}")
    for point_id, why in found.unread:
        _say(f"  {point_id}  not taken: {why}")
    for point_id in found.going:
        _say(f"  {point_id}  not taken: it is being deleted")
    for point_id in found.lost:
        _say(f"  {point_id}  is in the catalogue, and its manifest is not in {found.target}: deleted, or another place")


def _say(text: str) -> None:
    print("".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text))
