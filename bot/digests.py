"""The digest object of one file: what each grain was, so that the next run knows what changed. Pure.

Format 1: one line of JSON, then the grains in order, each as 16 bytes of BLAKE3 and 8 bytes of CRC-64/NVME
(big-endian), deflated. It stands at <transaction id>/blocks/<n>; a recovery point is whole without it.
"""

import json
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from bot.checksum import crc64, from_hex, to_hex, whole
from bot.errors import CloudyError, IntegrityError, OperatorError
from bot.grains import DIGEST_BYTES, Changes, Grain
from bot.model import Json

FORMAT = 1
_EACH = DIGEST_BYTES + 8
_LONGEST_HEAD = 64 << 10
_NAME = "blake3-128 + crc-64/nvme"


@dataclass(frozen=True, slots=True, kw_only=True)
class Digests:
    """The grains of one object, by position; all are `grain` bytes long but for the last."""

    key: str  # of the object, relative to the target's prefix
    size: int  # bytes
    grain: int  # bytes
    body: bytes | bytearray  # what stands in the digest object, inflated
    changes: Changes | None = None  # how the object differed from what it was compared with; None: from nothing

    def __len__(self) -> int:
        return len(self.body) // _EACH

    def digest(self, position: int) -> bytes | bytearray:
        """The strong digest of one grain."""
        return self.body[position * _EACH : position * _EACH + DIGEST_BYTES]

    def strong(self) -> bytearray:
        """The strong digests alone, in a row."""
        row = bytearray(len(self) * DIGEST_BYTES)
        for at in range(DIGEST_BYTES):
            row[at::DIGEST_BYTES] = self.body[at::_EACH]
        return row

    def firsts(self) -> bytes:
        """The first byte of each strong digest."""
        return bytes(self.body[::_EACH])

    def length(self, position: int) -> int:
        """Bytes of one grain."""
        return min(self.grain, self.size - position * self.grain)

    def crc64(self, first: int, count: int) -> int:
        """The CRC of grains in a row."""
        return whole((self._crc(at), self.length(at)) for at in range(first, first + count))

    def is_same(self, position: int, grain: Grain) -> bool:
        """Whether the object has just these bytes there."""
        return position < len(self) and self.length(position) == grain.length and self.digest(position) == grain.digest

    def _crc(self, position: int) -> int:
        return int.from_bytes(self.body[position * _EACH + DIGEST_BYTES : (position + 1) * _EACH], "big")


def packed(grains: Iterable[Grain]) -> bytes:
    """Grains in a row, as they stand in the body."""
    return b"".join(each.digest + each.crc64.to_bytes(8, "big") for each in grains)


def of_body(key: str, size: int, grain: int, body: bytes | bytearray, changes: Changes | None = None) -> Digests:
    """Put what was read together. IntegrityError: these are not the grains of so many bytes."""
    return _checked(Digests(key=key, size=size, grain=grain, body=body, changes=changes))


def key(transaction_id: str, number: int) -> str:
    """Where the digests of the file with that position in the manifest lie, relative to the target's prefix."""
    return f"{transaction_id}/blocks/{number}"


def longest(grains: int) -> int:
    """Bytes that a digest object of so many grains has at most; what does not deflate gets a little longer."""
    return _LONGEST_HEAD + grains * _EACH * 1001 // 1000


def encode(digests: Digests) -> bytes:
    """Write them down; the same digests give the same bytes."""
    head = {
        "format": FORMAT,
        "key": digests.key,
        "size": digests.size,
        "grain": digests.grain,
        "each": _NAME,
        "grains": len(digests),
        "crc64": to_hex(crc64(digests.body)),
    } | ({"changes": asdict(digests.changes)} if digests.changes else {})
    return json.dumps(head, ensure_ascii=True).encode() + b"\n" + zlib.compress(digests.body, level=1)


def decode(content: bytes, *, most: int | None = None) -> Digests:
    """Read them, strictly. IntegrityError: damaged, or more grains than `most`. OperatorError: of a later format."""
    line, found, _ = content[:_LONGEST_HEAD].partition(b"\n")
    if not found:
        raise _damaged("its first line does not end")
    head = _head(line)
    if head.get("format") != FORMAT:
        raise OperatorError(
            f"The digests have format {head.get('format')}, and this Cloudy reads format {FORMAT} only."
        )
    try:
        name, size, grain = str(head["key"]), int(head["size"]), int(head["grain"])
        if grain < 1 or size < 0:
            raise _damaged("a length is below zero")
        if most is not None and size > grain * most:
            raise _damaged(f"grains of {grain} bytes are too many for {size} bytes")
        body = _inflated(content[len(line) + 1 :], -(-size // grain) * _EACH)
        if to_hex(crc64(body)) != to_hex(from_hex(str(head["crc64"]))):
            raise _damaged("its CRC is another")
        changes = _changes(head.get("changes"))
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        raise _damaged(f"its first line lacks or garbles {error}") from error
    return _checked(Digests(key=name, size=size, grain=grain, body=body, changes=changes))


def _changes(told: Json | None) -> Changes | None:
    """They came to the format later."""
    if told is None:
        return None
    return Changes(grain=int(told["grain"]), changed=int(told["changed"]), runs=int(told["runs"]))


def _head(line: bytes) -> Json:
    try:
        head = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _damaged("its first line is no JSON") from error
    if not isinstance(head, dict):
        raise _damaged("its first line is no JSON object")
    return head


def _inflated(deflated: bytes, length: int) -> bytes:
    """At most as long as it may be, whatever somebody has put there."""
    inflater = zlib.decompressobj()
    try:
        body = inflater.decompress(deflated, length + 1)
    except zlib.error as error:
        raise _damaged(str(error)) from error
    if len(body) != length or inflater.unconsumed_tail or not (inflater.eof or not length):
        raise _damaged(f"it has another number of grains than its {length // _EACH}")
    return body


def _checked(digests: Digests) -> Digests:
    if len(digests.body) != -(-digests.size // digests.grain) * _EACH:
        raise _damaged(f"{len(digests)} grains of {digests.grain} bytes are not {digests.size} bytes")
    return digests


def _damaged(why: str) -> CloudyError:
    return IntegrityError(f"A digest object is damaged: {why}. The next run sends the file in full.")
