"""When something comes again: phrases like "weekdays at 22:30 Europe/Berlin", and their fire times. Pure."""

from bot.recurrence.phrases import EXAMPLES, USAGE, nearest, parse
from bot.recurrence.recurrence import Blackout, Recurrence

__all__ = ["EXAMPLES", "USAGE", "Blackout", "Recurrence", "nearest", "parse"]
