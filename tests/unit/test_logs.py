"""Every log line is JSON, and holds no secret wherever it stood."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from bot import logs

SECRET = 'pa"ss-word'


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root, dbos = logging.getLogger(), logging.getLogger("dbos")
    before = (list(root.handlers), root.level, list(dbos.handlers), dbos.propagate, dbos.level)
    stream = io.StringIO()
    logs.setup("INFO", [SECRET, "key-of-s3"], stream)
    yield stream
    root.handlers[:], level, dbos.handlers[:], dbos.propagate, dbos_level = before
    root.setLevel(level)
    dbos.setLevel(dbos_level)
    logging.captureWarnings(False)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_has_time_level_logger_message_and_the_facts(stream: io.StringIO) -> None:
    logging.getLogger("bot.engine").warning("step ended", extra={"action": "step", "took_s": 1.5, "tries": [1, None]})

    (line,) = lines(stream)
    assert line.pop("at").endswith("+00:00")
    assert line == {
        "level": "warning",
        "logger": "bot.engine",
        "message": "step ended",
        "action": "step",
        "took_s": 1.5,
        "tries": [1, None],
    }


@pytest.mark.parametrize(
    "secret",
    [
        SECRET,
        json.dumps(SECRET)[1:-1],
        "key-of-s3",
        "xoxb-123-abc",
        "xapp-1-A1-abc",
        "Authorization: Bearer tok3n",
        "'Cookie': 'JSESSIONID=tok3n'",
        '"set-cookie": "JSESSIONID=tok3n"',
        "Authorization=Basic tok3n",
    ],
)
def test_no_secret_gets_out_by_message_argument_extra_or_traceback(stream: io.StringIO, secret: str) -> None:
    logger = logging.getLogger("bot")
    logger.info(f"said {secret}")  # noqa: G004
    logger.info("said %s and %r", secret, {"deep": [secret]})
    logger.info("said", extra={"fact": secret, "deep": {"list": [(secret,)], secret: 1}, "thing": ValueError(secret)})
    try:
        raise ValueError(secret)
    except ValueError:
        logger.exception("failed")

    text = stream.getvalue()
    assert len(lines(stream)) == 4
    assert text.count("[hidden]") >= 8
    assert not any(
        part in text for part in (SECRET, json.dumps(SECRET)[1:-1], "key-of-s3", "123-abc", "A1-abc", "tok3n")
    )


def test_a_fact_with_the_name_of_a_secret_is_hidden_whatever_it_is(stream: io.StringIO) -> None:
    logging.getLogger("bot").info("login", extra={"password": "short", "headers": {"cookie": "x", "accept": "*/*"}})

    (line,) = lines(stream)
    assert (line["password"], line["headers"]) == ("[hidden]", {"cookie": "[hidden]", "accept": "*/*"})


def test_a_traceback_is_one_field_of_one_line(stream: io.StringIO) -> None:
    try:
        raise KeyError("gone")
    except KeyError:
        logging.getLogger("bot").exception("failed")

    (line,) = lines(stream)
    assert "KeyError: 'gone'" in line["traceback"]


def test_arguments_that_do_not_fit_are_logged_all_the_same(stream: io.StringIO) -> None:
    logging.getLogger("bot").info("one %d", "word")

    assert lines(stream)[0]["message"] == "one %d ('word',)"


def test_the_engines_logger_speaks_through_ours_also_when_the_engine_comes_later(stream: io.StringIO) -> None:
    from dbos._logger import dbos_logger, init_logger

    init_logger()
    dbos_logger.warning("from the engine")
    dbos_logger.info("advert")

    assert [line["message"] for line in lines(stream)] == ["from the engine"]
    assert dbos_logger.propagate


def test_setting_up_again_replaces_and_does_not_double(stream: io.StringIO) -> None:
    again = io.StringIO()
    logs.setup(logging.ERROR, [], again)
    logging.getLogger("bot").error("once")
    logging.getLogger("bot").info("not at this level")

    assert stream.getvalue() == ""
    assert len(lines(again)) == 1


def test_talkative_libraries_are_quiet(stream: io.StringIO) -> None:
    logging.getLogger("botocore.auth").info("x")
    logging.getLogger("alembic.runtime.migration").info("x")

    assert stream.getvalue() == ""


def test_who_wants_only_what_is_critical_hears_no_library_either(stream: io.StringIO) -> None:
    """`cloudy doctor` tells itself what it found, in its own lines."""
    logs.setup("CRITICAL", [], stream)
    for name in ("slack_sdk.web.base_client", "dbos"):
        logging.getLogger(name).error("cannot be reached")
    logs.setup("INFO", [], stream)
    logging.getLogger("slack_sdk.web.base_client").warning("heard again")
    assert [line["message"] for line in lines(stream)] == ["heard again"]


def test_what_signs_an_address_of_azure_is_hidden(stream: io.StringIO) -> None:
    logging.getLogger("bot").warning("failed", extra={"url": "https://a.blob/c/b?sv=2026&sig=aB%2Fc%3D&se=2026"})
    (line,) = lines(stream)
    assert line["url"] == "https://a.blob/c/b?sv=2026&sig=[hidden]&se=2026"
