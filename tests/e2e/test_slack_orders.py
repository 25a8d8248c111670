"""What a script may order of the local Slack."""

from collections.abc import Iterator

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from integrations.simulators.demo import slackorders
from integrations.simulators.demo.script import parse
from integrations.simulators.slack import LocalSlack
from tests.e2e.waiting import until


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalSlack]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "")  # the SDK reads these and ignores NO_PROXY
    with LocalSlack() as running:
        yield running


def error_of(slack: LocalSlack) -> str:
    client = WebClient(token=slack.bot_token, base_url=slack.url, retry_handlers=[])
    try:
        client.chat_postMessage(channel="ops", text="x")
    except SlackApiError as error:
        return f"{error.response.status_code} {error.response['error']}"
    return ""


@pytest.mark.parametrize(
    ("order", "error", "cure"),
    [
        ("archive #ops", "200 is_archived", "unarchive #ops"),
        ("kick #ops", "200 not_in_channel", "invite #ops"),
        ("outage", "503 service_unavailable", "outage off"),
        ("without chat:write", "200 missing_scope", "restore"),
        ("revoke", "200 token_revoked", "restore"),
        ("delete #ops", "200 channel_not_found", ""),
    ],
)
def test_an_order_is_carried_out_and_can_be_taken_back(slack: LocalSlack, order: str, error: str, cure: str) -> None:
    slackorders.give(slack, order)
    assert error_of(slack) == error
    if cure:
        slackorders.give(slack, cure)
        assert error_of(slack) == ""


@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("chat.postMessage", "500 internal_error"),
        ("chat.postMessage:429", "429 ratelimited"),
        ("chat.postMessage:is_archived", "200 is_archived"),
    ],
)
def test_a_call_fails_as_it_is_told_to(slack: LocalSlack, what: str, error: str) -> None:
    slackorders.fail(slack, what, 1)
    assert [error_of(slack), error_of(slack)] == [error, ""]


@pytest.mark.parametrize("how", ["lost", "late"])
def test_a_message_may_be_posted_although_its_answer_is_lost_or_late(slack: LocalSlack, how: str) -> None:
    slackorders.fail(slack, f"chat.postMessage:{how}", 1)
    client = WebClient(token=slack.bot_token, base_url=slack.url, retry_handlers=[], timeout=1)
    with pytest.raises(Exception, match=r"closed|reset|timed out"):
        client.chat_postMessage(channel="ops", text="x")
    until(lambda: [line.text for line in slack.conversation()] == ["x"], "it was posted")


@pytest.mark.parametrize(
    "order", ["archive #nowhere", "nonsense", "outage soon", "limits maybe", "without", "revoke all"]
)
def test_what_cannot_be_done_is_refused(slack: LocalSlack, order: str) -> None:
    with pytest.raises((LookupError, ValueError)):
        slackorders.give(slack, order)


def test_the_list_of_orders_can_itself_be_read_and_given(slack: LocalSlack) -> None:
    shapes = [line.strip().split("  ")[0] for line in slackorders.listing().splitlines()[:-1]]
    assert "world slack archive #ops" in shapes
    for shape in shapes:
        assert parse(shape) is not None
        slackorders.give(slack, shape.removeprefix("world slack ")) if "delete" not in shape else None
