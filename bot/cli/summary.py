"""`cloudy summary [day|week]`: how everything stands, and what was done, from the local database alone."""

from typing import Annotated

import typer

from bot import digest
from bot.cli.common import ConfigOption, JsonOption, print_json, reading
from bot.codec import encode
from bot.model import Span
from bot.opening import service_for


def summary(
    span: Annotated[Span, typer.Argument(help="What it looks back on.", show_default=False)] = Span.DAY,
    config: ConfigOption = None,
    owner: Annotated[
        str, typer.Option("--for", help="Only what is this person's: a Slack user, by id or name.", show_default=False)
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """What ran, failed, is late or unprotected, waits, ends soon; what lies where and costs what."""
    with reading(config) as (settings, db):
        service = service_for(settings, db)
        told = service.summaries.digest(span, service.person(owner).id if owner else "")
    if as_json:
        print_json(encode(told))
    else:
        print(f"{digest.title(told)}\n{digest.text(told)}")
