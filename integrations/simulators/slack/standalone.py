"""The local Slack as a process of its own, for `cloudy simulate slack`."""

import signal
import threading

from .local import LocalSlack


def run(port: int = 0, http_app: str = "") -> int:
    """Print the Web API's URL, then the secrets, one a line; serve until SIGTERM or SIGINT. Returns the exit status.

    http_app: deliver by signed HTTP to that request URL instead of Socket Mode.
    """
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    with LocalSlack(port=port, request_url=http_app) as slack:
        print(slack.url, flush=True)
        print(f"bot token: {slack.bot_token}")
        print(f"app token: {slack.app_token}")
        print(f"signing secret: {slack.signing_secret}", flush=True)
        over.wait()
    return 0
