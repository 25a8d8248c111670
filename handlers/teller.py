"""Shows an answer over a response_url, drawn simpler where Slack refuses it; in threads of its own, since it waits.

Source: docs.slack.dev/interactivity/handling-user-interaction: five answers within 30 minutes, seen by one person, in
channels that the bot is not in as well. An answer that Slack does not take is told by status and body.
"""

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException

from slack_sdk.errors import SlackClientError
from slack_sdk.webhook import WebhookClient, WebhookResponse

from handlers.blocks import PLAN, TEXT, Rendered

_log = logging.getLogger(__name__)

_THREADS = 4
_TRIES = 3
_AFTER_ACK_S = 0.3  # so that the acknowledgement stands above it
_TIMEOUT_S = 5
_LONGEST_WAIT_S = 30.0
_SIMPLER_FOR_S = 6 * 3600.0
Draw = Callable[[int], Rendered]


class Teller:
    """One for each app; remembers for some hours how simply this Slack wants it."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="teller")
        self._level = PLAN
        self._simpler_until = 0.0

    def tell(self, url: str, draw: Draw, otherwise: Callable[[], None], *, replace: bool = False) -> None:
        """Show it soon, in the place of the message that was clicked (replace).

        draw: by the level. otherwise: what is done where the URL takes nothing.
        """
        self._pool.submit(self._tell_safely, url, draw, otherwise, replace=replace)

    def _tell_safely(self, url: str, draw: Draw, otherwise: Callable[[], None], *, replace: bool) -> None:
        try:
            if not replace:
                time.sleep(_AFTER_ACK_S)
            if not url or not self._told(url, draw, replace=replace):
                otherwise()
        except Exception:  # noqa: BLE001 - of one answer; the thread is there for the next ones
            _log.exception("a list was not shown", extra={"action": "teller"})

    def _told(self, url: str, draw: Draw, *, replace: bool) -> bool:
        level = self._level if time.monotonic() < self._simpler_until else PLAN
        while True:
            answer = self._sent(url, draw(level), replace=replace)
            if answer is None:
                return False
            if _is_ok(answer):
                return True
            _log.warning("a list was refused", extra={"action": "teller", "level": level, "error": answer.body[:200]})
            if not _is_of_blocks(answer) or level == TEXT:
                return False
            level -= 1
            self._level, self._simpler_until = level, time.monotonic() + _SIMPLER_FOR_S

    def _sent(self, url: str, drawn: Rendered, *, replace: bool) -> WebhookResponse | None:
        """Slack's answer; None: there is none, after some tries."""
        client = WebhookClient(url, timeout=_TIMEOUT_S, retry_handlers=[])
        for attempt in range(1, _TRIES + 1):
            wait_s = float(attempt)
            try:
                answer = client.send(
                    text=drawn.text, blocks=list(drawn.blocks), response_type="ephemeral", replace_original=replace
                )
                if answer.status_code != 429 and answer.status_code < 500:
                    return answer
                wait_s = _wait_s(answer) or wait_s
                why = f"HTTP {answer.status_code}"
            except (SlackClientError, OSError, HTTPException, ValueError) as error:
                why = type(error).__name__
            _log.warning("a list did not get through", extra={"action": "teller", "attempt": attempt, "error": why})
            if attempt < _TRIES:
                time.sleep(wait_s)
        return None


def _is_ok(answer: WebhookResponse) -> bool:
    return answer.status_code == 200 and (answer.body.strip() in ("", "ok") or '"ok":true' in answer.body)


def _is_of_blocks(answer: WebhookResponse) -> bool:
    """Whether drawing it simpler may help."""
    return "block" in answer.body or "msg_too_long" in answer.body


def _wait_s(answer: WebhookResponse) -> float:
    asked = next((str(value) for name, value in answer.headers.items() if name.lower() == "retry-after"), "")
    return min(_LONGEST_WAIT_S, float(asked)) if asked.isascii() and asked.isdigit() else 0.0
