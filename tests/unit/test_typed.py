"""Names in commands that people are told to type: what is told is understood again."""

import pytest

from bot.words import typed
from handlers import parse


@pytest.mark.parametrize("name", ["vm01", "my vm", "a, b", "db/1.prod", "Müller's box"])
def test_a_command_that_is_told_means_the_same_vm_when_it_is_typed(name: str) -> None:
    assert parse.protect(f"{typed(name)} to s3").vms == (name,)


def test_a_plain_name_stays_as_it_is() -> None:
    assert typed("vm01") == "vm01"
