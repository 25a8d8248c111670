"""Which VMs patterns and groups mean: by a slow matcher of its own, and by the database, which must agree."""

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import groups
from bot.errors import NotFound
from bot.model import SeenVm, Vm
from bot.store import Database
from tests.workflow.stored import opened

NOW = datetime(2026, 11, 23, tzinfo=UTC)
LETTERS = "aAbß/%_\\.[1İ"
NAMES = st.text(LETTERS, min_size=1, max_size=5)
PATTERNS = st.text(LETTERS + "*?", min_size=1, max_size=6)
VMSTORES = st.sampled_from(["a", "vm-b"])


def vm(name: str, vmstore: str = "vmstore", uuid: str = "u") -> SeenVm:
    return SeenVm(uuid=uuid, name=name, vmstore=vmstore, seen_at=NOW)


def slowly(pattern: str, text: str) -> bool:
    """By the definition, a character at a time."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return slowly(pattern[1:], text) or (bool(text) and slowly(pattern, text[1:]))
    return bool(text) and pattern[0] in ("?", text[0]) and slowly(pattern[1:], text[1:])


@given(PATTERNS, NAMES, VMSTORES)
def test_a_pattern_is_a_whole_name_or_vmstore_and_name_in_any_case(pattern: str, name: str, vmstore: str) -> None:
    folded = name.casefold()
    text = f"{vmstore}/{folded}" if "/" in pattern else folded
    assert groups.fits(pattern, vm(name, vmstore)) == slowly(pattern.casefold(), text)


@pytest.fixture(scope="module")
def db() -> Iterator[Database]:
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder)) as db:
        yield db


@given(st.lists(PATTERNS, max_size=4), st.lists(NAMES, max_size=6), st.lists(NAMES, max_size=3))
def test_the_database_means_the_same_vms(db: Database, patterns: list[str], here: list[str], there: list[str]) -> None:
    seen = [
        Vm(uuid=f"{vmstore}-{i}", name=name, vmstore=vmstore)
        for vmstore, names in (("a", here), ("vm-b", there))
        for i, name in enumerate(names)
    ]
    with db.unit() as unit:
        for vmstore in ("a", "vm-b"):
            unit.inventory.refresh(vmstore, [each for each in seen if each.vmstore == vmstore])
    with db.read() as unit:
        live = unit.inventory.meant(["*"])
        assert set(unit.inventory.meant(patterns)) == set(groups.chosen(live, patterns, {}))


@given(st.lists(PATTERNS | NAMES, max_size=4), st.lists(st.tuples(NAMES, VMSTORES), max_size=6))
def test_a_directory_finds_the_same_vms(words: list[str], named: list[tuple[str, str]]) -> None:
    vms = [vm(name, vmstore, str(i)) for i, (name, vmstore) in enumerate(named)]
    known = {"g": ("a*", "B")}
    for asked in (words, [*words, "@g"]):
        assert groups.Directory(vms).chosen(asked, known) == groups.chosen(vms, asked, known)


def test_a_uuid_means_that_vm_and_is_written_exactly() -> None:
    assert groups.fits("0aB", vm("web", uuid="0aB"))
    assert not groups.fits("0ab", vm("web", uuid="0aB"))


def test_a_group_means_what_its_patterns_mean_and_each_vm_once() -> None:
    known = {"web": ("web*", "vmstore/www?"), "none": ()}
    vms = [vm("web1"), vm("www2"), vm("www2", "vmstore2"), vm("db")]
    assert groups.chosen(vms, ["@web", "@none", "WEB1"], known) == (vms[0], vms[1])
    assert groups.first(["db", "@web"], known, vms[0]) == ("web*", "web")
    assert groups.first(["db", "@web"], known, vms[3]) == ("db", "")
    assert groups.first(["@none"], known, vms[3]) is None


def test_an_unknown_group_is_told_with_the_nearest_and_all() -> None:
    with pytest.raises(NotFound, match=r"There is no group @wep .* Did you mean @web\? The groups are: @web, @db\."):
        groups.chosen([vm("x")], ["@wep"], {"web": (), "db": ()})
