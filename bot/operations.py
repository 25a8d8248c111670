"""What policies speak of: the operations, and which of them each command asks for. Pure."""

from collections.abc import Mapping
from enum import StrEnum


class Operation(StrEnum):
    """What a rule speaks of; the words of cloudy.toml."""

    READ = "read"
    PROTECT = "protect"
    STOP = "stop"  # one's own transaction
    STOP_OTHER = "stop-other"  # another's transaction
    DELETE = "delete"  # a recovery point
    DRILL = "drill"  # a restore that is removed again
    RESTORE = "restore"  # to a new name
    RESTORE_OVER = "restore-over"  # over the original
    SHORTEN_RETENTION = "shorten-retention"
    EXPIRE = "expire"  # remove what the retention in force does not keep
    SCHEDULE = "schedule"  # make one; change, pause, run, delete one's own
    CHANGE_SCHEDULE = "change-schedule"  # another's, or one of Cloudy's own
    CLEAN_UP = "clean-up"  # what was left behind and is this installation's
    CHANGE_POLICY = "change-policy"


# What each command asks for; a transaction of another's makes stop a stop-other.
COMMANDS: Mapping[str, Operation] = {
    "help": Operation.READ,
    "may-i": Operation.READ,
    "status": Operation.READ,
    "runs": Operation.READ,
    "show": Operation.READ,
    "why": Operation.READ,
    "vms": Operation.READ,
    "recovery-points": Operation.READ,
    "audit": Operation.READ,
    "chart": Operation.READ,
    "orphans": Operation.READ,
    "sla": Operation.READ,
    "summary": Operation.READ,
    "retention": Operation.READ,
    "protect": Operation.PROTECT,
    "verify": Operation.PROTECT,
    "retry": Operation.PROTECT,
    "snooze": Operation.PROTECT,
    "assign": Operation.PROTECT,
    "stop": Operation.STOP,
    "delete": Operation.DELETE,
    "drill": Operation.DRILL,
    "schedules": Operation.READ,
    "schedule": Operation.SCHEDULE,
    "restore": Operation.RESTORE,
}
ANYWHERE = frozenset({"help", "may-i"})  # no channel forbids to ask what one may
