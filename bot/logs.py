"""The log: one JSON object a line on standard error, and no secret in any of them.

The message of a record is constant; facts go into `extra`, among them `action`, a stable word to search for.
"""

import json
import logging
import re
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TextIO
from urllib.parse import quote

_HIDDEN = "[hidden]"
_SHORTEST_SECRET = 4  # shorter ones would hide half of every line
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_SECRET_NAMES = re.compile(
    r"password|passwd|secret|authorization|cookie|bot_?token|app_?token|sas_?token|api_?key|access_?key|account_?key",
    re.IGNORECASE,
)
_TOKENS = re.compile(r"\bx(?:ox[a-z]|app)[.-][A-Za-z0-9.-]+|(?<=[?&]sig=)[A-Za-z0-9%+/=_-]+")  # Slack's, Azure's SAS
_HEADERS = re.compile(
    r"((?:proxy-)?authorization|(?:set-)?cookie)(['\"]?\s*[:=]\s*)(?:\"[^\"]*\"|'[^']*'|[^\r\n'\"}]+)", re.IGNORECASE
)
_NOISY = (
    "alembic",
    "apscheduler",
    "asyncio",
    "azure",
    "boto3",
    "botocore",
    "msal",
    "pypsrp",
    "s3transfer",
    "slack_bolt",
    "slack_sdk",
    "urllib3",
)


class Redaction(logging.Filter):
    """Takes secrets out of message, arguments, extra and traceback."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__()
        known = {form for secret in secrets if len(secret) >= _SHORTEST_SECRET for form in _forms(secret)}
        longest_first = sorted(known, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def text(self, text: str) -> str:
        """Give the text without secrets."""
        if self._known:
            text = self._known.sub(_HIDDEN, text)
        return _HEADERS.sub(rf"\1\2{_HIDDEN}", _TOKENS.sub(_HIDDEN, text))

    def value(self, value: Any, name: str = "") -> Any:
        """Give the same without secrets, as something that JSON can hold."""
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.value(each, str(key)) for key, each in value.items()}
        if value is None or isinstance(value, bool):
            return value
        if _SECRET_NAMES.search(name):
            return _HIDDEN
        if isinstance(value, int | float):
            return value if str(value) == self.text(str(value)) else _HIDDEN
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(each) for each in value]
        return self.text(str(value))

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record itself, so that every handler after this one gets it clean."""
        record.msg, record.args = self.text(_message(record)), None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        record.exc_info = None  # the exception itself holds what was just taken out
        record.exc_text = self.text(record.exc_text) if record.exc_text else None
        record.stack_info = self.text(record.stack_info) if record.stack_info else None
        for name in set(vars(record)) - _OWN:
            setattr(record, name, self.value(getattr(record, name), name))
        return True


class JsonLines(logging.Formatter):
    """One JSON object for each record."""

    def format(self, record: logging.LogRecord) -> str:
        """Give time, level, logger, message, then the facts."""
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        facts = {name: value for name, value in vars(record).items() if name not in _OWN}
        line |= {name if name not in line else f"{name}_": value for name, value in facts.items()}
        if record.exc_text:
            line["traceback"] = record.exc_text
        if record.stack_info:
            line["stack"] = record.stack_info
        return json.dumps(line, ensure_ascii=False, default=str)


def setup(level: str | int = logging.INFO, secrets: Iterable[str] = (), stream: TextIO | None = None) -> None:
    """Send every log of the process to standard error as JSON lines; repeating replaces level and secrets.

    ValueError: no such level.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    handler.addFilter(Redaction(secrets))
    root = logging.getLogger()
    root.setLevel(level.upper() if isinstance(level, str) else level)
    for former in [each for each in root.handlers if isinstance(each.formatter, JsonLines)]:
        root.removeHandler(former)
    root.addHandler(handler)
    logging.captureWarnings(True)
    quiet = max(root.level, logging.WARNING)
    for name in _NOISY:
        logging.getLogger(name).setLevel(quiet)
    _take_over("dbos", quiet)


def _take_over(name: str, level: int) -> None:
    """Let a library that brings its own handler log as everything else; finding one there, it brings none."""
    logger = logging.getLogger(name)
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
    logger.addHandler(logging.NullHandler())
    logger.propagate = True
    logger.setLevel(level)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):  # arguments that do not fit must not hurt whoever logs
        return f"{record.msg} {record.args!r}"


def _forms(secret: str) -> set[str]:
    """Give the ways in which it may be written: as it is, in an address, inside JSON or a repr, or one in the other."""
    forms = {secret, quote(secret, safe="")}
    for _ in range(2):
        forms |= {form for each in forms for form in (json.dumps(each)[1:-1], repr(each)[1:-1])}
    return forms
