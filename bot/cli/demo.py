"""`cloudy demo`: the product with stand-ins."""

from pathlib import Path
from typing import Annotated

import typer

from bot.errors import OperatorError


def demo(
    script: Annotated[
        str | None, typer.Option(help="A file in the demo's language; - reads standard input.", show_default=False)
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write every recorded Slack call and event.", show_default=False)
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Keep the world's folder here.", show_default=False)] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the world running after the script.")] = False,
    http: Annotated[bool, typer.Option("--http", help="Signed HTTP between Slack and bot, not Socket Mode.")] = False,
) -> None:
    """Start a whole world on loopback (VMstores, Slack, S3) with the unchanged bot in it."""
    try:
        from bot.cli import offered
        from integrations.simulators.demo import run
    except ImportError as error:
        raise OperatorError(f"The demo's packages are not installed: pip install 'cloudy[demo]' ({error}).") from error
    shortcuts, usages = offered.shortcuts(), offered.usages()
    status = run(
        script=script, json_file=json_file, data=data, keep=keep, http=http, shortcuts=shortcuts, usages=usages
    )
    raise typer.Exit(status)
