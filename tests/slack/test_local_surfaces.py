"""Modals, App Home, menus, direct messages, files and user groups of the local Slack, with a real Bolt app."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from slack_sdk import WebClient

from integrations.simulators.slack import LocalSlack, triggers
from tests.slack.local import Hand, app_for, connected, hurry, refusal, rows, until

Json = dict[str, Any]
TRIGGER_S = triggers._VALID_S  # before tests/conftest.py makes it longer


def plain(text: str) -> Json:
    return {"type": "plain_text", "text": text}


def option(text: str) -> Json:
    return {"text": plain(text), "value": text.lower()}


def field(block_id: str, label: str, element: Json, **more: Any) -> Json:
    return {"type": "input", "block_id": block_id, "label": plain(label), "element": element, **more}


NAME = field("name", "Name", {"type": "plain_text_input", "action_id": "typed", "initial_value": "vm01"})
TARGET = field(
    "target", "Target", {"type": "static_select", "action_id": "one", "options": [option("S3"), option("Az")]}
)
FLAGS = field(
    "flags",
    "Flags",
    {"type": "checkboxes", "action_id": "many", "options": [option("Drill"), option("Keep")]},
    optional=True,
)
ASKS = {
    "type": "actions",
    "block_id": "point",
    "elements": [
        {
            "type": "external_select",
            "action_id": "point",
            "placeholder": plain("Recovery point"),
            "min_query_length": 1,
        },
        {"type": "button", "action_id": "refresh", "text": plain("Refresh")},
        {"type": "overflow", "action_id": "more", "options": [option("Details"), option("Audit")]},
    ],
}


def modal(*blocks: Json, **more: Any) -> Json:
    frame = {"type": "modal", "callback_id": "restore", "title": plain("Restore"), "submit": plain("Go")}
    return {**frame, "close": plain("Cancel"), "blocks": list(blocks), **more}


class Bot:
    """An app with a modal; `answer` is what it answers to the submission."""

    def __init__(self, slack: LocalSlack) -> None:
        self.slack = slack
        self.answer: Json = {}
        self.view = modal(NAME, TARGET, FLAGS)
        self.got: list[Json] = []
        self.opened: list[Json] = []
        self.app = app_for(slack)
        self.app.command("/restore")(self.on_restore)
        self.app.view("restore")(self.on_submit)
        self.app.view_closed("restore")(self.on_any)
        self.app.options("point")(self.on_typed)
        for action in ("point", "refresh", "more"):
            self.app.action(action)(self.on_any)
        for shortcut in ("everywhere", "this_message"):
            self.app.shortcut(shortcut)(self.on_any)
        self.app.event("app_home_opened")(self.on_home)
        self.app.event("message")(lambda event, say: say(f"You said {event['text']}"))

    def on_restore(self, ack: Callable[..., None], body: Json, client: WebClient) -> None:
        ack()
        self.opened.append(client.views_open(trigger_id=body["trigger_id"], view=self.view)["view"])

    def on_submit(self, ack: Callable[..., None], body: Json) -> None:
        self.got.append(body)
        ack(**self.answer)

    def on_typed(self, ack: Callable[..., None], payload: Json) -> None:
        points = ("Point 2025", "Point 2026", "Point 7")
        ack(options=[option(point) for point in points if payload["value"] in point])

    def on_any(self, ack: Callable[..., None], body: Json) -> None:
        self.got.append(body)
        ack()

    def on_home(self, event: Json, client: WebClient) -> None:
        words = {"type": "section", "text": {"type": "mrkdwn", "text": f"Hello <@{event['user']}>"}}
        client.views_publish(user_id=event["user"], view={"type": "home", "blocks": [words, ASKS]})


@pytest.fixture
def bot(slack: LocalSlack) -> Iterator[Bot]:
    running = Bot(slack)
    with connected(slack, running.app):
        yield running


def opened(slack: LocalSlack, bot: Bot) -> None:
    count = len(bot.opened)
    assert slack.command("alice", "ops", "/restore").ok
    until(lambda: len(bot.opened) > count, "the modal")


def values(body: Json) -> Json:
    found = body["view"]["state"]["values"]
    assert isinstance(found, dict)
    return found


# --- modals ---


def test_a_modal_is_opened_filled_in_and_submitted(slack: LocalSlack, bot: Bot) -> None:
    opened(slack, bot)
    assert (slack.modal("alice") or "").splitlines()[0] == "Restore"
    assert slack.modal("bob") is None

    assert slack.submit("alice").error == "incomplete"
    for name, value in (("Name", "vm01-restored"), ("Target", "Az"), ("Flags", "Drill, Keep")):
        assert slack.fill("alice", name, value).ok
    assert "Name: vm01-restored" in (slack.modal("alice") or "")
    assert slack.click("alice", "Go").ok

    state = values(bot.got[0])
    assert state["name"]["typed"] == {"type": "plain_text_input", "value": "vm01-restored"}
    assert state["target"]["one"]["selected_option"]["value"] == "az"
    assert [one["value"] for one in state["flags"]["many"]["selected_options"]] == ["drill", "keep"]
    assert bot.got[0]["user"]["id"] == slack.user_id("alice")
    assert slack.modal("alice") is None


def test_what_is_not_touched_keeps_what_the_app_put_there(slack: LocalSlack, bot: Bot) -> None:
    opened(slack, bot)
    slack.fill("alice", "Target", "S3")
    slack.submit("alice")

    assert values(bot.got[0])["name"]["typed"]["value"] == "vm01"
    assert values(bot.got[0])["flags"]["many"]["selected_options"] == []


def test_fields_and_choices_that_are_not_there_are_told(slack: LocalSlack, bot: Bot) -> None:
    with pytest.raises(LookupError, match="alice has no modal open"):
        slack.fill("alice", "Name", "x")
    opened(slack, bot)
    with pytest.raises(LookupError, match='"Name", "Target", "Flags"'):
        slack.fill("alice", "Size", "x")
    with pytest.raises(LookupError, match='offers "S3", "Az"'):
        slack.fill("alice", "Target", "Tape")


def test_errors_stand_beside_their_fields_and_the_modal_stays(slack: LocalSlack, bot: Bot) -> None:
    opened(slack, bot)
    slack.fill("alice", "Target", "S3")
    bot.answer = {"response_action": "errors", "errors": {"name": "is taken"}}

    assert slack.submit("alice").text == "Name: is taken"
    assert slack.modal("alice") is not None
    bot.answer = {"response_action": "errors", "errors": {"nowhere": "x"}}
    assert slack.submit("alice").error == "invalid_response"


def test_a_submission_may_update_push_and_clear(slack: LocalSlack, bot: Bot) -> None:
    opened(slack, bot)
    slack.fill("alice", "Target", "S3")
    for n in (2, 3):
        more = modal({"type": "divider"}, title=plain(f"Page {n}"), submit=plain("Go"))
        bot.answer = {"response_action": "push", "view": more}
        assert slack.submit("alice").ok
        assert (slack.modal("alice") or "").startswith(f"Page {n}")
    assert slack.submit("alice").error == "invalid_response"  # a fourth is too many
    bot.answer = {"response_action": "update", "view": modal({"type": "divider"}, title=plain("Changed"))}
    assert slack.submit("alice").ok
    assert (slack.modal("alice") or "").startswith("Changed")
    assert slack.close("alice").ok
    assert (slack.modal("alice") or "").startswith("Page 2")
    bot.answer = {"response_action": "clear"}
    assert slack.submit("alice").ok
    assert slack.modal("alice") is None


def test_a_modal_that_is_closed_tells_the_app_if_it_wants_to_know(slack: LocalSlack, bot: Bot) -> None:
    opened(slack, bot)
    slack.click("alice", "Cancel")
    assert bot.got == []
    bot.view = modal(NAME, notify_on_close=True)
    opened(slack, bot)
    assert slack.close("alice").ok
    assert [body["type"] for body in bot.got] == ["view_closed"]


def test_a_submission_that_nobody_acknowledges_is_told_in_the_modal(slack: LocalSlack, client: WebClient) -> None:
    app = app_for(slack)

    @app.command("/restore")
    def _(ack: Callable[..., None], body: Json) -> None:
        ack()
        client.views_open(trigger_id=body["trigger_id"], view=modal(NAME))

    with connected(slack, app):
        slack.command("alice", "ops", "/restore")
        until(lambda: slack.modal("alice"), "the modal")
        hurry(slack)
        ack = slack.submit("alice")
    assert (ack.error, ack.text) == ("operation_timeout", "We had some trouble connecting. Try again?")
    assert slack.modal("alice") is not None


def test_a_trigger_opens_one_view_within_three_seconds(
    slack: LocalSlack, bot: Bot, client: WebClient, clock: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(triggers, "_VALID_S", TRIGGER_S)
    slack.command("alice", "ops", "/restore")
    until(lambda: bot.opened, "the modal")
    trigger = rows(slack, "envelope")[-1]["args"]["payload"]["trigger_id"]
    view = modal(NAME)

    assert refusal(lambda: client.views_open(trigger_id=trigger, view=view))["error"] == "exchanged_trigger_id"
    assert refusal(lambda: client.views_open(trigger_id="1.2.3", view=view))["error"] == "invalid_trigger_id"
    hurry(slack)
    slack.command("alice", "ops", "/unknown")
    late = rows(slack, "envelope")[-1]["args"]["payload"]["trigger_id"]
    clock.now += 3.1
    assert refusal(lambda: client.views_open(trigger_id=late, view=view))["error"] == "expired_trigger_id"


def test_an_update_with_an_old_hash_is_refused(slack: LocalSlack, bot: Bot, client: WebClient) -> None:
    opened(slack, bot)
    view = bot.opened[0]
    slack.fill("alice", "Name", "kept")
    answer = client.views_update(view_id=view["id"], hash=view["hash"], view=modal(NAME, title=plain("Second")))

    again = refusal(lambda: client.views_update(view_id=view["id"], hash=view["hash"], view=modal(NAME)))
    assert again["error"] == "hash_conflict"
    assert answer["view"]["state"]["values"]["name"]["typed"]["value"] == "kept"
    assert refusal(lambda: client.views_update(view_id="V404", view=modal(NAME)))["error"] == "not_found"


@pytest.mark.parametrize(
    ("view", "pointer"),
    [
        (modal(NAME, title=plain("x" * 25)), "/view/title"),
        (modal(NAME, title={"type": "mrkdwn", "text": "x"}), "/view/title"),
        (modal(NAME, submit=None), "/view/submit"),
        (modal(NAME, private_metadata="x" * 3001), "/view"),
        (modal(NAME, external_id="x" * 256), "/view/external_id"),
        (modal(NAME, colour="red"), "/view/colour"),
        (modal(), "/view/blocks"),
        (modal(*[{"type": "divider"}] * 101), "/view/blocks"),
        (modal({"type": "plan", "title": "P", "tasks": []}), "/view/blocks/0/type"),
        ({"type": "home", "blocks": [{"type": "divider"}]}, "/view/type"),
        ({"type": "modal", "blocks": [{"type": "divider"}]}, "/view/title"),
    ],
)
def test_a_view_that_slack_would_refuse_is_refused_with_a_pointer(
    slack: LocalSlack, client: WebClient, view: Json, pointer: str
) -> None:
    answer = refusal(lambda: client.views_open(trigger_id="1.2.3", view=view))

    assert answer["error"] == "invalid_arguments"
    messages = answer["response_metadata"]["messages"]
    assert any(f"[json-pointer:{pointer}" in line for line in messages), messages


def test_a_view_larger_than_250_kb_is_refused(slack: LocalSlack, client: WebClient) -> None:
    sections = [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 2900}}] * 90

    assert refusal(lambda: client.views_open(trigger_id="1.2.3", view=modal(*sections)))["error"] == "view_too_large"


def test_alerts_stand_in_modals_alone(slack: LocalSlack, client: WebClient) -> None:
    alert = {"type": "alert", "text": {"type": "mrkdwn", "text": "careful"}, "level": "warning"}
    answer = refusal(lambda: client.chat_postMessage(channel="ops", text="x", blocks=[alert]))
    assert "[json-pointer:/blocks/0/type]" in answer["errors"][0]
    assert client.blocks_validate(view=modal(alert))["ok"]


# --- App Home, menus, shortcuts ---


def test_the_app_home_is_published_when_it_is_looked_at(slack: LocalSlack, bot: Bot, client: WebClient) -> None:
    assert slack.home("alice") is None
    assert slack.open_home("alice").ok
    until(lambda: slack.home("alice"), "the App Home")

    assert (slack.home("alice") or "").splitlines()[0] == "Hello @alice"
    assert slack.click("alice", "Refresh", "home").ok
    assert bot.got[0]["container"]["type"] == "view"
    assert bot.got[0]["view"]["type"] == "home"
    with pytest.raises(LookupError, match="no App Home for bob"):
        slack.click("bob", "Refresh", "home")
    page: Json = {"user_id": slack.user_id("alice"), "view": {"type": "home", "blocks": [{"type": "divider"}]}}
    known = client.views_publish(**page)["view"]["hash"]
    assert client.views_publish(**page, hash=known)["ok"]
    assert refusal(lambda: client.views_publish(**page, hash=known))["error"] == "hash_conflict"


def test_a_menu_asks_the_app_for_its_options(slack: LocalSlack, bot: Bot, client: WebClient) -> None:
    client.chat_postMessage(channel="ops", text="x", blocks=[ASKS])

    assert slack.options("alice", "Recovery point", "2026") == ["Point 2026"]
    assert slack.choose("alice", "Recovery point", "Point 7").ok
    assert bot.got[0]["actions"][0]["selected_option"]["value"] == "point 7"
    with pytest.raises(LookupError, match="offers nothing"):
        slack.choose("alice", "Recovery point", "Point 8")


def test_an_overflow_menu_is_clicked_by_its_entry(slack: LocalSlack, bot: Bot, client: WebClient) -> None:
    client.chat_postMessage(channel="ops", text="x", blocks=[ASKS])

    assert slack.click("alice", "Audit").ok
    action = bot.got[0]["actions"][0]
    assert (action["action_id"], action["selected_option"]["value"]) == ("more", "audit")
    with pytest.raises(LookupError, match="Nothing"):
        slack.click("alice", "Nothing")


def test_shortcuts_reach_the_app_with_their_message(slack: LocalSlack, bot: Bot, client: WebClient) -> None:
    ts = client.chat_postMessage(channel="ops", text="receipt")["ts"]

    assert slack.shortcut("alice", "everywhere").ok
    assert slack.shortcut("alice", "this_message", "ops", ts).ok
    assert [body["type"] for body in bot.got] == ["shortcut", "message_action"]
    assert bot.got[1]["message"]["text"] == "receipt"
    assert "trigger_id" in bot.got[0]


# --- direct messages, groups, files ---


def test_a_direct_message_reaches_the_app_and_is_answered_there(slack: LocalSlack, bot: Bot) -> None:
    assert slack.say("alice", "good morning", "@cloudy").ok

    until(lambda: len(slack.conversation("alice")) == 2, "the answer")
    assert [line.text for line in slack.conversation("alice")] == ["good morning", "You said good morning"]
    event = rows(slack, "event")[0]["args"]["event"]
    assert (event["type"], event["channel_type"], event["channel"][0]) == ("message", "im", "D")


def test_an_app_hears_only_what_it_has_subscribed_to(slack: LocalSlack) -> None:
    slack.events.discard("message.im")
    assert slack.say("alice", "good morning", "@cloudy").ok
    assert rows(slack, "event") == []


def test_user_groups_are_listed_and_mentioned(slack: LocalSlack, client: WebClient) -> None:
    group = slack.add_group("approvers", ["bob", "dave"])
    slack.say("alice", "@approvers please")

    assert [one["handle"] for one in client.usergroups_list()["usergroups"]] == ["approvers"]
    members = [slack.user_id("bob"), slack.user_id("dave")]
    assert client.usergroups_users_list(usergroup=group)["users"] == members
    assert refusal(lambda: client.usergroups_users_list(usergroup="S404"))["error"] == "no_such_subteam"
    assert slack.conversation()[-1].text == "@approvers please"
    assert client.conversations_history(channel=slack.channel_id("ops"))["messages"][0]["text"].startswith("<!subteam^")


def test_a_person_is_found_by_address(slack: LocalSlack, client: WebClient) -> None:
    assert client.users_lookupByEmail(email="bob@cloudy.example")["user"]["id"] == slack.user_id("bob")
    assert refusal(lambda: client.users_lookupByEmail(email="x@y.example"))["error"] == "users_not_found"


def test_a_file_is_uploaded_and_shared_in_a_thread(slack: LocalSlack, client: WebClient) -> None:
    root = client.chat_postMessage(channel="ops", text="root")["ts"]
    ops = slack.channel_id("ops")
    client.files_upload_v2(
        channel=ops, thread_ts=root, content="a,b\n", filename="audit.csv", title="Audit", initial_comment="Here"
    )

    assert slack.file("audit.csv") == b"a,b\n"
    line = slack.conversation()[-1]
    assert (line.text, line.thread_ts) == ("Here\n[file: Audit]", root)
    shared = client.conversations_replies(channel=ops, ts=root)["messages"][1]["files"]
    assert [(one["name"], one["size"]) for one in shared] == [("audit.csv", 4)]


def test_a_file_that_was_not_uploaded_whole_is_not_shared(slack: LocalSlack, client: WebClient) -> None:
    place = client.files_getUploadURLExternal(filename="a", length=3)
    files: list[Any] = [{"id": place["file_id"], "title": "a"}]
    ops = slack.channel_id("ops")

    assert (
        refusal(lambda: client.files_completeUploadExternal(files=files, channel_id=ops))["error"] == "file_not_found"
    )
    with pytest.raises(LookupError):
        slack.file("a")
    assert slack.conversation() == []


def test_a_modal_without_a_button_for_it_cannot_be_submitted(slack: LocalSlack) -> None:
    bot = Bot(slack)
    bot.view = {key: value for key, value in modal({"type": "divider"}).items() if key != "submit"}
    with connected(slack, bot.app):
        assert slack.command("alice", "ops", "/restore").ok
        until(lambda: slack.modal("alice"), "the modal")
        with pytest.raises(LookupError, match="no button"):
            slack.submit("alice")
