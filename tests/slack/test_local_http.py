"""Signed HTTP of the local Slack, with the real Bolt behind its own WSGI adapter."""

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest
from slack_bolt import App
from slack_sdk.signature import SignatureVerifier

from integrations.simulators.slack import LocalSlack
from tests.peers import _free_ports as free_ports
from tests.slack.local import app_for, behind_http, hurry, rows, served, until

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

Json = dict[str, Any]
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")


@pytest.fixture(scope="module", autouse=True)
def _no_proxy() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in PROXIES:
            patch.setenv(name, "")
        yield


@pytest.fixture
def port() -> int:
    return free_ports(1)[0]


@pytest.fixture
def slack(port: int) -> Iterator[LocalSlack]:
    url = f"http://127.0.0.1:{port}/slack/events"
    with LocalSlack(event_retry_s=(0.2, 0.2, 60.0), request_url=url) as running:
        yield running


def button(label: str) -> Json:
    return {"type": "button", "action_id": "stop", "text": {"type": "plain_text", "text": label}}


MODAL = {
    "type": "modal",
    "callback_id": "restore",
    "title": {"type": "plain_text", "text": "Restore"},
    "submit": {"type": "plain_text", "text": "Go"},
    "blocks": [
        {
            "type": "input",
            "block_id": "name",
            "label": {"type": "plain_text", "text": "Name"},
            "element": {"type": "plain_text_input", "action_id": "typed"},
        }
    ],
}


class Bot:
    """A small app that does a bit of everything."""

    def __init__(self, app: App) -> None:
        self.got: list[Json] = []
        app.command("/protect")(self.on_protect)
        app.command("/words")(lambda ack: ack("just words"))
        app.action("stop")(self.on_stop)
        app.event("app_mention")(lambda event, say: say(text=f"heard {event['text']}", thread_ts=event["ts"]))
        app.view("restore")(lambda ack: ack(response_action="errors", errors={"name": "is taken"}))

    def on_protect(self, ack: Callable[..., None], body: Json, client: Any, respond: Callable[..., Any]) -> None:
        self.got.append(body)
        blocks = [{"type": "actions", "elements": [button("Stop")]}]
        ack(text=f"Looking for {body['text']}", blocks=blocks)
        client.views_open(trigger_id=body["trigger_id"], view=MODAL)
        respond("more")

    def on_stop(self, ack: Callable[..., None], body: Json) -> None:
        self.got.append(body)
        ack()


def test_a_whole_conversation_goes_over_signed_http(slack: LocalSlack, port: int) -> None:
    app = app_for(slack)
    bot = Bot(app)
    with behind_http(port, app):
        assert slack.ready(60)
        ack = slack.command("alice", "ops", '/protect "vm 01" to s3 & <ü> 😀')
        assert (ack.ok, ack.text) == (True, "[Stop]")
        assert slack.command("alice", "ops", "/words").text == "just words"
        until(lambda: slack.modal("alice"), "the modal")
        slack.fill("alice", "Name", "vm02")
        assert slack.submit("alice").text == "Name: is taken"
        slack.close("alice")
        assert slack.click("alice", "Stop").ok
        assert slack.mention("bob", "stop").ok
        until(lambda: slack.conversation()[-1].text.startswith("heard @cloudy"), "the answer to the mention")
        until(lambda: "more" in [line.text for line in slack.conversation()], "the answer by response_url")

    assert bot.got[0]["text"] == '"vm 01" to s3 & <ü> 😀'
    assert bot.got[1]["container"]["is_ephemeral"]
    kinds = [row["method"] for row in rows(slack, "request")]
    assert kinds[0] == "url_verification"
    assert {"slash_commands", "interactive", "events_api"} < set(kinds)
    assert rows(slack, "envelope") == []


def test_an_app_with_another_secret_refuses_everything(slack: LocalSlack, port: int) -> None:
    app = App(client=app_for(slack).client, signing_secret="another")
    Bot(app)
    with behind_http(port, app):
        assert not slack.ready(0.2)
        ack = slack.command("alice", "ops", "/protect vm01")
    assert ack.error == "dispatch_unknown_error"
    assert slack.conversation()[-1].text == '/protect failed with the error "dispatch_unknown_error"'
    assert rows(slack, "failure")[-1]["answer"]["status"] == 401


def test_an_app_that_does_not_listen_is_told_to_the_user(slack: LocalSlack) -> None:
    assert not slack.ready(0.1)
    assert slack.command("alice", "ops", "/protect vm01").error == "dispatch_failed"


class Endpoint:
    """A request URL that keeps what came and answers as told."""

    def __init__(self, *answers: str, headers: Iterable[tuple[str, str]] = ()) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self._answers = list(answers)
        self._headers = list(headers)
        self.hold = threading.Event()
        self.hold.set()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> list[bytes]:
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        headers = {
            name[5:].lower().replace("_", "-"): str(v) for name, v in environ.items() if name.startswith("HTTP_")
        }
        self.got.append(({**headers, "content-type": environ["CONTENT_TYPE"]}, body))
        self.hold.wait(60)
        status = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        start_response(status, [("Content-Type", "text/plain"), *self._headers])
        return []


def test_each_kind_comes_signed_and_in_its_own_form(slack: LocalSlack, port: int) -> None:
    endpoint = Endpoint("200 OK")
    verifier = SignatureVerifier(slack.signing_secret)
    with served(port, endpoint):
        slack.command("alice", "ops", "/protect vm01")
        slack.mention("alice", "stop")
        slack.shortcut("alice", "everywhere")
    for headers, body in endpoint.got:
        assert verifier.is_valid(body, headers["x-slack-request-timestamp"], headers["x-slack-signature"])
    (_, command), (event_headers, event), (_, interaction) = endpoint.got
    assert parse_qs(command.decode())["text"] == ["vm01"]
    assert event_headers["content-type"] == "application/json"
    assert json.loads(event)["event"]["type"] == "app_mention"
    assert json.loads(parse_qs(interaction.decode())["payload"][0])["type"] == "shortcut"


def test_an_event_that_is_not_acknowledged_comes_again_with_number_and_reason(slack: LocalSlack, port: int) -> None:
    endpoint = Endpoint("500 Oops", "500 Oops", "200 OK")
    with served(port, endpoint):
        slack.send_event({"type": "channel_rename"})
        until(lambda: len(endpoint.got) == 3, "two retries")
        until(lambda: rows(slack, "ack"), "the acknowledgement")
    told = [(headers.get("x-slack-retry-num"), headers.get("x-slack-retry-reason")) for headers, _ in endpoint.got]
    assert told == [(None, None), ("1", "http_error"), ("2", "http_error")]
    assert len({json.loads(body)["event_id"] for _, body in endpoint.got}) == 1


def test_an_event_waits_for_an_app_that_is_down(slack: LocalSlack, port: int) -> None:
    endpoint = Endpoint("200 OK")
    slack.send_event({"type": "channel_rename"})
    until(lambda: rows(slack, "failure"), "the failure")
    with served(port, endpoint):
        until(lambda: endpoint.got, "the event")
    assert endpoint.got[0][0]["x-slack-retry-reason"] == "connection_failed"


def test_an_app_may_ask_for_no_retry(slack: LocalSlack, port: int) -> None:
    endpoint = Endpoint("500 Oops", headers=[("X-Slack-No-Retry", "1")])
    with served(port, endpoint):
        assert slack.mention("alice", "stop").error == "dispatch_unknown_error"
    assert len(endpoint.got) == 1


def test_what_is_not_answered_within_the_deadline_is_a_timeout(slack: LocalSlack, port: int) -> None:
    endpoint = Endpoint("200 OK")
    endpoint.hold.clear()
    hurry(slack)
    with served(port, endpoint):
        ack = slack.command("alice", "ops", "/protect vm01")
        endpoint.hold.set()
    assert ack.error == "operation_timeout"
    assert len(endpoint.got) == 1  # commands are not sent again


def test_everything_may_come_twice_over_http_too(slack: LocalSlack, port: int) -> None:
    endpoint = Endpoint("200 OK")
    slack.duplicate()
    with served(port, endpoint):
        assert slack.command("alice", "ops", "/protect vm01").ok
        until(lambda: len(endpoint.got) == 2, "the second delivery")
    assert endpoint.got[0][1] == endpoint.got[1][1]
    assert endpoint.got[0][0]["x-slack-signature"] == endpoint.got[1][0]["x-slack-signature"]


def test_a_hundred_commands_at_once_are_all_delivered(port: int) -> None:
    endpoint = Endpoint("200 OK")
    answers: list[bool] = []
    url = f"http://127.0.0.1:{port}/slack/events"
    with served(port, endpoint), LocalSlack(request_url=url) as slack:
        people = [
            threading.Thread(target=lambda: answers.append(slack.command("alice", "ops", "/protect vm01").ok))
            for _ in range(100)
        ]
        for person in people:
            person.start()
        for person in people:
            person.join()
    assert len(endpoint.got) == 100
    assert answers == [True] * 100


def test_it_runs_alone_and_posts_to_an_app(port: int) -> None:
    endpoint = Endpoint("200 OK")
    url = f"http://127.0.0.1:{port}/slack/events"
    code = f"import sys; from integrations.simulators.slack import run; sys.exit(run(0, {url!r}))"
    env = os.environ | dict.fromkeys(PROXIES, "")
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=env)
    try:
        assert process.stdout
        control = process.stdout.readline().strip().removesuffix("api/") + "control/"
        with served(port, endpoint):
            body = json.dumps({"user": "alice", "text": "/protect vm01 to s3"}).encode()
            with urllib.request.urlopen(f"{control}command", body, timeout=60) as response:
                assert json.load(response)["ok"]
        assert len(endpoint.got) == 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
