"""The local Slack's bad days: limits, scopes, tokens, channels that are gone, outages, bad delivery."""

import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from integrations.simulators.slack import LocalSlack
from integrations.simulators.slack.record import Record
from tests.slack.local import Hand, app_for, connected, refusal, rows, until

Json = dict[str, Any]


def post(client: WebClient, channel: str = "ops", **more: Any) -> str:
    return str(client.chat_postMessage(channel=channel, text="x", **more)["ts"])


def error_of(act: Callable[[], object]) -> str:
    return str(refusal(act)["error"])


# --- rate limits ---


def test_rates_are_not_limited_unless_asked_for(client: WebClient) -> None:
    for _ in range(30):
        post(client)


def test_posts_are_limited_by_channel_to_one_a_second_after_a_burst(
    slack: LocalSlack, client: WebClient, clock: Hand
) -> None:
    slack.limit_rates()
    for _ in range(5):
        post(client)
    with pytest.raises(SlackApiError) as limited:
        post(client)
    assert (limited.value.response.status_code, limited.value.response["error"]) == (429, "ratelimited")
    assert limited.value.response.headers["Retry-After"] == "1"
    post(client, "backups")
    clock.now += 1.0
    post(client)
    with pytest.raises(SlackApiError):
        post(client)
    assert len(slack.conversation()) == 6


def test_calls_are_limited_by_method_and_tier(slack: LocalSlack, client: WebClient, clock: Hand) -> None:
    ts, ops = post(client), slack.channel_id("ops")
    slack.limit_rates()
    for _ in range(50):
        client.chat_update(channel=ops, ts=ts, text="y")
    clock.now += 20.0
    with pytest.raises(SlackApiError) as limited:
        client.chat_update(channel=ops, ts=ts, text="z")
    assert limited.value.response.headers["Retry-After"] == "40"
    client.conversations_info(channel=ops)
    clock.now += 40.0
    client.chat_update(channel=ops, ts=ts, text="z")
    slack.limit_rates(False)


# --- rights ---


def test_a_scope_that_is_missing_is_named(slack: LocalSlack, client: WebClient) -> None:
    slack.remove_scopes("channels:history", "users:read")
    answer = refusal(lambda: client.conversations_history(channel=slack.channel_id("ops")))
    assert (answer["error"], answer["needed"]) == ("missing_scope", "channels:history")
    assert "channels:read" in answer["provided"].split(",")
    assert error_of(lambda: client.users_info(user=slack.user_id("bob"))) == "missing_scope"
    direct = client.conversations_open(users=[slack.user_id("bob")])["channel"]["id"]
    assert client.conversations_history(channel=direct)["ok"]  # that is im:history
    slack.set_scopes({"chat:write"})
    assert client.auth_test().headers["x-oauth-scopes"] == "chat:write"
    slack.set_scopes()
    assert client.users_info(user=slack.user_id("bob"))["ok"]


def test_a_revoked_token_opens_nothing_until_it_is_restored(slack: LocalSlack, client: WebClient) -> None:
    slack.revoke_token()
    assert error_of(lambda: post(client)) == "token_revoked"
    assert client.apps_connections_open(app_token=slack.app_token)["ok"]
    slack.revoke_token("app", "account_inactive")
    assert error_of(lambda: client.apps_connections_open(app_token=slack.app_token)) == "account_inactive"
    slack.restore_tokens()
    assert post(client)
    with pytest.raises(LookupError, match="bot, app"):
        slack.revoke_token("user")


# --- channels ---


def test_an_archived_channel_takes_nothing(slack: LocalSlack, client: WebClient) -> None:
    ops, ts = slack.channel_id("ops"), post(client)
    slack.archive("#ops")

    assert error_of(lambda: post(client)) == "is_archived"
    assert error_of(lambda: post(client, thread_ts=ts)) == "is_archived"
    assert (
        error_of(lambda: client.chat_postEphemeral(channel=ops, user=slack.user_id("bob"), text="x")) == "is_archived"
    )
    assert error_of(lambda: client.chat_update(channel=ops, ts=ts, text="y")) == "is_inactive"
    assert error_of(lambda: client.reactions_add(channel=ops, timestamp=ts, name="eyes")) == "is_archived"
    assert client.conversations_info(channel=ops)["channel"]["is_archived"]
    assert client.conversations_history(channel=ops)["ok"]
    assert ops not in [one["id"] for one in client.conversations_list(exclude_archived=True)["channels"]]
    with pytest.raises(LookupError, match="archived"):
        slack.command("alice", "ops", "/protect vm01")
    slack.archive("ops", False)
    assert post(client)


def test_a_bot_that_was_removed_is_not_in_the_channel(slack: LocalSlack, client: WebClient) -> None:
    slack.remove_bot("ops")
    assert error_of(lambda: post(client)) == "not_in_channel"
    assert error_of(lambda: client.conversations_history(channel=slack.channel_id("ops"))) == "not_in_channel"
    slack.set_scopes({"chat:write", "chat:write.public"})
    assert post(client)
    slack.set_scopes()
    slack.invite_bot("ops")
    assert post(client)


def test_a_private_channel_without_the_bot_does_not_exist_for_it(slack: LocalSlack, client: WebClient) -> None:
    secret = slack.add_channel("secret", is_private=True, with_bot=False)
    assert error_of(lambda: post(client, secret)) == "channel_not_found"
    assert error_of(lambda: client.conversations_info(channel=secret)) == "channel_not_found"
    slack.invite_bot("secret")
    assert post(client, secret)
    listed = client.conversations_list(types="private_channel")["channels"]
    assert [(one["name"], one["is_private"]) for one in listed] == [("secret", True)]
    slack.delete_channel("secret")
    assert error_of(lambda: post(client, secret)) == "channel_not_found"
    with pytest.raises(ValueError, match="already"):
        slack.add_channel("ops")


# --- outages ---


@pytest.mark.parametrize("how", ["error", "cut"])
def test_in_an_outage_every_call_fails_until_it_is_over(slack: LocalSlack, client: WebClient, how: str) -> None:
    slack.begin_outage(how)
    for _ in range(3):
        with pytest.raises((SlackApiError, OSError, HTTPException)):
            post(client)
    with pytest.raises((SlackApiError, OSError, HTTPException)):
        client.apps_connections_open(app_token=slack.app_token)
    slack.end_outage()
    assert post(client)
    assert len(slack.conversation()) == 1
    with pytest.raises(ValueError, match="error, hang, cut"):
        slack.begin_outage("slow")


def test_a_call_may_hang_until_the_outage_is_over_and_was_not_carried_out(slack: LocalSlack, client: WebClient) -> None:
    slack.begin_outage("hang")
    ends: list[str] = []

    def call() -> None:
        with pytest.raises((OSError, HTTPException)):
            post(client)
        ends.append("cut")

    caller = threading.Thread(target=call)
    caller.start()
    until(lambda: rows(slack, "call"), "the call")
    assert ends == []
    slack.end_outage()
    caller.join(60)
    assert ends == ["cut"]
    assert slack.conversation() == []


def test_an_outage_may_take_the_sockets_with_it(slack: LocalSlack) -> None:
    with connected(slack, app_for(slack)):
        slack.begin_outage("error", sockets=True)
        until(lambda: not slack.ready(0), "no connection")
        assert slack.command("alice", "ops", "/protect vm01").error == "dispatch_failed"


def test_an_answer_may_come_too_late_for_a_message_that_was_posted(slack: LocalSlack) -> None:
    slack.fail_next("chat.postMessage", delay_s=30.0)
    hasty = WebClient(token=slack.bot_token, base_url=slack.url, timeout=1, retry_handlers=[])
    with pytest.raises(TimeoutError):
        post(hasty)
    until(lambda: len(slack.conversation()) == 1, "it was posted")


# --- response_url ---


def test_a_response_url_lives_for_thirty_minutes(slack: LocalSlack, client: WebClient, clock: Hand) -> None:
    app = app_for(slack)
    urls: list[str] = []

    @app.command("/protect")
    def _(ack: Callable[..., None], body: Json) -> None:
        urls.append(body["response_url"])
        ack()

    with connected(slack, app):
        slack.command("alice", "ops", "/protect vm01")
    clock.now += 1799
    assert _send(urls[0]) == 200
    slack.archive("ops")
    assert _send(urls[0]) == 410
    clock.now += 2
    assert _send(urls[0]) == 404


def _send(url: str) -> int:
    request = urllib.request.Request(url, b'{"text": "more"}', {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


# --- delivery ---


def test_everything_may_come_twice_with_the_same_ids(slack: LocalSlack) -> None:
    app, got = app_for(slack), []

    @app.command("/protect")
    def _(ack: Callable[..., None], body: Json) -> None:
        ack("once")
        got.append(body["trigger_id"])

    slack.duplicate()
    with connected(slack, app):
        assert slack.command("alice", "ops", "/protect vm01").ok
        until(lambda: len(got) == 2 and len(rows(slack, "ack")) == 2, "the second delivery")
        slack.duplicate(False)
        assert slack.command("alice", "ops", "/protect vm01").ok
    assert got[0] == got[1]
    sent = [row["args"]["envelope_id"] for row in rows(slack, "envelope")]
    assert (len(sent), len(set(sent))) == (3, 2)
    assert [row["in_time"] for row in rows(slack, "ack")] == [True, False, True]
    assert [line.text for line in slack.conversation()] == ["once", "once"]


def test_of_two_connections_each_is_told_once_of_what_comes_twice(slack: LocalSlack) -> None:
    app, got = app_for(slack), []

    @app.command("/protect")
    def _(ack: Callable[..., None], body: Json) -> None:
        got.append(body["trigger_id"])
        ack("once")

    slack.duplicate()
    with connected(slack, app), connected(slack, app):
        until(lambda: len(slack._sockets._connections) == 2, "two connections")
        assert slack.command("alice", "ops", "/protect vm01").ok
        until(lambda: len(got) == 2, "the second delivery")
    assert len({row["connection"] for row in rows(slack, "envelope")}) == 2
    assert len({row["args"]["envelope_id"] for row in rows(slack, "envelope")}) == 1
    assert [line.text for line in slack.conversation()] == ["once"]


def test_deliveries_may_overtake_one_another(slack: LocalSlack) -> None:
    app, got = app_for(slack), []
    app.event("channel_rename")(lambda event: got.append(event["n"]))

    with connected(slack, app):
        slack.reorder()
        for n in range(4):
            slack.send_event({"type": "channel_rename", "n": n})
        until(lambda: len(got) == 4, "all four")
        sent = [row["args"]["payload"]["event"]["n"] for row in rows(slack, "envelope")]
        assert sent == [1, 0, 3, 2]
        slack.send_event({"type": "channel_rename", "n": 4})
        until(lambda: len(got) == 5, "the last, which nothing overtook")


# --- the record ---


def test_the_record_can_be_read_from_where_one_left_off(slack: LocalSlack, client: WebClient) -> None:
    client.auth_test()
    seen = slack.record_length
    post(client)
    news = slack.record_since(seen)
    assert [row["method"] for row in news] == ["chat.postMessage"]
    news[0]["method"] = "changed"
    assert slack.record_since(seen)[0]["method"] == "chat.postMessage"
    assert slack.record_since(99) == []


def test_a_look_at_the_news_copies_nothing_that_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    record, copied = Record(), list[int]()
    for n in range(1000):
        record.add("call", "chat.update", args={"n": n})

    def count(rows: list[Json]) -> list[Json]:
        copied.append(len(rows))
        return rows

    monkeypatch.setattr("integrations.simulators.slack.record.copy.deepcopy", count)
    assert [row["args"]["n"] for row in record.since(998)] == [998, 999]
    assert copied == [2]


# --- from outside ---


def test_faults_and_views_are_driven_by_http_too(slack: LocalSlack, client: WebClient) -> None:
    def control(path: str, given: Json | None = None) -> Any:
        url = slack.url.removesuffix("api/") + f"control/{path}"
        with urllib.request.urlopen(url, None if given is None else json.dumps(given).encode(), timeout=60) as response:
            return json.load(response)

    assert control("archive", {"channel": "ops"}) == {"ok": True}
    assert error_of(lambda: post(client)) == "is_archived"
    control("archive", {"channel": "ops", "is_on": False})
    control("begin_outage", {"how": "error"})
    with pytest.raises(SlackApiError):
        post(client)
    control("end_outage", {})
    control("remove_scopes", {"scopes": ["chat:write"]})
    assert error_of(lambda: post(client)) == "missing_scope"
    control("set_scopes", {})
    control("fail", {"method": "chat.postMessage", "error": "is_archived"})
    assert error_of(lambda: post(client)) == "is_archived"
    assert control("modal?user=alice") is None
    rows = control(f"record?since={slack.record_length - 1}")
    assert [row["answer"]["error"] for row in rows] == ["is_archived"]
    for path, given, status in (("archive", {"channel": "nowhere"}, 404), ("archive", {}, 400), ("submit", {}, 400)):
        with pytest.raises(urllib.error.HTTPError, match=str(status)):
            control(path, given)


@pytest.mark.parametrize("path", ["/hooks/response/x", "/api/chat.postMessage"])
def test_a_caller_that_dies_in_the_middle_of_its_call_is_no_error(
    slack: LocalSlack, client: WebClient, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    url = urlsplit(client.base_url)
    with socket.create_connection((url.hostname, url.port)) as line:
        line.sendall(f"POST {path} HTTP/1.1\r\nhost: {url.netloc}\r\ncontent-length: 100\r\n\r\nhalf".encode())
    slack.stop()  # which waits for what is under way
    assert "Exception" not in caplog.text
