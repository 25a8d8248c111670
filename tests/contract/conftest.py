"""The ways to an export that the contract of shares is held against: each to a real folder, most by a real server."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.ports import Share
from integrations.shares import OPENERS
from tests import fileservers
from tests.fileservers import FileServer

# Name -> scheme. A new way to an export adds a line, and a fixture where it needs a server.
WAYS = {"path": "path", "nfs4": "nfs", "nfs3": "nfs", "smb": "smb"}


@dataclass(frozen=True)
class Way:
    """A folder of the local disk that is an export, and how a share of it is opened."""

    name: str
    folder: Path
    open: Callable[..., Share]


@pytest.fixture(scope="session")
def nfs4_server() -> Iterator[FileServer]:
    with fileservers.running(fileservers.nfs4) as server:
        yield server


@pytest.fixture(scope="session")
def nfs3_server() -> Iterator[FileServer]:
    with fileservers.running(fileservers.nfs3) as server:
        yield server


@pytest.fixture(scope="session")
def smb_server() -> Iterator[FileServer]:
    with fileservers.running(fileservers.smb) as server:
        yield server


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[FileServer]:
    """The server of the name that a test is parametrized with, its folder empty; it runs again afterwards."""
    found: FileServer = request.getfixturevalue(f"{request.param}_server")
    empty(found.folder)
    yield found
    found.thaw()
    if found.process is None:
        found.start()


@pytest.fixture(params=sorted(WAYS))
def way(request: pytest.FixtureRequest, tmp_path: Path) -> Way:
    """An empty export, by each way there is."""
    return way_of(request, str(request.param), tmp_path)


def way_of(request: pytest.FixtureRequest, name: str, tmp_path: Path) -> Way:
    """An empty export, by the way of that name."""
    if name == "path":
        folder = tmp_path / "export"
        folder.mkdir()

        def mounted(**settings: object) -> Share:
            return OPENERS["path"](f"path:{folder}", export="/tintri", **settings)

        return Way(name, folder, mounted)
    server: FileServer = request.getfixturevalue(f"{name}_server")
    empty(server.folder)
    return Way(name, server.folder, opener(server))


def opener(server: FileServer, url: str = "") -> Callable[..., Share]:
    def reached(**settings: object) -> Share:
        given = {"timeout_s": 20.0, "password": server.password, **settings}
        return OPENERS[server.scheme](url or server.url, export="/tintri", **given)

    return reached


def empty(folder: Path) -> None:
    for one in folder.iterdir():
        if one.is_dir() and not one.is_symlink():
            shutil.rmtree(one)
        else:
            one.unlink()
