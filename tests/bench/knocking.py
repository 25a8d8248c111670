"""Many people who type `/cloudy status` at once, over signed HTTP: made for a process of its own."""

import http.client
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tests.slack.signing import FORM, PATH, command, headers

TOO_LATE_S = 3.0  # Slack tells the person "operation_timeout" then


@dataclass
class Knocks:
    """Seconds that each acknowledgement took, and what did not come, came late or was no answer."""

    seconds: list[float] = field(default_factory=list)
    lost: int = 0
    duration_s: float = 0.0

    def at(self, share: float) -> float:
        """The time within which this share was answered, in ms."""
        ranked = sorted(self.seconds)
        return ranked[min(len(ranked) - 1, int(share * len(ranked)))] * 1000 if ranked else float("nan")

    @property
    def per_s(self) -> float:
        """Requests answered in a second."""
        return len(self.seconds) / self.duration_s if self.duration_s else 0.0


def knock(ask: Callable[[int], bool], concurrency: int, count: int) -> Knocks:
    """Ask `count` times, so many at once, each as soon as the one before is answered; ask(person) tells if it was."""
    knocks, lock, left = Knocks(), threading.Lock(), iter(range(count))

    def person(number: int) -> None:
        while True:
            with lock:
                if next(left, None) is None:
                    return
            began = time.perf_counter()
            answered = ask(number)
            took = time.perf_counter() - began
            with lock:
                knocks.seconds.append(took)
                knocks.lost += 0 if answered and took < TOO_LATE_S else 1

    began = time.perf_counter()
    with ThreadPoolExecutor(concurrency) as people:
        list(people.map(person, range(concurrency)))
    knocks.duration_s = time.perf_counter() - began
    return knocks


def over_http(port: int, secret: str, concurrency: int, count: int) -> Knocks:
    """Signed anew each time; every person keeps a connection, as a proxy in front of the bot would."""
    lines = [http.client.HTTPConnection("127.0.0.1", port, timeout=TOO_LATE_S) for _ in range(concurrency)]

    def ask(person: int) -> bool:
        body = command("/cloudy status", trigger=f"{time.time_ns()}.{person}")
        try:
            lines[person].request("POST", PATH, body=body, headers=headers(secret, body, FORM))
            answer = lines[person].getresponse()
            text = answer.read()
            return answer.status == 200 and bool(json.loads(text)["text"])
        except (OSError, http.client.HTTPException, ValueError, KeyError):
            lines[person].close()
            return False

    knocks = knock(ask, concurrency, count)
    for line in lines:
        line.close()
    return knocks
