"""Reads and checks workflow files; the language is small on purpose.

A file has `format`, `name`, `title` and steps; a step has `id`, `title`, `action`, `inputs` and may be `always`, or may
`hold`: when it fails, what was made may be kept for a while before the `always` steps remove it.
An input is a literal, or "$step.output" / "$request.name" ("$$..." is a literal that begins with a dollar sign).
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, Protocol

from bot.errors import ConfigError
from bot.model import Json

FORMAT = 1

# What "$request.<name>" can say, and the kind of each.
REQUEST: Mapping[str, str] = {
    "vm": "text",
    "vm_uuid": "text",
    "vmstore": "text",
    "targets": "list",
    "consistency": "text",
    "point": "text",  # the transaction whose recovery point it is about; not given to `protect`
    "target": "text",  # of `restore` alone, as what follows: the target that it reads from
    "name": "text",
    "room": "number",  # bytes that must be free
    "is_on": "switch",
    "snapshot": "text",  # uuid, where the VMstore has it still
    "disks": "list",  # pairs of names, where not all of the VM is put back
    "folder": "text",  # of the VM that is overwritten
    "is_off_allowed": "switch",
    "pattern": "text",  # of `drill` alone, as what follows: what a console must show
    "alive_s": "number",  # seconds
    "is_deep": "switch",  # of `verify` alone
    "points": "list",  # of `expire` and `tier` alone
}


class ActionShape(Protocol):
    """What the checker needs to know of an action: kinds of its inputs and outputs by name."""

    @property
    def inputs(self) -> Mapping[str, str]:
        """Kind by name; all are required."""

    @property
    def outputs(self) -> Mapping[str, str]:
        """Kind by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSpec:
    """One step as the file has it."""

    id: str
    title: str
    action: str
    inputs: Json = field(default_factory=dict)
    always: bool = False
    hold: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """An ordered list of steps."""

    name: str
    title: str
    steps: tuple[StepSpec, ...]

    def freeze(self) -> Json:
        """The copy that a transaction keeps, so that editing the file never changes a run in flight."""
        steps = [
            {
                "id": s.id,
                "title": s.title,
                "action": s.action,
                "inputs": s.inputs,
                "always": s.always,
                "hold": s.hold,
            }
            for s in self.steps
        ]
        return {"format": FORMAT, "name": self.name, "title": self.title, "step": steps}


def load(name: str) -> str:
    """The text of a workflow that Cloudy ships. ConfigError: there is none of that name."""
    file = resources.files("bot.workflows").joinpath(f"{name}.toml")
    if not file.is_file():
        raise ConfigError([f"there is no workflow called {name!r}"])
    return file.read_text(encoding="utf-8")


def read(text: str, actions: Mapping[str, ActionShape], *, where: str = "workflow") -> Workflow:
    """Parse and check a workflow file. ConfigError lists every mistake at once."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{where}: not TOML: {error}"]) from error
    problems = _Problems(where)
    workflow = thaw(document, problems)
    _check(workflow, actions, problems)
    problems.raise_if_any()
    return workflow


def thaw(document: Json, problems: "_Problems | None" = None) -> Workflow:
    """Make a workflow of a parsed file or of what `freeze` gave. ConfigError, or the mistakes go to `problems`."""
    found = problems or _Problems("workflow")
    if document.get("format") != FORMAT:
        found.add(f"format is {document.get('format')!r}; this Cloudy reads format {FORMAT}")
    steps = tuple(_step(raw, i, found) for i, raw in enumerate(document.get("step", [])))
    if not steps:
        found.add("has no [[step]]")
    if problems is None:
        found.raise_if_any()
    name = str(document.get("name", ""))
    return Workflow(name=name, title=str(document.get("title", name)), steps=steps)


def _step(raw: Json, index: int, problems: "_Problems") -> StepSpec:
    known = {"id", "title", "action", "inputs", "always", "hold"}
    step_id = str(raw.get("id", ""))
    place = f"step {step_id or index + 1}"
    for name in ("id", "action"):
        if not raw.get(name):
            problems.add(f"{place}: {name} is missing")
    for name in sorted(set(raw) - known):
        problems.add(f"{place}: unknown key {name!r} (known: {', '.join(sorted(known))})")
    return StepSpec(
        id=step_id,
        title=str(raw.get("title", step_id)),
        action=str(raw.get("action", "")),
        inputs=dict(raw.get("inputs", {})),
        always=bool(raw.get("always", False)),
        hold=bool(raw.get("hold", False)),
    )


def _check(workflow: Workflow, actions: Mapping[str, ActionShape], problems: "_Problems") -> None:
    known: dict[str, Mapping[str, str]] = {"request": REQUEST}
    for spec in workflow.steps:
        if spec.id in known:
            problems.add(f"step {spec.id}: a second step of that id")
        action = actions.get(spec.action)
        if action is None:
            problems.add(f"step {spec.id}: no action {spec.action!r} (there are: {', '.join(sorted(actions))})")
            known[spec.id] = {}
            continue
        _check_inputs(spec, action, known, problems)
        known[spec.id] = action.outputs


def _check_inputs(
    spec: StepSpec, action: ActionShape, known: Mapping[str, Mapping[str, str]], problems: "_Problems"
) -> None:
    for name in sorted(set(action.inputs) - set(spec.inputs)):
        problems.add(f"step {spec.id}: input {name!r} of {spec.action} is missing")
    for name, value in spec.inputs.items():
        wanted = action.inputs.get(name)
        if wanted is None:
            problems.add(f"step {spec.id}: {spec.action} has no input {name!r}")
            continue
        reference = _reference(value)
        kind = _kind_of(value) if reference is None else known.get(reference[0], {}).get(reference[1])
        if kind is None:
            problems.add(f"step {spec.id}: {value!r} is not known by then; an earlier step must give it")
        elif kind != wanted:
            problems.add(f"step {spec.id}: input {name!r} wants a {wanted}, {value!r} is a {kind}")


def _kind_of(value: Any) -> str:
    kinds = {str: "text", list: "list", dict: "record", int: "number", bool: "switch"}
    return kinds.get(type(value), type(value).__name__)


def _reference(value: Any) -> tuple[str, str] | None:
    if not isinstance(value, str) or not value.startswith("$") or value.startswith("$$"):
        return None
    step, _, name = value[1:].partition(".")
    return step, name


def resolve(inputs: Json, known: Mapping[str, Json]) -> Json:
    """Put values where the references are; what a skipped step would have given is None."""
    return {name: _resolve_one(value, known) for name, value in inputs.items()}


def _resolve_one(value: Any, known: Mapping[str, Json]) -> Any:
    reference = _reference(value)
    if reference is None:
        return value[1:] if isinstance(value, str) and value.startswith("$$") else value
    return known.get(reference[0], {}).get(reference[1])


class _Problems:
    """Collects mistakes, so that all are told at once."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._found: list[str] = []

    def add(self, text: str) -> None:
        self._found.append(f"{self._where}: {text}")

    def raise_if_any(self) -> None:
        if self._found:
            raise ConfigError(self._found)
