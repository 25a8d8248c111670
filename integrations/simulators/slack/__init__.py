"""A Slack on loopback: Web API, Socket Mode and signed HTTP, as the unmodified Slack SDK speaks them."""

from .asking import Ack
from .local import LocalSlack
from .shortcuts import Shortcut
from .standalone import run
from .workspace import Change

__all__ = ["Ack", "Change", "LocalSlack", "Shortcut", "run"]
