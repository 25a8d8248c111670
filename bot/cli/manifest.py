"""`cloudy manifest`: the app's manifest, to paste into Slack."""

from typing import Annotated
from urllib.parse import urlsplit

import typer

from bot.cli.common import print_json
from bot.errors import UsageError

PATH = "/slack/events"  # of `cloudy serve --http`
_MOST = 3000 - len(PATH)  # characters of a command's URL in Slack's manifest


def manifest(
    socket: Annotated[bool, typer.Option("--socket", help="For Socket Mode, which is the default.")] = False,
    http: Annotated[
        str | None,
        typer.Option("--http", metavar="URL", help="For signed HTTP: https://<your name>, or the whole URL."),
    ] = None,
) -> None:
    """The Slack app's manifest as JSON: api.slack.com/apps, Create New App, From a manifest, JSON."""
    from handlers.appmanifest import manifest as made  # its libraries are wanted by nobody else here

    if socket and http is not None:
        raise UsageError("Say --socket or --http, not both.")
    print_json(made(_request_url(http) if http is not None else ""))


def _request_url(given: str) -> str:
    try:
        parts = urlsplit(given)
        is_whole = parts.scheme == "https" and bool(parts.hostname) and not parts.query and not parts.fragment
        is_whole = is_whole and len(given) <= _MOST and not any(sign.isspace() for sign in given)
    except ValueError:
        is_whole = False
    if not is_whole or parts.username or parts.password:
        raise UsageError(f"{given!r} is no address that Slack can reach: say https://<your name>{PATH}")
    return given if parts.path.strip("/") else given.rstrip("/") + PATH
