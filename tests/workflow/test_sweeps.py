"""`/cloudy orphans`: who may, what is answered where, what the button removes, and that it is answered once."""

from datetime import timedelta
from pathlib import Path

import pytest

from bot.checksum import crc64
from bot.errors import NotAllowed
from bot.janitor import Janitor
from bot.model import Actor, Json, Place
from bot.orphans import OLD_ENOUGH
from bot.policy import Policy, Role
from bot.sweeper import Sweeper, view_of
from bot.sweeps import wanted
from handlers import blocks, cards, ids, parse
from tests.workflow.house import ALICE, House

DAVE = Actor(id="U_DAVE", name="dave", source="slack")
OPS = Place(channel="C_OPS")
OLD = "20251123T142233Z-7f3k9q"


@pytest.fixture
def house(tmp_path: Path) -> House:
    house = House(tmp_path, policy=Policy(grants={DAVE.id: Role.ADMIN}))
    for who, body in (("test0001", b"ours"), ("other999", b"theirs")):
        key = f"{OLD if who == 'test0001' else OLD.replace('23T', '24T')}/tintri/a"
        house.targets["s3"].put(key, body, crc64=crc64(body), metadata={"cloudy-installation": who})
    house.clock.sleep(OLD_ENOUGH.total_seconds())
    return house


def serve(house: House) -> None:
    janitor = Janitor(house.db, house.systems, house.clock, installation="test0001")
    Sweeper(house.db, house.clock, janitor).serve()


def said(house: House, key: str) -> Json:
    with house.db.read() as unit:
        message = unit.outbox.get(f"sweep:{key}")
        assert wanted(unit) == ()
    assert message is not None
    assert message.channel == OPS.channel
    return message.view


def lists(view: Json) -> dict[str, list[str]]:
    return dict(view["lists"])


def test_what_was_left_behind_is_told_by_what_becomes_of_it_with_a_button(house: House) -> None:
    house.service.sweeps.ask(ALICE, request_key="k", place=OPS)
    serve(house)
    view = said(house, "k")
    assert view["title"] == "2 things are left behind"
    assert view["buttons"] == ["remove-orphans"]
    (ours,) = lists(view)["Ours, and old enough to go"]
    assert ours.startswith(f"objects without a manifest {OLD} on s3 · ")
    assert ours.endswith(" · 4 B")
    (theirs,) = lists(view)["Not touched: another installation's"]
    assert theirs.endswith("of other999")


def test_who_may_not_clean_up_removes_nothing(house: House) -> None:
    with pytest.raises(NotAllowed):
        house.service.sweeps.ask(ALICE, request_key="k", place=OPS, removes=True)
    serve(house)
    assert len(house.targets["s3"].objects) == 2


def test_the_button_removes_what_is_ours_in_the_name_of_who_clicked_and_says_so(house: House) -> None:
    house.service.sweeps.ask(DAVE, request_key="k", place=OPS, removes=True)
    serve(house)
    view = said(house, "k")
    assert list(house.targets["s3"].objects) == [f"{OLD.replace('23T', '24T')}/tintri/a"]
    assert [line.partition(" · ")[0] for line in lists(view)["Removed"]] == [f"objects without a manifest {OLD} on s3"]
    assert view["buttons"] == []
    with house.db.read() as unit:
        rows = unit.audit.list(transaction_id=OLD, limit=10)
    assert {row.actor_id for row in rows} == {DAVE.id}


def test_one_delivery_is_answered_once_whatever_dies_between(house: House) -> None:
    for _ in range(2):
        house.service.sweeps.ask(ALICE, request_key="k", place=OPS)
    serve(house)
    before = said(house, "k")
    house.service.sweeps.ask(ALICE, request_key="k", place=OPS)  # delivered again, after a restart
    house.targets["s3"].objects.clear()
    serve(house)
    assert said(house, "k") == before


def test_nothing_is_asked_of_anybody_where_nobody_asked(house: House) -> None:
    told: list[str] = []
    house.watch(told.append)
    serve(house)
    assert told == []


def test_a_long_list_is_bounded_and_fits_one_message(house: House) -> None:
    for number in range(60):
        key = f"202511{1 + number % 9:02}T1422{number % 60:02}Z-7f3k9q/tintri/{'x' * 300}"
        house.targets["s3"].put(key, b"x", crc64=crc64(b"x"), metadata={"cloudy-installation": "test0001"})
    found = Janitor(house.db, house.systems, house.clock, installation="test0001").look(older_than=timedelta(0))
    view = view_of(found, house.clock.now())
    assert lists(view)["Ours, and old enough to go"][-1] == "and 41 more: `cloudy orphans` lists all"
    drawn = blocks.render(view)
    assert len(str(drawn)) < 16_000


def test_the_card_has_the_button_and_the_command_says_the_same() -> None:
    view = {"kind": "sweep", "title": "1 thing is left behind", "lists": [], "buttons": ["remove-orphans"]}
    drawn = str(blocks.reply(cards.of_view(view)))
    assert ids.REMOVE_ORPHANS in drawn
    assert parse.cloudy("orphans") == parse.Command(verb=parse.Verb.ORPHANS)
    assert parse.cloudy("orphans remove").removes
