"""The doctor's way of trying things, with checks that do what is wanted."""

import threading
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bot.checkups.outside import SCOPES, every, of_share, of_slack
from bot.checkups.targets import _copied_parts, _hours, _old_uploads, of_target
from bot.doctor import Check, Finding, Group, Health, Unjudged, examine
from bot.errors import DeniedError, PermanentError, TransientError
from bot.model import Capabilities, HypervisorInfo, Sla, Slas, UploadRule
from tests.memory import MemoryStore
from tests.memory_hypervisor import Host, MemoryHypervisor
from tests.workflow.house import House


def failing() -> str:
    raise PermanentError("it is broken")


def buggy() -> str:
    raise KeyError("x")


def unjudged() -> str:
    raise Unjudged("not configured", "configure it")


def findings(*checks: Check) -> list[Finding]:
    return list(examine([Group(about="thing", checks=checks)]))


def test_each_check_is_told_with_its_words_and_a_bad_one_with_its_cure() -> None:
    good, bad, bug, open_ = findings(
        Check(title="a", run=lambda: "fine", cure="c"),
        Check(title="b", run=failing, cure="mend it"),
        Check(title="c", run=buggy, cure="look"),
        Check(title="d", run=unjudged, cure="c"),
    )
    assert (good.health, good.words, good.cure) == (Health.GOOD, "fine", "")
    assert (bad.health, bad.words, bad.cure) == (Health.BAD, "it is broken", "mend it")
    assert bug.health is Health.BAD
    assert "KeyError" in bug.words
    assert (open_.health, open_.words, open_.cure) == (Health.UNJUDGED, "not configured", "configure it")


def test_what_follows_a_bad_gate_is_not_tried() -> None:
    told = findings(Check(title="first", run=failing, cure="c", is_gate=True), Check(title="then", run=buggy, cure="c"))
    assert told[1].health is Health.UNJUDGED
    assert told[1].words == "not tried: see first"


def test_a_check_that_hangs_is_bad_in_time_and_keeps_no_other_from_being_told() -> None:
    never = threading.Event()
    hanging = Check(title="hangs", run=lambda: str(never.wait()), cure="look at the mount", timeout_s=0.05)
    told = examine(
        [Group(about="a", checks=(hanging,)), Group(about="b", checks=(Check(title="x", run=str, cure=""),))]
    )
    never.set()
    assert [finding.health for finding in told] == [Health.BAD, Health.GOOD]
    assert "no answer within" in told[0].words
    assert told[0].cure == "look at the mount"


def test_a_groups_end_is_called_whatever_its_checks_came_to() -> None:
    ended: list[str] = []
    group = Group(about="x", checks=(Check(title="a", run=failing, cure=""),), end=lambda: ended.append("end"))
    examine([group])
    assert ended == ["end"]


class Slack:
    """A workspace that says what it is told to."""

    def __init__(self, scopes: frozenset[str], error: Exception | None = None) -> None:
        self._scopes, self._error = scopes, error

    def whoami(self) -> tuple[str, frozenset[str]]:
        if self._error:
            raise self._error
        return "cloudy in team", self._scopes

    def open_socket(self) -> None:
        return


def slack(scopes: set[str], error: Exception | None = None, **has: bool) -> dict[str, Finding]:
    return {one.title: one for one in examine([of_slack(Slack(frozenset(scopes), error), **has)])}


def test_with_all_scopes_slack_is_fine() -> None:
    assert {one.health for one in slack(set(SCOPES)).values()} == {Health.GOOD}


@pytest.mark.parametrize("scope", SCOPES)
def test_a_missing_scope_is_named_with_what_degrades(scope: str) -> None:
    found = slack(set(SCOPES) - {scope})["scopes"]
    effect, is_bearable = SCOPES[scope]
    assert f"{scope} is missing: {effect}" in found.words
    assert found.health is (Health.UNJUDGED if is_bearable else Health.BAD)
    assert found.cure


def test_the_scope_for_user_groups_matters_only_where_the_policy_names_one() -> None:
    without = set(SCOPES) - {"usergroups:read"}

    assert slack(without, has_groups=True)["scopes"].health is Health.UNJUDGED
    assert slack(without, has_groups=False)["scopes"].health is Health.GOOD


def test_a_refused_bot_token_is_bad_and_its_scopes_are_not_asked() -> None:
    told = slack(set(), DeniedError("Slack answers auth.test with invalid_auth."))
    assert told["bot token"].health is Health.BAD
    assert told["scopes"].health is Health.UNJUDGED


def test_slack_that_is_not_configured_is_no_fault() -> None:
    [one] = examine([of_slack(None)])
    assert one.health is Health.UNJUDGED
    assert "not configured" in one.words


def test_a_lone_app_token_is_a_fault_and_a_lone_bot_token_is_not() -> None:
    assert slack(set(SCOPES), has_bot_token=False)["bot token"].health is Health.BAD
    assert slack(set(SCOPES), has_app_token=False)["app token"].health is Health.UNJUDGED


def restores(house: House) -> Finding:
    return next(one for one in examine([of_share(house.systems, "vmstore", house.clock)]) if one.title == "restores")


def test_whether_a_restore_could_write_is_tried_and_nothing_of_it_stays(tmp_path: Path) -> None:
    house = House(tmp_path)
    before = dict(house.share.files)
    house.share.room = 1 << 30
    told = restores(house)
    assert told.health is Health.GOOD
    assert "written, renamed and read; has 1" in told.words
    assert (house.share.files, house.share.directories) == (before, set())


def test_a_share_that_cannot_be_restored_to_is_told_with_the_cure(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.share.writable = False
    told = restores(house)
    assert told.health is Health.BAD
    assert "vmstores.vmstore.cleanup_share" in told.cure
    house = House(tmp_path, can_clean=False)
    told = restores(house)
    assert told.health is Health.UNJUDGED
    assert "restore_share" in told.cure


def test_the_hypervisor_of_a_vmstore_is_asked_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house, closed = House(tmp_path), list[MemoryHypervisor]()

    def groups() -> list[Group]:
        found = every(house.systems, house.clock, lambda: Group(about="slack"))
        return [group for group in found if group.about == "hypervisor of vmstore"]

    assert groups() == []
    house.systems.host = Host(house.share)

    def closes(host: MemoryHypervisor) -> None:
        closed.append(host)

    monkeypatch.setattr(MemoryHypervisor, "close", closes)
    (told,) = examine(groups())
    assert (told.health, told.words, len(closed)) == (Health.GOOD, "Memory hypervisor 1", 1)

    def refuses(_self: MemoryHypervisor) -> HypervisorInfo:
        raise DeniedError("the host does not reach the share")

    monkeypatch.setattr(MemoryHypervisor, "info", refuses)
    (told,) = examine(groups())
    assert (told.health, told.words) == (Health.BAD, "the host does not reach the share")
    assert "`vmstores.vmstore.datastore`" in told.cure


def test_an_empty_mount_point_is_no_share(tmp_path: Path) -> None:
    house = House(tmp_path)

    def told(name: str) -> Finding:
        return next(one for one in examine([of_share(house.systems, name, house.clock)]) if one.title == "mounted")

    assert told("vmstore").health is Health.GOOD
    house.share.files.clear()
    assert told("vmstore").health is Health.BAD
    assert "is the export /tintri mounted there?" in told("vmstore").words


@pytest.mark.parametrize(
    ("ahead", "health", "words"),
    [
        (timedelta(0), Health.GOOD, "as the store's"),
        (timedelta(seconds=13), Health.GOOD, "12 s ahead of the store's"),
        (timedelta(minutes=-2), Health.BAD, "This machine's clock is 2 min 0 s behind the store's."),
        (timedelta(seconds=3601), Health.BAD, "1 h 0 min ahead of the store's. Retention removes nothing there."),
    ],
)
def test_how_far_our_clock_is_from_a_targets_is_told(
    ahead: timedelta, health: Health, words: str, tmp_path: Path
) -> None:
    house = House(tmp_path)
    house.targets["s3"].now = lambda: house.clock.now() - ahead
    (group,) = [of_target(house.systems, "s3", house.clock, Slas())]
    (told,) = examine([replace(group, checks=group.checks[:1])])
    assert (told.title, told.health) == ("clock", health)
    assert words in told.words


@pytest.mark.parametrize(
    ("targets", "can_lock", "health"),
    [
        (("s3",), True, Health.GOOD),
        (("s3",), False, Health.BAD),
        ((), True, Health.GOOD),
        ((), False, Health.UNJUDGED),
        (("azure",), False, None),
    ],
)
def test_the_lock_of_an_sla_is_looked_for_where_its_recovery_points_go(
    targets: tuple[str, ...], can_lock: bool, health: Health | None, tmp_path: Path
) -> None:
    """An SLA that names no target keeps nobody from sending its VMs there, and asks nobody to."""
    house = House(tmp_path)
    house.targets["s3"].can_lock = can_lock
    slas = Slas(listed=(Sla(name="gold", vms=("*",), targets=targets, lock=timedelta(days=30)), Sla(name="rest")))
    told = {one.title: one for one in examine([of_target(house.systems, "s3", house.clock, slas)])}
    if health is None:
        assert "lock of SLA gold" not in told
        return
    found = told["lock of SLA gold"]
    assert found.health is health
    assert found.words.startswith("can be had: GOVERNANCE, 30 days" if can_lock else "s3 cannot lock")
    assert health is not Health.BAD or "take `lock` or this target out of its [[sla]]" in found.cure
    assert "lock of SLA rest" not in told


def test_without_an_admin_channel_it_is_told_what_is_told_nowhere() -> None:
    found = slack(set(SCOPES), has_admin_channel=False)["admin channel"]
    assert found.health is Health.UNJUDGED
    assert "rounds of retention" in found.words
    assert "slack.admin_channel" in found.cure


def test_a_store_that_does_not_tell_its_time_is_no_fault_of_the_clock(tmp_path: Path) -> None:
    house = House(tmp_path)

    def silent() -> datetime:
        raise TransientError("no answer", system="s3")

    house.targets["s3"].now = silent
    group = of_target(house.systems, "s3", house.clock, Slas())
    (told,) = examine([replace(group, checks=group.checks[:1])])
    assert told.health is Health.UNJUDGED


@pytest.mark.parametrize(
    ("able", "told"),
    [
        (Capabilities(checks_crc=True), "sent whole, and a disk above 600 GiB goes in long parts that lie in memory"),
        (
            Capabilities(
                checks_crc=True, copies_parts=True, copy_tells_crc=True, copy_checks_etag=True, locks_all=True
            ),
            "what is written to it cannot be removed for good",
        ),
        (Capabilities(checks_crc=False, copies_parts=True, copy_checks_etag=True), "does not say what it copied"),
        (Capabilities(checks_crc=True, copies_parts=True, copy_tells_crc=True), "does not look whether the source"),
        (
            Capabilities(
                checks_crc=True, copies_parts=True, copy_tells_crc=True, copy_checks_etag=True, equal_parts=True
            ),
            "equally long",
        ),
    ],
)
def test_what_a_store_lacks_in_copying_parts_is_told_without_blame(
    able: Capabilities, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MemoryStore, "capabilities", lambda _store: able)
    with pytest.raises(Unjudged, match=told):
        _copied_parts(MemoryStore())


@pytest.mark.parametrize(
    ("rule", "words", "cure"),
    [
        (UploadRule(days=None, words="no rule", proposal="Add this"), "stay for ever: no rule", "Add this"),
        (UploadRule(days=2, words="2 days after they began"), "a run that takes longer loses what it sent", "7 days"),
    ],
)
def test_unfinished_uploads_that_stay_for_ever_or_go_too_soon_are_told_with_the_rule_to_add(
    rule: UploadRule, words: str, cure: str
) -> None:
    store = MemoryStore("s3")
    store.rule = rule
    with pytest.raises(Unjudged) as told:
        _old_uploads(store)
    assert words in told.value.words
    assert cure in told.value.cure


def test_unfinished_uploads_that_go_by_themselves_are_told_so() -> None:
    assert _old_uploads(MemoryStore("s3")) == "unfinished uploads are given up: after 7 days"


def test_rules_that_are_not_shown_are_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore("s3")

    def denied() -> UploadRule:
        raise DeniedError("AccessDenied")

    monkeypatch.setattr(store, "upload_rule", denied)
    with pytest.raises(Unjudged, match="is not told: AccessDenied"):
        _old_uploads(store)


def test_the_hours_of_a_target_are_told(tmp_path: Path) -> None:
    house = House(tmp_path)
    assert _hours(house.systems, "s3", house.clock) == "is sent to now"
    house.systems.opens = lambda at: at.replace(hour=20, minute=0)
    assert _hours(house.systems, "s3", house.clock) == "upload_window: is sent to from 20:00 UTC on 25 Nov on"


def test_a_store_that_copies_parts_as_wanted_is_told_so() -> None:
    assert "any length" in _copied_parts(MemoryStore())
