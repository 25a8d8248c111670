"""[janitor] of cloudy.toml: whether what was left behind goes by itself, and when."""

from datetime import timedelta

from pydantic import Field

from bot.sections import DurationOrNone, Section


class JanitorSettings(Section):
    """What the janitor does by itself beside clearing the ledger."""

    remove_after: DurationOrNone = Field(
        default=timedelta(),
        description='how old what is ours must be to go by itself, like remove_after = "7d"; "0": a person removes it',
    )
