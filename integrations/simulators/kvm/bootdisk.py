"""A disk that boots by itself and says on its serial port what it holds: a marker, and a sum over its data."""

import array
import os
import random
import struct
from dataclasses import dataclass
from pathlib import Path

_MIB = 1 << 20
_SECTOR = 512
_CHUNK = 32 << 10  # the boot sector reads as much at once
_DATA_AT = _MIB
# bootsector.S, assembled; the rest of its 510 bytes is zeros.
_CODE = bytes.fromhex(
    "fa31c08ed88ec08ed0bc007cfb8816037dbe047db442cd130f829700bede7ce8b100be0080e8ab00e8900066a1008166a30c7d668b0e0481"
    "c706067d4000c7060a7d0010c706087d00006631db5166538a16037dbe047db442cd13665b72541eb800108ed831f6b9002066ad6601c3e2"
    "f91f6683060c7d4059e2d2bee67ce85200b9080066c1c30488d8240f3c0a720204270430e82b00e2ebe81f00beed7ce83100bafd03eca801"
    "74f8baf803ece81100ebefbef57ce81a00ebe7b00de80200b00a5250bafd03eca82074fb58baf803ee5ac3ac84c07405e8e7ffebf6c34d41"
    "524b4552200053554d3332200052454144590d0a00524541442d4641494c45440d0a0080100001000080000001"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BootDisk:
    """What is on one disk. marker: 1 to 200 printable characters, another one each time, so that no old disk passes."""

    marker: str
    size: int = 16 * _MIB  # of the whole disk, sparse; bytes
    data_bytes: int = _MIB  # a multiple of 32 KiB, from 1 MiB on
    seed: int = 1

    def write(self, path: Path) -> None:
        """Make a raw image. ValueError: it does not fit."""
        name = self.marker.encode("ascii")
        if not 0 < len(name) <= 200 or not self.marker.isprintable():
            raise ValueError(f"no marker: {self.marker!r}")
        if self.data_bytes % _CHUNK or not 0 < self.data_bytes <= self.size - _DATA_AT:
            raise ValueError(f"{self.data_bytes} bytes of data do not fit on {self.size}")
        head = struct.pack("<256sII", name, _DATA_AT // _SECTOR, self.data_bytes // _CHUNK)
        with path.open("wb") as file:
            file.write(_CODE.ljust(510, b"\0") + b"\x55\xaa" + head)
            os.ftruncate(file.fileno(), self.size)
            file.seek(_DATA_AT)
            file.write(self._data())

    @property
    def said(self) -> tuple[str, str, str]:
        """The lines that it prints when every byte is right."""
        words = array.array("I", self._data())
        return f"MARKER {self.marker}", f"SUM32 {sum(words) & 0xFFFFFFFF:08x}", "READY"

    def _data(self) -> bytes:
        return random.Random(self.seed).randbytes(self.data_bytes)
