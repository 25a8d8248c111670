"""Which grains of an object are kept in the index, so that another VM's file that holds the same is recognised. Pure.

Those at its beginning, so that it is recognised soon, and of the others those whose digest says so: two files that hold
the same grains then have the same samples, wherever these lie and whatever lies between them.
"""

from bot.digests import Digests
from bot.grains import zero_grain

HEADS = 16  # grains that are no zeros
OTHERS = 1024  # at most; one of EVERY of them
EVERY = 64

_CHOSEN = bytes(0 if first < 256 // EVERY else 1 for first in range(256))  # by a digest's first byte


def is_chosen(digest: bytes | bytearray) -> bool:
    """Whether a digest says of itself that it is a sample."""
    return digest[0] < 256 // EVERY


def mark(digest: bytes | bytearray) -> int:
    """What the index knows a digest by: 63 bits of it, since SQLite's integers have a sign."""
    return int.from_bytes(digest[1:9], "big") >> 1


def sampled(digests: Digests) -> list[tuple[int, int]]:
    """Marks with the positions of their grains. Where there are too many, those with the least marks."""
    zero = zero_grain(digests.grain).digest
    heads, after = _heads(digests, zero)
    firsts = digests.firsts().translate(_CHOSEN)
    others, at = list[tuple[int, int]](), firsts.find(0, after)
    while at >= 0:
        if (digest := digests.digest(at)) != zero:
            others.append((mark(digest), at))
        at = firsts.find(0, at + 1)
    return [*heads, *sorted(others)[:OTHERS]]


def _heads(digests: Digests, zero: bytes) -> tuple[list[tuple[int, int]], int]:
    """The first ones, and where they end."""
    found: list[tuple[int, int]] = []
    for at in range(len(digests)):
        if len(found) == HEADS:
            return found, at
        if (digest := digests.digest(at)) != zero:
            found.append((mark(digest), at))
    return found, len(digests)
