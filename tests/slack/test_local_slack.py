"""The local Slack, driven by the real SDK's client and by a real Bolt app over Socket Mode."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from http.client import HTTPException
from typing import Any

import pytest
from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from integrations.simulators.slack import Change, LocalSlack
from tests.slack.local import hurry

Json = dict[str, Any]

SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "*vm01* is protected"}}
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")


@pytest.fixture(scope="module", autouse=True)
def _no_proxy() -> Iterator[None]:
    # The SDK reads these and ignores NO_PROXY.
    with pytest.MonkeyPatch.context() as patch:
        for name in PROXIES:
            patch.setenv(name, "")
        yield


@pytest.fixture
def slack() -> Iterator[LocalSlack]:
    with LocalSlack(event_retry_s=(60.0,)) as running:
        yield running


@pytest.fixture
def client(slack: LocalSlack) -> WebClient:
    return WebClient(token=slack.bot_token, base_url=slack.url, retry_handlers=[])


@pytest.fixture(scope="module")
def idle() -> Iterator[LocalSlack]:
    """One for all tests that change nothing in it."""
    with LocalSlack() as running:
        yield running


class Bot:
    """A small app: what it was told, and a Socket Mode connection of its own."""

    def __init__(self, slack: LocalSlack) -> None:
        self.slack = slack
        self.got: list[tuple[str, Json]] = []
        self.app = App(client=WebClient(token=slack.bot_token, base_url=slack.url), signing_secret="unused")
        self.app.command("/protect")(self.on_protect)
        self.app.command("/all")(lambda ack: ack(response_type="in_channel", blocks=[SECTION], text="all"))
        self.app.command("/broken")(lambda ack: ack(blocks=[{"type": "sction"}]))
        self.app.action("stop")(self.on_stop)
        self.app.event("app_mention")(self.on_mention)
        self.handler = SocketModeHandler(self.app, slack.app_token)

    def connect(self) -> None:
        self.handler.connect()  # type: ignore[no-untyped-call]
        assert self.slack.ready(60)

    def on_protect(self, ack: Callable[..., None], command: Json) -> None:
        self.got.append(("command", command))
        ack(f"Looking for {command['text']}")

    def on_stop(self, ack: Callable[..., None], body: Json, respond: Callable[..., None]) -> None:
        ack()
        self.got.append(("action", body))
        respond(text="stopping", response_type="ephemeral", replace_original=False)

    def on_mention(self, event: Json, body: Json) -> None:
        self.got.append(("mention", {"event": event, "event_id": body["event_id"]}))


@pytest.fixture
def bot(slack: LocalSlack) -> Iterator[Bot]:
    running = Bot(slack)
    running.connect()
    yield running
    running.handler.client.auto_reconnect_enabled = False
    threading.Thread(target=running.handler.close, daemon=True).start()  # it takes seconds, and nothing waits for it


def until(claim: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.01)


def calls(slack: LocalSlack, method: str) -> list[Json]:
    return [row for row in slack.record if row["type"] == "call" and row["method"] == method]


def refusal(act: Callable[[], object]) -> Json:
    with pytest.raises(SlackApiError) as caught:
        act()
    answer = caught.value.response.data
    assert isinstance(answer, dict)
    return answer


def button(label: str, **more: Any) -> Json:
    return {"type": "button", "action_id": "stop", "text": {"type": "plain_text", "text": label}, **more}


def actions(*elements: Json) -> Json:
    return {"type": "actions", "elements": list(elements)}


def task(task_id: str, status: str, **more: Any) -> Json:
    return {"type": "task_card", "task_id": task_id, "title": task_id.capitalize(), "status": status, **more}


def rich(text: str) -> Json:
    atoms = [{"type": "text", "text": text}]
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": atoms}]}


# --- commands, clicks, mentions ---


def test_a_command_is_acknowledged_and_its_answer_is_seen_by_its_author_alone(slack: LocalSlack, bot: Bot) -> None:
    ack = slack.command("alice", "ops", "/protect vm01 to s3")

    assert (ack.ok, ack.text, ack.error) == (True, "Looking for vm01 to s3", None)
    command = bot.got[0][1]
    assert command["user_id"] == slack.user_id("alice")
    assert command["channel_id"] == slack.channel_id("ops")
    assert [(line.kind, line.only_for, line.who) for line in slack.conversation()] == [("ephemeral", "alice", "cloudy")]
    assert [row["type"] for row in slack.record if row["method"] == "slash_commands"] == ["envelope", "ack"]


def test_an_answer_for_the_channel_is_a_message_of_the_channel(slack: LocalSlack, bot: Bot, client: WebClient) -> None:
    assert slack.command("alice", "ops", "/all").ok

    history = client.conversations_history(channel=slack.channel_id("ops"))["messages"]
    assert [message["text"] for message in history] == ["all"]


def test_a_command_that_nobody_acknowledges_times_out_before_its_author(slack: LocalSlack, bot: Bot) -> None:
    hurry(slack)
    ack = slack.command("alice", "ops", "/unknown thing")

    assert (ack.ok, ack.error) == (False, "operation_timeout")
    assert slack.conversation()[-1].text == '/unknown failed with the error "operation_timeout"'
    assert slack.conversation()[-1].only_for == "alice"


def test_a_command_without_a_connected_app_fails_at_once(slack: LocalSlack) -> None:
    ack = slack.command("alice", "ops", "/protect vm01 to s3")

    assert (ack.ok, ack.error) == (False, "dispatch_failed")
    assert "dispatch_failed" in slack.conversation()[-1].text


def test_an_acknowledgement_with_broken_blocks_is_refused_before_its_author(slack: LocalSlack, bot: Bot) -> None:
    assert slack.command("alice", "ops", "/broken").error == "invalid_command_response"


def test_a_click_reaches_the_app_with_message_and_user_and_response_url_answers(
    slack: LocalSlack, bot: Bot, client: WebClient
) -> None:
    ops = slack.channel_id("ops")
    root = client.chat_postMessage(channel=ops, text="root")
    posted = client.chat_postMessage(
        channel=ops, text="card", thread_ts=root["ts"], blocks=[actions(button("Stop", value="t1"))]
    )

    assert slack.click("bob", "Stop").ok

    until(lambda: slack.conversation()[-1].text == "stopping", "the answer by response_url")
    body = bot.got[0][1]
    assert body["actions"][0]["value"] == "t1"
    assert body["user"]["id"] == slack.user_id("bob")
    assert body["message"]["ts"] == posted["ts"]
    assert body["container"]["thread_ts"] == root["ts"]
    answer = slack.conversation()[-1]
    assert (answer.only_for, answer.thread_ts) == ("bob", root["ts"])


def test_a_click_takes_the_newest_button_as_the_message_stands_now(
    slack: LocalSlack, bot: Bot, client: WebClient
) -> None:
    ops = slack.channel_id("ops")
    client.chat_postMessage(channel=ops, text="old", blocks=[actions(button("Stop", value="old"))])
    newer = client.chat_postMessage(channel=ops, text="new", blocks=[actions(button("Stop", value="new"))])
    assert slack.click("alice", "Stop").ok
    client.chat_update(channel=ops, ts=newer["ts"], text="done", blocks=[SECTION])
    assert slack.click("alice", "Stop").ok

    until(lambda: len(bot.got) == 2, "both clicks")
    assert [body["actions"][0]["value"] for _, body in bot.got] == ["new", "old"]


def test_a_button_that_is_not_there_for_the_user_cannot_be_clicked(slack: LocalSlack, client: WebClient) -> None:
    ops = slack.channel_id("ops")
    client.chat_postEphemeral(channel=ops, user=slack.user_id("bob"), text="yours", blocks=[actions(button("Approve"))])
    client.chat_postMessage(
        channel=ops, text="x", blocks=[actions(button("Undo", visible_to_user_ids=[slack.user_id("bob")]))]
    )

    for label in ("Approve", "Undo", "Nothing"):
        with pytest.raises(LookupError, match=label):
            slack.click("alice", label)


def test_a_click_without_a_connected_app_tells_the_user(slack: LocalSlack, client: WebClient) -> None:
    client.chat_postMessage(channel=slack.channel_id("ops"), text="x", blocks=[actions(button("Stop"))])

    assert slack.click("alice", "Stop").error == "dispatch_failed"


def test_a_mention_in_a_thread_reaches_the_app_as_an_event(slack: LocalSlack, bot: Bot, client: WebClient) -> None:
    root = client.chat_postMessage(channel=slack.channel_id("ops"), text="root")["ts"]
    assert slack.newest_thread() == root

    ack = slack.mention("alice", "stop <now>", thread_ts=root)

    assert ack.ok
    until(lambda: bot.got, "the mention")
    event = bot.got[0][1]["event"]
    assert (event["text"], event["thread_ts"], event["ts"]) == (
        f"<@{slack.bot_user_id}> stop &lt;now&gt;",
        root,
        ack.ts,
    )
    assert slack.conversation()[-1].text == "@cloudy stop <now>"


def test_an_event_waits_for_the_app_and_comes_once(slack: LocalSlack) -> None:
    hurry(slack)
    assert slack.mention("alice", "stop").error == "operation_timeout"
    bot = Bot(slack)
    bot.connect()

    until(lambda: bot.got, "the mention that waited")
    envelopes = [row for row in slack.record if row["type"] == "envelope"]
    assert len(envelopes) == 1
    bot.handler.client.auto_reconnect_enabled = False
    bot.handler.client.disconnect()


def test_an_unacknowledged_event_is_sent_again_when_its_connection_ends(slack: LocalSlack) -> None:
    deaf = Bot(slack)
    deaf.handler.client.socket_mode_request_listeners.clear()
    deaf.connect()
    deaf.handler.client.auto_reconnect_enabled = False
    hurry(slack)
    slack.mention("alice", "stop")
    slack.drop_connections()
    bot = Bot(slack)
    bot.connect()

    until(lambda: bot.got, "the mention, again")
    sent = [row["args"] for row in slack.record if row["type"] == "envelope"]
    assert [envelope.get("retry_attempt") for envelope in sent] == [None, 1]
    assert sent[0]["payload"]["event_id"] == sent[1]["payload"]["event_id"] == bot.got[0][1]["event_id"]
    for handler in (deaf.handler, bot.handler):
        handler.client.auto_reconnect_enabled = False


def test_an_unacknowledged_event_is_sent_again_after_a_while() -> None:
    with LocalSlack(ack_deadline_s=0.1, event_retry_s=(0.2, 0.2)) as slack:
        bot = Bot(slack)
        bot.handler.client.socket_mode_request_listeners.clear()
        bot.connect()
        slack.mention("alice", "stop")

        until(lambda: len([row for row in slack.record if row["type"] == "envelope"]) == 3, "two retries")
        bot.handler.client.auto_reconnect_enabled = False


def test_nothing_is_lost_while_the_connection_is_refreshed(slack: LocalSlack, bot: Bot) -> None:
    answers: list[bool] = []

    def type_many() -> None:
        answers.extend(slack.command("alice", "ops", f"/protect vm{n} to s3").ok for n in range(12))

    people = [threading.Thread(target=type_many) for _ in range(3)]
    for person in people:
        person.start()
    slack.refresh_connections()
    for person in people:
        person.join()

    assert answers == [True] * 36
    until(lambda: [row for row in slack.record if row["method"] == "closed"], "the old connection to end")
    assert len([row for row in slack.record if row["method"] == "hello"]) == 2


def test_a_ticket_opens_one_connection(slack: LocalSlack, client: WebClient) -> None:
    url = client.apps_connections_open(app_token=slack.app_token)["url"]

    with connect(url, proxy=None) as socket:
        assert json.loads(socket.recv(60))["type"] == "hello"
    with pytest.raises(InvalidStatus, match="403"):
        connect(url, proxy=None)


# --- the Web API ---


def test_a_wrong_missing_or_misplaced_token_is_refused(slack: LocalSlack) -> None:
    def error(token: str | None, method: str) -> str:
        return str(refusal(lambda: WebClient(token=token, base_url=slack.url).api_call(method))["error"])

    assert error("xoxb-wrong", "auth.test") == "invalid_auth"
    assert error(None, "auth.test") == "not_authed"
    assert error(slack.app_token, "chat.postMessage") == "not_allowed_token_type"
    assert error(slack.bot_token, "apps.connections.open") == "not_allowed_token_type"


def test_tokens_are_not_recorded(slack: LocalSlack, client: WebClient) -> None:
    client.auth_test()
    WebClient(base_url=slack.url).api_call("auth.test", params={"token": slack.bot_token})

    assert len(calls(slack, "auth.test")) == 2
    assert slack.bot_token not in json.dumps(slack.record)


def test_an_unknown_method_is_refused_and_seen(slack: LocalSlack, client: WebClient) -> None:
    assert refusal(lambda: client.api_call("admin.teams.create"))["error"] == "unknown_method"
    assert calls(slack, "admin.teams.create")[0]["answer"]["error"] == "unknown_method"


def test_a_message_is_updated_in_place(slack: LocalSlack, client: WebClient) -> None:
    changes: list[Change] = []
    leave = slack.subscribe(changes.append)
    ops = slack.channel_id("ops")
    posted = client.chat_postMessage(channel="#ops", text="one", blocks=[SECTION])
    client.chat_update(channel=ops, ts=posted["ts"], text="two")
    leave()
    client.chat_delete(channel=ops, ts=posted["ts"])

    assert [(change.kind, change.ts) for change in changes] == [("posted", posted["ts"]), ("edited", posted["ts"])]
    assert slack.conversation() == []
    answer = calls(slack, "chat.update")[0]["answer"]
    assert (answer["text"], answer["message"]["blocks"][0]["text"]) == ("two", SECTION["text"])


def test_an_update_may_take_the_blocks_away(slack: LocalSlack, client: WebClient) -> None:
    posted = client.chat_postMessage(channel="#ops", text="one", blocks=[SECTION])
    client.chat_update(channel=posted["channel"], ts=posted["ts"], text="two", blocks=[])

    assert slack.conversation()[0].text == "two"


def test_what_does_not_exist_or_belongs_to_others_is_refused(slack: LocalSlack, client: WebClient) -> None:
    ops = slack.channel_id("ops")
    hers = slack.say("alice", "hello").ts or ""
    long = "x" * 4001
    mine = client.chat_postMessage(channel=ops, text="mine")["ts"]
    expected = {
        "channel_not_found": lambda: client.chat_postMessage(channel="C404", text="x"),
        "thread_not_found": lambda: client.chat_postMessage(channel=ops, text="x", thread_ts="1.000001"),
        "message_not_found": lambda: client.chat_update(channel=ops, ts="1.000001", text="x"),
        "cant_update_message": lambda: client.chat_update(channel=ops, ts=hers, text="x"),
        "cant_delete_message": lambda: client.chat_delete(channel=ops, ts=hers),
        "msg_too_long": lambda: client.chat_update(channel=ops, ts=mine, text=long),
        "no_text": lambda: client.api_call("chat.postMessage", json={"channel": ops}),
        "user_not_in_channel": lambda: client.chat_postEphemeral(channel=ops, user="U404", text="x"),
        "invalid_metadata_format": lambda: client.chat_postMessage(channel=ops, text="x", metadata={"event_type": "x"}),
        "invalid_blocks_format": lambda: client.chat_postMessage(channel=ops, text="x", blocks="[oops"),
        "user_not_found": lambda: client.users_info(user="U404"),
    }

    assert {code: refusal(act)["error"] for code, act in expected.items()} == {code: code for code in expected}


def test_replies_stand_in_their_thread_and_not_in_the_history(slack: LocalSlack, client: WebClient) -> None:
    ops = slack.channel_id("ops")
    root = client.chat_postMessage(channel=ops, text="root")["ts"]
    for n in range(3):
        client.chat_postMessage(channel=ops, text=f"reply {n}", thread_ts=root)

    history = client.conversations_history(channel=ops)["messages"]
    assert [(m["text"], m["reply_count"]) for m in history] == [("root", 3)]
    pages = [
        ([m["text"] for m in page["messages"]], page["has_more"])
        for page in client.conversations_replies(channel=ops, ts=root, limit=3)
    ]
    assert pages == [(["root", "reply 0", "reply 1"], True), (["reply 2"], False)]


def test_ephemeral_messages_stay_outside_the_history(slack: LocalSlack, client: WebClient) -> None:
    ops = slack.channel_id("ops")
    client.chat_postEphemeral(channel=ops, user=slack.user_id("carol"), text="for you")

    assert client.conversations_history(channel=ops)["messages"] == []
    assert [(line.text, line.only_for) for line in slack.conversation()] == [("for you", "carol")]


def test_metadata_comes_back_when_asked_for_so_that_a_lost_answer_can_be_found(
    slack: LocalSlack, client: WebClient
) -> None:
    ops = slack.channel_id("ops")
    root = client.chat_postMessage(channel=ops, text="root")["ts"]
    metadata = {"event_type": "cloudy_message", "event_payload": {"key": "t1:plan"}}
    slack.fail_next("chat.postMessage", lose_answer=True)
    with pytest.raises((OSError, HTTPException)):
        client.chat_postMessage(channel=ops, text="plan", thread_ts=root, metadata=metadata)

    found = client.conversations_replies(channel=ops, ts=root, include_all_metadata=True)["messages"]
    assert [message.get("metadata") for message in found] == [None, metadata]
    plain = client.conversations_replies(channel=ops, ts=root)["messages"]
    assert "metadata" not in plain[1]
    client.chat_update(channel=ops, ts=found[1]["ts"], text="plan 2")
    kept = client.conversations_history(channel=ops, latest=root, inclusive=True, include_all_metadata=True)["messages"]
    assert [message["text"] for message in kept] == ["root"]
    found = client.conversations_replies(channel=ops, ts=root, include_all_metadata=True)["messages"]
    assert found[1]["metadata"] == metadata


def test_faults_happen_as_often_as_asked(slack: LocalSlack, client: WebClient) -> None:
    slack.fail_next("chat.postMessage", 1, status=429, retry_after_s=7)
    slack.fail_next("chat.postMessage", 1, status=500)
    slack.fail_next("*", 1, error="is_archived")

    with pytest.raises(SlackApiError) as limited:
        client.chat_postMessage(channel="ops", text="x")
    assert (limited.value.response.status_code, limited.value.response["error"]) == (429, "ratelimited")
    assert limited.value.response.headers["Retry-After"] == "7"
    with pytest.raises(SlackApiError) as broken:
        client.chat_postMessage(channel="ops", text="x")
    assert broken.value.response.status_code == 500
    assert refusal(lambda: client.chat_postMessage(channel="ops", text="x"))["error"] == "is_archived"
    assert client.chat_postMessage(channel="ops", text="x")["ok"]
    assert len(slack.conversation()) == 1


def test_people_and_places_can_be_looked_up(slack: LocalSlack, client: WebClient) -> None:
    assert [c["name"] for c in client.conversations_list()["channels"]] == ["ops", "backups", "general"]
    assert client.users_info(user=slack.user_id("bob"))["user"]["name"] == "bob"
    assert slack.user_id("dave") in client.conversations_members(channel=slack.channel_id("ops"))["members"]
    assert client.conversations_info(channel=slack.channel_id("ops"))["channel"]["name"] == "ops"
    direct = client.conversations_open(users=[slack.user_id("alice")])["channel"]["id"]
    ts = client.chat_postMessage(channel=direct, text="hi")["ts"]
    assert client.reactions_add(channel=direct, name="eyes", timestamp=ts)["ok"]
    assert direct in client.chat_getPermalink(channel=direct, message_ts=ts)["permalink"]
    assert client.bots_info(bot=client.auth_test()["bot_id"])["bot"]["user_id"] == slack.bot_user_id
    assert {"alice", "cloudy"} <= {user["name"] for user in client.users_list()["members"]}


def test_block_ids_are_filled_in(client: WebClient) -> None:
    blocks = client.chat_postMessage(channel="ops", text="x", blocks=[SECTION, SECTION])["message"]["blocks"]

    assert len({block["block_id"] for block in blocks}) == 2


# --- blocks ---

LONG = {"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}
OPTION = {"text": {"type": "plain_text", "text": "a"}, "value": "a"}
OTHER = {"text": {"type": "plain_text", "text": "b"}, "value": "b"}
SELECT = {"type": "static_select", "action_id": "pick", "options": [OPTION]}
CELL = {"type": "raw_text", "text": "c"}
PLAIN = {"type": "plain_text", "text": "x"}
MARKED = {"type": "mrkdwn", "text": "x"}
TYPED = {"type": "plain_text_input", "action_id": "typed"}
TWELVE = [{"text": {"type": "plain_text", "text": f"o{n}"}, "value": f"o{n}"} for n in range(12)]
CONFIRM = {"title": PLAIN, "text": PLAIN, "confirm": PLAIN, "deny": PLAIN}


@pytest.mark.parametrize(
    ("blocks", "pointer"),
    [
        ([SECTION, LONG], "/blocks/1/text"),
        ([{"type": "sction"}], "/blocks/0/type"),
        ([{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}], "/blocks/0/text/type"),
        ([actions({**button("x"), "actionid": "y"})], "/blocks/0/elements/0/actionid"),
        ([{"type": "plan", "title": "P", "tasks": [task("a", "completed")]}], "/blocks/0/tasks/0/status"),
        ([{"type": "plan", "title": "P", "tasks": [task("a", "error"), task("a", "error")]}], "/blocks/0/tasks"),
        ([{"type": "plan", "title": "P", "tasks": [task("a", "pending", details=rich(""))]}], "/details/elements/0"),
        ([{"type": "plan", "title": "P", "tasks": [task("a", "pending", details="x")]}], "/blocks/0/tasks/0/details"),
        ([actions({**SELECT, "options": [{**OPTION, "text": {"type": "plain_text", "text": "x" * 76}}]})], "/blocks/0"),
        ([actions({**SELECT, "initial_option": OTHER})], "/blocks/0/elements/0/initial_option"),
        ([actions(button("a"), button("b"))], "/blocks/0"),
        ([{**SECTION, "block_id": "same"}] * 2, "/blocks"),
        ([SECTION] * 51, "/blocks"),
        ([{"type": "table", "rows": [[CELL]] * 101}], "/blocks/0/rows"),
        ([{"type": "table", "rows": 7}], "/blocks/0/rows"),
        ([{"type": "rich_text", "elements": 7}], "/blocks/0"),
        (["text"], "/blocks/0"),
        ([{**SECTION, "fields": [{"type": "mrkdwn", "text": "x" * 2001}]}], "/blocks/0/fields/0/text"),
        ([actions({**SELECT, "placeholder": MARKED})], "/blocks/0/elements/0/placeholder/type"),
        ([actions({**SELECT, "options": [{"text": MARKED, "value": "a"}]})], "/elements/0/options/0/text/type"),
        ([actions({**SELECT, "options": [{**OPTION, "value": "x" * 151}]})], "/options/0/value"),
        ([actions({**SELECT, "type": "radio_buttons", "options": TWELVE})], "/blocks/0/elements/0/options"),
        ([actions(button("x", confirm={**CONFIRM, "title": MARKED}))], "/blocks/0/elements/0/confirm/title/type"),
        ([actions(MARKED)], "/blocks/0/elements/0/type"),
        ([{"type": "context", "elements": [button("x")]}], "/blocks/0/elements/0/type"),
        ([{**SECTION, "accessory": MARKED}], "/blocks/0/accessory/type"),
        ([{"type": "image", "alt_text": "x"}], "/blocks/0"),
        ([{"type": "input", "label": MARKED, "element": TYPED}], "/blocks/0/label/type"),
        ([{"type": "input", "label": PLAIN, "element": button("x")}], "/blocks/0/element/type"),
        ([{"type": "input", "label": PLAIN, "element": {**TYPED, "max_length": 3001}}], "/blocks/0/element/max_length"),
        ([{"type": "table", "rows": [[CELL] * 21]}], "/blocks/0/rows/0"),
        ([{"type": "table", "rows": [[PLAIN]]}], "/blocks/0/rows/0/0/type"),
        ([{"type": "plan", "title": "P", "tasks": [task("a", "pending")]}, task("b", "pending")], "/blocks"),
    ],
)
def test_blocks_that_slack_would_refuse_are_refused_with_a_pointer(
    idle: LocalSlack, blocks: list[Json], pointer: str
) -> None:
    client = WebClient(token=idle.bot_token, base_url=idle.url)
    answer = refusal(lambda: client.chat_postMessage(channel="ops", text="x", blocks=blocks))

    assert answer["error"] == "invalid_blocks"
    assert any("[json-pointer:/blocks" in line and pointer in line for line in answer["errors"]), answer["errors"]
    assert idle.conversation() == []


def test_blocks_that_are_too_long_in_sum_are_refused(client: WebClient) -> None:
    part = {"type": "section", "text": {"type": "mrkdwn", "text": "x" * 2900}}

    assert refusal(lambda: client.chat_postMessage(channel="ops", text="x", blocks=[part] * 5))["error"] == (
        "msg_blocks_too_long"
    )


def test_blocks_validate_answers_with_pointers(client: WebClient) -> None:
    assert client.blocks_validate(blocks=[SECTION])["ok"]
    answer = refusal(lambda: client.blocks_validate(message={"text": "x", "blocks": [LONG]}))
    assert (answer["error"], answer["errors"][0]["pointer"]) == ("invalid_message", "/blocks/0/text")
    modal = {
        "type": "modal",
        "title": {"type": "plain_text", "text": "M"},
        "blocks": [
            {
                "type": "input",
                "label": {"type": "plain_text", "text": "L"},
                "element": {"type": "plain_text_input", "action_id": "a"},
            }
        ],
    }
    assert refusal(lambda: client.blocks_validate(view=modal))["errors"][0]["pointer"] == "/submit"


# --- what a person sees ---


def test_a_message_reads_as_a_person_sees_it(slack: LocalSlack, client: WebClient) -> None:
    alice = slack.user_id("alice")
    blocks: list[Json] = [
        {"type": "header", "text": {"type": "plain_text", "text": "Protect vm01"}},
        {
            "type": "section",
            "text": {"type": "mrkdwn", "text": f"*By* <@{alice}>: `a_b_c` &lt;ok&gt; 2*3*4 <http://x/|here>"},
        },
        {"type": "context", "elements": [{"type": "mrkdwn", "text": "_one_"}, {"type": "plain_text", "text": "*two*"}]},
        {
            "type": "plan",
            "title": "Steps",
            "tasks": [
                task("snapshot", "complete", output=rich("txn 1")),
                task("clone", "in_progress", details=rich("41 %")),
                task("upload", "pending"),
                task("verify", "error", details=rich("bad checksum")),
            ],
        },
        actions(button("Stop")),
    ]
    client.chat_postMessage(channel="ops", text="short", blocks=blocks)

    assert slack.conversation()[0].text.splitlines() == [
        "Protect vm01",
        "By @alice: a_b_c <ok> 2*3*4 here",
        "one *two*",
        "Steps",
        "  ✓ Snapshot - txn 1",
        "  ▶ Clone - 41 %",
        "  ○ Upload",
        "  ✗ Verify - bad checksum",
        "[Stop]",
    ]


def test_a_message_without_blocks_reads_as_its_text(slack: LocalSlack, client: WebClient) -> None:
    client.chat_postMessage(channel="ops", text="a &amp; b &lt;!channel&gt; <#C0OPS00001>")

    assert slack.conversation()[0].text == "a & b <!channel> #ops"


def test_a_response_url_takes_five_answers(slack: LocalSlack, bot: Bot) -> None:
    slack.command("alice", "ops", "/protect vm01 to s3")
    url = bot.got[0][1]["response_url"]

    def answer() -> int:
        request = urllib.request.Request(url, b'{"text": "more"}', {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            return error.code

    assert [answer() for _ in range(6)] == [200] * 5 + [404]
    assert [line.text for line in slack.conversation()].count("more") == 5


# --- from outside ---


def test_it_runs_alone_and_is_driven_by_http() -> None:
    code = "import sys; from integrations.simulators.slack import run; sys.exit(run(0))"
    env = os.environ | dict.fromkeys(PROXIES, "")
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=env)
    try:
        assert process.stdout
        api = process.stdout.readline().strip()
        tokens = dict(process.stdout.readline().strip().split(": ") for _ in range(3))
        base = api.removesuffix("api/") + "control/"
        client = WebClient(token=tokens["bot token"], base_url=api)
        client.chat_postMessage(channel="ops", text="hello")

        assert _get(f"{base}conversation?channel=ops")[0]["text"] == "hello"
        assert _get(f"{base}record")[0]["method"] == "chat.postMessage"
        body = json.dumps({"user": "alice", "channel": "ops", "text": "/protect vm01 to s3"}).encode()
        assert _get(f"{base}command", body)["error"] == "dispatch_failed"
        with pytest.raises(urllib.error.HTTPError, match="404"):
            _get(f"{base}click", json.dumps({"user": "alice", "label": "Stop"}).encode())
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()


def _get(url: str, body: bytes | None = None) -> Any:
    with urllib.request.urlopen(url, body, timeout=60) as response:
        return json.load(response)


def test_a_fault_of_an_unknown_method_is_refused() -> None:
    slack = LocalSlack()
    with pytest.raises(LookupError, match=r"chat\.updat "):
        slack.fail_next("chat.updat")
    slack.fail_next("apps.connections.open")
    slack.fail_next("*")
