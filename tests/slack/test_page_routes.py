"""The page's routes without a browser: who may act, what each person is told, what the acts do."""

import importlib.resources
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from integrations.simulators.slack import LocalSlack
from integrations.simulators.slack.gate import refusal
from tests.e2e.chat import OPS, SHORTCUTS, post
from tests.e2e.little_app import ACTIONS, FORM, USAGES, LittleApp, button, plain
from tests.slack.local import app_for, client_of, connected, until

Json = dict[str, Any]


class Client:
    """A page as the server sees it."""

    def __init__(self, slack: LocalSlack) -> None:
        self.url = slack.page_url
        self.origin = slack.page_url.rstrip("/")
        self.session = requests.Session()
        self.session.trust_env = False

    def get(self, path: str, **headers: str) -> requests.Response:
        return self.session.get(f"{self.url}{path}", headers=headers, timeout=60)

    def post(self, name: str, given: Json, **headers: str | None) -> requests.Response:
        sent = {"Origin": self.origin, **headers}
        return self.session.post(f"{self.url}page/act/{name}", json=given, headers=sent, timeout=60)

    def act(self, what: str, /, user: str = "alice", **given: Any) -> Json:
        answer: Json = self.post(what, {"user": user, **given}).json()
        return answer

    @contextmanager
    def events(self, user: str) -> Iterator["Events"]:
        address = f"ws://{urlsplit(self.url).netloc}/page/events?user={user}"
        with connect(address, origin=Origin(self.origin), proxy=None) as line:
            yield Events(line)


class Events:
    """What a page is told."""

    def __init__(self, line: ClientConnection) -> None:
        self.line = line

    def next(self, kind: str) -> Json:
        """The next one of that kind."""
        while True:
            event: Json = json.loads(self.line.recv(timeout=60))
            if event["kind"] == kind:
                return event

    def ask(self, **question: Any) -> None:
        self.line.send(json.dumps(question))

    def kinds_until(self, kind: str) -> list[Json]:
        """All up to one of that kind."""
        seen: list[Json] = []
        while not seen or seen[-1]["kind"] != kind:
            seen.append(json.loads(self.line.recv(timeout=60)))
        return seen


@pytest.fixture
def slack() -> Iterator[LocalSlack]:
    with LocalSlack(usages=USAGES, shortcuts=SHORTCUTS) as running:
        yield running


@pytest.fixture
def page(slack: LocalSlack) -> Client:
    return Client(slack)


# --- who may ask ---

HERE = {"host": "127.0.0.1:4000", "origin": "http://127.0.0.1:4000"}


@pytest.mark.parametrize(
    ("path", "headers", "may"),
    [
        ("/page/act/command", HERE, True),
        ("/page/act/command", {"host": "localhost:4000", "origin": "http://localhost:4000"}, True),
        ("/page/act/command", {"host": "[::1]:4000", "origin": "http://[::1]:4000"}, True),
        ("/page/act/command", {"host": "127.0.0.1:4000"}, False),
        ("/page/act/command", {**HERE, "origin": "http://evil.example"}, False),
        ("/page/act/command", {**HERE, "origin": "http://127.0.0.1:5000"}, False),
        ("/page/act/command", {**HERE, "origin": "null"}, False),
        ("/page/act/command", {"host": "evil.example:4000", "origin": "http://evil.example:4000"}, False),
        ("/page/act/command", {**HERE, "sec-fetch-site": "cross-site"}, False),
        ("/page/events", {**HERE, "origin": "http://evil.example"}, False),
        ("/page/file/F1", {"host": "127.0.0.1:4000", "sec-fetch-site": "cross-site"}, False),
        ("/control/command", {"host": "127.0.0.1:4000"}, True),
        ("/control/command", {"host": "127.0.0.1:4000", "origin": "http://evil.example"}, False),
        ("/api/auth.test", {"host": "127.0.0.1"}, True),
        ("/", {"host": "127.0.0.1:4000", "sec-fetch-site": "cross-site"}, True),
        ("/", {"host": "rebound.example:4000"}, False),
        ("/", {}, False),
    ],
)
def test_of_all_pages_only_its_own_may_act(path: str, headers: dict[str, str], may: bool) -> None:
    assert (refusal(path, headers) == "") is may


def test_a_foreign_page_s_act_is_refused_and_does_nothing(page: Client, slack: LocalSlack) -> None:
    given = {"user": "alice", "channel": "ops", "text": "hello"}
    for headers in ({"Origin": "http://evil.example"}, {"Origin": None}, {"Host": "evil.example"}):
        assert page.post("say", given, **headers).status_code == 403
    form = page.session.post(
        f"{page.url}page/act/say", data=json.dumps(given), headers={"Origin": page.origin, "Content-Type": "text/plain"}
    )
    assert form.status_code == 415
    assert slack.conversation() == []


def test_a_foreign_page_hears_nothing(page: Client) -> None:
    address = f"ws://{urlsplit(page.url).netloc}/page/events?user=alice"
    for origin in (Origin("http://evil.example"), None):
        with pytest.raises(InvalidStatus) as caught, connect(address, origin=origin, proxy=None):
            pass
        assert caught.value.response.status_code == 403


def test_the_page_loads_and_runs_only_what_is_its_own(page: Client) -> None:
    shown = page.get("")
    policy = shown.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    connections = re.findall(r"connect-src ([^;]*)", policy)[0].split()
    assert set(connections) == {"'self'", "ws://127.0.0.1:*", "ws://localhost:*"}
    assert shown.headers["X-DNS-Prefetch-Control"] == "off"
    assert shown.headers["X-Content-Type-Options"] == "nosniff"
    for name, kind in (("main.js", "text/javascript"), ("style.css", "text/css"), ("icon.svg", "image/svg+xml")):
        answer = page.get(f"page/{name}")
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith(kind)
    assert page.get("page/../server.py").status_code == 404
    assert page.get("page/nothing.js").status_code == 404


def test_the_page_makes_text_nodes_and_no_markup() -> None:
    folder = importlib.resources.files("integrations.simulators.slack") / "page"
    scripts = {one.name: one.read_text() for one in folder.iterdir() if one.name.endswith(".js")}
    assert len(scripts) > 10
    words = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser|srcdoc")
    assert [name for name, text in scripts.items() if words.search(text)] == []
    loads = re.compile(r"""(?:fetch\(|import\(|from )\s*[`"']https?:""")
    assert [name for name, text in scripts.items() if loads.search(text)] == []


@pytest.mark.parametrize("given", ["[]", "nothing", "{}", '{"user": "alice"}', '{"user": "nobody", "text": "a"}'])
def test_what_is_no_act_is_told_so(page: Client, given: str) -> None:
    headers = {"Origin": page.origin, "Content-Type": "application/json"}
    answer = page.session.post(f"{page.url}page/act/command", data=given, headers=headers, timeout=60)
    assert answer.status_code in (400, 404)
    assert answer.json()["error"]
    assert page.post("fly", {"user": "alice"}).status_code == 404


# --- what a person is told ---


def test_a_page_is_told_what_there_is_then_what_happens(page: Client, slack: LocalSlack) -> None:
    with page.events("alice") as events:
        hello = events.next("hello")
        assert [one["name"] for one in hello["channels"]] == ["ops", "backups", "general", "alice"]
        assert hello["usages"] == list(USAGES)
        assert [one["label"] for one in hello["shortcuts"]] == ["Protect a VM", "Restore from this"]
        client = client_of(slack)
        root = str(client.chat_postMessage(channel=OPS, text="root")["ts"])
        assert events.next("message")["message"]["text"] == "root"
        client.chat_postMessage(channel=OPS, text="reply", thread_ts=root)
        assert events.next("message")["root"]["reply_count"] == 1
        client.chat_update(channel=OPS, ts=root, text="changed")
        edited = events.next("message")
        assert (edited["how"], edited["message"]["text"], edited["message"]["reply_count"]) == ("edited", "changed", 1)
        client.chat_delete(channel=OPS, ts=root)
        assert events.next("gone") == {"kind": "gone", "channel": OPS, "ts": root}


def test_what_is_for_one_person_is_told_to_no_other(page: Client, slack: LocalSlack) -> None:
    client = client_of(slack)
    slack.add_channel("secret", is_private=True)
    slack._workspace.channels[slack.channel_id("secret")].members.remove("U0ALICE001")
    with page.events("alice") as events:
        assert "secret" not in [one["name"] for one in events.next("hello")["channels"]]
        client.chat_postEphemeral(channel=OPS, user="U0BOB00001", text="for bob")
        client.chat_postMessage(channel="U0BOB00001", text="to bob")
        client.chat_postMessage(channel="secret", text="hidden")
        client.chat_postMessage(channel=OPS, text="for all")
        seen = events.kinds_until("message")
        assert [one["user"] for one in seen if one["kind"] == "elsewhere"] == ["bob", "bob"]
        assert "bob" not in json.dumps([one for one in seen if one["kind"] == "message"])
        assert "hidden" not in json.dumps(seen)
        for channel in ("D0BOB00001", slack.channel_id("secret")):
            events.ask(channel=channel)
        events.ask(channel=OPS)
        assert [one["text"] for one in events.next("history")["messages"]] == ["for all"]


def test_channels_that_come_and_go_are_told(page: Client, slack: LocalSlack) -> None:
    with page.events("alice") as events:
        assert "night" not in json.dumps(events.next("channels"))
        slack.add_channel("night")
        assert "night" in json.dumps(events.next("channels"))
        slack.archive("night")
        assert [one["is_archived"] for one in events.next("channels")["channels"] if one["name"] == "night"] == [True]


def test_a_history_is_told_in_parts(page: Client, slack: LocalSlack) -> None:
    for number in range(30):
        slack.say("bob", f"n{number}")
    with page.events("alice") as events:
        events.ask(channel=OPS, most=10)
        newest = events.next("history")
        assert [one["text"] for one in newest["messages"]] == [f"n{number}" for number in range(20, 30)]
        assert newest["has_more"]
        events.ask(channel=OPS, before=newest["messages"][0]["ts"], most=100)
        assert (len((older := events.next("history"))["messages"]), older["has_more"]) == (20, False)


@pytest.mark.parametrize("nonsense", ["{", "[]", '"text"', '{"channel": "ops", "most": "many"}', '{"channel": 5}'])
def test_nonsense_on_the_line_ends_that_line_alone(page: Client, nonsense: str) -> None:
    with page.events("alice") as events:
        events.line.send(nonsense)
    with page.events("alice") as events:
        assert events.next("hello")


def test_nobody_looks_through_the_eyes_of_the_bot(page: Client) -> None:
    for name in ("cloudy", "slackbot", "nobody"):
        with pytest.raises(InvalidStatus), page.events(name):
            pass


# --- acts ---


@pytest.fixture
def little(slack: LocalSlack) -> Iterator[LittleApp]:
    app = app_for(slack)
    made = LittleApp(app)
    with connected(slack, app):
        yield made


def test_elements_are_used_by_their_ids_and_not_by_what_they_are_called(
    page: Client, slack: LocalSlack, little: LittleApp
) -> None:
    twins = [
        {"type": "actions", "block_id": name, "elements": [button("Same", "details", value=name)]} for name in "ab"
    ]
    ts = post(client_of(slack), twins)
    assert page.act("use", channel=OPS, ts=ts, block_id="b", action_id="details")["ok"]
    until(lambda: little.heard == [("details", "b")], "the app has heard of the second")
    gone = page.act("use", channel=OPS, ts=ts, block_id="c", action_id="details")
    assert "look again" in gone["error"]
    assert "not there any more" in page.act("use", channel=OPS, ts="1.0", block_id="b", action_id="details")["error"]


def test_what_was_chosen_in_a_message_goes_with_the_next_click(
    page: Client, slack: LocalSlack, little: LittleApp
) -> None:
    ts = post(client_of(slack), [{**ACTIONS[0], "block_id": "row"}])
    where = {"channel": OPS, "ts": ts, "block_id": "row"}
    page.act("use", **where, action_id="day", value="2026-11-30")
    page.act("use", **where, action_id="details")
    sent = [row["args"]["payload"] for row in slack.record if row["type"] == "envelope"]
    assert sent[-1]["state"]["values"]["row"]["day"]["selected_date"] == "2026-11-30"
    page.act("use", "bob", **where, action_id="details")
    sent = [row["args"]["payload"] for row in slack.record if row["type"] == "envelope"]
    assert sent[-1]["state"]["values"]["row"]["day"]["selected_date"] is None


def test_an_option_that_is_not_offered_is_refused(page: Client, slack: LocalSlack, little: LittleApp) -> None:
    ts = post(client_of(slack), [{**ACTIONS[0], "block_id": "row"}])
    where = {"channel": OPS, "ts": ts, "block_id": "row", "action_id": "where"}
    values: tuple[Any, ...] = ({"text": plain("Mars"), "value": "mars"}, [], "s3", 5)
    for value in values:
        assert "error" in page.act("use", **where, value=value)
    assert little.heard == []


def test_another_s_private_message_cannot_be_used(page: Client, slack: LocalSlack, little: LittleApp) -> None:
    told = client_of(slack).chat_postEphemeral(
        channel=OPS, user="U0BOB00001", text="t", blocks=[{**ACTIONS[0], "block_id": "row"}]
    )
    where = {"channel": OPS, "ts": told["message_ts"], "block_id": "row", "action_id": "details"}
    assert "not there" in page.act("use", "alice", **where)["error"]
    assert page.act("use", "bob", **where)["ok"]


def test_a_form_is_filled_sent_and_its_errors_stand_at_their_blocks(
    page: Client, slack: LocalSlack, little: LittleApp
) -> None:
    with page.events("alice") as events:
        page.act("command", channel=OPS, text="/protect x")
        view = _open_form(events)
        name = {"view": view["id"], "block_id": "name", "action_id": "name"}
        offered = page.act("options", view=view["id"], block_id="vm", action_id="vm", text="499")["options"]
        assert len(offered) == 15
        assert page.act("use", **name, value="typed")["ok"]
        assert page.act("submit", view=view["id"], entered=[])["error"] == "incomplete"
        assert set(_errors(events)) == {"vm", "targets"}
        s3 = [{"text": plain("S3"), "value": "s3"}]
        entered = [
            {**name, "value": "bad"},
            {"view": view["id"], "block_id": "vm", "action_id": "vm", "value": offered[0]},
            {"view": view["id"], "block_id": "targets", "action_id": "t", "value": s3},
        ]
        assert page.act("submit", view=view["id"], entered=entered)["ok"]
        assert _errors(events) == {"name": "No VM is called *bad*."}
        entered[0]["value"] = "good"
        assert page.act("submit", view=view["id"], entered=entered)["ok"]
        while events.next("views")["modals"]:
            pass
    ((_, values),) = little.heard
    assert values["name"]["value"] == "good"
    assert "not open any more" in page.act("submit", view=view["id"], entered=entered)["error"]
    assert "not open any more" in page.act("close", view=view["id"])["error"]


def _open_form(events: Events) -> Json:
    while not (told := events.next("views"))["modals"]:
        pass
    opened: Json = told["modals"][-1]
    assert opened["title"] == FORM["title"]
    return opened


def _errors(events: Events) -> Json:
    while not (told := events.next("views"))["modals"][-1]["errors"]:
        pass
    errors: Json = told["modals"][-1]["errors"]
    return errors


def test_another_s_form_cannot_be_touched(page: Client, slack: LocalSlack, little: LittleApp) -> None:
    with page.events("alice") as events:
        page.act("command", channel=OPS, text="/protect x")
        view = _open_form(events)
        name = {"view": view["id"], "block_id": "name", "action_id": "name", "value": "mine"}
        assert "error" in page.act("use", "bob", **name)
        assert "error" in page.act("close", "bob", view=view["id"])


def test_the_app_home_comes_to_the_one_that_opened_it(page: Client, little: LittleApp) -> None:
    with page.events("carol") as carol, page.events("alice") as alice:
        page.act("home", "carol")
        while not (told := carol.next("views"))["home"]:
            pass
        assert "U0CAROL001" in json.dumps(told["home"]["blocks"])
        assert alice.next("views")["home"] is None


def test_a_message_s_shortcut_brings_the_message(page: Client, slack: LocalSlack, little: LittleApp) -> None:
    ts = post(client_of(slack), ACTIONS)
    page.act("shortcut", callback_id="on-message", channel=OPS, ts=ts)
    until(lambda: little.heard == [("shortcut", "t")], "the app has heard it")


def test_switches_are_set_and_told_to_every_page(page: Client, slack: LocalSlack) -> None:
    with page.events("bob") as events:
        assert events.next("switches") == {
            "kind": "switches", "rates": False, "outage": "", "slow_s": 0.0, "duplicate": False,
        }  # fmt: skip
        for name, value in (("rates", True), ("outage", "error"), ("slow_s", 0.2), ("duplicate", True)):
            page.act("switch", name=name, value=value)
            assert events.next("switches")[name] == value
        for name in ("rates", "outage", "slow_s", "duplicate"):
            page.act("switch", name=name, value=None)
            assert not events.next("switches")[name]
    page.act("switch", name="burst")
    client = client_of(slack)
    with pytest.raises(Exception, match="ratelimited"):
        client.auth_test()
    assert "error" in page.act("switch", name="slow_s", value=1000)
    assert "error" in page.act("switch", name="outage", value="flood")
    assert "error" in page.act("switch", name="nothing")


# --- the record and files ---


def test_the_record_is_read_from_where_one_was(page: Client, slack: LocalSlack) -> None:
    client = client_of(slack)
    client.auth_test()
    first = page.get("page/record").json()
    assert [row["method"] for row in first["rows"]] == ["auth.test"]
    for _ in range(3):
        client.api_test()
    news = page.get(f"page/record?since={first['until']}").json()
    assert [row["method"] for row in news["rows"]] == ["api.test"] * 3
    assert page.get("page/record?until=1").json()["rows"][0]["method"] == "auth.test"
    assert page.get("page/record?since=x").status_code == 400
    assert "xoxb" not in page.get("page/record").text.replace("xoxb-***", "")


def test_a_file_that_is_no_picture_is_only_for_download(page: Client, slack: LocalSlack) -> None:
    client = client_of(slack)
    for name, content in (("a.html", "<script>alert(1)</script>"), ("b.svg", "<svg/>"), ("c.png", "x")):
        client.files_upload_v2(channel=OPS, filename=name, content=content)
    ids = [file["id"] for one in slack._workspace.top_level(OPS) for file in one.files]
    kinds = [page.get(f"page/file/{one}").headers for one in ids]
    assert [one["Content-Type"] for one in kinds] == ["application/octet-stream"] * 2 + ["image/png"]
    assert [one.get("Content-Disposition") for one in kinds] == ["attachment", "attachment", None]
    assert all("default-src 'none'" in one["Content-Security-Policy"] for one in kinds)
    assert page.get("page/file/F0NONE").status_code == 404
