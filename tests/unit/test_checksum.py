"""CRC-64/NVME: the published value, going on, and combining."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.checksum import combine, crc64, from_hex, to_hex, whole
from bot.errors import IntegrityError


def test_it_is_crc_64_nvme() -> None:
    assert to_hex(crc64(b"123456789")) == "ae8b14860a799888"
    assert crc64(b"") == 0


@given(st.lists(st.binary(max_size=50), max_size=6))
def test_pieces_make_the_value_of_the_whole(pieces: list[bytes]) -> None:
    content = b"".join(pieces)
    assert whole((crc64(piece), len(piece)) for piece in pieces) == crc64(content)


@given(st.binary(max_size=50), st.binary(max_size=50))
def test_going_on_and_combining_agree(first: bytes, second: bytes) -> None:
    assert crc64(memoryview(second), crc64(first)) == combine(crc64(first), crc64(second), len(second))


@given(st.integers(0, 2**64 - 1))
def test_hex_round_trip(value: int) -> None:
    assert from_hex(to_hex(value)) == value


@pytest.mark.parametrize(
    "text", ["", "0", "AE8B14860A799888", "ae8b14860a79988g", "0xe8b14860a79988", "0" * 17, "0" * 16 + "\n"]
)
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(IntegrityError):
        from_hex(text)
