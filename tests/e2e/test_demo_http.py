"""The demo over signed HTTP, and with a Slack that has a bad day."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.demo import cloudy, environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

OVER_HTTP = """
alice> /protect vm02 to s3
wait step clone 60
bob> mention status
restart kill
wait done 120
expect "protected"
alice> click "Details"
alice> /cloudy runs
expect "vm02"
"""
BAD_DAY = """
world fail slack chat.postMessage:lost
world slack duplicate on
alice> /protect vm02 to s3
wait step snapshot 60
world slack outage error
world slack drop
wait step disconnect 60
world slack restore
wait done 120
expect "vm02 is protected in s3"
"""


def play(folder: Path, script: str, *options: str) -> tuple[str, list[dict[str, Any]]]:
    """Run a demo to its end; gives what it printed and the recorded rows."""
    (folder / "script").write_text(script)
    command = [*cloudy(), "demo", "--script", "script", "--json", "record.json", *options]
    ended = subprocess.run(
        command, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert ended.stdout.splitlines()[-1] == "script: ok", ended.stdout
    assert ended.returncode == 0
    return ended.stdout, json.loads((folder / "record.json").read_text())


def test_the_whole_language_works_over_signed_http(tmp_path: Path) -> None:
    _, record = play(tmp_path, OVER_HTTP, "--http")

    assert {row["method"] for row in record if row["type"] == "request"} == {
        "url_verification", "slash_commands", "interactive", "events_api"
    }  # fmt: skip
    assert not [row for row in record if row["type"] in ("envelope", "connection")]


def test_a_protection_outlives_a_bad_day_of_slack(tmp_path: Path) -> None:
    printed, record = play(tmp_path, BAD_DAY)

    posts = [row for row in record if row["method"] == "chat.postMessage" and row["answer"].get("ok")]
    keys = [row["args"]["metadata"] for row in posts if row["args"].get("metadata")]
    assert len(set(map(str, keys))) == len(keys)
    assert printed.count("vm02 is protected in s3\n") >= 1
