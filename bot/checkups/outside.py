"""What the doctor tries outside: VMstores, shares, hypervisors, targets, Slack.

Everything that is made for it is removed again.
"""

import secrets
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath
from typing import Protocol

from bot.checkups.targets import of_target
from bot.doctor import Check, Group, Unjudged
from bot.errors import CloudyError, ConfigError, MissingError, PermanentError
from bot.mistakes import variable
from bot.model import Slas, Vm
from bot.mounted import check_mounted
from bot.orphans import SNAPSHOT_WORDS, share_probe
from bot.placing import PART
from bot.ports import Clock, Hypervisor, Share, Systems, VMstore
from bot.words import size_text

LOOKED_AT = 5  # VMs, until one has a file to read


class Workspace(Protocol):
    """Slack, as far as the doctor asks it. TransientError: not reached; DeniedError: a token is refused."""

    def whoami(self) -> tuple[str, frozenset[str]]:
        """Who the bot token's bot is, in words, and the token's scopes."""

    def open_socket(self) -> None:
        """Ask for a socket by the app token; it is not used."""


GROUPS_SCOPE = "usergroups:read"
# Scope -> what does not work without it, and whether Cloudy can live with that.
SCOPES: dict[str, tuple[str, bool]] = {
    "chat:write": ("Cloudy can say nothing", False),
    "commands": ("no slash command reaches Cloudy", False),
    "app_mentions:read": ("`@cloudy stop` in a thread is not heard", False),
    "files:write": ("a list of more than 100 rows does not come as a file", True),
    "im:history": ("what is written to Cloudy alone is not heard; there a message may be posted twice", True),
    "im:write": ("forms from Home and files have no conversation to be answered in", True),
    "users:read": ("people are told by their ids, not by their names", True),
    "channels:history": ("in public channels a message whose answer was lost may be posted twice", True),
    GROUPS_SCOPE: ("a role that is given to a user group does not count for its members", True),
    "groups:history": ("in private channels a message whose answer was lost may be posted twice", True),
}


def of_slack(
    workspace: Workspace | None,
    *,
    has_bot_token: bool = True,
    has_app_token: bool = True,
    has_groups: bool = True,
    has_admin_channel: bool = True,
) -> Group:
    """Tokens and scopes. None: nothing of it is configured. has_groups: whether the policy names user groups."""
    if workspace is None:
        return Group(about="Slack", checks=(Check(title="tokens", run=_unconfigured, cure=""),))
    return Group(
        about="Slack",
        checks=(
            Check(
                title="bot token",
                run=lambda: workspace.whoami()[0] if has_bot_token else _missing("slack", "bot_token"),
                cure="Set CLOUDY_SLACK__BOT_TOKEN to the app's bot token (xoxb-...), from OAuth & Permissions.",
                is_gate=True,
            ),
            Check(
                title="scopes",
                run=lambda: _scopes(workspace.whoami()[1] | (frozenset() if has_groups else {GROUPS_SCOPE})),
                cure="Add the scopes at OAuth & Permissions of the app, then install it into the workspace again.",
            ),
            Check(
                title="app token",
                run=lambda: _socket(workspace, has_app_token=has_app_token),
                cure="Set CLOUDY_SLACK__APP_TOKEN to an app-level token (xapp-...) with the scope connections:write.",
            ),
            Check(title="admin channel", run=lambda: _admin_channel(is_set=has_admin_channel), cure=""),
        ),
    )


def _unconfigured() -> str:
    raise Unjudged("not configured: only the command line works")


def _missing(*key: str) -> str:
    raise ConfigError([f"{variable(key)} is not set"])


def _scopes(given: frozenset[str]) -> str:
    lacking = {scope: effect for scope, effect in SCOPES.items() if scope not in given}
    words = "; ".join(f"{scope} is missing: {effect}" for scope, (effect, _) in lacking.items())
    if not all(bearable for _, bearable in lacking.values()):
        raise PermanentError(words)
    if lacking:
        raise Unjudged(words, "Add them at OAuth & Permissions of the app, if that matters to you.")
    return "all that Cloudy uses"


def _socket(workspace: Workspace, *, has_app_token: bool) -> str:
    if not has_app_token:
        raise Unjudged("none: only `cloudy serve --http` works, not Socket Mode")
    workspace.open_socket()
    return "opens sockets"


def _admin_channel(*, is_set: bool) -> str:
    if is_set:
        return "set"
    raise Unjudged(
        "none: rounds of retention, what cloudy.toml asks to be approved, and summaries are told nowhere by themselves",
        "Set slack.admin_channel. Until then: /summary, /schedules, `cloudy runs` and the App Home's approvals.",
    )


# --- VMstores ---


def of_vmstore(systems: Systems, name: str, _clock: Clock) -> Group:
    """API, login, rights."""
    held: list[VMstore] = []

    def session() -> VMstore:
        if not held:
            held.append(systems.open_vmstore(name))
        return held[0]

    def log_in() -> str:
        session().login()
        return "accepted"

    url, password = f"vmstores.{name}.url", variable(("vmstores", name, "password"))
    return Group(
        about=f"VMstore {name}",
        checks=(
            Check(
                title="API",
                run=lambda: " ".join((session().info().product, session().info().api_version)),
                cure=f"Is it up, and are `{url}` and `ca` right? Can this machine reach it?",
                is_gate=True,
            ),
            Check(title="login", run=log_in, cure=f"Correct `vmstores.{name}.user` and {password}.", is_gate=True),
            Check(
                title="VMs",
                run=lambda: f"{sum(1 for _ in session().list_vms())} live VMs",
                cure="Give the user a role that may read VMs.",
                timeout_s=90,
            ),
            Check(
                title="rights",
                run=lambda: _rights(session()),
                cure="Give the user a role that may take and delete snapshots and clone VMs.",
            ),
        ),
        end=lambda: held[0].logout() if held else None,
    )


def _rights(session: VMstore) -> str:
    session.list_snapshots(SNAPSHOT_WORDS)
    session.open_clone_tasks()
    # A role that may only read is refused here before the VMstore looks whether there is such a snapshot.
    session.delete_snapshot(f"cloudy-doctor-{secrets.token_hex(8)}")
    return "snapshots and tasks can be listed, snapshots deleted"


# --- shares ---


def of_share(systems: Systems, name: str, clock: Clock) -> Group:
    """The export's files: seen, read, and where clones are to be removed, written."""
    return Group(
        about=f"share of {name}",
        checks=(
            Check(
                title="mounted",
                run=lambda: _list(systems.share(name), name),
                cure=f"Mount the export (NFS version 3) where `vmstores.{name}.share` says, or correct that.",
                is_gate=True,
            ),
            Check(
                title="a VM's disk",
                run=lambda: _read_disk(systems.open_vmstore(name), systems.share(name)),
                cure="Let Cloudy run as the owner of the files, or export them without root squash; is it the mount"
                " of this VMstore?",
                timeout_s=60,
            ),
            Check(
                title="clean-up",
                run=lambda: _write_and_see(systems.cleanup_share(name), systems.share(name), clock),
                cure=f"Mount the same export writable where `vmstores.{name}.cleanup_share` says, or say"
                ' cleanup = "manual".',
            ),
            Check(
                title="restores",
                run=lambda: _restore_and_see(systems, name, clock),
                cure=f"Mount the same export writable where `vmstores.{name}.{systems.restore_setting(name)}` says, as"
                " one who may write there.",
            ),
        ),
    )


def _list(share: Share, vmstore: str) -> str:
    check_mounted(share, vmstore, "share")
    return f"{len(share.list(''))} entries in {share.export}"


def _read_disk(session: VMstore, share: Share) -> str:
    try:
        session.login()
    except CloudyError as error:
        raise Unjudged("not tried: the VMstore does not tell where disks are") from error
    try:
        for number, listed in enumerate(session.list_vms()):
            read = _read_a_byte(session.get_vm(listed.uuid), share)
            if read or number >= LOOKED_AT:
                break
        else:
            raise Unjudged("not tried: there is no VM yet")
    finally:
        session.logout()
    if not read:
        raise MissingError(f"Of {number + 1} VMs the share shows no disk: it seems to be of another VMstore.")
    return f"a byte of {read} was read"


def _read_a_byte(vm: Vm, share: Share) -> str:
    """The path of the largest disk file of the VM, once a byte of it was read; "": nothing is there."""
    for disk in vm.disks:
        try:
            beside = share.list(str(PurePosixPath(disk.path).parent))
        except MissingError:
            continue
        # A descriptor is a small text, readable where the disk's bytes may not be: so the largest of them.
        files = [each for each in beside if PurePosixPath(each.path).suffix == PurePosixPath(disk.path).suffix]
        if files:
            largest = max(files, key=lambda each: each.size)
            _read_at_start(share, largest.path)
            return largest.path
    return ""


def _read_at_start(share: Share, path: str) -> None:
    reader = share.open(path)
    try:
        reader.read_into(0, memoryview(bytearray(min(1, reader.size))))
    finally:
        reader.close()


def _write_and_see(writable: Share | None, share: Share, clock: Clock) -> str:
    if writable is None:
        raise Unjudged('cleanup = "manual": clones are removed by hand, each is told')
    probe = share_probe(clock.now(), secrets.randbits(64))
    writable.make_directory(probe)
    try:
        if not share.exists(probe):
            raise PermanentError("`share` does not show what was made through `cleanup_share`: two different exports.")
    finally:
        writable.remove_tree(probe)
    if share.exists(probe):
        raise PermanentError(f"{probe} was removed through `cleanup_share` and `share` still shows it.")
    return "writable, and the same export as `share`"


def _restore_and_see(systems: Systems, name: str, clock: Clock) -> str:
    """Do what a restore does, with a file of some bytes: write, keep, rename, read; all of it goes again."""
    writable, share, setting = systems.restore_share(name), systems.share(name), systems.restore_setting(name)
    if writable is None:
        raise Unjudged(
            "no writable way to the files: nothing can be restored to it",
            f"Set `vmstores.{name}.restore_share`, if something is to be.",
        )
    probe = share_probe(clock.now(), secrets.randbits(64))
    writable.make_directory(probe)
    try:
        _write_whole(writable, f"{probe}/file", body := secrets.token_bytes(512))
        if not share.exists(f"{probe}/file"):
            raise PermanentError(f"`share` does not show what was written through `{setting}`: two different exports.")
        if _read_whole(share, f"{probe}/file") != body:
            raise PermanentError(f"`share` shows other bytes than what was written through `{setting}`.")
    finally:
        writable.remove_tree(probe)
    free = writable.free()
    room = "does not tell how much room it has" if free is None else f"has {size_text(free)} left"
    return f"a file was written, renamed and read; {room}"


def _write_whole(share: Share, path: str, body: bytes) -> None:
    """Under another name first, as restores do."""
    writer = share.create(f"{path}{PART}", len(body))
    try:
        writer.write_from(0, memoryview(body))
        writer.flush()
    finally:
        writer.close()
    share.rename(f"{path}{PART}", path)


def _read_whole(share: Share, path: str) -> bytes:
    reader = share.open(path)
    try:
        body = bytearray(reader.size)
        reader.read_into(0, memoryview(body))
        return bytes(body)
    finally:
        reader.close()


def of_hypervisor(systems: Systems, vmstore: str, _clock: Clock) -> Group:
    """Whether it is there, lets Cloudy in, and, where its kind can tell, reaches the VMstore's files."""
    address, held = systems.hypervisor_address(vmstore), list[Hypervisor]()

    def asked() -> str:
        host = systems.hypervisor_of(vmstore)
        if host is None:
            raise Unjudged("none: VMs are restored, and registered by hand")
        held.append(host)
        info = host.info()
        return f"{info.product} {info.version}"

    return Group(
        about=f"hypervisor of {vmstore}",
        checks=(
            Check(
                title="answers",
                run=asked,
                cure=f"It is {address}. Look at its section `hypervisors`, at `vmstores.{vmstore}.datastore`, and at"
                " its rights (docs/hypervisors.md).",
            ),
        ),
        end=lambda: _close(held),
    )


def _close(hosts: Iterable[Hypervisor]) -> None:
    for host in hosts:
        host.close()


def every(systems: Systems, clock: Clock, slack: Callable[[], Group], slas: Slas | None = None) -> tuple[Group, ...]:
    """All groups of the outside, in the order in which they are told."""
    return (
        slack(),
        *(make(systems, name, clock) for name in systems.vmstore_names for make in (of_vmstore, of_share)),
        *(of_hypervisor(systems, name, clock) for name in systems.vmstore_names if systems.hypervisor_address(name)),
        *(of_target(systems, name, clock, slas or Slas()) for name in systems.target_names),
    )
