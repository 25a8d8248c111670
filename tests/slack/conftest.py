"""What tests of Slack have in common: no proxy between, and a local Slack whose clock is moved by hand."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from slack_sdk import WebClient

from integrations.simulators.slack import LocalSlack
from tests.slack.local import Hand, client_of
from tests.slack.recoverable import World, recoverable_world


@pytest.fixture(scope="session", autouse=True)
def _no_proxy() -> Iterator[None]:
    """The SDK reads these variables, and does not know NO_PROXY."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
            patch.setenv(name, "")
        yield


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def slack(clock: Hand) -> Iterator[LocalSlack]:
    with LocalSlack(event_retry_s=(60.0,), clock=clock) as running:
        yield running


@pytest.fixture
def client(slack: LocalSlack) -> WebClient:
    return client_of(slack)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A bot that has recovery points; under the default policy everyone is operator."""
    with recoverable_world(tmp_path) as made:
        yield made


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[World]:
    """The same, where alice alone is an operator, and VMs called prod* are an admin's to restore."""
    with recoverable_world(tmp_path, is_strict=True) as made:
        yield made
