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


def heads_of(line: Any, label: str, paths: Iterable[str]) -> dict[str, bytes]:
    """The first HEAD bytes of each file, by full path. NotThere names the first that the host does not see.

    By a storage pool for each folder, made for this look only: that is how libvirt gives bytes of a file, on this
    machine and on another. Its name has the label, so that one that was left by a try before is known.
    """
    folders: dict[str, list[str]] = {}
    for path in paths:
        folders.setdefault(posixpath.dirname(path), []).append(posixpath.basename(path))
    found: dict[str, bytes] = {}
    for folder, names in folders.items():
        found |= {posixpath.join(folder, name): head for name, head in _of_folder(line, label, folder, names).items()}
    return found


def _of_folder(line: Any, label: str, folder: str, names: Iterable[str]) -> Mapping[str, bytes]:
    with _pool(line, f"cloudy-{label}-", folder) as pool:
        there = {volume.name(): volume for volume in pool.listAllVolumes()}
        for name in names:
            if name not in there:
                raise NotThere(f"{folder}/{name}")
        return {name: _head(line, there[name]) for name in names}


@contextmanager
def _pool(line: Any, prefix: str, folder: str) -> Iterator[Any]:
    """The pool of that folder: libvirt refuses a second. Taken away is only one whose name begins with the prefix."""
    try:
        pool = line.storagePoolLookupByTargetPath(folder)
    except libvirt.libvirtError:
        pool = _made(line, prefix, folder)
    try:
        pool.refresh()  # what others made may know the files of another time
        yield pool
    finally:
        if pool.name().startswith(prefix):
            with suppress(libvirt.libvirtError):  # it is of no further use; the folder and its files stay
                pool.destroy()


def _made(line: Any, prefix: str, folder: str) -> Any:
    xml = (
        f"<pool type='dir'><name>{escape(prefix)}{secrets.token_hex(4)}</name>"
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
