"""The one place where a failed request becomes words: an error of ours as it stands, anything else with a reference."""

import json
import logging
import secrets
from functools import partial

from slack_bolt import Ack, App, BoltResponse
from slack_sdk import WebClient

from bot.errors import CloudyError, RequesterError
from bot.model import Json
from bot.service import Service
from handlers import answers, blocks, views
from handlers.cards import Card
from handlers.origin import Origin, of
from handlers.whisper import tell_once

_log = logging.getLogger(__name__)


def register(app: App, service: Service) -> None:
    """Listen."""
    app.error(partial(failed, service))


def failed(
    service: Service, error: Exception, body: Json, ack: Ack, response: BoltResponse | None, client: WebClient
) -> BoltResponse | None:
    """Answer whoever asked: a command or form in its acknowledgement, a click or mention privately after it."""
    card = words(error)
    if body.get("type") == "block_suggestion":
        return _json({"options": []})
    if body.get("type") == "view_submission":
        return _json({"response_action": "update", "view": views.shown(card, "Not done")})
    try:
        origin = of(body)
    except (KeyError, IndexError, TypeError):
        return None  # nobody to tell
    if isinstance(error, RequesterError):
        _keep(service, origin, error)
    if body.get("type") is None and "command" in body:
        return _json(blocks.reply(card))
    if response is not None and ack.response is None:
        response.status, response.body = 200, ""  # acknowledged before anything remote is asked
        ack()
    tell_once(service, client, origin, card)
    return None


def words(error: Exception) -> Card:
    """The answer to an error; what nobody expected goes to the log with the same reference."""
    if isinstance(error, CloudyError):
        return answers.refused(error)
    reference = secrets.token_hex(4)
    _log.error("a listener failed", extra={"action": "listener", "reference": reference}, exc_info=error)
    return answers.broken(reference)


def _json(answer: Json) -> BoltResponse:
    """The acknowledgement with an answer in it."""
    return BoltResponse(status=200, headers={"content-type": "application/json;charset=utf-8"}, body=json.dumps(answer))


def _keep(service: Service, origin: Origin, error: RequesterError) -> None:
    try:
        service.audit_refused(origin.actor, origin.text, error.message, request_key=origin.key)
    except CloudyError as unkept:
        _log.warning("a refused command was not kept", extra={"action": "audit", "error": unkept.message})
