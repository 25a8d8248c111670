"""Where in a clone's directory the VM's files are: both layouts that a VMstore may use."""

import pytest

from bot.actions.files import vm_directory
from bot.errors import NotRestorable
from bot.model import Entry


def entries(*paths: str) -> tuple[Entry, ...]:
    return tuple(Entry(path=path, size=1) for path in paths)


def test_files_in_a_directory_of_the_vms_name() -> None:
    assert vm_directory("t1", entries("t1/vm01/vm01.vmx", "t1/vm01/vm01-flat.vmdk")) == "t1/vm01"


def test_files_directly_in_the_clones_directory() -> None:
    assert vm_directory("t1", entries("t1/vm01.vmx", "t1/vm01-flat.vmdk")) == "t1"


def test_files_directly_there_with_a_directory_beside_them() -> None:
    assert vm_directory("t1", entries("t1/vm01.vmx", "t1/vm01.vmx.lck/lock")) == "t1"


def test_two_directories_are_taken_whole() -> None:
    assert vm_directory("t1", entries("t1/vm01/vm01.vmx", "t1/more/disk.vmdk")) == "t1"


def test_an_empty_clone_is_not_restorable() -> None:
    with pytest.raises(NotRestorable):
        vm_directory("t1", ())
