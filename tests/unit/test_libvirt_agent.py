"""What the agent in a guest says becomes words; whatever it says, nothing else comes of it."""

import json
from typing import Any

import pytest

libvirt = pytest.importorskip("libvirt")
libvirt_qemu = pytest.importorskip("libvirt_qemu")


def told(monkeypatch: pytest.MonkeyPatch, *answers: str | None) -> str | None:
    """What is made of these answers, one for each command; None: an error of libvirt's."""
    from integrations.hypervisors.libvirt import agent

    left = list(answers)

    def command(domain: Any, asked: str, timeout: int, flags: int) -> str:
        assert json.loads(asked)["execute"] in ("guest-ping", "guest-get-osinfo")
        assert 0 < timeout < 10
        answer = left.pop(0)
        if answer is None:
            raise libvirt.libvirtError("no answer")
        return answer

    monkeypatch.setattr(libvirt_qemu, "qemuAgentCommand", command)
    return agent.answer(object())


def test_an_agent_that_does_not_answer_is_no_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(monkeypatch, None) is None


def test_an_agent_that_answers_tells_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    info = '{"return": {"name": "Debian GNU/Linux", "pretty-name": "Debian GNU/Linux 12 (bookworm)"}}'
    assert told(monkeypatch, '{"return": {}}', info) == "The guest's agent answers: Debian GNU/Linux 12 (bookworm)."
    assert told(monkeypatch, '{"return": {}}', '{"return": {"name": "x"}}') == "The guest's agent answers: x."


@pytest.mark.parametrize("answer", [None, "", "[]", "{}", '{"return": 7}', '{"return": null}', "no json"])
def test_an_agent_that_knows_no_more_than_the_ping_is_as_good(
    monkeypatch: pytest.MonkeyPatch, answer: str | None
) -> None:
    assert told(monkeypatch, '{"return": {}}', answer) == "The guest's agent answers."
