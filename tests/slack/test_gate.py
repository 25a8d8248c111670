"""Signed HTTP: only what Slack signed gets in, nothing that comes makes a 500, and what comes twice is done once."""

import http.client
import io
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from slack_bolt import Ack, App
from slack_sdk import WebClient
from slack_sdk.web import SlackResponse

from bot.clock import SystemClock
from bot.errors import BusyError, OperatorError
from bot.model import Message, State, Transaction
from bot.service import Service
from bot.status import Status
from bot.store import Database
from handlers import ids, webserver
from handlers.connection import slack_app
from handlers.gate import HEALTH, MOST_BYTES, Gate, parse
from handlers.webserver import THREADS, WebDoor
from handlers.whisper import after_ack_safe
from tests.slack.signing import FORM, JSON, PATH, Answer, click, command, headers, mention, post, sign

Json = dict[str, Any]
SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
ROOT_TS = "1700000000.000100"


said: list[tuple[str, Json]] = []


def say(client: WebClient, api_method: str, **given: Any) -> SlackResponse:
    """Answer a call with ok and keep it, whichever copy of the client it comes from."""
    said.append((api_method, given.get("json") or given.get("params") or {}))
    answer: Json = {"ok": True, "ts": "1.1", "user": {"name": "bob"}}
    return SlackResponse(
        client=client, http_verb="POST", api_url="", req_args={}, data=answer, headers={}, status_code=200
    )


class Slow(Service):
    """The real service; `/cloudy status` can be held up, or made to fail."""

    began: threading.Event
    go_on: threading.Event
    fault: Exception | None = None

    def status(self) -> Status:
        self.began.set()
        self.go_on.wait(60)
        if self.fault:
            raise self.fault
        return super().status()


class Bot:
    """What `cloudy serve --http` has, without a worker; a second one on the same folder is what a restart gives."""

    def __init__(self, folder: Path, now: Callable[[], float] = time.time) -> None:
        Database.migrate(folder / "cloudy.db")
        self.db = Database.open(folder / "cloudy.db", audit_key=None)
        self.service = Slow(self.db, SystemClock(), vmstores=("vmstore",), targets=("s3",))
        self.service.began, self.service.go_on = threading.Event(), threading.Event()
        self.service.go_on.set()
        self.health = {"worker": True, "database": True}
        self.app: App = slack_app(WebClient(token="xoxb-1"), self.service)
        self.gate = Gate(self.app, signing_secret=SECRET, health=lambda: self.health, now=now)
        self.door = WebDoor(self.gate, host="127.0.0.1", port=0)
        self.door.open(lambda: None)

    def send(self, body: bytes, content_type: str = FORM, **more: str) -> Answer:
        extra = {name.replace("_", "-"): value for name, value in more.items()}
        return post(self.door.port, body, headers(SECRET, body, content_type) | extra)

    def raw(self, body: bytes, given: dict[str, str], path: str = PATH, method: str = "POST") -> Answer:
        return post(self.door.port, body, given, path, method)

    def direct(self, body: bytes, given: dict[str, str], path: str = PATH, method: str = "POST") -> Answer:
        """The same without a network."""
        environ: Any = {
            "REQUEST_METHOD": method, "PATH_INFO": path, "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
        }  # fmt: skip
        environ |= {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in given.items()}
        return self.ask(environ)

    def ask(self, environ: Any) -> Answer:
        told: list[str] = []
        parts = self.gate(environ, lambda status, _headers, *_: told.append(status))  # type: ignore[arg-type]
        return Answer(int(told[0].split()[0]), b"".join(parts).decode())

    def transactions(self) -> tuple[Transaction, ...]:
        return self.service.runs(200)

    def root(self) -> Transaction:
        """A transaction whose root message stands in #ops."""
        assert self.send(command("/protect vm01 to s3")).status == 200
        tx = self.transactions()[0]
        with self.db.unit() as unit:
            unit.transactions.update(tx.id, state=State.QUEUED)
            unit.outbox.put(Message(key=f"{tx.id}:root", channel="C1", view={"kind": "root"}))
            unit.outbox.sent(f"{tx.id}:root", 1, ROOT_TS)
        return tx

    def end(self) -> None:
        self.service.go_on.set()
        self.door.close()
        self.db.close()


@pytest.fixture(autouse=True)
def quiet_slack(monkeypatch: pytest.MonkeyPatch) -> None:
    said.clear()
    monkeypatch.setattr(WebClient, "api_call", say)


@pytest.fixture
def bot(tmp_path: Path) -> Iterator[Bot]:
    bot = Bot(tmp_path)
    yield bot
    bot.end()


def whispers(words: str, least: int = 1) -> list[Json]:
    """Private answers that say this; waits for so many."""
    deadline = time.monotonic() + 60
    while True:
        found = [args for method, args in list(said) if method == "chat.postEphemeral" and words in args["text"]]
        if len(found) >= least:
            return found
        assert time.monotonic() < deadline, said
        time.sleep(0.01)


def settled(bot: Bot) -> None:
    """Wait until every listener has ended, so that what was not said will not be said."""
    pool: Any = bot.app.listener_runner.listener_executor
    pool.shutdown(wait=True)


# --- who gets in ---

STATUS = command("/cloudy status")
NOW = int(time.time())


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({}, 401),
        ({"X-Slack-Signature": "v0=" + "0" * 64}, 401),
        ({"X-Slack-Signature": "v0=é€"}, 401),
        ({"X-Slack-Signature": ""}, 401),
        *(({"X-Slack-Request-Timestamp": each}, 401) for each in ("abc", "", "1.5", "9" * 5000, "-1", "١٢٣", "1e9")),
    ],
)
def test_what_is_not_signed_or_says_no_sane_time_is_401(bot: Bot, given: dict[str, str], status: int) -> None:
    good = headers(SECRET, STATUS, FORM) if given else {"Content-Type": FORM}
    assert bot.direct(STATUS, good | given).status == status


@pytest.mark.parametrize(("away", "status"), [(-301, 401), (-299, 200), (299, 200), (301, 401)])
def test_a_signature_holds_for_five_minutes(tmp_path: Path, away: int, status: int) -> None:
    bot = Bot(tmp_path, now=lambda: NOW)
    assert bot.direct(STATUS, headers(SECRET, STATUS, FORM, NOW + away)).status == status
    bot.end()


ODD = [b"{broken", b"[1, 2]", b"payload=no json", b"payload=[1]", b"\xff\xfe", b"text=%ff&command=x", b"", b"x", b"=",
       b"[" * 100_000, b'{"type": "x", "n": ' + b"9" * 5000 + b"}", b'{"type": "\\ud800"}', b"null", b"{}",
       b"payload={}", b'payload={"type":1}', b"a=1&" * 500, b"command=%2Fcloudy", b'{"type":"event_callback"}',
       b'payload={"type":"block_actions","user":"U1"}', *(
           b'payload={"type":"block_actions","user":{"id":"U1"},"actions":[{"action_id":"cloudy.stop","value":"x"}],'
           b'"channel":' + channel + b"}" for channel in (b"null", b'"C1"'))]  # fmt: skip


@pytest.mark.parametrize("body", ODD, ids=range(len(ODD)))
def test_a_body_that_is_none_of_slacks_is_401_unsigned_and_400_signed(bot: Bot, body: bytes) -> None:
    for kind in (FORM, JSON):
        assert bot.raw(body, {"Content-Type": kind}).status == 401
        assert bot.send(body, kind).status == 400


def test_a_body_that_is_too_large_is_413_signed_or_not(bot: Bot) -> None:
    large = b"text=" + b"x" * (1 << 20)
    assert bot.direct(large, headers(SECRET, large, FORM)).status == 413
    assert bot.direct(b"x" * (MOST_BYTES + 1), {}).status == 413
    assert bot.direct(b"x" * MOST_BYTES, {}).status == 401


def test_a_body_that_is_too_large_is_refused_before_it_was_sent(bot: Bot) -> None:
    with socket.create_connection(("127.0.0.1", bot.door.port), timeout=60) as line:
        line.sendall(b"POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nbegin")
        assert line.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_content_length_that_lies_is_400(bot: Bot) -> None:
    for length in ("x", "-1", "1.5", str(len(STATUS) + 1)):
        environ = {"REQUEST_METHOD": "POST", "PATH_INFO": PATH, "CONTENT_LENGTH": length}
        assert bot.ask(environ | {"wsgi.input": io.BytesIO(STATUS)}).status == 400


def test_there_is_one_path_and_one_method(bot: Bot) -> None:
    signed = headers(SECRET, STATUS, FORM)
    assert bot.raw(STATUS, signed, "/").status == 404
    assert bot.raw(STATUS, signed, "/slack/events/").status == 404
    for method in ("GET", "PUT", "DELETE", "OPTIONS", "PATCH"):
        refused = bot.raw(b"", {}, method=method)
        assert (refused.status, refused.headers["allow"]) == (405, "POST")
    assert bot.raw(b"", {}, HEALTH, "POST").status == 405


def test_a_balancer_is_told_whether_worker_and_database_are_well(bot: Bot) -> None:
    well = bot.raw(b"", {}, HEALTH, "GET")
    assert (well.status, json.loads(well.body)) == (200, {"worker": "ok", "database": "ok"})
    bot.health["worker"] = False
    ill = bot.raw(b"", {}, HEALTH, "GET")
    assert (ill.status, json.loads(ill.body)) == (503, {"worker": "failed", "database": "ok"})
    assert bot.raw(b"", {}, HEALTH, "HEAD").status == 503


def test_slacks_own_checks_are_answered_when_signed(bot: Bot) -> None:
    ssl = urlencode({"ssl_check": "1", "token": "x"}).encode()
    assert bot.raw(ssl, {"Content-Type": FORM}).status == 401
    assert (bot.send(ssl).status, bot.send(ssl).body) == (200, "")
    challenge = json.dumps({"type": "url_verification", "token": "x", "challenge": "3eZbrw1a"}).encode()
    assert bot.raw(challenge, {"Content-Type": JSON}).status == 401
    assert json.loads(bot.send(challenge, JSON).body) == {"challenge": "3eZbrw1a"}


def test_a_command_that_nobody_listens_to_is_404(bot: Bot) -> None:
    assert bot.send(command("/unknown")).status == 404


def test_slacks_published_signature_is_ours() -> None:
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&"
        b"channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&"
        b"response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
        b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    assert sign(SECRET, body, 1531420618) == "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8), lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["id", "type", "x"]), inner, max_size=3), max_leaves=8,
)  # fmt: skip
KEYS = ["type", "command", "user", "team", "channel", "event", "event_id", "actions", "view", "container", "message",
        "authorizations", "enterprise", "trigger_id", "user_id", "channel_id", "text", "is_ext_shared_channel",
        "callback_id", "function_data", "is_enterprise_install", "team_id", "bot_id", "state"]  # fmt: skip
KINDS = st.sampled_from(
    ["event_callback", "block_actions", "view_submission", "view_closed", "shortcut", "message_action",
     "block_suggestion", "dialog_submission", "interactive_message", "app_rate_limited", "url_verification"]
)  # fmt: skip
payloads = st.builds(
    lambda body, kind: body | kind,
    st.dictionaries(st.sampled_from(KEYS), values, max_size=8),
    st.fixed_dictionaries({}, optional={"type": KINDS}),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(payload=payloads)
def test_no_signed_payload_makes_a_500(bot: Bot, payload: Json) -> None:
    body = json.dumps(payload).encode()
    assert bot.direct(body, headers(SECRET, body, JSON)).status in (200, 400, 404)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=200), stamp=st.text(max_size=12), signature=st.text(max_size=70))
def test_nothing_unsigned_gets_in(bot: Bot, body: bytes, stamp: str, signature: str) -> None:
    given_ = {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": signature}
    assert bot.direct(body, given_).status == 401
    assert bot.direct(body, headers("another secret", body, JSON)).status == 401


def test_a_command_with_the_word_payload_is_a_command(bot: Bot) -> None:
    assert "payload=1" in bot.send(command("/protect payload=1 to s3")).text
    assert parse(b"command=x&payload=%7B%7D")["command"] == "x"


def test_refusals_are_told_to_the_operator_now_and_then_and_without_secrets(
    bot: Bot, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        for _ in range(50):
            bot.direct(STATUS, {})
    (told,) = [record for record in caplog.records if getattr(record, "action", "") == "gate"]
    assert told.__dict__["status"] == 401
    assert SECRET not in str(told.__dict__)


# --- answered, and kept to ---


def test_a_command_is_recorded_and_answered_in_the_acknowledgement(bot: Bot) -> None:
    answer = bot.send(command("/protect vm01 to s3"))
    (tx,) = bot.transactions()
    assert (answer.status, tx.actor.name, tx.place.channel) == (200, "alice", "C1")
    assert tx.id in answer.text
    assert answer.headers["content-type"].startswith("application/json")


def test_many_people_at_once_are_all_acknowledged(bot: Bot) -> None:
    with ThreadPoolExecutor(60) as people:
        answers = list(people.map(lambda n: bot.send(command(f"/protect vm{n} to s3")), range(60)))
    assert {answer.status for answer in answers} == {200}
    assert len(bot.transactions()) == 60


def test_a_listener_that_raises_after_its_acknowledgement_keeps_it(bot: Bot, caplog: pytest.LogCaptureFixture) -> None:
    def careless(ack: Ack) -> None:
        ack()
        raise RuntimeError("after the ack")

    bot.app.action("test.careless")(after_ack_safe(careless))
    assert bot.send(click("test.careless", "x")).status == 200
    settled(bot)
    assert any("after the acknowledgement" in record.message for record in caplog.records)


def test_a_busy_database_and_what_nobody_expected_are_answered_in_words(bot: Bot) -> None:
    bot.service.fault = BusyError()
    assert "nothing was started" in bot.send(command("/cloudy status")).text
    bot.service.fault = RuntimeError("boom")
    answer = bot.send(command("/cloudy status"))
    assert (answer.status, "reference" in answer.text, "boom" in answer.text) == (200, True, False)


def test_details_are_told_to_the_one_who_clicked(bot: Bot) -> None:
    tx = bot.root()
    assert bot.send(click(ids.DETAILS, tx.id)).status == 200
    (told,) = whispers(tx.id)
    assert told["user"] == "U_BOB"
    assert "Asked by: alice" in told["text"]
    assert bot.send(click(ids.DETAILS, "20200101T000000Z-zzzzzz")).status == 200
    whispers("There is no transaction")


# --- what comes twice ---


def test_a_command_replayed_within_its_five_minutes_is_one_transaction_with_one_answer(bot: Bot) -> None:
    body = command("/protect vm01 to s3")
    signed = headers(SECRET, body, FORM)
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: bot.raw(body, signed), range(2)))
    assert len({answer.body for answer in answers}) == 1
    assert len(bot.transactions()) == 1


def test_a_replayed_stop_stops_no_newer_transaction(bot: Bot) -> None:
    old = bot.root()
    body = command("/cloudy stop last")
    assert old.id in bot.send(body).text
    new = bot.root()
    assert old.id in bot.send(body).text
    assert bot.service.show(new.id)[0].stop_asked_by == ""


def test_a_click_delivered_twice_at_once_is_done_and_answered_once(bot: Bot) -> None:
    tx = bot.root()
    body = click(ids.STOP, tx.id)
    with ThreadPoolExecutor(4) as pool:
        assert {answer.status for answer in pool.map(lambda _: bot.send(body), range(4))} == {200}
    settled(bot)
    assert len(whispers("Stopping")) == 1
    assert bot.service.show(tx.id)[0].stop_asked_by == "bob"


def test_two_clicks_are_answered_twice(bot: Bot) -> None:
    tx = bot.root()
    for _ in range(2):
        assert bot.send(click(ids.STOP, tx.id)).status == 200
    assert len(whispers("Stopping", 2)) == 2


def test_a_refused_click_delivered_twice_is_answered_once(bot: Bot) -> None:
    tx = bot.root()
    with bot.db.unit() as unit:
        unit.transactions.update(tx.id, state=State.SUCCEEDED)
    body = click(ids.STOP, tx.id)
    assert [bot.send(body).status for _ in range(2)] == [200, 200]
    settled(bot)
    assert len(whispers("Already protected")) == 1


def test_an_event_that_slack_sends_again_is_done_and_answered_once_also_over_a_restart(
    bot: Bot, tmp_path: Path
) -> None:
    tx = bot.root()
    body = mention("stop", thread_ts=ROOT_TS)
    assert bot.send(body, JSON).status == 200
    whispers("Stopping")
    retry = {"X_Slack_Retry_Num": "1", "X_Slack_Retry_Reason": "http_timeout"}
    assert bot.send(body, JSON, **retry).status == 200
    settled(bot)
    bot.end()
    with bot.db.unit() as unit:
        unit.transactions.update(tx.id, state=State.STOPPED)
    after = Bot(tmp_path)
    assert after.send(body, JSON, **retry).status == 200
    settled(after)
    after.end()
    assert len(whispers("")) == 1


def test_a_retry_that_is_the_only_delivery_is_carried_out(bot: Bot) -> None:
    tx = bot.root()
    assert bot.send(mention("stop", thread_ts=ROOT_TS), JSON, X_Slack_Retry_Num="2").status == 200
    whispers("Stopping")
    assert bot.service.show(tx.id)[0].stop_asked_by == "bob"


# --- the server ---


def test_a_request_under_way_is_answered_while_the_door_closes_and_no_new_one_gets_in(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webserver, "_ANSWER_WITHIN_S", 60.0)
    bot.service.go_on.clear()
    with ThreadPoolExecutor(2) as pool:
        asked = pool.submit(bot.send, command("/cloudy status"))
        assert bot.service.began.wait(60)
        port = bot.door.port
        closing = pool.submit(bot.door.close)
        while _accepts(port):
            time.sleep(0.01)
        assert not closing.done()
        bot.service.go_on.set()
        assert asked.result(60).status == 200
        closing.result(60)


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def test_slow_senders_keep_nobody_waiting(bot: Bot) -> None:
    slow = [socket.create_connection(("127.0.0.1", bot.door.port)) for _ in range(2 * THREADS)]
    for each in slow:
        each.sendall(b"POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\npart")
    assert bot.send(STATUS).status == 200
    for each in slow:
        each.close()


def test_a_connection_is_used_again(bot: Bot) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", bot.door.port, timeout=60)
    for _ in range(3):
        connection.request("POST", PATH, body=STATUS, headers=headers(SECRET, STATUS, FORM))
        answer = connection.getresponse()
        assert (answer.status, answer.will_close) == (200, False)
        answer.read()
    connection.close()


def test_a_port_that_is_taken_is_said_with_the_way_out(bot: Bot) -> None:
    with pytest.raises(OperatorError, match=r"Cannot listen on 127\.0\.0\.1:\d+: .*in use.*--port"):
        WebDoor(bot.gate, host="127.0.0.1", port=bot.door.port)
    with pytest.raises(OperatorError, match="Cannot listen on no such host:80"):
        WebDoor(bot.gate, host="no such host", port=80)
