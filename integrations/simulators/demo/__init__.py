"""The demo's world: stand-ins, an S3 server, the unchanged bot, and the script that drives them."""

from integrations.simulators.demo.session import run

__all__ = ["run"]
