"""What cannot be copied costs as little as it may, is kept for a run that goes on later, and is told in any case."""

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from bot import zeros
from bot.errors import DeniedError, IntegrityError, MissingError, Paused, PermanentError
from bot.journal import DatabaseJournal
from bot.lane import Errand, Lane
from bot.losses import TURNS, Loss, Losses
from bot.model import CopySource, Part, PartCopied, PartLimits, PartSource, State, Transaction, Upload
from bot.seen import Sights
from bot.senders import Senders
from bot.undoing import abort
from tests.memory import Crash, CrashAt, MemoryStore, unwatched
from tests.workflow.house import House
from tests.workflow.test_upload_window import Window
from tests.workflow.test_worlds import DISK, FIRST, PART, SECOND, World, small

__all__ = ["small"]

LIMITS = PartLimits(smallest=1, smallest_source=1, copy_wanted=4 * PART)
KEY = f"{SECOND}/tintri/{SECOND}/{DISK}"
BASE = f"{FIRST}/tintri/{FIRST}/{DISK}"


def flipped(body: bytes) -> bytes:
    return body[:-1] + bytes([body[-1] ^ 1])


Copy = Callable[[Callable[[], PartCopied], CopySource], PartCopied]


def copying(store: MemoryStore, copy: Copy) -> None:
    """Have each copy made by that."""
    make = store.copy_part

    def copied(upload: Upload, number: int, source: CopySource, *, crc64: int) -> PartCopied:
        return copy(lambda: make(upload, number, source, crc64=crc64), source)

    store.copy_part = copied  # type: ignore[method-assign]


def world_of(old: bytes) -> World:
    world = World(MemoryStore("s3", limits=LIMITS))
    world.protect(FIRST, old)
    return world


def rot(world: World) -> None:
    """All that is copied comes out wrong, and the store says so."""
    world.store.copying = flipped


def in_nights(world: World, new: bytes, parts: int) -> list[str]:
    """Protect until it is done, so many parts a night; gives what is told of the last one, after what each one sent."""
    nights = list[str]()
    while len(nights) < 10:
        sent = 0

        def watch(call: str) -> None:
            nonlocal sent
            sent += call == "s3.put_part"
            if sent > parts and call == "s3.put_part":
                raise Paused

        world.store.watch = watch
        try:
            lost = world.protect(SECOND, new, FIRST).lost
        except Paused:
            nights.append(f"{sent - 1}")
        else:
            return [*nights, *lost]
        finally:
            world.store.watch = unwatched
    return nights


def test_a_damaged_base_does_not_keep_a_disk_that_takes_several_nights_from_its_end() -> None:
    dice = random.Random(3)
    old = dice.randbytes(50 * PART)
    new = old[: 5 * PART] + dice.randbytes(45 * PART)
    world = world_of(old)
    rot(world)
    *nights, told = in_nights(world, new, 20)
    assert world.holds(SECOND) == new
    assert len(nights) <= 3
    assert BASE in told
    assert "damaged" in told


def test_what_was_sent_after_a_loss_is_not_sent_again_after_a_pause() -> None:
    dice = random.Random(4)
    old = dice.randbytes(20 * PART)
    new = old[:-64] + dice.randbytes(64)
    world = world_of(old)
    rot(world)
    world.store.watch = pausing_after(world, 5)
    with pytest.raises(Paused):
        world.protect(SECOND, new, FIRST)
    world.store.watch = unwatched
    recorded = set(world.journal.recorded["s3", KEY])
    assert len(recorded) >= 5
    world.store.sent.clear()
    world.protect(SECOND, new, FIRST)
    assert not {number for key, number in world.store.sent if key == KEY} & recorded
    assert world.holds(SECOND) == new


def pausing_after(world: World, parts: int) -> Callable[[str], None]:
    """Once so many parts of the second turn are known."""

    def watch(call: str) -> None:
        is_second = world.journal.known_losses.get(("s3", KEY), Losses()).begun
        if call == "s3.put_part" and is_second and len(world.journal.recorded.get(("s3", KEY), {})) >= parts:
            raise Paused

    return watch


def test_a_death_at_any_moment_of_a_run_with_a_damaged_base_is_gone_on_from_and_the_damage_told() -> None:
    dice = random.Random(5)
    old = dice.randbytes(6 * PART)
    new = old[:-64] + dice.randbytes(64)
    for nth in range(0, 140, 3):
        world = world_of(old)
        rot(world)
        world.store.watch = world.journal.watch = CrashAt(nth)
        try:
            world.protect(SECOND, new, FIRST)
        except Crash:
            world.store.watch = world.journal.watch = unwatched
            assert world.protect(SECOND, new, FIRST).lost, f"crash at {nth}"
        assert world.holds(SECOND) == new, f"crash at {nth}"
        world.store.watch = world.journal.watch = unwatched
        assert not world.store.uploads


def test_a_damaged_base_is_told_though_the_hours_end_right_after_it_was_found() -> None:
    dice = random.Random(6)
    old = dice.randbytes(20 * PART)
    world = world_of(old)
    rot(world)

    def watch(call: str) -> None:
        if call == "s3.complete_upload done":
            raise Paused

    world.store.watch = watch
    with pytest.raises(Paused):
        world.protect(SECOND, old, FIRST)
    world.store.watch = unwatched
    [told] = world.protect(SECOND, old, FIRST).lost
    assert BASE in told


ZEROS = 60 * PART


def test_a_zero_object_that_is_gone_for_a_moment_costs_nothing() -> None:
    old = random.Random(7).randbytes(60 * PART) + bytes(ZEROS)
    world, gone = world_of(old), list[str]()

    def copy(make: Callable[[], PartCopied], source: CopySource) -> PartCopied:
        if source.key.startswith(".cloudy/zero/") and not gone:
            gone.extend(key for key in list(world.store.objects) if key.startswith(".cloudy/zero/"))
            for key in gone:
                del world.store.objects[key]
            raise MissingError("no such object")
        return make()

    copying(world.store, copy)
    sent = world.protect(SECOND, old, FIRST)
    assert gone
    assert world.holds(SECOND) == old
    assert (sent.moved.sent, sent.lost) == (0, ())


def test_a_zero_object_that_turns_out_to_be_damaged_is_made_anew() -> None:
    old = random.Random(8).randbytes(10 * PART) + bytes(ZEROS)
    world = world_of(old)
    bad = next(key for key in sorted(world.store.objects) if key.startswith(".cloudy/zero/"))

    def copy(make: Callable[[], PartCopied], source: CopySource) -> PartCopied:
        is_bad = source.key.startswith(".cloudy/zero/") and world.store.etags[source.key] != "anew"
        world.store.copying = flipped if is_bad else bytes
        return make()

    put = world.store.put

    def put_anew(key: str, *args: object, **named: object) -> object:
        info = put(key, *args, **named)  # type: ignore[arg-type]
        if not key.startswith(".cloudy/zero/"):
            return info
        world.store.etags[key] = "anew"
        return replace(info, etag="anew")

    world.store.put = put_anew  # type: ignore[assignment,method-assign]
    zeros_only = {key for key in world.store.objects if key.startswith(".cloudy/zero/")} - {bad}
    for key in zeros_only:
        del world.store.objects[key]
    copying(world.store, copy)
    sent = world.protect(SECOND, old[: 10 * PART] + bytes(zeros.SIZES[0]), FIRST)
    assert sent.lost == ()
    assert sent.moved.zero == zeros.SIZES[0]
    assert world.store.etags[bad] == "anew"


def test_zeros_that_cannot_be_copied_at_all_are_sent_and_the_rest_is_copied_all_the_same() -> None:
    old = random.Random(9).randbytes(60 * PART) + bytes(ZEROS)
    world = world_of(old)

    def copy(make: Callable[[], PartCopied], source: CopySource) -> PartCopied:
        if source.key.startswith(".cloudy/zero/"):
            raise DeniedError("nobody may read .cloudy/")
        return make()

    copying(world.store, copy)
    sent = world.protect(SECOND, old, FIRST)
    assert world.holds(SECOND) == old
    assert sent.moved.sent == ZEROS
    assert sent.lost
    assert all("zero" in told for told in sent.lost)


def test_an_upload_of_the_zero_object_that_another_runs_clean_up_aborts_is_begun_anew() -> None:
    old = random.Random(10).randbytes(20 * PART) + bytes(ZEROS)
    world, aborted = world_of(old[: 20 * PART]), list[str]()

    def watch(call: str) -> None:
        making = [key for key, _ in list(world.store.uploads.values()) if key.startswith(".cloudy/zero/")]
        if call == "s3.copy_part" and making and not aborted:
            aborted.extend(making)
            for key in making:
                abort(world.store, key)

    world.store.watch = watch
    sent = world.protect(SECOND, old, FIRST)
    world.store.watch = unwatched
    assert aborted
    assert world.holds(SECOND) == old
    assert (sent.moved.sent, sent.lost) == (0, ())


def test_what_is_lost_is_in_the_plan_of_the_run_and_the_parts_of_the_turns_before_are_gone(tmp_path: Path) -> None:
    house = House(tmp_path)
    asked = house.ask()
    journal = DatabaseJournal(house.db, house.clock, asked.id)
    losses = [
        Loss(turn=0, source=PartSource.COPY, key=BASE, words="it is damaged"),
        Loss(turn=0, source=PartSource.COPY, key=BASE, words="it is damaged elsewhere, too"),
        Loss(turn=0, source=PartSource.ZERO, key=".cloudy/zero/8", words="it is gone"),
    ]
    with ThreadPoolExecutor(3) as people:
        list(people.map(lambda loss: journal.lost("s3", KEY, loss), losses))
    anew = DatabaseJournal(house.db, house.clock, asked.id).losses("s3")[KEY]
    assert {loss.key for loss in anew.losses} == {BASE, ".cloudy/zero/8"}
    assert len(anew.losses) == 2
    assert (anew.turn, anew.begun, anew.avoided, anew.copies_zeros) == (1, 0, frozenset({BASE}), False)
    journal.turned("s3", KEY, 1)
    assert journal.losses("s3")[KEY].begun == 1
    assert journal.losses("other") == {}


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A VM that was protected once; from now on all that is copied comes out wrong."""
    house = House(tmp_path)
    assert house.protect(key="first").state is State.SUCCEEDED
    house.targets["s3"].copying = flipped
    return house


def receipt(house: House, transaction: Transaction) -> dict[str, str]:
    with house.db.read() as unit:
        message = unit.outbox.get(f"{transaction.id}:receipt")
    assert message is not None
    return dict(message.view["facts"])


def test_the_receipt_tells_of_a_damaged_recovery_point(house: House) -> None:
    done = house.protect(key="second")
    assert done.state is State.SUCCEEDED
    assert "is damaged, and so is what it belongs to" in receipt(house, done)["Not copied"]


def test_the_receipt_of_a_run_that_failed_tells_of_it_too(house: House) -> None:
    def watch(call: str) -> None:
        if call == "s3.put_part":
            raise PermanentError("no room", system="s3")

    house.targets["s3"].watch = watch
    done = house.protect(key="second")
    assert done.state is State.FAILED
    assert "damaged" in receipt(house, done)["Not copied"]


def test_it_is_told_once_though_the_hours_end_after_it_was_found(house: House) -> None:
    window, found = Window(house), list[str]()

    def watch(call: str) -> None:
        if call == "s3.copy_part done" and not found:
            found.append(call)
            window.shut()

    house.targets["s3"].watch = watch
    asked = house.protect(key="second")
    assert found
    assert asked.state is State.QUEUED
    window.pass_by()
    house.dispatch()
    house.engine.run_all()
    done = house.read(asked.id)
    assert done.state is State.SUCCEEDED
    assert receipt(house, done)["Not copied"].count("flat.vmdk is damaged") == 1


def test_the_last_turn_copies_nothing() -> None:
    known = Losses().plus(Loss(turn=TURNS - 2, source=PartSource.SEGMENT, key="k", words="w"))
    assert known.is_last
    assert not known.copies_zeros
    assert known.avoided == frozenset()


def test_of_an_object_its_damage_is_told_rather_than_that_it_could_not_be_copied() -> None:
    refused = Loss(turn=0, source=PartSource.COPY, key=BASE, words="it cannot be copied from")
    damaged = replace(refused, words="it is damaged", is_damaged=True)
    assert Losses().plus(refused).plus(damaged).losses == (damaged,)
    assert Losses().plus(damaged).plus(refused).losses == (damaged,)
    later = replace(refused, turn=1)
    assert Losses().plus(damaged).plus(later).losses == (damaged, later)


def of_source(source: PartSource, number: int) -> Part:
    return Part(number=number, offset=0, length=1, source=source)


def test_a_segment_that_is_whole_is_copied_before_all_that_waits() -> None:
    began, go, done = threading.Event(), threading.Event(), list[int]()

    def work(errand: Errand, _seen: Sights) -> list[Errand]:
        if errand.part.number == 0:
            began.set()
            assert go.wait(60)
        done.append(errand.part.number)
        return []

    lane = object.__new__(Lane)
    with ThreadPoolExecutor(1) as uploads, ThreadPoolExecutor(1) as copies:
        senders = Senders(uploads, copies, work, most=100)
        senders.submit([Errand(lane, of_source(PartSource.COPY, number), ()) for number in range(4)], {})
        assert began.wait(60)
        senders.submit([Errand(lane, of_source(PartSource.SEGMENT, 9), ())], {})
        go.set()
        senders.wait()
    assert done == [0, 9, 1, 2, 3]


def test_nobody_reads_on_while_too_many_copies_of_a_file_wait() -> None:
    go, waited = threading.Event(), list[int]()
    done: list[int] = []

    def work(errand: Errand, _seen: Sights) -> list[Errand]:
        assert go.wait(60)
        done.append(errand.part.number)
        return []

    def check() -> None:
        waited.append(len(done))
        go.set()

    slow, quick = object.__new__(Lane), object.__new__(Lane)
    with ThreadPoolExecutor(1) as uploads, ThreadPoolExecutor(1) as copies:
        senders = Senders(uploads, copies, work, most=4)
        senders.submit([Errand(slow, of_source(PartSource.COPY, number), ()) for number in range(10)], {})
        senders.keep_pace([quick], check)
        assert waited == []
        senders.keep_pace([slow, quick], check)
        assert len(done) > 5
        senders.wait()
    assert waited[0] == 0
    assert sorted(done) == list(range(10))


def test_a_stop_is_heard_while_copies_are_waited_for() -> None:
    go = threading.Event()

    def check() -> None:
        go.set()
        raise IntegrityError("stop")

    def work(_errand: Errand, _seen: Sights) -> list[Errand]:
        assert go.wait(60)
        return []

    lane = object.__new__(Lane)
    with ThreadPoolExecutor(1) as uploads, ThreadPoolExecutor(1) as copies:
        senders = Senders(uploads, copies, work, most=1)
        senders.submit([Errand(lane, of_source(PartSource.COPY, 1), ())], {})
        with pytest.raises(IntegrityError, match="stop"):
            senders.keep_pace([lane], check)
        senders.wait()
