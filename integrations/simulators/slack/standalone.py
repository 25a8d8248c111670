"""The local Slack as a process of its own, for `cloudy simulate slack`."""

from collections.abc import Sequence

from integrations.simulators.ending import asked_to_end

from .local import LocalSlack
from .shortcuts import Shortcut


def run(port: int = 0, http_app: str = "", shortcuts: Sequence[Shortcut] = (), usages: Sequence[str] = ()) -> int:
    """Print the Web API's URL, the secrets and the page's URL, one a line; serve until SIGTERM or SIGINT.

    http_app: deliver by signed HTTP to that request URL instead of Socket Mode. shortcuts, usages: what the app
    offers. Returns the exit status.
    """
    wait = asked_to_end()
    with LocalSlack(port=port, request_url=http_app, shortcuts=shortcuts, usages=usages) as slack:
        print(slack.url, flush=True)
        print(f"bot token: {slack.bot_token}")
        print(f"app token: {slack.app_token}")
        print(f"signing secret: {slack.signing_secret}")
        print(f"page: {slack.page_url}", flush=True)
        wait()
    return 0
