"""Files that are opened again after their connection broke: what may be lost counts so, and the file is the same."""

from collections.abc import Callable

import pytest

from bot.errors import IntegrityError, TransientError
from integrations.shares.line import Broken, KeptFile, Line, Opened


class Wire:
    """A connection that may be cut."""


class Open:
    """A file as it was opened once."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True


class World:
    """A server with one file; identity: what it says that the file is."""

    def __init__(self) -> None:
        self.line: Line[Wire] = Line(Wire, lambda _wire: None)
        self.files: list[Open] = []
        self.identity = 1
        self.kept = KeptFile(self.line, "vm/disk", self.open, Open.close, self.line.call(self.open))

    def open(self, wire: Wire) -> Opened[Wire, Open]:
        self.files.append(Open())
        return Opened(wire, self.files[-1], self.identity)

    def write(self, word: str, meanwhile: Callable[[], None] = lambda: None) -> None:
        def work(file: Open) -> None:
            file.written.append(word)
            meanwhile()

        self.kept.write(work)


def test_a_write_that_was_answered_and_did_not_count_before_the_file_was_opened_again_is_made_again() -> None:
    world = World()

    def meanwhile() -> None:
        world.line.hang_up()
        world.write("B")

    with pytest.raises(TransientError, match="must be written again"):
        world.write("A", meanwhile)
    world.write("A")
    world.kept.flush(lambda _: None)
    assert [file.written for file in world.files] == [["A"], ["B", "A"]]


def test_what_was_written_before_the_connection_broke_must_be_written_again() -> None:
    world = World()
    world.write("A")
    world.line.hang_up()
    with pytest.raises(TransientError):
        world.kept.flush(lambda _: None)


def test_another_file_of_that_name_is_not_gone_on_with_and_is_closed_again() -> None:
    world = World()
    world.line.hang_up()
    world.identity = 2
    for _ in range(2):
        with pytest.raises(IntegrityError, match="vm/disk was replaced"):
            world.write("A")
    assert [(file.written, file.is_closed) for file in world.files[1:]] == [([], True)] * 2
    world.identity = 1
    world.write("A")
    assert world.files[-1].written == ["A"]


def test_a_flush_never_ends_well_once_one_failed_on_the_same_connection_too() -> None:
    def fail(_: Open) -> None:
        raise TransientError("the server's disk failed")

    world = World()
    world.write("A")
    with pytest.raises(TransientError, match="disk failed"):
        world.kept.flush(fail)
    world.write("A")
    for _ in range(2):
        with pytest.raises(TransientError, match="must be written again"):
            world.kept.flush(lambda _: None)


def test_a_write_that_ends_well_after_the_file_was_closed_has_ended_well() -> None:
    world = World()
    world.write("A", world.kept.close)
    assert [(file.written, file.is_closed) for file in world.files] == [(["A"], True)]


def test_a_connection_on_which_closing_hung_is_not_used_again() -> None:
    def hang(_: Open) -> None:
        raise Broken(TransientError("the server did not answer in time"), again=False)

    world = World()
    world.line.call(lambda wire: KeptFile(world.line, "x", world.open, hang, Opened(wire, Open(), 1))).close()
    world.write("A")
    assert [file.written for file in world.files] == [[], ["A"]]
