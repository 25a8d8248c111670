"""The text of a .vmx: read, written, and what it says of disks and network cards. Pure.

One setting a line, `key = "value"`; keys are the same in upper and lower case, and the last of several counts. In
values `|22` stands for the character of that number.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_LINE_END = re.compile(r"\r?\n|\r")
_ESCAPED = re.compile(r"\|([0-9A-Fa-f]{2})")
_TO_ESCAPE = re.compile(r'["|\x00-\x1f\x7f]')
_NAMED = re.compile(rb'^[ \t]*\.?encoding[ \t]*=[ \t]*"?([^"\r\n]*)', re.MULTILINE | re.IGNORECASE)
# What hosts and desktops write, by VMware's name and Python's. Others of Python's are no encodings of text files: some
# make of harmless bytes what nobody saw in them.
_ENCODINGS = {"": "utf-8", "utf-8": "utf-8", "us-ascii": "ascii", "shift_jis": "cp932", "euc-jp": "euc_jp"}
_ENCODINGS |= {name: name for name in ("gbk", "gb2312", "gb18030", "big5")} | {"euc-kr": "euc_kr"}
_ENCODINGS |= {f"windows-{page}": f"cp{page}" for page in (874, 932, 936, 949, 950, *range(1250, 1259))}
_ENCODINGS |= {f"iso-8859-{part}": f"iso8859_{part}" for part in (*range(1, 12), *range(13, 17))}
_SLOT = re.compile(r"((ide|scsi|sata|nvme)([0-9]{1,3})):([0-9]{1,3})\.\w+")
_CARD = re.compile(r"(ethernet([0-9]{1,2}))\.present")
_BUSES = ("ide", "scsi", "sata", "nvme")
_SECRET = re.compile(r"guestinfo\..*|remotedisplay\..*|encryption\..*|datafilekey|.*(password|passwd|secret|token).*")


class UnknownEncoding(ValueError):  # noqa: N818 - reads as what it says
    """The text names an encoding that is not read; says which are."""


@dataclass(slots=True)
class Setting:
    """One line: the key as it is written, the value without escapes."""

    key: str
    value: str


class Vmx:
    """All settings by key in lower case, in the order in which they came."""

    def __init__(self, settings: Mapping[str, Setting] | None = None) -> None:
        self._settings = dict(settings or {})

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter([(key, setting.value) for key, setting in self._settings.items()])

    def __bool__(self) -> bool:
        return bool(self._settings)

    def get(self, key: str) -> str:
        """The value; "": there is none."""
        found = self._settings.get(key.lower())
        return found.value if found else ""

    def word(self, key: str) -> str:
        """The value, where only what it means counts: in lower case, without spaces."""
        return self.get(key).strip().lower()

    def set(self, key: str, value: str) -> None:
        """Give a setting another value, at its place; a new one comes last."""
        former = self._settings.get(key.lower())
        self._settings[key.lower()] = Setting(former.key if former else key, value)

    def drop(self, key: str) -> None:
        """Take a setting out; none is fine."""
        self._settings.pop(key.lower(), None)

    def name_of(self, key: str) -> str:
        """The key as it was written."""
        found = self._settings.get(key.lower())
        return found.key if found else key

    def disks(self) -> tuple[tuple[str, str], ...]:
        """(slot, file name) of each disk that is present, in bus order."""
        found = {slot for key, _ in self if (slot := self.slot_of(key)) and self._is_disk(slot)}
        return tuple((slot, self.get(f"{slot}.filename")) for slot in sorted(found, key=_order))

    def cards(self) -> tuple[str, ...]:
        """The network cards that are present, in order: "ethernet0"."""
        found = [match for key, _ in self if (match := _CARD.fullmatch(key)) and self.word(key) == "true"]
        return tuple(match[1] for match in sorted(found, key=lambda match: int(match[2])))

    def slot_of(self, key: str) -> str:
        """The slot that a setting is of, like "scsi0:1"; "": of none."""
        match = _SLOT.fullmatch(key)
        return key.rpartition(".")[0] if match else ""

    def is_absent(self, slot: str) -> bool:
        """Whether the device, or its controller, is said not to be there."""
        return any(self.word(f"{part}.present") == "false" for part in (slot, slot.partition(":")[0]))

    def is_drive(self, slot: str) -> bool:
        """Whether it is a drive for CDs."""
        is_image = self.word(f"{slot}.filename").endswith(".iso")
        return is_image or "cdrom" in self.word(f"{slot}.devicetype")

    def _is_disk(self, slot: str) -> bool:
        return bool(self.get(f"{slot}.filename")) and not self.is_absent(slot) and not self.is_drive(slot)

    def text(self) -> str:
        """As a host reads it."""
        return "".join(f'{each.key} = "{_escaped(each.value)}"\n' for each in self._settings.values())


def decode(data: bytes) -> str:
    """Bytes as text, in the encoding that they name themselves (UTF-8 where they do not). UnknownEncoding."""
    named = _NAMED.search(data[:4096])
    name = named[1].decode("utf-8", "replace").strip() if named else ""
    if name.lower() not in _ENCODINGS:
        raise UnknownEncoding(
            f"it is written in {name[:40]!r}, which is not read; read are UTF-8, US-ASCII, windows-125x, ISO-8859-x,"
            " Shift_JIS, EUC-JP, GBK, GB18030, Big5, EUC-KR. Save it as UTF-8 and name that as its encoding"
        )
    return data.decode(_ENCODINGS[name.lower()], errors="replace")


def parse(text: str) -> Vmx:
    """All settings; lines that are none are left out."""
    settings: dict[str, Setting] = {}
    for line in _LINE_END.split(text):
        key, equals, value = (part.strip() for part in line.partition("="))
        if equals and key and not key.startswith("#") and not re.search(r"\s", key):
            plain = value[1:].partition('"')[0] if value.startswith('"') else value
            settings[key.lower()] = Setting(key, _ESCAPED.sub(lambda found: chr(int(found[1], 16)), plain))
    return Vmx(settings)


def without_secrets(text: str) -> str:
    """The text without the lines that may hold one: what tools tell the guest, passwords of screens, keys."""
    lines = _LINE_END.split(text.rstrip("\r\n"))
    kept = [line for line in lines if not _SECRET.fullmatch(line.partition("=")[0].strip().lower())]
    return "".join(f"{line}\n" for line in kept if text)


def _order(slot: str) -> tuple[int, int, int]:
    match = _SLOT.fullmatch(f"{slot}.x")
    return (_BUSES.index(match[2]), int(match[3]), int(match[4])) if match else (len(_BUSES), 0, 0)


def _escaped(value: str) -> str:
    return _TO_ESCAPE.sub(lambda found: f"|{ord(found[0]):02X}", value)
