"""Slack, both directions: listeners in, the outbox's sender out."""

from slack_bolt import App

from bot.service import Service
from handlers import (
    actions,
    commands,
    digests,
    events,
    failures,
    forms,
    homeevents,
    inquiries,
    restoreforms,
    retentions,
    scheduleforms,
    schedules,
    shortcuts,
    which,
)
from handlers.homes import Homes


def register(app: App, service: Service, homes: Homes | None = None) -> None:
    """Put every listener onto the app. homes: to close it at an end that goes on.

    The app wants a listener_executor of its own size: Bolt's default of 5 threads leaves the sixth person without an
    acknowledgement while five wait for the database.
    """
    homes = homes or Homes(app.client, service)
    asking = (inquiries, schedules, commands, digests, retentions, events)
    for listeners in (*asking, forms, restoreforms, scheduleforms, which, shortcuts, failures):
        listeners.register(app, service)
    for watched in (actions, homeevents):
        watched.register(app, service, homes)
