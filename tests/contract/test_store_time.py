"""A store's own time: told in good answers and in refusals, and never made up."""

from datetime import UTC, datetime, timedelta

import pytest

from bot.errors import DeniedError, PermanentError, TransientError
from bot.ports import ObjectStore
from integrations.objectstores import OPENERS
from tests.contract.s3_script import Call, Script, Scripted, refusal, scripted
from tests.contract.test_azure_wire import fake, open_store
from tests.contract.test_azure_wire import refusal as azure_refusal

NOON = datetime(2016, 11, 23, 12, tzinfo=UTC)
DATE = "Date: Wed, 23 Nov 2016 12:00:00 GMT\r\n"
GOOD = f"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{DATE}\r\n".encode()


def s3(server: Scripted) -> ObjectStore:
    return OPENERS["s3"]("cloud", "s3://box/vms", server.options)


def says(answer: bytes) -> Script:
    def script(call: Call) -> None:
        while call.head():
            call.say(answer)

    return script


@pytest.mark.parametrize(
    "answer", [GOOD, refusal(403, "RequestTimeTooSkewed", DATE), refusal(404, "NoSuchBucket", DATE)]
)
def test_s3_tells_its_time_also_where_it_refuses_us(answer: bytes) -> None:
    with scripted(says(answer)) as server:
        assert s3(server).now() == NOON


def test_s3_without_a_date_tells_no_time() -> None:
    silent = says(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    with scripted(silent) as server, pytest.raises(PermanentError, match="does not tell the time"):
        s3(server).now()
    with scripted(says(refusal(403, "AccessDenied"))) as server, pytest.raises(DeniedError):
        s3(server).now()


def test_s3_that_is_busy_is_asked_again_by_whoever_retries() -> None:
    with scripted(says(refusal(503, "SlowDown", DATE))) as server, pytest.raises(TransientError):
        s3(server).now()


@pytest.mark.parametrize("status", [200, 403, 404])
def test_azure_tells_its_time_also_where_it_refuses_us(status: int) -> None:
    answer = (200, {}, "") if status == 200 else azure_refusal(status, "AuthorizationPermissionMismatch")
    with fake(anything=[answer]) as server:
        told = open_store(server).now()
    assert abs(told - datetime.now(UTC)) < timedelta(days=1)


def test_azure_that_is_busy_is_asked_again_by_whoever_retries() -> None:
    with fake(anything=[azure_refusal(503, "ServerBusy")]) as server, pytest.raises(TransientError):
        open_store(server).now()
