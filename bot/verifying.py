"""The proof that a target has what was read: its own word on it, asked anew, or every byte of it read back."""

from collections.abc import Callable

from bot.checksum import of_read, to_hex
from bot.errors import IntegrityError
from bot.model import ObjectInfo, StoredFile
from bot.ports import ObjectStore


def verify(
    store: ObjectStore,
    file: StoredFile,
    check: Callable[[], None],
    on_read: Callable[[int], None] = lambda _size: None,
) -> ObjectInfo:
    """Ask the store anew whether it has the bytes that were read from the VMstore, and give what it tells.

    Where the store does not check CRCs itself, what it tells is no proof: then all is read back. check is called before
    each request and may raise Stopped; on_read after each piece, with its size. IntegrityError: size or CRC differ.
    MissingError: no such object.
    """
    check()
    info = store.head(file.key)
    if info.size != file.size:
        raise IntegrityError(f"{_place(store, file)} has {info.size} bytes, but {file.size} bytes were read and sent.")
    told = info.crc64 if store.capabilities().checks_crc else None
    found = told if told is not None else _read_back(store, file, check, on_read)
    if found != file.crc64:
        raise IntegrityError(
            f"{_place(store, file)} has CRC-64 {to_hex(found)}, but what was read and sent has {to_hex(file.crc64)}. "
            "The object was damaged or changed; it must not be used."
        )
    return info


def _read_back(store: ObjectStore, file: StoredFile, check: Callable[[], None], on_read: Callable[[int], None]) -> int:
    def read(offset: int, length: int) -> bytes:
        check()
        piece = store.get(file.key, offset, length)
        if len(piece) != length:
            raise IntegrityError(f"{_place(store, file)} ends at byte {offset + len(piece)} when it is read back.")
        on_read(length)
        return piece

    return of_read(read, file.size)


def _place(store: ObjectStore, file: StoredFile) -> str:
    return f"{file.key} in target {store.name}"
