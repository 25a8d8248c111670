"""The app's manifest says what the code uses, no more and no less, within what Slack's schema takes.

Sources of the limits: slackapi/manifest-schema 2, docs.slack.dev/reference/app-manifest.
"""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from slack_bolt import App
from slack_sdk import WebClient
from typer.testing import CliRunner

import handlers
from bot.checkups.outside import SCOPES as TOLD_BY_THE_DOCTOR
from bot.clock import SystemClock
from bot.service import Service
from bot.store import Database
from handlers import appmanifest, ids
from integrations.simulators.slack import LocalSlack
from integrations.simulators.slack import scopes as simulated

HOUSE = Path(__file__).resolve().parents[2]
Json = dict[str, Any]

# Method of the SDK -> methods of the Web API that it calls, where that is not told by its name.
_SEVERAL = {"files_upload_v2": ("files.getUploadURLExternal", "files.completeUploadExternal")}


class Noted(App):
    """Notes what is listened to."""

    def __init__(self) -> None:
        super().__init__(client=WebClient(token="xoxb-x"), token_verification_enabled=False)
        self.heard: dict[str, set[str]] = {}

    def _note(self, kind: str, constraint: Any) -> None:
        named = constraint if isinstance(constraint, str) else constraint.get("callback_id") or constraint["action_id"]
        self.heard.setdefault(kind, set()).add(named)


def _noting(kind: str) -> Any:
    original = getattr(App, kind)

    def listen(self: Noted, constraint: Any, *args: Any, **kwargs: Any) -> Any:
        self._note(kind, constraint)
        return original(self, constraint, *args, **kwargs)

    return listen


KINDS = (
    "command", "event", "action", "block_action", "attachment_action", "dialog_submission", "shortcut",
    "global_shortcut", "message_shortcut", "view", "view_submission", "view_closed", "options", "block_suggestion",
    "message", "step", "function",
)  # fmt: skip
for _kind in KINDS:
    setattr(Noted, _kind, _noting(_kind))


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """By kind of listener, what the code listens to."""
    path = tmp_path_factory.mktemp("manifest") / "cloudy.db"
    Database.migrate(path)
    db = Database.open(path, audit_key=None)
    app = Noted()
    handlers.register(app, Service(db, SystemClock(), vmstores=(), targets=()))
    return app.heard


@pytest.fixture
def manifest() -> Json:
    return appmanifest.manifest()


def called() -> set[str]:
    """Methods of the Web API that stand anywhere in handlers."""
    methods = {name for name in dir(WebClient) if "_" in name.strip("_") and not name.startswith("_")}
    found: set[str] = set()
    for path in (HOUSE / "handlers").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr == "api_call":
                found.add(f"{path.name} calls api_call, which this test cannot read")
            if isinstance(node, ast.Attribute) and node.attr in methods:
                found.update(_SEVERAL.get(node.attr) or (node.attr.replace("_", "."),))
    return found


# --- what the code uses ---


def test_every_command_that_is_listened_to_is_in_the_manifest_and_no_other(
    heard: dict[str, set[str]], manifest: Json
) -> None:
    assert {one["command"] for one in manifest["features"]["slash_commands"]} == heard["command"]


def test_every_event_that_is_listened_to_is_in_the_manifest_and_no_other(
    heard: dict[str, set[str]], manifest: Json
) -> None:
    events = manifest["settings"]["event_subscriptions"]["bot_events"]
    assert {event.partition(".")[0] for event in events} == heard["event"]


def test_every_shortcut_that_is_listened_to_is_in_the_manifest_with_its_type(
    heard: dict[str, set[str]], manifest: Json
) -> None:
    told = {(one["type"], one["callback_id"]) for one in manifest["features"]["shortcuts"]}
    by_kind = {"global": heard.get("global_shortcut", set()), "message": heard.get("message_shortcut", set())}
    assert told == {(kind, callback) for kind, callbacks in by_kind.items() for callback in callbacks}
    assert "shortcut" not in heard, "say global_shortcut or message_shortcut, so that the manifest can be compared"


def test_there_is_no_kind_of_listener_that_the_manifest_would_have_to_declare_elsewhere(
    heard: dict[str, set[str]],
) -> None:
    known = {"command", "event", "action", "block_action", "view", "view_submission", "options", "block_suggestion"}
    assert set(heard) <= known | {"global_shortcut", "message_shortcut"}


def test_every_button_menu_and_form_is_called_by_a_name_that_is_kept(heard: dict[str, set[str]]) -> None:
    kept = {value for name, value in vars(ids).items() if name.isupper() and isinstance(value, str)}
    used = heard.get("action", set()) | heard.get("view", set()) | heard.get("options", set())
    assert used <= kept


def test_what_is_listened_to_is_switched_on(heard: dict[str, set[str]], manifest: Json) -> None:
    home = manifest["features"]["app_home"]
    assert home["home_tab_enabled"] is ("app_home_opened" in heard["event"])
    may_write = home["messages_tab_enabled"] and not home["messages_tab_read_only_enabled"]
    assert may_write is ("message" in heard["event"])
    assert manifest["settings"]["interactivity"]["is_enabled"] is bool(heard["action"] | heard["view"])


def test_commands_that_take_a_person_get_an_id_and_not_what_was_typed(manifest: Json) -> None:
    commands = manifest["features"]["slash_commands"]
    people = {"/cloudy"} | {one["command"] for one in commands if "<user>" in one["usage_hint"]}
    assert {one["command"] for one in commands if one["should_escape"]} == people


def test_every_method_that_is_called_has_its_scopes_and_no_other_has() -> None:
    assert called() == set(appmanifest.METHODS)


def test_the_scopes_are_those_that_commands_events_and_methods_need(manifest: Json) -> None:
    needed = {"commands"} | {scope for scope in appmanifest.EVENTS.values() if scope}
    needed |= {scope for scopes in appmanifest.METHODS.values() for scope in scopes}
    assert manifest["oauth_config"]["scopes"] == {"bot": sorted(needed)}
    assert set(TOLD_BY_THE_DOCTOR) == needed


def test_the_local_slack_asks_for_the_same_scopes(manifest: Json) -> None:
    granted = set(manifest["oauth_config"]["scopes"]["bot"])
    assert granted <= simulated.DEFAULT
    wanted = {method: scope for method, scope in simulated._NEEDED.items() if method in appmanifest.METHODS}
    assert {method for method, scope in wanted.items() if scope not in appmanifest.METHODS[method]} == set()
    for method, right in simulated._BY_CHANNEL.items():
        if method in appmanifest.METHODS:
            families = {f"{family}:{right}" for family in ("channels", "groups", "im")}
            assert set(appmanifest.METHODS[method]) == families
    assert LocalSlack().events == set(manifest["settings"]["event_subscriptions"]["bot_events"])


def test_what_degrades_without_a_scope_is_in_the_documentation() -> None:
    page = (HOUSE / "docs" / "slack-app.md").read_text()
    names = [*appmanifest.scopes(), *appmanifest.EVENTS, *(command.name for command in appmanifest.COMMANDS)]
    assert [name for name in names if f"`{name}`" not in page] == []


# --- what Slack's schema takes ---


def parts(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """All of it, by its path."""
    yield path.lstrip("."), node
    if isinstance(node, dict):
        for key, value in node.items():
            yield from parts(value, f"{path}.{key}")
    elif isinstance(node, list):
        for value in node:
            yield from parts(value, f"{path}[]")


def texts(node: Any) -> Iterator[tuple[str, str]]:
    return ((path, part) for path, part in parts(node) if isinstance(part, str))


LIMITS = {
    "display_information.name": (1, 35),
    "display_information.description": (1, 140),
    "display_information.long_description": (175, 4000),
    "features.bot_user.display_name": (1, 80),
    "features.slash_commands[].command": (2, 32),
    "features.slash_commands[].description": (1, 2000),
    "features.slash_commands[].usage_hint": (1, 1000),
    "features.slash_commands[].url": (1, 3000),
    "features.shortcuts[].name": (1, 24),
    "features.shortcuts[].callback_id": (1, 255),
    "features.shortcuts[].description": (1, 150),
    "features.shortcuts[].type": (1, 10),
    "display_information.background_color": (4, 7),
    "oauth_config.scopes.bot[]": (1, 50),
    "settings.event_subscriptions.bot_events[]": (1, 50),
    "settings.event_subscriptions.request_url": (1, 3500),
    "settings.interactivity.request_url": (1, 3500),
    "settings.interactivity.message_menu_options_url": (1, 3500),
}
LISTS = {
    "features.shortcuts": (1, 10),
    "features.slash_commands": (1, 50),
    "oauth_config.scopes.bot": (0, 255),
    "settings.event_subscriptions.bot_events": (0, 100),
}
# By path, the fields that there are; those of Slack's schema that this app needs no value for are left out.
FIELDS = {
    "": {"_metadata", "display_information", "features", "oauth_config", "settings"},
    "display_information": {"name", "description", "long_description", "background_color"},
    "features": {"app_home", "bot_user", "shortcuts", "slash_commands"},
    "features.app_home": {"home_tab_enabled", "messages_tab_enabled", "messages_tab_read_only_enabled"},
    "features.bot_user": {"display_name", "always_online"},
    "_metadata": {"major_version", "minor_version"},
    "features.shortcuts[]": {"name", "type", "callback_id", "description"},
    "features.slash_commands[]": {"command", "description", "usage_hint", "should_escape"},
    "oauth_config": {"scopes"},
    "oauth_config.scopes": {"bot"},
    "settings.event_subscriptions": {"bot_events"},
    "settings.interactivity": {"is_enabled"},
    "settings": {
        "event_subscriptions", "interactivity", "org_deploy_enabled", "socket_mode_enabled", "token_rotation_enabled",
    },
}  # fmt: skip

URLS = {  # the fields besides, where Slack comes by HTTP
    "features.slash_commands[]": {"url"},
    "settings.event_subscriptions": {"request_url"},
    "settings.interactivity": {"request_url", "message_menu_options_url"},
}


@pytest.mark.parametrize("url", ["", "https://cloudy.example.com/slack/events"])
def test_every_text_is_within_its_limit_and_every_field_is_known(url: str) -> None:
    made = appmanifest.manifest(url)
    for path, text in texts(made):
        least, most = LIMITS[path]
        assert least <= len(text) <= most, path
    assert {path for path, part in parts(made) if isinstance(part, dict)} == set(FIELDS)
    assert {path for path, part in parts(made) if isinstance(part, list)} == set(LISTS)
    for path, part in parts(made):
        if isinstance(part, dict):
            assert set(part) == FIELDS[path] | (URLS.get(path, set()) if url else set()), path
        elif isinstance(part, list):
            least, most = LISTS[path]
            assert least <= len(part) <= most, path
            assert len({json.dumps(one) for one in part}) == len(part), path
        elif not isinstance(part, str):
            assert type(part) is (int if path.startswith("_metadata") else bool), path
    assert re.fullmatch("#[0-9a-f]{6}", made["display_information"]["background_color"])
    assert {one["type"] for one in made["features"]["shortcuts"]} <= {"global", "message"}
    names = [one["command"] for one in made["features"]["slash_commands"]]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch("/[a-z0-9_-]+", name) for name in names)


def test_socket_mode_has_no_urls_and_http_has_them_everywhere() -> None:
    socket, url = appmanifest.manifest(), "https://cloudy.example.com/slack/events"
    http = appmanifest.manifest(url)
    assert socket["settings"]["socket_mode_enabled"] is True
    assert not [path for path, _ in texts(socket) if path.endswith("url")]
    assert http["settings"]["socket_mode_enabled"] is False
    urls = [text for path, text in texts(http) if path.endswith("url")]
    assert urls == [url] * (len(appmanifest.COMMANDS) + 3)


# --- the command ---


def printed(*args: str) -> tuple[int, str]:
    from bot.cli import app

    result = CliRunner().invoke(app, ["manifest", *args])
    return result.exit_code, result.stdout or str(result.exception)


def test_the_command_prints_json_that_can_be_pasted() -> None:
    assert json.loads(printed()[1]) == appmanifest.manifest()
    assert json.loads(printed("--socket")[1]) == appmanifest.manifest()
    for given in (
        "https://cloudy.example.com",
        "https://cloudy.example.com/",
        "https://cloudy.example.com/slack/events",
    ):
        assert json.loads(printed("--http", given)[1]) == appmanifest.manifest(
            "https://cloudy.example.com/slack/events"
        )


@pytest.mark.parametrize(
    "url",
    [
        "cloudy.example.com",
        "http://cloudy.example.com",
        "https://",
        "https://u:p@h",
        "ftp://h",
        "",
        "https://cloudy.example.com/slack events",
        "https://cloudy.example.com/\n",
        "https://h/" + "a" * 3000,
    ],
)
def test_an_address_that_slack_cannot_reach_is_refused(url: str) -> None:
    assert "is no address that Slack can reach" in printed("--http", url)[1]


def test_both_ways_at_once_are_refused() -> None:
    assert "not both" in printed("--socket", "--http", "https://cloudy.example.com")[1]
