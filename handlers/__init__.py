"""Slack, both directions: listeners in, the outbox's sender out."""

from slack_bolt import App

from bot.service import Service
from handlers import actions, commands, events, failures, forms, shortcuts


def register(app: App, service: Service) -> None:
    """Put every listener onto the app.

    The app wants a listener_executor of its own size: Bolt's default of 5 threads leaves the sixth person without an
    acknowledgement while five wait for the database.
    """
    for listeners in (commands, actions, events, forms, shortcuts, failures):
        listeners.register(app, service)
