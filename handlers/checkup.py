"""Asks Slack whether the tokens are good and what they may, for the doctor (port: bot.checkups.outside.Workspace)."""

from http.client import HTTPException

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse

from bot.errors import CloudyError, DeniedError, PermanentError, TransientError

TIMEOUT_S = 10
_SCOPES = "x-oauth-scopes"  # of every answer of the Web API: docs.slack.dev/authentication/installing-with-oauth
_NOT_NOW = frozenset({"internal_error", "fatal_error", "service_unavailable", "request_timeout", "ratelimited"})


class SlackCheckup:
    """Two calls that change nothing."""

    def __init__(self, *, api_url: str, bot_token: str, app_token: str) -> None:
        self._client = WebClient(token=bot_token, base_url=api_url, timeout=TIMEOUT_S, retry_handlers=[])
        self._app_token = app_token

    def whoami(self) -> tuple[str, frozenset[str]]:
        """See the port."""
        try:
            answer = self._client.auth_test()
        except (SlackClientError, OSError, HTTPException, ValueError) as error:
            raise _told("auth.test", error) from None  # the cause may show the token
        return f"{answer.get('user', 'the bot')} in {answer.get('team', 'the workspace')}", _scopes(answer)

    def open_socket(self) -> None:
        """See the port."""
        try:
            self._client.apps_connections_open(app_token=self._app_token)
        except (SlackClientError, OSError, HTTPException, ValueError) as error:
            raise _told("apps.connections.open", error) from None


def _scopes(answer: SlackResponse) -> frozenset[str]:
    told = next((str(value) for name, value in answer.headers.items() if name.lower() == _SCOPES), "")
    return frozenset(scope.strip() for scope in told.split(",") if scope.strip())


def _told(method: str, error: Exception) -> CloudyError:
    if not isinstance(error, SlackApiError):
        words = f"Slack could not be asked {method} ({type(error).__name__})."
        return TransientError(words, system="slack", operation=method)
    code = str(error.response.get("error", "")) or f"HTTP {error.response.status_code}"
    words = f"Slack answers {method} with {code}."
    if code in _NOT_NOW or error.response.status_code >= 500:
        return TransientError(words, system="slack", operation=method, code=code)
    kind = DeniedError if "auth" in code or "token" in code or "scope" in code else PermanentError
    return kind(words, system="slack", operation=method, code=code)
