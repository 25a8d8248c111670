"""A Slack on loopback: Web API and Socket Mode, as the unmodified Slack SDK speaks them."""

from .acting import Ack
from .local import LocalSlack
from .standalone import run
from .workspace import Change

__all__ = ["Ack", "Change", "LocalSlack", "run"]
