"""Names from a manifest that others may have written: what is refused would lie elsewhere, or be another file."""

import os.path
import posixpath
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import IntegrityError
from bot.placing import PART, directories, safe_place, safe_places

GOOD = (
    "vm01.vmx",
    "vm01/vm01-flat.vmdk",
    "vm 01/sn ä/日本.vmdk",
    "vm01/..hidden",
    "vm01/con2.vmdk",
    "vm01/console",
    "vm01/.vmx.lck",
    "vm01/a.part",
    "a" * 250,
)
BAD = (
    "",
    "/etc/passwd",
    "../x",
    "a/../../x",
    "a/..",
    "..",
    ".",
    "./a",
    "a//b",
    "a/",
    "a\\b",
    "..\\x",
    "a\0b",
    "a\nb",
    "a\x7fb",
    "a\x85b",
    "a\u2028b",
    "a\ud800b",
    ".cloudy-20261123T142233Z-7f3k9q/x",
    ".CLOUDY-x",
    "a" * 251,
    "ä" * 126,
    "a/" * 600 + "b",
)
ON_WINDOWS = (
    "vm01/CON",
    "vm01/con.vmdk",
    "NUL",
    "nul.tar.gz",
    "aux ",
    "aux.",
    "Lpt1.x/y",
    "com¹",
    "CONIN$",
    "con .txt",
    "vm01./x",
    "vm01 /x",
    "x.",
    "x ",
    "C:",
    "vm01.vmdk:stream",
    "what?",
    "a*",
)


@pytest.mark.parametrize("name", GOOD)
def test_the_names_of_vms_are_safe(name: str) -> None:
    assert safe_place(name) == name


@pytest.mark.parametrize("name", BAD, ids=ascii)
def test_what_would_lie_elsewhere_is_refused_and_nothing_written(name: str) -> None:
    for is_for_windows in (True, False):
        with pytest.raises(IntegrityError, match="Nothing is written"):
            safe_place(name, is_for_windows=is_for_windows)


@pytest.mark.parametrize("name", ON_WINDOWS, ids=ascii)
def test_what_has_another_meaning_for_windows_is_refused_only_where_windows_reads_it(name: str) -> None:
    assert safe_place(name, is_for_windows=False) == name
    assert safe_places((name,), is_for_windows=False) == (name,)
    with pytest.raises(IntegrityError, match="Windows"):
        safe_place(name)
    with pytest.raises(IntegrityError, match="Windows"):
        safe_places((name,))


@pytest.mark.parametrize(
    "names",
    [
        ("a", "a"),
        ("vm01/Disk.vmdk", "vm01/disk.vmdk"),
        ("vm01/straße", "VM01/STRASSE"),
        ("é", "e\u0301"),
        ("ﬁle", "file"),
        ("vm01/a", "vm01/a.part"),
        ("vm01/a.PART", "vm01/A"),
        ("vm01", "vm01/a"),
        ("vm01/a/b", "VM01/A"),
        ("vm01/a.part/x", "vm01/a"),
    ],
    ids=ascii,
)
def test_two_files_that_are_one_on_some_share_are_refused(names: tuple[str, ...]) -> None:
    for order in (names, names[::-1]):
        with pytest.raises(IntegrityError):
            safe_places(order)


def test_files_that_only_look_alike_are_kept_apart() -> None:
    assert safe_places(("vm01/a", "vm01/ab", "vm02/a", "a.partial")) == ("vm01/a", "vm01/ab", "vm02/a", "a.partial")


def test_directories_come_after_the_one_that_they_lie_in() -> None:
    assert directories(("a/b/c/x", "a/y", "z", "d/e/f")) == ("a", "a/b", "a/b/c", "d", "d/e")


ODD = st.lists(
    st.one_of(
        st.sampled_from(
            ["..", ".", "", "/", "\\", "\0", "con", "NUL.x", "a", "B", " ", ".", "\n", "ß", PART, ".cloudy-"]
        ),
        st.text(max_size=4),
    ),
    max_size=8,
)


@given(ODD, st.sampled_from(["", "/"]))
def test_whatever_is_let_through_stays_below_its_directory(pieces: list[str], joint: str) -> None:
    name = joint.join(pieces)
    try:
        safe_place(name)
    except IntegrityError:
        return
    whole = posixpath.normpath(f"/export/new/{name}")
    assert whole == f"/export/new/{name}"
    assert os.path.commonpath([whole, "/export/new"]) == "/export/new"
    assert whole != "/export/new"
    assert not any(unicodedata.category(each) == "Cc" or each == "\\" for each in name)
    assert not any(part.endswith((".", " ")) or part.lower().startswith(".cloudy-") for part in name.split("/"))


@given(st.lists(st.text(alphabet="aAbB./ﬁfi", min_size=1, max_size=5), max_size=5))
def test_whatever_is_let_through_together_is_as_many_files(names: list[str]) -> None:
    try:
        safe_places(names)
    except IntegrityError:
        return
    assert len({name.casefold() for name in names}) == len(names)
    assert not any(
        one != other and other.casefold().startswith(one.casefold() + "/") for one in names for other in names
    )
