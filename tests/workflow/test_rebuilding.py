"""A catalogue that is made again beside a delete: what is on its way out is not put back."""

from dataclasses import replace
from pathlib import Path

from bot import manifest
from bot.model import State, Transaction
from bot.policy import Policy, Role
from bot.rebuilding import rebuild
from tests.workflow.house import ALICE, House


def ready(folder: Path) -> tuple[House, Transaction]:
    house = House(folder, policy=Policy(grants={ALICE.id: Role.ADMIN}))
    return house, house.protect()


def test_a_recovery_point_that_a_running_delete_has_withdrawn_is_not_put_back(tmp_path: Path) -> None:
    house, point = ready(tmp_path)
    with house.db.unit() as unit:  # withdrawn, and its manifest is not gone from the listing yet
        unit.points.forget(point.id, "s3")
        unit.transactions.insert(
            replace(
                point,
                id="20261126T000000Z-de1eee",
                workflow="delete",
                request_key="d",
                state=State.RUNNING,
                plan={"request": {"point": point.id}},
            )
        )
    found = rebuild(house.db, house.targets["s3"])
    assert found.going == (point.id,)
    assert found.added == ()
    with house.db.read() as unit:
        assert unit.points.get(point.id, "s3") is None


def test_one_whose_manifest_goes_while_it_is_read_is_not_kept(tmp_path: Path) -> None:
    house, point = ready(tmp_path)
    store = house.targets["s3"]
    with house.db.unit() as unit:
        unit.points.forget(point.id, "s3")

    def remove(call: str) -> None:
        if call == "s3.get done":  # a whole delete, by this bot or by another
            store.objects.pop(manifest.key(point.id), None)

    house.watch(remove)
    found = rebuild(house.db, store)
    assert (found.added, found.known, found.going) == ((), (), (point.id,))
    with house.db.read() as unit:
        assert unit.points.get(point.id, "s3") is None
        assert unit.files.of(point.id, "s3") == ()
