"""The benchmark of the thread's story sees what it is there to see."""

from typing import Any

from tests.bench.storyages import Message, Row
from tests.bench.storycalls import Used, problems, standing

Json = dict[str, Any]
STATES = {"t1": "succeeded"}


def row(kind: str, version: int = 1, *, failed: bool = False) -> Row:
    return Row(key=f"t1:{kind}", version=version, sent=version, ts="", failed=failed)


def call(kind: str, ts: str, *, method: str = "chat.postMessage", version: int = 1, thread: str = "1") -> Json:
    payload = {"key": f"t1:{kind}", "version": version}
    args = {"metadata": {"event_payload": payload}, "thread_ts": "" if kind == "root" else thread}
    return {"type": "call", "method": method, "args": args, "answer": {"ok": True, "ts": ts}}


ROWS = [row("root", 2), row("plan"), row("receipt")]
EDIT = call("root", "1", method="chat.update", version=2)
CALLS = [call("root", "1"), call("plan", "2"), call("receipt", "3"), EDIT]


def test_a_whole_story_has_no_problems() -> None:
    assert problems(ROWS, STATES, standing(CALLS)) == []


def test_lost_doubled_old_and_stray_messages_are_seen() -> None:
    assert problems(ROWS, STATES, standing([*CALLS, call("plan", "9")])) == ["t1:plan was posted 2 times"]
    assert problems(ROWS, STATES, standing([*CALLS[:2], EDIT])) == ["t1:receipt is lost"]
    assert "t1:root is shown in version 1, the newest is 2" in problems(ROWS, STATES, standing(CALLS[:3]))
    stray = [*CALLS[:2], call("receipt", "3", thread="7"), EDIT]
    assert problems(ROWS, STATES, standing(stray)) == ["t1:receipt is not in its thread"]
    assert problems(ROWS[:2], STATES, standing([*CALLS[:2], EDIT])) == ["t1 has no receipt"]


def test_refusals_and_used_up_budgets_are_seen() -> None:
    assert Used("chat.update", 50, [float(number) for number in range(49)]).problems == []
    assert Used("chat.update", 50, [number / 2 for number in range(50)], limited=1).problems == [
        "chat.update: 1 answers 429",
        "chat.update: 50 calls in a minute, 50 are allowed",
    ]


def test_a_state_is_as_old_as_the_first_change_that_is_not_shown() -> None:
    message = Message()
    assert message.look(Row(key="t1:plan", version=1, sent=0, ts="", failed=False), 10.0) == (None, 0.0)
    assert message.look(Row(key="t1:plan", version=2, sent=0, ts="", failed=False), 11.0) == (None, 1.0)
    assert message.look(Row(key="t1:plan", version=3, sent=2, ts="", failed=False), 14.0) == (4.0, 0.0)
    assert message.look(Row(key="t1:plan", version=3, sent=3, ts="", failed=False), 16.0) == (2.0, 0.0)
