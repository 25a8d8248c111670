"""`/cloudy orphans` and the button under its list, in a running bot; the janitor's part is in tests/workflow."""

from pathlib import Path

from bot.model import Json
from bot.policy import Policy, Role
from bot.sweeps import wanted
from handlers import blocks, cards
from tests.slack.local import client_of
from tests.slack.recoverable import World, recoverable_world, typed

VIEW: Json = {
    "kind": "sweep",
    "title": "1 thing is left behind",
    "lists": [["Ours, and old enough to go", ["snapshot 20251123T142233Z-7f3k9q on vmstore · 3 days old"]]],
    "buttons": ["remove-orphans"],
}


def wishes(world: World) -> list[tuple[str, bool]]:
    with world.db.read() as unit:
        return [(wish["name"], wish["removes"]) for wish in wanted(unit)]


def test_it_is_looked_for_where_it_was_asked(world: World) -> None:
    assert "Cloudy looks everywhere; the list comes here" in typed(world, "/cloudy orphans")
    assert "was not understood" in typed(world, "/cloudy orphans all")
    with world.db.read() as unit:
        (wish,) = wanted(unit)
    assert (wish["channel"], wish["removes"]) == (world.slack.channel_id("ops"), False)


def listed(world: World) -> None:
    drawn = blocks.reply(cards.of_view(VIEW))
    channel = world.slack.channel_id("ops")
    client_of(world.slack).chat_postMessage(channel=channel, text=drawn["text"], blocks=drawn["blocks"])


def test_only_who_may_clean_up_has_it_removed_by_word_or_button(world: World) -> None:
    listed(world)
    assert "“clean-up” takes the role admin" in typed(world, "/cloudy orphans remove")
    assert world.slack.click("alice", "Remove what is ours").ok
    assert wishes(world) == []
    assert "orphans" in typed(world, "/cloudy help")


def test_an_admins_click_is_recorded(tmp_path: Path) -> None:
    with recoverable_world(tmp_path, policy=Policy(default_role=Role.ADMIN)) as world:
        listed(world)
        assert world.slack.click("dave", "Remove what is ours").ok
        assert [removes for _name, removes in wishes(world)] == [True]
