"""The demo driven through forms, the App Home, shortcuts and direct messages, without a browser."""

import json
from pathlib import Path

import pytest

from integrations.simulators.slack.blocks import problems_of, view_problems
from tests.e2e.demo import Demo

SCRIPT = """
alice> home
expect "never protected"
alice> /protect
alice> submit
expect "required fields: VM"
alice> fill "VM" = "web01"
alice> fill "Targets" = "s3"
alice> fill "Keep for" = "a while"
alice> submit
expect "is no time to keep"
alice> fill "Keep for" = "30d"
alice> fill "Note" = "before the "upgrade""
alice> submit
expect "Asked for: protect web01 to s3"
wait done 120
expect "web01 is protected"
bob> menu "Show this transaction"
expect "Note: before the 'upgrade'"
alice> home
expect "1 protected"
expect "web01 to s3: succeeded"
bob> menu "Protect a VM"
bob> fill "VM" = "vm02"
bob> fill "Targets" = "s3"
bob> submit
wait done 120
expect "vm02 is protected"
bob> dm status
expect "Ended lately"
"""


@pytest.mark.slow
def test_a_vm_is_protected_by_a_form_and_the_home_knows(tmp_path: Path) -> None:
    demo = Demo(tmp_path / "demo", SCRIPT)
    try:
        demo.wait(240)
        newest, first = demo.transactions()
        (key,) = [key for key in demo.objects() if key == f"{first['id']}/manifest.json"]
        body = demo.s3().get_object(Bucket=demo.world["s3"]["bucket"], Key=key)["Body"]
        manifest = json.loads(body.read())
        assert (manifest["note"], manifest["keep_for"]) == ("before the 'upgrade'", "P30D")
        assert newest["vm"] == "vm02"
    finally:
        demo.end()
    calls = [row for row in demo.record() if row["type"] == "call" and row["answer"]]
    views = [row["args"]["view"] for row in calls if row["method"].startswith("views.")]
    assert len(views) >= 6
    assert [view_problems(view) for view in views] == [[]] * len(views)
    posts = [row["args"].get("blocks") or [] for row in calls if row["method"].startswith("chat.")]
    assert [problems_of(post) for post in posts] == [[]] * len(posts)
