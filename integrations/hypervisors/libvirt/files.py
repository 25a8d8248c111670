"""Looks at the restored files with the host's eyes: which are there, and what the images among them want."""

import posixpath
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from xml.sax.saxutils import escape

import libvirt

from integrations.hypervisors.libvirt.images import HEAD


class NotThere(ValueError):  # noqa: N818 - reads as what it says
    """The host does not see a file."""


def heads_of(line: Any, paths: Iterable[str]) -> dict[str, bytes]:
    """The first HEAD bytes of each file, by full path. NotThere names the first that the host does not see.

    By a storage pool for each folder, made for this look only: that is how libvirt gives bytes of a file, on this
    machine and on another.
    """
    folders: dict[str, list[str]] = {}
    for path in paths:
        folders.setdefault(posixpath.dirname(path), []).append(posixpath.basename(path))
    found: dict[str, bytes] = {}
    for folder, names in folders.items():
        found |= {posixpath.join(folder, name): head for name, head in _of_folder(line, folder, names).items()}
    return found


def _of_folder(line: Any, folder: str, names: Iterable[str]) -> Mapping[str, bytes]:
    with _pool(line, folder) as pool:
        there = {volume.name(): volume for volume in pool.listAllVolumes()}
        for name in names:
            if name not in there:
                raise NotThere(f"{folder}/{name}")
        return {name: _head(line, there[name]) for name in names}


@contextmanager
def _pool(line: Any, folder: str) -> Iterator[Any]:
    """The host's own pool of that folder, where it has one: libvirt refuses a second."""
    try:
        found = line.storagePoolLookupByTargetPath(folder)
    except libvirt.libvirtError:
        found = None
    if found is not None:
        found.refresh()
        yield found
        return
    made = _made(line, folder)
    try:
        yield made
    finally:
        with suppress(libvirt.libvirtError):  # it is of no further use; the folder and its files stay
            made.destroy()


def _made(line: Any, folder: str) -> Any:
    xml = (
        f"<pool type='dir'><name>cloudy-{secrets.token_hex(8)}</name>"
        f"<target><path>{escape(folder)}</path></target></pool>"
    )
    try:
        return line.storagePoolCreateXML(xml)
    except libvirt.libvirtError as error:
        if "No such file" in (error.get_error_message() or ""):
            raise NotThere(folder) from error
        raise


def _head(line: Any, volume: Any) -> bytes:
    length = min(HEAD, volume.infoFlags(libvirt.VIR_STORAGE_VOL_GET_PHYSICAL)[2])
    if not length:
        return b""
    stream = line.newStream(0)
    volume.download(stream, 0, length, 0)
    body = bytearray()
    try:
        while piece := stream.recv(length):
            body += piece
        stream.finish()
    except libvirt.libvirtError:
        stream.abort()
        raise
    return bytes(body)
