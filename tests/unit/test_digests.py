"""What a file's grains are, and how they are kept for the next run."""

import os
import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import digests
from bot.checksum import crc64
from bot.digests import Digests, of_body, packed
from bot.errors import IntegrityError, OperatorError
from bot.grains import MIB, Grain, grain_bytes, grain_of, is_zero, zero_grain


def grains(content: bytes, grain: int) -> list[Grain]:
    body = bytearray(content)
    return [grain_of(memoryview(body)[at : at + grain]) for at in range(0, len(body), grain)]


def made(content: bytes, grain: int, key: str = "tx/a") -> Digests:
    return of_body(key, len(content), grain, packed(grains(content, grain)))


contents = st.lists(st.sampled_from([b"\0" * 8, b"\0" * 3, b"abcdefgh", b"\0\0\0\1", b"xyz"]), max_size=40).map(
    b"".join
)


@given(contents)
def test_a_stretch_of_zeros_is_told_whatever_its_length(content: bytes) -> None:
    assert is_zero(memoryview(bytearray(content))) == (not any(content))


def test_one_bit_anywhere_is_no_zero() -> None:
    body = bytearray(70_000)
    for at in (0, 1, 7, 8, 65_535, 65_536, 69_999):
        body[at] = 1
        assert not is_zero(memoryview(body))
        assert not grain_of(memoryview(body)).is_zero
        body[at] = 0
    assert grain_of(memoryview(body)) == zero_grain(70_000)


def forged(content: bytes, wanted: int) -> bytes:
    """Eight bytes more, so that the whole has the CRC that is wanted: a CRC is linear in each bit."""
    plain = crc64(content + bytes(8))
    rows: list[tuple[int, int]] = []  # what a choice of bits changes in the CRC, and that choice
    for bit in range(64):
        rows.append(reduced(rows, crc64(content + (1 << bit).to_bytes(8, "little")) ^ plain, 1 << bit))
        rows.sort(reverse=True)
    rest, chosen = reduced(rows, wanted ^ plain, 0)
    assert not rest
    return content + chosen.to_bytes(8, "little")


def reduced(rows: list[tuple[int, int]], change: int, chosen: int) -> tuple[int, int]:
    for other, bits in rows:
        if change ^ other < change:
            change, chosen = change ^ other, chosen ^ bits
    return change, chosen


def test_what_a_guest_forged_to_have_the_crc_of_zeros_is_no_zero_and_no_match() -> None:
    body = bytearray(forged(os.urandom(56), zero_grain(64).crc64))
    looked_at = grain_of(memoryview(body))
    assert looked_at.crc64 == zero_grain(64).crc64
    assert not looked_at.is_zero
    assert not made(bytes(64), 64).is_same(0, looked_at)


def test_more_grains_than_a_file_can_have_are_refused_before_memory_is_made_for_them() -> None:
    kept = digests.encode(made(b"abcdefgh", 2))
    assert len(digests.decode(kept, most=4)) == 4
    with pytest.raises(IntegrityError, match="too many"):
        digests.decode(kept, most=3)


@given(contents, st.integers(1, 9))
def test_what_is_written_is_read_again(content: bytes, grain: int) -> None:
    kept = made(content, grain, "tx/ü\n")
    assert digests.decode(digests.encode(kept)) == kept
    assert digests.encode(kept) == digests.encode(made(content, grain, "tx/ü\n"))


@given(contents, st.integers(1, 9), st.data())
def test_the_crc_of_any_stretch_is_that_of_its_bytes(content: bytes, grain: int, data: st.DataObject) -> None:
    kept = made(content, grain)
    first = data.draw(st.integers(0, len(kept)))
    count = data.draw(st.integers(0, len(kept) - first))
    assert kept.crc64(first, count) == crc64(content[first * grain : (first + count) * grain])


@given(contents, contents, st.integers(1, 9))
def test_a_grain_is_the_same_exactly_when_its_bytes_are(old: bytes, new: bytes, grain: int) -> None:
    base = made(old, grain)
    for at, each in enumerate(grains(new, grain)):
        is_same = old[at * grain : (at + 1) * grain] == new[at * grain : (at + 1) * grain]
        assert base.is_same(at, each) == is_same


def test_any_damage_is_told() -> None:
    content = digests.encode(made(os.urandom(4096) + bytes(4096), 512))
    for at in range(len(content)):
        garbled = bytearray(content)
        garbled[at] ^= random.Random(at).randrange(1, 256)
        try:
            read = digests.decode(bytes(garbled))
        except (IntegrityError, OperatorError):
            continue
        assert read.body == digests.decode(content).body, "what was garbled is not what changes are told by"
    for end in range(len(content)):
        with pytest.raises(IntegrityError):
            digests.decode(content[:end])


def test_a_bomb_is_not_inflated() -> None:
    line = b'{"format": 1, "key": "tx/a", "size": 1024, "grain": 512, "grains": 2, "crc64": "0000000000000000"}\n'
    with pytest.raises(IntegrityError, match="another number of grains"):
        digests.decode(line + zlib.compress(bytes(50 * MIB)))


def test_a_later_format_is_told_as_that() -> None:
    with pytest.raises(OperatorError, match="format 2"):
        digests.decode(b'{"format": 2}\n')


@pytest.mark.parametrize(
    ("size", "smallest_part", "expected"),
    [
        (1 << 30, 5 * MIB, MIB),
        (1 << 40, 5 * MIB, MIB),
        (2 << 40, 5 * MIB, 2 * MIB),
        (10 << 40, 5 * MIB, 8 * MIB),
        (1 << 30, 1, 256 << 10),
        (1 << 40, 1, MIB),
        (10 << 40, 1, 8 * MIB),
    ],
)
def test_the_grain_fits_store_and_size(size: int, smallest_part: int, expected: int) -> None:
    assert grain_bytes(size, smallest_part) == expected
