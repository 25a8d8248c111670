"""What stands in for a target that takes everything at once, and for a share with a disk that no machine here has."""

import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

from bot.errors import MissingError, PermanentError
from bot.model import Capabilities, ObjectInfo, PartDone, PartLimits, Upload
from bot.ports import ObjectStore, Reader, Share

_POOL = 64 << 20
NOTHING = "nothing"  # the name of the target that sends nothing
ENOUGH = "as much was read as was wanted"  # how a run fails that is to fail


class Nothing:
    """Looks like an object store with small parts: what a transfer to it costs is reading, hashing and planning."""

    name = NOTHING
    url = address = "s3://nothing"

    def __init__(self) -> None:
        self.limits = PartLimits(smallest=1, smallest_source=1)

    def capabilities(self) -> Capabilities:
        return Capabilities(checks_crc=True, conditional_complete=True)

    def put(self, key: str, body: Any, *, crc64: int, metadata: Mapping[str, str]) -> ObjectInfo:
        return ObjectInfo(key=key, size=len(body), etag="1", crc64=crc64)

    def begin_upload(self, key: str, *, metadata: Mapping[str, str]) -> Upload:
        return Upload(key=key, upload_id="1")

    def put_part(self, upload: Upload, number: int, body: Any, *, crc64: int) -> str:
        return "1"

    def list_parts(self, upload: Upload) -> Mapping[int, tuple[str, int]]:
        return {}

    def complete_upload(
        self, upload: Upload, parts: Sequence[PartDone], *, size: int, crc64: int, metadata: Mapping[str, str]
    ) -> ObjectInfo:
        return ObjectInfo(key=upload.key, size=size, etag="1", crc64=crc64)

    def abort_upload(self, upload: Upload) -> None:
        return None

    def head(self, key: str) -> ObjectInfo:
        raise MissingError(key)


def nothing() -> ObjectStore:
    """As a port; a transfer asks no more of a target than it has."""
    return cast(ObjectStore, Nothing())


@lru_cache(maxsize=1)
def pool() -> memoryview:
    """What huge disks are made of. To be asked before the memory is measured, for it is not Cloudy's."""
    return memoryview(os.urandom(_POOL))


class _HugeReader(Reader):
    """Gives bytes of a pool, nowhere zero, until it has given so many; then it fails, and the run ends."""

    def __init__(self, size: int, most: int) -> None:
        self.size = size
        self._left = most
        self._pool = pool()

    def read_into(self, offset: int, buffer: memoryview) -> None:
        self._left -= len(buffer)
        if self._left < 0:
            raise PermanentError(ENOUGH, system="share", operation="read")
        begin = offset * 31 % (_POOL - len(buffer))
        buffer[:] = self._pool[begin : begin + len(buffer)]

    def close(self) -> None:
        return None


class HugeShare:
    """A share, but for its one file."""

    def __init__(self, share: Share, size: int, most: int) -> None:
        self._share = share
        self._size = size
        self._most = most

    def __getattr__(self, name: str) -> Any:
        return getattr(self._share, name)

    def open(self, path: str) -> Reader:
        return _HugeReader(self._size, self._most)


def huge(share: Share, size: int, most: int) -> Share:
    """As a port."""
    return cast(Share, HugeShare(share, size, most))
