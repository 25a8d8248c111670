"""`cloudy serve`: the bot."""

from bot.cli.common import ConfigOption, settings_of


def serve(config: ConfigOption = None) -> None:
    """Run the bot: Slack by Socket Mode, worker and sender in one process, until SIGTERM."""
    from bot.main import serve as run  # adapters and engine are loaded only by commands that work

    run(settings_of(config))
