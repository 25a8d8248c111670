"""[drills] of cloudy.toml: what is a sign of life of which VM, and how often each is to be drilled."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field

from bot.rota import Rules
from bot.sections import Duration, Section

# What firmware says of a disk that nothing starts from: SeaBIOS, and the UEFI of EDK II.
_LIFELESS = (
    "",
    "SeaBIOS (version 1.16.2-1)\r\nBooting from Hard Disk...\r\nBoot failed: not a bootable disk\r\n\r\n"
    "No bootable device.\r\n",
    'BdsDxe: failed to load Boot0001 "UEFI Misc Device" from PciRoot(0x0)/Pci(0x3,0x0): Not Found\r\n'
    "BdsDxe: No bootable option or device was found.\r\nUEFI Interactive Shell v2.2\r\nShell> ",
)


def _pattern(text: str) -> str:
    try:
        wanted = re.compile(text)
    except re.error as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from None
    if text and any(wanted.search(said) for said in _LIFELESS):
        raise ValueError(f"{text!r} also fits a console on which no system has started: name what only the guest says")
    return text


Pattern = Annotated[str, AfterValidator(_pattern)]


class DrillSettings(Section):
    """What a drill waits for, and how often."""

    alive: Duration = Field(
        default=timedelta(minutes=5),
        ge=timedelta(seconds=10),
        le=timedelta(hours=4),
        description='how long a VM may take from its start to a sign of life, like alive = "5m"',
    )
    pattern: Pattern = Field(
        default="", description='what the console of every VM must show, a regular expression, like pattern = "login:"'
    )
    patterns: dict[str, Pattern] = Field(
        default_factory=dict, description='the same for some VMs, like patterns = {"web*" = "nginx started"}'
    )
    every: Duration = Field(
        default=timedelta(days=30),
        ge=timedelta(days=1),
        description='how old the newest proof of a VM may be, like every = "30d"',
    )
    a_day: int = Field(default=4, ge=1, le=1000, description="a number of drills in 24 hours, like a_day = 4")


def rules_of(settings: DrillSettings) -> Rules:
    """The same as values."""
    return Rules(
        every=settings.every,
        a_day=settings.a_day,
        alive_s=int(settings.alive.total_seconds()),
        pattern=settings.pattern,
        patterns=settings.patterns,
    )
