"""What the sections of cloudy.toml are made of."""

from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict

from bot import durations


class Section(BaseModel):
    """One section: frozen, without unknown keys, and a mistake in it never shows the value."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def _duration(value: object) -> object:
    return value if isinstance(value, timedelta) else durations.parse(str(value))


def _duration_or_none(value: object) -> object:
    return timedelta() if str(value).strip() == "0" else _duration(value)


DurationOrNone = Annotated[timedelta, BeforeValidator(_duration_or_none)]  # "0" is none at all
Duration = Annotated[timedelta, BeforeValidator(_duration)]  # written like "30m"
