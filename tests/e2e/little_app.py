"""A little app for the page's tests: every kind of block and element, forms, an App Home."""

from typing import Any

from slack_bolt import Ack, App, Respond
from slack_sdk import WebClient

Json = dict[str, Any]
USAGES = (
    "/protect <vm> to <target>   e.g. /protect vm01 to s3",
    "/cloudy status",
    "/cloudy show <id>",
    "/cloudy help",
)
HOSTILE = "<!channel> <img src=x onerror=alert(1)> *bold* _it_ `code` :rocket: <https://evil.example|x>"
VMS = [f"vm-{number:04d}" for number in range(5000)]


def plain(text: str) -> Json:
    return {"type": "plain_text", "text": text}


def mrkdwn(text: str) -> Json:
    return {"type": "mrkdwn", "text": text}


def option(text: str) -> Json:
    return {"text": plain(text), "value": text.lower()}


def rich(*atoms: Json) -> Json:
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": list(atoms)}]}


def span(text: str, **style: bool) -> Json:
    return {"type": "text", "text": text, **({"style": style} if style else {})}


def button(label: str, action_id: str, **more: Any) -> Json:
    return {"type": "button", "text": plain(label), "action_id": action_id, "value": label, **more}


def field(block_id: str, label: str, element: Json, **more: Any) -> Json:
    return {"type": "input", "block_id": block_id, "label": plain(label), "element": element, **more}


CONFIRM = {
    "title": plain("Delete it?"),
    "text": plain("It cannot come back."),
    "confirm": plain("Delete"),
    "deny": plain("Keep"),
}
PLACES = [option("S3"), option("Az")]
LIST = {
    "type": "rich_text",
    "elements": [
        {"type": "rich_text_list", "style": "bullet", "elements": [rich(span("one"))["elements"][0]]},
        {"type": "rich_text_quote", "elements": [span("quoted")]},
        {"type": "rich_text_preformatted", "elements": [span("as it is")]},
    ],
}
TASKS = [
    {"type": "task_card", "task_id": "a", "title": "Snapshot", "status": "complete", "details": rich(span("crash"))},
    {"type": "task_card", "task_id": "b", "title": "Upload", "status": "in_progress"},
    {"type": "task_card", "task_id": "c", "title": "Verify", "status": "error", "output": rich(span("no"))},
    {"type": "task_card", "task_id": "d", "title": "Clean up", "status": "pending"},
]
TABLE = [
    [{"type": "raw_text", "text": "VM"}, {"type": "raw_text", "text": "Size"}],
    [rich(span("vm01", bold=True)), {"type": "raw_text", "text": "1.0 GiB"}],
]
MARKDOWN = "## Heading\n\n- **bold** and `code`\n- [x] done\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n> quote"
DISPLAY: list[Json] = [
    {"type": "header", "text": plain("A header with *stars*")},
    {"type": "section", "text": mrkdwn("*bold* a*b*c 2*3*4 _it_ ~no~ `x` :rocket: :nonesuch:\n> said")},
    {"type": "section", "fields": [plain("VM: vm01"), mrkdwn("Target: *s3*")]},
    {"type": "section", "text": plain("*plain* <@U0BOB00001>"), "accessory": button("Look", "look")},
    {"type": "context", "elements": [mrkdwn("for <@U0ALICE001> in <#C0OPS00001>"), plain("so *far*")]},
    {"type": "divider"},
    {"type": "image", "image_url": "https://example.com/a.png", "alt_text": "A chart of bytes"},
    rich(span("bold", bold=True), {"type": "user", "user_id": "U0BOB00001"}, {"type": "emoji", "name": "tada"}),
    LIST,
    {"type": "plan", "title": "Protect vm01", "tasks": TASKS},
    {"type": "table", "rows": TABLE},
    {"type": "markdown", "text": MARKDOWN},
    {"type": "card", "title": mrkdwn("A card"), "body": mrkdwn("its body")},
    {"type": "video", "title": plain("A film"), "title_url": "https://example.com/film", "video_url": "https://example.com/v",
     "thumbnail_url": "https://example.com/t.png", "alt_text": "film"},
]  # fmt: skip
ACTIONS: list[Json] = [
    {
        "type": "actions",
        "elements": [
            button("Stop", "stop", style="danger", confirm=CONFIRM),
            button("Details", "details", style="primary"),
            {"type": "overflow", "action_id": "more", "options": [option("Copy"), option("Paste")]},
            {"type": "datepicker", "action_id": "day", "placeholder": plain("A day")},
            {"type": "static_select", "action_id": "where", "placeholder": plain("Where"), "options": PLACES},
        ],
    }
]  # fmt: skip
FORM: Json = {
    "type": "modal",
    "callback_id": "form",
    "title": plain("Protect a VM"),
    "submit": plain("Protect"),
    "close": plain("Cancel"),
    "blocks": [
        field("vm", "VM", {"type": "external_select", "action_id": "vm", "min_query_length": 1}),
        field("name", "Name", {"type": "plain_text_input", "action_id": "name", "max_length": 20}),
        field("targets", "Targets", {"type": "multi_static_select", "action_id": "t", "options": PLACES}),
        field("how", "How", {"type": "radio_buttons", "action_id": "h", "options": [option("Crash"), option("Still")],
                             "initial_option": option("Crash")}),
        field("flags", "Flags", {"type": "checkboxes", "action_id": "f", "options": [option("Drill")]}, optional=True),
        field("until", "Until", {"type": "datepicker", "action_id": "u"}, optional=True),
        field("owner", "Owner", {"type": "users_select", "action_id": "o"}, optional=True),
        field("note", "Note", {"type": "plain_text_input", "action_id": "n", "multiline": True}, optional=True),
    ],
}  # fmt: skip
SECOND: Json = {"type": "modal", "title": plain("Second"), "blocks": [{"type": "section", "text": plain("On top")}]}


class LittleApp:
    """What it has heard, and its listeners."""

    def __init__(self, app: App) -> None:
        self.heard: list[tuple[str, Any]] = []
        self.client: WebClient = app.client
        app.command("/cloudy")(self._command)
        app.command("/protect")(self._form)
        for action in ("stop", "details", "look", "more", "day", "where", "when"):
            app.action(action)(self._action)
        app.action("refresh")(self._refresh)
        app.action("push")(self._push)
        app.options("vm")(lambda ack, payload: ack(options=[option(vm) for vm in _found(payload["value"])]))
        app.view("form")(self._submitted)
        app.event("app_home_opened")(self._home)
        app.event("message")(self._direct)
        app.event("app_mention")(self._mention)
        app.global_shortcut("anywhere")(self._form)
        app.message_shortcut("on-message")(self._shortcut)

    def _command(self, ack: Ack, command: Json) -> None:
        self.heard.append(("command", command["text"]))
        ack(f"You said {command['text']}, and you are <@{command['user_id']}>")

    def _form(self, ack: Ack, body: Json) -> None:
        ack()
        self.client.views_open(trigger_id=body["trigger_id"], view=FORM)

    def _action(self, ack: Ack, body: Json, action: Json) -> None:
        chosen = action.get("selected_option") or {}
        self.heard.append(
            (action["action_id"], chosen.get("value") or action.get("selected_date") or action.get("value"))
        )
        ack()

    def _refresh(self, ack: Ack, body: Json) -> None:
        ack()
        self.heard.append(("refresh", body["user"]["name"]))

    def _push(self, ack: Ack, body: Json) -> None:
        ack()
        self.client.views_push(trigger_id=body["trigger_id"], view=SECOND)

    def _submitted(self, ack: Ack, view: Json) -> None:
        values = {block: next(iter(held.values())) for block, held in view["state"]["values"].items()}
        if values["name"]["value"] == "bad":
            ack(response_action="errors", errors={"name": "No VM is called *bad*."})
            return
        if values["name"]["value"] == "mute":
            return
        self.heard.append(("submitted", values))
        ack()

    def _home(self, event: Json) -> None:
        text = f"Home of <@{event['user']}>"
        blocks = [
            {"type": "section", "text": {"type": "mrkdwn", "text": text}},
            {"type": "actions", "elements": [button("Refresh", "refresh")]},
        ]
        self.client.views_publish(user_id=event["user"], view={"type": "home", "blocks": blocks})

    def _direct(self, event: Json, say: Any) -> None:
        self.heard.append(("direct", event["text"]))
        say(f"In private: {event['text']}")

    def _mention(self, event: Json) -> None:
        self.heard.append(("mention", event["text"]))

    def _shortcut(self, ack: Ack, body: Json, respond: Respond) -> None:
        ack()
        self.heard.append(("shortcut", body["message"]["text"]))


def _found(part: str) -> list[str]:
    return [vm for vm in VMS if part.lower() in vm][:100]
