"""The workflow language: what a file may say, and that every mistake is told at once."""

import pytest

from bot.actions import ACTIONS
from bot.errors import ConfigError
from bot.workflow import load, read, resolve, thaw


def protect() -> str:
    return load("protect")


def test_the_shipped_protect_workflow_is_right_and_has_the_ten_steps() -> None:
    workflow = read(protect(), ACTIONS)
    assert [step.id for step in workflow.steps] == [
        *("check", "connect", "find", "snapshot", "clone", "open", "upload", "verify", "cleanup", "disconnect")
    ]
    assert [step.id for step in workflow.steps if step.always] == ["cleanup", "disconnect"]
    assert [step.id for step in workflow.steps if step.hold] == ["open", "upload", "verify"]


def test_the_shipped_verify_workflow_is_right_and_makes_nothing() -> None:
    workflow = read(load("verify"), ACTIONS)
    assert [step.action for step in workflow.steps] == ["points.check", "points.compare", "points.read_back"]


def test_a_frozen_workflow_thaws_to_the_same() -> None:
    workflow = read(protect(), ACTIONS)
    assert thaw(workflow.freeze()) == workflow


def test_references_become_values_and_what_did_not_run_is_none() -> None:
    known = {"request": {"vm": "vm01"}, "find": {"vm_uuid": "u1"}}
    inputs = {"a": "$request.vm", "b": "$find.vm_uuid", "c": "$clone.directory", "d": "plain", "e": "$$price", "f": 3}
    resolved = {"a": "vm01", "b": "u1", "c": None, "d": "plain", "e": "$price", "f": 3}
    assert resolve(inputs, known) == resolved


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('action = "vmstore.clone"', 'action = "vmstore.klone"', "no action 'vmstore.klone'"),
        ('vm_uuid = "$find.vm_uuid"', 'vm_uuid = "$open.vm_uuid"', "is not known by then"),
        ('vm_uuid = "$find.vm_uuid"', 'vm_uuid = "$find.disks"', "wants a text, '$find.disks' is a list"),
        (', consistency = "$request.consistency"', "", "input 'consistency' of vmstore.snapshot is missing"),
        ('id = "verify"', 'id = "upload"', "a second step of that id"),
        ("always = true", "allways = true", "unknown key 'allways'"),
        ("format = 1", "format = 2", "reads format 1"),
        ('snapshot_uuid = "$snapshot.snapshot_uuid" }', 'snapshot_uuid = "x", speed = 3 }', "has no input 'speed'"),
    ],
)
def test_a_mistake_is_told_with_its_step(old: str, new: str, told: str) -> None:
    text = protect()
    assert old in text
    with pytest.raises(ConfigError) as error:
        read(text.replace(old, new, 1), ACTIONS, where="protect.toml")
    assert told in error.value.message
    assert "protect.toml" in error.value.message


def test_all_mistakes_are_told_at_once() -> None:
    text = protect().replace('"vmstore.clone"', '"x"').replace('"files.open"', '"y"')
    with pytest.raises(ConfigError) as error:
        read(text, ACTIONS)
    assert len(error.value.problems) >= 2


@pytest.mark.parametrize("text", ["", "= broken", "format = 1\nname = 'x'\n"])
def test_what_is_no_workflow_is_refused_in_words(text: str) -> None:
    with pytest.raises(ConfigError):
        read(text, ACTIONS)
