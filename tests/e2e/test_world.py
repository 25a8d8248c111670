"""A folder's next world stands where the last one stood, as far as it can."""

import socket
from pathlib import Path

import pytest

from integrations.simulators.demo.papers import Papers, SlackPaper, VmstorePaper
from integrations.simulators.demo.ports import free_ports
from integrations.simulators.demo.s3server import Account
from integrations.simulators.demo.world import World


def page_port(folder: Path) -> int:
    return World(folder).slack._port


def test_an_open_page_finds_the_next_world_of_its_folder(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    page = f"http://127.0.0.1:{port}/"
    slack = SlackPaper(url="u", bot_token="b", app_token="a", signing_secret="s", channel="C1", page=page)
    vmstore = VmstorePaper(name="v", url="u", user="u", password="p", export="e", ca="c", control="c")
    account = Account(access_key="k", secret_key="s", bucket="b")
    Papers(slack=slack, vmstores=(vmstore,), endpoint="e", account=account).write(tmp_path)
    assert page_port(tmp_path) == port
    with socket.create_server(("127.0.0.1", port)):
        assert page_port(tmp_path) == 0
    assert page_port(tmp_path) == port


@pytest.mark.parametrize(
    "told",
    ["", "[]", "{}", '{"slack": 4}', '{"slack": {"page": "http://[/"}}', '{"slack": {"page": "http://h:99999/"}}'],
)
def test_a_folder_that_tells_nothing_of_its_page_gets_any_port(tmp_path: Path, told: str) -> None:
    (tmp_path / "world.json").write_text(told)
    assert page_port(tmp_path) == 0
    assert page_port(tmp_path / "nothing") == 0
