"""What may be a sign of life on a console."""

import pytest
from pydantic import ValidationError

from bot.drill_settings import DrillSettings


@pytest.mark.parametrize("pattern", ["login:", "READY", r"(?m)^web\d+ login:", ""])
def test_what_only_a_guest_says_is_a_sign_of_life(pattern: str) -> None:
    assert DrillSettings(pattern=pattern, patterns={"web*": pattern}).pattern == pattern


@pytest.mark.parametrize("pattern", [".*", "(login:)?", "login:|", r"\w", "Boot", "(?i)bios", "Shell>", "$"])
def test_what_a_console_shows_without_a_guest_is_none(pattern: str) -> None:
    with pytest.raises(ValidationError, match="no system has started"):
        DrillSettings(pattern=pattern)
    with pytest.raises(ValidationError, match="no system has started"):
        DrillSettings(patterns={"web*": pattern})
