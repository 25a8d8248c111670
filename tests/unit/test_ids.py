"""Transaction ids: their form, their order, and which directories are ours."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.ids import clone_directory, is_clone_directory, is_transaction_id, transaction_id

AT = datetime(2026, 11, 23, 14, 22, 33, tzinfo=UTC)


def test_an_id_says_its_start_in_utc() -> None:
    there = AT.astimezone(timezone(timedelta(hours=5)))
    assert transaction_id(there, 0) == "20261123T142233Z-000000"


@given(st.integers(min_value=0, max_value=2**30 - 1))
def test_every_id_is_recognised_and_has_no_letter_that_is_misread(entropy: int) -> None:
    made = transaction_id(AT, entropy)
    assert is_transaction_id(made)
    assert not set(made.split("-")[1]) & set("ilou")


@given(st.text(max_size=40))
def test_other_texts_are_no_ids(text: str) -> None:
    assert not is_transaction_id(text) or text[8] == "T"


def test_ids_sort_by_time() -> None:
    assert transaction_id(AT, 2**30 - 1) < transaction_id(AT + timedelta(seconds=1), 0)


@pytest.mark.parametrize("attempt", [1, 2, 17])
def test_our_clone_directories_are_ours(attempt: int) -> None:
    made = transaction_id(AT, 5)
    assert is_clone_directory(clone_directory(made, attempt), made)


@pytest.mark.parametrize(
    "directory",
    ["", ".", "..", "vm01", "20261123T142233Z-000005x", "20261123T142233Z-000005/..", "20261123T142233Z-000005.x",
     "20261123T142233Z-000005.", "20261123T142233Z-000006"],
)  # fmt: skip
def test_nothing_else_is(directory: str) -> None:
    assert not is_clone_directory(directory, transaction_id(AT, 5))


def test_what_is_no_transaction_has_no_directory() -> None:
    assert not is_clone_directory("vm01", "vm01")
