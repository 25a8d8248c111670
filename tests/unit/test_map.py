"""The map of the code: every module stands on it once, and nothing that is not there."""

import re
from collections.abc import Iterator
from pathlib import Path

HOUSE = Path(__file__).resolve().parents[2]
ROWS = re.findall(r"^\| `((?:bot|handlers)/\S+)` \| (.+) \|$", (HOUSE / "docs" / "code.md").read_text(), re.MULTILINE)
OF_PYTHON = {"bot/__init__.py", "bot/__main__.py"}


def rooms() -> Iterator[str]:
    for package in ("bot", "handlers"):
        yield from (f"{package}/{path.name}" for path in (HOUSE / package).glob("*.py"))
        yield from (f"{package}/{path.parent.name}/" for path in (HOUSE / package).glob("*/__init__.py"))


def test_every_module_has_one_row_and_every_row_a_module() -> None:
    assert sorted(name for name, _ in ROWS) == sorted({*rooms()} - OF_PYTHON)


def test_the_row_of_a_package_names_its_modules() -> None:
    inside = {name: set(re.split(r"[ *·]+", row)) for name, row in ROWS if name.endswith("/")}
    missing = [
        f"{package}{path.name}"
        for package, named in inside.items()
        for path in (HOUSE / package).glob("*.py")
        if path.stem not in {*named, "__init__"}
    ]
    assert missing == []
