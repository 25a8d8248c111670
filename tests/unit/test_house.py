"""The house itself: sizes that keep it readable, and words that a machine can look for."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parents[2]
PACKAGES = ("bot", "handlers", "integrations")
FUNCTION, FILE, LISTENER = 40, 400, 10
LISTENERS = ("commands.py", "actions.py", "events.py", "shortcuts.py", "homeevents.py")


def sources() -> list[Path]:
    found = [path for package in PACKAGES for path in sorted((HOUSE / package).rglob("*.py"))]
    return [path for path in found if "versions" not in path.parts]  # a migration is a record, not a function


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(HOUSE)))
def test_files_and_functions_stay_small(path: Path) -> None:
    assert path.read_text().count("\n") <= FILE
    long = [f"{node.name}: {length(node)} lines" for node in functions(path) if length(node) > FUNCTION]
    assert long == []


def test_listeners_parse_call_and_render() -> None:
    long = [
        f"{name}: {node.name}"
        for name in LISTENERS
        for node in functions(HOUSE / "handlers" / name)
        if length(node) > LISTENER and node.name != "register"
    ]
    assert long == []


def test_every_command_is_in_the_documentation() -> None:
    from bot.cli import app
    from handlers.appmanifest import COMMANDS

    page = (HOUSE / "docs" / "commands.md").read_text()
    names = [f"cloudy {command.name}" for command in app.registered_commands]
    names += [f"cloudy {group.name}" for group in app.registered_groups]
    assert [name for name in (*names, *(command.name for command in COMMANDS)) if name not in page] == []


def test_every_setting_is_in_the_documentation() -> None:
    from bot.config import DatabaseSettings, HypervisorSettings, SlackSettings, TargetSettings, VMstoreSettings
    from bot.drill_settings import DrillSettings
    from bot.sla_settings import RetentionSettings, SlaSettings

    page = (HOUSE / "docs" / "configuration.md").read_text()
    sections = (DatabaseSettings, SlackSettings, TargetSettings, VMstoreSettings, HypervisorSettings, DrillSettings)
    promises = (SlaSettings, RetentionSettings)
    fields = {name for section in (*sections, *promises) for name in section.model_fields}
    assert sorted(name for name in fields if not re.search(rf"`{name}`", page)) == []


def test_every_word_of_the_glossary_that_the_house_forbids_is_absent() -> None:
    forbidden = re.compile(r"\b(utils|helpers|manager)\b")
    assert [str(path) for path in sources() if forbidden.search(path.stem)] == []
