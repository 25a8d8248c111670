"""`cloudy serve`: the bot."""

from bot.cli.common import ConfigOption, settings_of
from bot.main import serve as run


def serve(config: ConfigOption = None) -> None:
    """Run the bot: Slack by Socket Mode, worker and sender in one process, until SIGTERM."""
    run(settings_of(config))
