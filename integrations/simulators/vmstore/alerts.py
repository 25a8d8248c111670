"""The alert part of the API; failed tasks raise alerts."""

from typing import Any

from integrations.simulators.vmstore.calls import Call, Json, Reply, Route
from integrations.simulators.vmstore.errors import invalid, not_found
from integrations.simulators.vmstore.filters import Filter, chosen, not_after, not_before, part, words
from integrations.simulators.vmstore.ids import Ids
from integrations.simulators.vmstore.options import Options
from integrations.simulators.vmstore.pages import Counts, ordered, page
from integrations.simulators.vmstore.settings import Settings
from integrations.simulators.vmstore.state import State
from integrations.simulators.vmstore.times import now_text, read
from integrations.simulators.vmstore.updates import change, changes, ids, object_of

_STATES = ("NEW", "ACKNOWLEDGED", "ARCHIVED")


class Alerts:
    """Raises, lists and marks alerts."""

    def __init__(self, state: State, settings: Settings, ids: Ids, options: Options) -> None:
        self._state = state
        self._settings = settings
        self._ids = ids
        self._options = options
        with state.look() as document:
            is_new = not document.alerts
        if is_new:
            self.tell("The VMstore was started for the first time.", "NOTICE")

    @property
    def routes(self) -> list[Route]:
        """This part of the API."""
        base = "/api/v310/alert"
        return [
            Route("GET", base, self._list),
            Route("GET", f"{base}/paginated", self._list, since=191),
            Route("PUT", base, self._update),
            Route("PUT", f"{base}/markRead", lambda call: self._mark(call, "ACKNOWLEDGED")),
            Route("PUT", f"{base}/markArchived", lambda call: self._mark(call, "ARCHIVED")),
            Route("GET", f"{base}/notificationPolicy", lambda _call: self._settings.get("notificationPolicy")),
            Route("PUT", f"{base}/notificationPolicy", self._set_policy),
        ]

    def tell(self, message: str, severity: str = "ALERT") -> None:
        """Raise an alert."""
        digits = self._state.next_hex()
        with self._state.change() as document:
            document.alerts[digits] = {
                "severity": severity,
                "state": "NEW",
                "message": message,
                "source": "SYSTEM",
                "notifiedTimestamp": now_text(),
                "comment": "",
                "lastUpdatedTime": now_text(),
            }

    def counts(self) -> Json:
        """The alertCounts of the appliance."""
        with self._state.look() as document:
            pairs = [(one["severity"], one["state"]) for one in document.alerts.values()]
        inbox = [severity for severity, state in pairs if state != "ARCHIVED"]
        archived = [severity for severity, state in pairs if state == "ARCHIVED"]
        return {
            "numUnreadAlerts": sum(1 for pair in pairs if pair == ("ALERT", "NEW")),
            "numInboxAlerts": inbox.count("ALERT"),
            "numInboxNotices": inbox.count("NOTICE"),
            "numArchivedAlerts": archived.count("ALERT"),
            "numArchivedNotices": archived.count("NOTICE"),
        }

    def _list(self, call: Call) -> Json:
        with self._state.look() as document:
            everything = [self._json(digits, one) for digits, one in document.alerts.items()]
        found = ordered(call, chosen(call, everything, _filters()), lambda one: one)
        active = sum(1 for one in everything if one["state"] != "ARCHIVED")
        return page(call, found, Counts(active, len(everything)), lambda one: one)

    def _json(self, digits: str, one: Json) -> Json:
        return {
            "typeId": "com.tintri.api.rest.v310.dto.domain.Alert",
            "uuid": self._ids.object("ALT", digits),
            "sourceApplianceDisplayName": self._options.name,
            "sourceApplianceUuid": self._ids.object("PLT", f"{0:016X}"),
            "isEmailSent": False,
            **one,
        }

    def _update(self, call: Call) -> Reply:
        for new in changes(call.body):
            values: Json = {name: new[name] for name in ("state", "comment") if name in new}
            if values.get("state", "NEW") not in _STATES:
                raise invalid(f"There is no state {values['state']}.")
            self._set(ids(new.get("uuid")), values)
        return Reply(status=204)

    def _mark(self, call: Call, state: str) -> Reply:
        """Of the alerts whose ids come, as a list or in a MultipleSelectionRequest or Request."""
        body: Any = call.body
        if isinstance(body, dict) and "objectsWithNewValues" in body:
            body = [one.get("uuid") for one in changes(body)]
        self._set(ids(body if isinstance(body, list) else object_of(body).get("ids")), {"state": state})
        return Reply(status=204)

    def _set(self, alert_ids: list[str], values: Json) -> None:
        with self._state.change() as document:
            for alert_id in alert_ids:
                alert = document.alerts.get(self._ids.hex_of("ALT", alert_id))
                if alert is None:
                    raise not_found("alert", alert_id)
                alert.update(values, lastUpdatedTime=now_text())

    def _set_policy(self, call: Call) -> Json:
        return self._settings.merge("notificationPolicy", change(call.body))


def _filters() -> dict[str, Filter[Json]]:
    severity: Filter[Json] = words(lambda one: str(one["severity"]))
    state: Filter[Json] = words(lambda one: str(one["state"]))
    return {
        "severity": severity,
        "severities": severity,
        "state": state,
        "states": state,
        "message": part(lambda one: (one["message"],)),
        "sources": words(lambda one: str(one["source"])),
        "uuid": words(lambda one: str(one["uuid"]["uuid"])),
        "since": not_before(lambda one: read(one["notifiedTimestamp"]) or 0),
        "until": not_after(lambda one: read(one["notifiedTimestamp"]) or 0),
    }
