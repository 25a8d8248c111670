"""`cloudy serve`: the bot."""

from typing import Annotated

import typer

from bot.cli.common import ConfigOption, settings_of


def serve(
    config: ConfigOption = None,
    http: Annotated[
        bool, typer.Option("--http", help="Let Slack come by signed HTTP instead of opening a socket to it.")
    ] = False,
    host: Annotated[str, typer.Option(help="With --http: the address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(help="With --http: the port to listen on; 0 takes a free one.", envvar="PORT", min=0, max=65535),
    ] = 3000,
) -> None:
    """Run the bot: Slack, worker and sender in one process, until SIGTERM. Slack by Socket Mode, or by signed HTTP."""
    from bot.main import Address  # adapters and engine are loaded only by commands that work
    from bot.main import serve as run

    run(settings_of(config), Address(host=host, port=port) if http else None)
