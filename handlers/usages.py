"""How each command is typed. Pure."""

from handlers import asked, digesting, keepingwords
from handlers.scheduling import SCHEDULE_USAGE, SCHEDULES_USAGE

PROTECT_USAGE = (
    "/protect <vm>[, <vm>...] to <target>[, <target>...] [vm-consistent|crash-consistent]"
    ' [keep for 30d|12w|1y|forever] [note "why"]   e.g. /protect vm01, "app server 03" to s3'
)
RUNS_USAGE = "/cloudy runs [how many, 1 to 100]"
SHOW_USAGE = "/cloudy show <transaction id, a part of it of 4 characters or more, or last>"
STOP_USAGE = "/cloudy stop <transaction id, a part of it of 4 characters or more, or last>"
WHY_USAGE = "/cloudy why <transaction id, a part of it of 4 characters or more, or last>"
VERIFY_USAGE = (
    "/cloudy verify <transaction id of a recovery point, a part of it of 4 characters or more, or last> [deep]"
    "   deep: every byte of it is read"
)
DRILL_USAGE = (
    "/drill <vm, or transaction id of a recovery point> [to <VMstore>] [from <target>], or /drill next"
    "   it is restored, started, seen to live, and removed"
)
DELETE_USAGE = (
    "/cloudy delete <transaction id of a recovery point, a part of it of 4 characters or more, or last>"
    " [because <reason>]"
)
RESTORE_USAGE = (
    "/restore <vm, or transaction id of a recovery point> [to <VMstore>] [as <new name>] [from <target>]"
    " [at <7d, 24h, 2026-11-01 or 2026-11-01 14:30>] [via <snapshot or target>] [power on]"
    " [over original confirm <its name> [power off]] [because <reason>]"
    "   e.g. /restore vm01 to vmstore2 as vm01-restored"
)
RETRY_USAGE = "/cloudy retry <transaction id, a part of it of 4 characters or more, or last>"
CLOUDY_USAGE = "/cloudy help   lists what you may ask"  # and not what others may
MAY_I_USAGE = "/cloudy may-i <command>   e.g. /cloudy may-i protect vm01 to s3"
ORPHANS_USAGE = (
    "/cloudy orphans [remove]   what was left behind anywhere; remove: what is this installation's and a day old"
)
USAGES = {  # by verb, as help lists them
    "protect": PROTECT_USAGE,
    "status": "/cloudy status",
    "runs": RUNS_USAGE,
    "show": SHOW_USAGE,
    "why": WHY_USAGE,
    "stop": STOP_USAGE,
    "retry": RETRY_USAGE,
    "verify": VERIFY_USAGE,
    "restore": RESTORE_USAGE,
    "drill": DRILL_USAGE,
    "delete": DELETE_USAGE,
    "schedule": SCHEDULE_USAGE,
    "schedules": SCHEDULES_USAGE,
    "orphans": ORPHANS_USAGE,
    "may-i": MAY_I_USAGE,
    **asked.USAGES,
    **digesting.USAGES,
    **keepingwords.USAGES,
}
