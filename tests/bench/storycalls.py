"""What went to Slack, against what Slack allows; and whether what stands there is what should."""

import bisect
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.bench.storyages import Row

Json = dict[str, Any]

MINUTE_S = 60.0
POST = "chat.postMessage"
POSTS_A_MINUTE, POSTS_A_SECOND = 65, 6  # of a channel: one a second, and a short burst, for which Slack has no figure
# docs.slack.dev/apis/web-api/rate-limits and the pages of the methods. They are minima: fewer must do.
BUDGETS = {
    "chat.update": 50,
    "chat.postEphemeral": 100,
    "conversations.history": 50,
    "conversations.open": 50,
    "conversations.replies": 50,
    "users.info": 100,
    "usergroups.list": 20,
    "usergroups.users.list": 20,
    "views.open": 100,
    "views.publish": 100,
    "views.update": 100,
}


@dataclass(slots=True)
class Used:
    """Calls of one method (chat.postMessage: in one channel)."""

    name: str
    budget: int | None
    times: list[float] = field(default_factory=list)
    limited: int = 0
    failed: int = 0

    @property
    def most(self) -> int:
        """In any minute."""
        return most_in(self.times, MINUTE_S)

    @property
    def problems(self) -> list[str]:
        """Where Slack would have said no."""
        found = [f"{self.name}: {self.limited} answers 429"] if self.limited else []
        # A whole budget used up is one too many: the next call would be refused.
        if self.budget is not None and self.most >= self.budget:
            found.append(f"{self.name}: {self.most} calls in a minute, {self.budget} are allowed")
        if self.name.startswith(POST) and (burst := most_in(self.times, 1.0)) > POSTS_A_SECOND:
            found.append(f"{self.name}: {burst} messages in a second")
        return found


def most_in(times: Sequence[float], window_s: float) -> int:
    """The most that fall into any window of that length; times in order."""
    return max((bisect.bisect_left(times, at + window_s) - index for index, at in enumerate(times)), default=0)


def used(record: Sequence[Json], channel_name: Callable[[str], str]) -> list[Used]:
    """By method, in order of their names."""
    found: dict[str, Used] = {}
    for row in record:
        if row["type"] != "call":
            continue
        name, budget = row["method"], BUDGETS.get(row["method"])
        if name == POST:
            name, budget = f"{POST} #{channel_name(row['args'].get('channel', ''))}", POSTS_A_MINUTE
        calls = found.setdefault(name, Used(name, budget))
        calls.times.append(row["at"])
        calls.limited += row["status"] == 429
        calls.failed += not row["answer"].get("ok")
    return [found[name] for name in sorted(found)]


def calls_table(calls: Sequence[Used]) -> str:
    """As Markdown."""
    lines = [
        "| method | calls | failed | 429 | a minute, mean | most in any minute | Slack allows |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in calls:
        minutes = max(1.0, (one.times[-1] - one.times[0]) / MINUTE_S)
        allowed = "60 and bursts" if one.name.startswith(POST) else str(one.budget or "")
        lines.append(
            f"| {one.name} | {len(one.times)} | {one.failed} | {one.limited} | {len(one.times) / minutes:.1f} |"
            f" {one.most} | {allowed} |"
        )
    return "\n".join(lines)


@dataclass(slots=True)
class Standing:
    """What was posted under a key, and the version that it was brought to."""

    posts: list[str] = field(default_factory=list)  # ts of each
    thread: str = ""
    version: int = 0


def standing(record: Sequence[Json]) -> Mapping[str, Standing]:
    """What stands in Slack by the outbox's keys, as Slack's own record tells it."""
    found: dict[str, Standing] = defaultdict(Standing)
    for row in record:
        is_of_messages = row["type"] == "call" and row["method"] in (POST, "chat.update")
        if not is_of_messages or not row["answer"].get("ok"):
            continue
        metadata = row["args"].get("metadata") or "{}"
        payload = (json.loads(metadata) if isinstance(metadata, str) else metadata).get("event_payload") or {}
        one = found[str(payload.get("key"))]
        one.version = int(payload.get("version") or 0)
        if row["method"] == POST:
            one.posts.append(str(row["answer"]["ts"]))
            one.thread = str(row["args"].get("thread_ts") or "")
    return found


def problems(rows: Sequence[Row], states: Mapping[str, str], shown: Mapping[str, Standing]) -> list[str]:
    """What is lost, doubled, old or out of place; states: of the transactions, by id."""
    found = [f"{id_} is {state}" for id_, state in states.items() if state != "succeeded"]
    kinds: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        kinds[row.key.split(":")[0]][row.kind] += 1
    for id_ in states:
        found += [f"{id_} has no {kind}" for kind in ("root", "plan", "receipt") if not kinds[id_][kind]]
    for row in rows:
        found += _problems_of(row, shown)
    asked = {row.key for row in rows}
    return found + [f"{key} stands in Slack, and nobody wanted it" for key in shown if key not in asked]


def _problems_of(row: Row, shown: Mapping[str, Standing]) -> list[str]:
    one = shown.get(row.key)
    if one is None or not one.posts:
        return [f"{row.key} is lost"]
    found = [f"{row.key} was posted {len(one.posts)} times"] if len(one.posts) > 1 else []
    if row.failed:
        found.append(f"{row.key} was given up")
    if one.version != row.version:
        found.append(f"{row.key} is shown in version {one.version}, the newest is {row.version}")
    root = shown.get(f"{row.key.split(':')[0]}:root")
    if row.kind != "root" and (root is None or [one.thread] != root.posts):
        found.append(f"{row.key} is not in its thread")
    return found
