"""The local Slack as a process of its own, for `cloudy simulate slack`."""

from integrations.simulators.ending import asked_to_end

from .local import LocalSlack


def run(port: int = 0, http_app: str = "") -> int:
    """Print the Web API's URL, then the secrets, one a line; serve until SIGTERM or SIGINT. Returns the exit status.

    http_app: deliver by signed HTTP to that request URL instead of Socket Mode.
    """
    wait = asked_to_end()
    with LocalSlack(port=port, request_url=http_app) as slack:
        print(slack.url, flush=True)
        print(f"bot token: {slack.bot_token}")
        print(f"app token: {slack.app_token}")
        print(f"signing secret: {slack.signing_secret}", flush=True)
        wait()
    return 0
