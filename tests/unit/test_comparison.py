"""What a file is compared with, grain by grain: nothing is taken for the same that is not, and little is overlooked."""

import random
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import comparison
from bot.comparison import Alignment, Candidate, Comparison
from bot.grains import Grain
from bot.model import ObjectInfo
from bot.samples import EVERY, HEADS, OTHERS, mark, sampled
from tests.unit.test_digests import grains, made

GRAIN = 8
words = st.lists(st.sampled_from([b"\0" * 8, b"abcdefgh", b"ABCDEFGH", b"12345678", b"xyz"]), max_size=30).map(b"".join)


def candidate(content: bytes, key: str = "tx/a", grain: int = GRAIN) -> Candidate:
    return Candidate.of(made(content, grain, key), ObjectInfo(key=key, size=len(content), etag=f"etag of {key}"))


def noise(count: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(count * GRAIN)


@given(new=words, olds=st.lists(words, max_size=4), width=st.integers(1, 7))
def test_what_is_given_as_the_same_is_the_same(new: bytes, olds: list[bytes], width: int) -> None:
    by_key = {f"tx/{number}": old for number, old in enumerate(olds)}
    compared = Comparison([candidate(old, key) for key, old in by_key.items()])
    looked_at = grains(new, GRAIN)
    for first in range(0, len(looked_at), width):
        window = looked_at[first : first + width]
        places = compared.places(first, window)
        for position, grain in enumerate(window, start=first):
            mine = new[position * GRAIN : position * GRAIN + grain.length]
            if position in places:
                base, offset = places[position]
                assert by_key[base.key][offset : offset + grain.length] == mine
                assert base.size == len(by_key[base.key])
            else:
                there = [old[position * GRAIN : (position + 1) * GRAIN] for old in olds]
                assert grain.is_zero or mine not in there


def test_neighbours_are_taken_from_one_object_where_one_has_them_all() -> None:
    whole, torn = noise(16), bytearray(noise(16))
    torn[5 * GRAIN : 6 * GRAIN] = noise(1, 2)
    compared = Comparison([candidate(bytes(torn), "tx/torn"), candidate(whole, "tx/whole")])
    places = compared.places(0, grains(whole, GRAIN))
    assert {base.key for base, _ in places.values()} == {"tx/whole"}


def test_an_end_that_is_shorter_is_no_beginning() -> None:
    compared = Comparison([candidate(b"abcdefgh" + b"xyz")])
    assert compared.places(1, grains(b"xyz", GRAIN))
    assert not compared.places(1, grains(b"xyz\0\0\0\0\0", GRAIN))
    assert not compared.places(0, grains(b"xyz", GRAIN))


class Finder:
    """Finds what it has by the first grain, wherever it lies."""

    def __init__(self, *alignments: Alignment) -> None:
        self.alignments = alignments
        self.asked: list[list[int]] = []

    def __call__(self, wanted: Mapping[int, Grain]) -> Alignment | None:
        self.asked.append(list(wanted))
        return next((way for way in self.alignments if way.hits(wanted)), None)


def test_another_object_is_looked_for_only_for_what_nothing_known_has() -> None:
    own, other = noise(8), noise(4, 2)
    find = Finder(Alignment(candidate(other, "tx/other")))
    compared = Comparison([candidate(own, "tx/own")], find)
    assert len(compared.places(0, grains(own, GRAIN))) == 8
    assert find.asked == []
    new = own[: 2 * GRAIN] + other[2 * GRAIN :] + own[4 * GRAIN :]
    places = compared.places(0, grains(new, GRAIN))
    assert find.asked == [[2, 3]]
    assert [base.key for base, _ in dict(sorted(places.items())).values()] == [
        *["tx/own"] * 2, *["tx/other"] * 2, *["tx/own"] * 4,
    ]  # fmt: skip
    assert compared.copied_from("tx/other") == ("etag of tx/other", "")


def test_what_lies_further_on_in_another_object_is_copied_from_there() -> None:
    content = noise(6)
    compared = Comparison(search=Finder(Alignment(candidate(noise(3, 2) + content, "tx/b"), 3)))
    places = compared.places(0, grains(content, GRAIN))
    assert [offset for _, offset in places.values()] == [(at + 3) * GRAIN for at in range(6)]


def test_what_is_found_is_bounded_in_number_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    objects = [noise(1, seed) for seed in range(comparison.SEARCHES + 5)]
    find = Finder(*(Alignment(candidate(content, f"tx/{at}")) for at, content in enumerate(objects)))
    compared = Comparison([candidate(noise(1, 999), "tx/own")], find)
    found = [bool(compared.places(0, grains(content, GRAIN))) for content in objects]
    assert found == [True] * comparison.SEARCHES + [False] * 5
    assert len(compared._aligned) == 1 + comparison.FOUND
    monkeypatch.setattr(comparison, "ROOM", 40)
    compared = Comparison([candidate(noise(1, 999), "tx/own")], find)
    for content in objects[:4]:
        compared.places(0, grains(content, GRAIN))
    assert [way.candidate.base.key for way in compared._aligned] == ["tx/3", "tx/own"]


def test_after_the_end_no_digests_are_kept_but_the_sources_are_known() -> None:
    compared = Comparison([candidate(noise(4))])
    compared.places(0, grains(noise(4), GRAIN))
    compared.close()
    assert compared.places(0, grains(noise(4), GRAIN)) == {}
    assert compared.copied_from("tx/a")[0] == "etag of tx/a"


# The samples by which an object is found.


def test_samples_are_the_first_grains_and_some_of_the_others_and_never_zeros() -> None:
    content = bytes(3 * GRAIN) + noise(20 * EVERY)
    kept = sampled(made(content, GRAIN))
    positions = [at for _, at in kept]
    assert positions[:HEADS] == list(range(3, 3 + HEADS))
    assert 5 < len(positions) - HEADS < 60
    assert all(known == mark(made(content, GRAIN).digest(at)) for known, at in kept)


def test_two_files_that_share_most_grains_share_most_samples_wherever_they_lie() -> None:
    common = noise(50 * EVERY)
    one = {known for known, _ in sampled(made(common, GRAIN))}
    other = {known for known, _ in sampled(made(noise(77, 2) + common, GRAIN))}
    assert len(one & other) > len(one) * 0.6


def test_the_samples_of_an_object_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.samples.OTHERS", 10)
    content = noise(30 * EVERY)
    few = sampled(made(content, GRAIN))
    assert len(few) == HEADS + 10
    monkeypatch.setattr("bot.samples.OTHERS", OTHERS)
    assert set(few) <= set(sampled(made(content, GRAIN)))


@given(words)
def test_marks_fit_into_the_database(content: bytes) -> None:
    assert all(0 <= known < 1 << 63 for known, _ in sampled(made(content, GRAIN)))
