"""Keeps what the database knows of user groups up to date with Slack, in a thread of its own; no command waits for it.

Source: docs.slack.dev/reference/methods/usergroups.users.list: Tier 2 (20 a minute and more), scope usergroups:read,
error no_such_subteam for a group that does not exist.
"""

import logging
import re
import threading
from collections.abc import Collection
from datetime import timedelta
from http.client import HTTPException

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.errors import CloudyError
from bot.service import Service

log = logging.getLogger(__name__)

PACE_S = 4.0  # between two groups: 15 a minute, below Tier 2
_DEFAULT_WAIT_S = 30.0
_NEVER_HELD_S = 600.0  # a wait that Slack asks for is kept, but not without end
_ADVICE = {
    "missing_scope": "give the app the scope usergroups:read and install it again",
    "not_allowed_token_type": "use the bot token of an app with the scope usergroups:read",
}


class Roster:
    """Asks for the members of each group again and again; while Slack does not answer, what was known stays."""

    def __init__(self, client: WebClient, service: Service, groups: Collection[str], every: timedelta) -> None:
        self._client = client
        self._service = service
        self._groups = sorted(groups)
        self._every_s = every.total_seconds()
        self._told: set[str] = set()  # troubles that are in the log already

    def run(self, stop: threading.Event) -> None:
        """Until told to stop. Never raises."""
        self._forget()
        while self._groups and not stop.is_set():
            for group in self._groups:
                while (wait_s := self.look(group)) > 0:
                    if stop.wait(wait_s):
                        return
                if stop.wait(PACE_S):
                    return
            stop.wait(self._every_s)

    def look(self, group: str) -> float:
        """Ask for one group now. Gives the seconds after which to ask again for the same one; 0: this look is over."""
        try:
            answer = self._client.usergroups_users_list(usergroup=group)
            self._keep(group, [str(user) for user in answer["users"]])
        except SlackApiError as error:
            return self._refused(group, error)
        except CloudyError as error:
            self._tell(group, f"database: {error.message}", "")
        except (SlackClientError, OSError, HTTPException, ValueError, KeyError, TypeError) as error:
            self._tell(group, type(error).__name__, "")
        except Exception:  # whatever it is: without this thread groups would stay as they are, and nobody would know
            log.exception("a look at a user group failed", extra={"action": "groups", "group": group})
        return 0.0

    def _refused(self, group: str, error: SlackApiError) -> float:
        code = str(error.response.get("error", ""))
        if error.response.status_code == 429 or code == "ratelimited":
            return _wait_s(error)
        if code == "no_such_subteam":
            self._tell(group, code, "correct its id in [policy] of cloudy.toml; nobody is in it")
            self._keep_nobody(group)
        else:
            self._tell(group, code, _ADVICE.get(code, ""))
        return 0.0

    def _keep(self, group: str, users: list[str]) -> None:
        self._service.keep_group(group, users)
        self._told = {trouble for trouble in self._told if not trouble.startswith(f"{group} ")}

    def _keep_nobody(self, group: str) -> None:
        try:
            self._service.keep_group(group, [])
        except CloudyError as error:
            self._tell(group, f"database: {error.message}", "")

    def _forget(self) -> None:
        try:
            self._service.keep_groups(self._groups)
        except Exception:  # whatever it is: a group that nothing refers to harms nobody
            log.exception("old user groups were not forgotten", extra={"action": "groups"})

    def _tell(self, group: str, why: str, advice: str) -> None:
        """Once for each trouble, until it is over; a missing scope is the same trouble for all groups."""
        trouble = why if why in _ADVICE else f"{group} {why}"
        if trouble in self._told:
            return
        self._told.add(trouble)
        words = "the members of a user group are not told; what was known of it stays"
        extra = {"action": "groups", "group": group, "error": why, "advice": advice}
        log.warning(f"{words}; {advice}" if advice else words, extra=extra)


def _wait_s(error: SlackApiError) -> float:
    headers = error.response.headers
    asked = next((str(value) for name, value in headers.items() if name.lower() == "retry-after"), "")
    return min(float(asked), _NEVER_HELD_S) if re.fullmatch("[0-9]{1,5}", asked) else _DEFAULT_WAIT_S
