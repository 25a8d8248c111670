"""A folder's next world stands where the last one stood, as far as it can."""

import json
import socket
from pathlib import Path

import pytest

from integrations.simulators.demo.ports import free_ports
from integrations.simulators.demo.world import World


def page_port(folder: Path) -> int:
    return World(folder).slack._port


def test_an_open_page_finds_the_next_world_of_its_folder(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    (tmp_path / "world.json").write_text(json.dumps({"page": f"http://127.0.0.1:{port}/"}))
    assert page_port(tmp_path) == port
    with socket.create_server(("127.0.0.1", port)):
        assert page_port(tmp_path) == 0
    assert page_port(tmp_path) == port


@pytest.mark.parametrize(
    "told", ["", "[]", "{}", '{"page": 4}', '{"page": "http://[/"}', '{"page": "http://h:99999/"}']
)
def test_a_folder_that_tells_nothing_of_its_page_gets_any_port(tmp_path: Path, told: str) -> None:
    (tmp_path / "world.json").write_text(told)
    assert page_port(tmp_path) == 0
    assert page_port(tmp_path / "nothing") == 0
