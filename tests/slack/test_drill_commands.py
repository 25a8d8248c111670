"""`/drill`, `/verify ... deep` and `/recovery-points`, typed into a running bot."""

import re
from pathlib import Path

import pytest

from bot.model import ProofKind, Transaction
from tests.slack.local import rows, until
from tests.slack.recoverable import World, recoverable_world, typed


def asked(world: World, workflow: str) -> Transaction:
    return next(made for made in world.service.runs(100) if made.workflow == workflow)


def test_a_drill_is_asked_for_by_vm_or_by_turn(world: World) -> None:
    point = world.point("vm01", "uuid-vm01", 1)
    assert "Asked for: drill vm01 of" in typed(world, "/drill vm01 to vmstore2 from s3")
    drill = asked(world, "drill")
    assert (drill.request["point"], drill.request["to"], drill.request["from"]) == (point, "vmstore2", "s3")
    world.point("vm02", "uuid-vm02", 2)
    assert "Asked for: drill vm02 of" in typed(world, "/cloudy drill next")
    assert "Nobody's turn has come" in typed(world, "/drill next")  # both are on their way


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("/drill", "Say which VM"),
        ("/drill vm01 power on", "takes only “to” and “from”"),
        ("/drill nobody", "There is no recovery point “nobody”"),
        ("/drill vm01 to nowhere", "no VMstore called nowhere"),
        ("/drill next", "Nobody's turn has come"),
        ("/verify", "Say which transaction"),
        ("/verify zzzz deep", "There is no transaction “zzzz”"),
    ],
)
def test_what_cannot_be_is_answered_in_words(world: World, text: str, answer: str) -> None:
    assert answer in typed(world, text)
    assert world.service.runs(10) == ()


def test_a_viewer_may_not_and_is_told_who_may(tmp_path: Path) -> None:
    with recoverable_world(tmp_path, is_strict=True) as world:
        world.point("vm01", "uuid-vm01", 1)
        assert "“drill” takes the role operator" in typed(world, "/drill vm01", "carol")
        assert "“drill” takes the role operator" in typed(world, "/drill next", "carol")
        assert "No: drill vm01" in typed(world, "/cloudy may-i drill vm01", "carol")
        assert "Yes: drill" in typed(world, "/cloudy may-i drill next")
        assert "/drill" not in typed(world, "/cloudy help", "carol")
        assert "/drill" in typed(world, "/cloudy help")


def test_a_deep_verification_of_what_only_a_rebuild_knows(world: World) -> None:
    point = world.point("vm01", "uuid-vm01", 1)
    assert "Asked for: verify vm01 in s3, every byte of it" in typed(world, f"/verify {point} --deep")
    run = asked(world, "verify")
    assert run.request == {"point": point, "is_deep": True}
    assert "Yes: verify vm01" in typed(world, f"/cloudy may-i verify {point}")


def test_the_table_tells_what_was_found(world: World) -> None:
    point = world.point("vm01", "uuid-vm01", 1)
    world.looked("vm01", point, ProofKind.READ_BACK)
    world.looked("vm01", point, ProofKind.DRILL)
    typed(world, "/recovery-points vm01")
    until(lambda: re.search("(ago|now), read back · ✅ ", listed(world)), "the list tells both")
    world.looked("vm01", point, ProofKind.READ_BACK, good=False)
    typed(world, "/recovery-points vm01")
    until(lambda: "❌ damaged, found " in listed(world), "the list tells the damage")


def listed(world: World) -> str:
    """All lists that came after an acknowledgement."""
    return "\n".join(row["args"]["text"] for row in rows(world.slack, "response_url"))
