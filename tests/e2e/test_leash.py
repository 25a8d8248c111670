"""Children of the demo die with it, whatever kills it."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from integrations.simulators.demo import leash
from integrations.simulators.demo.children import Child, environment
from tests.e2e.waiting import until

PARENT = """
import subprocess, sys
sleeper = "import time; print('up', flush=True); time.sleep(600)"
child = subprocess.Popen([sys.executable, sys.argv[1], "--", sys.executable, "-c", sleeper])
print(child.pid, flush=True)
child.wait()
"""


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_leashed_child_dies_when_its_parent_is_killed() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, leash.__file__], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    lines = {parent.stdout.readline().strip(), parent.stdout.readline().strip()}
    child = int((lines - {"up"}).pop())
    assert is_alive(child)
    parent.kill()
    parent.wait()
    until(lambda: not is_alive(child), "the child is gone")


def test_a_child_whose_parent_died_before_the_leash_does_not_start(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    done = subprocess.run([sys.executable, leash.__file__, "--parent", "1", "--", "touch", str(mark)], check=False)
    assert done.returncode == 1
    assert not mark.exists()


def test_the_leash_runs_as_a_module_and_gives_the_commands_status() -> None:
    module = "integrations.simulators.demo.leash"
    done = subprocess.run([sys.executable, "-m", module, "--", "sh", "-c", "exit 7"], check=False)
    assert done.returncode == 7


def test_a_missing_command_is_named() -> None:
    command = [sys.executable, leash.__file__, "--", "/no/such/thing"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "/no/such/thing" in done.stderr


def test_a_child_is_stopped_and_its_log_is_kept(tmp_path: Path) -> None:
    child = Child(["sh", "-c", "echo hello; exec sleep 600"], log=tmp_path / "log", env=environment(), cwd=tmp_path)
    until(lambda: child.tail() == "hello", "it has printed")
    child.stop()
    child.stop()
    assert child.status is not None
    assert not is_alive(child.pid)


def test_a_child_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    script = "trap '' TERM; echo up; while :; do sleep 0.1; done"
    child = Child(["sh", "-c", script], log=tmp_path / "log", env=environment(), cwd=tmp_path)
    until(lambda: child.tail() == "up", "it runs")
    child.stop(patience_s=0.2)
    assert child.status == -9


def test_a_child_may_not_be_tied_to_a_thread_that_ends(tmp_path: Path) -> None:
    problems: list[str] = []

    def start() -> None:
        try:
            Child(["true"], log=tmp_path / "log", env={}, cwd=tmp_path)
        except RuntimeError as error:
            problems.append(str(error))

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert problems == ["a leashed child must be started from the main thread"]


def test_children_get_no_proxy_and_no_account_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.invalid")
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("CLOUDY_SLACK__BOT_TOKEN", "xoxb-real")
    env = environment({"MORE": "yes"})
    assert env["https_proxy"] == env["HTTPS_PROXY"] == env["NO_PROXY"] == ""
    assert "AWS_PROFILE" not in env
    assert "CLOUDY_SLACK__BOT_TOKEN" not in env
    assert env["MORE"] == "yes"
    assert env["PATH"] == os.environ["PATH"]
