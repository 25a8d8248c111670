"""Names that Slack gives back to us; they stand in old messages and in manifests, so none is ever renamed."""

STOP = "cloudy.stop"  # value: the transaction id, so that an edit of the message never voids a click
DETAILS = "cloudy.details"  # value: the transaction id
VERIFY = "cloudy.verify"  # value: the transaction id
RETRY = "cloudy.retry"  # value: the transaction id
RESTORE = "cloudy.restore"  # opens the form; value: the id of a recovery point, or of a transaction about one
RESTORE_ROW = "cloudy.restore.row"  # a menu of recovery points, likewise
RESTORE_OF = "cloudy.restore.of"  # value: the uuid of a VM
WHICH_VM = "cloudy.restore.which"  # value: one VM of several, and the order (handlers/namesakes.py)
AUDIT = "cloudy.audit"  # value: the transaction id
APPROVE, VETO = "cloudy.approve", "cloudy.veto"  # value: the token of one approval, or of all on a card
REMOVE_ORPHANS = "cloudy.orphans.remove"  # value: nothing that is read
PREVIOUS_PAGE = "cloudy.page.previous"  # value: the question and the first row to show (handlers/asked.py)
NEXT_PAGE = "cloudy.page.next"  # value: likewise

SCHEDULE_PAUSE, SCHEDULE_RESUME = "cloudy.schedule.pause", "cloudy.schedule.resume"  # value: handlers/schedulelists.py
SCHEDULE_RUN, SCHEDULE_SKIP = "cloudy.schedule.run", "cloudy.schedule.skip"  # value: likewise, as all of these
SCHEDULE_EDIT, SCHEDULE_DELETE = "cloudy.schedule.edit", "cloudy.schedule.delete"
SCHEDULES_PREVIOUS, SCHEDULES_NEXT = "cloudy.schedules.previous", "cloudy.schedules.next"
SCHEDULE_FORM = "cloudy.form.schedule"  # callback_id of the form
SCHEDULE_WHEN = "cloudy.form.schedule.when"  # its fields whose change draws the next times anew
SCHEDULE_ZONE = "cloudy.form.schedule.zone"

PROTECT_FORM = "cloudy.form.protect"  # callback_id of the form
FORM_VM = "cloudy.form.vm"  # its menu of VMs
RESTORE_FORM = "cloudy.form.restore"  # callback_id of the form
RESTORE_VM = "cloudy.form.restore.vm"  # its menu of VMs

HOME_PROTECT = "cloudy.home.protect"
HOME_RESTORE = "cloudy.home.restore"
HOME_FILTER = "cloudy.home.filter"
HOME_PREVIOUS, HOME_NEXT = "cloudy.home.previous", "cloudy.home.next"  # value: what the list is to show

RETENTION_SET = "cloudy.retention.set"  # value: the SLA, a line break, rules (handlers/retentions.py)
RETENTION_RELEASE = "cloudy.retention.release"  # value: the id of a hold

SUMMARY_PROTECT = "cloudy.summary.protect"  # value: the thing, VM and targets (handlers/digestcards.py)
SUMMARY_CHOOSE = "cloudy.summary.choose"  # likewise, without targets: opens the form
SUMMARY_SCHEDULE = "cloudy.summary.schedule"  # likewise: opens the form of a schedule
SUMMARY_RETRY = "cloudy.summary.retry"  # value: the thing, "run:<transaction id>"
SUMMARY_DRILL = "cloudy.summary.drill"  # value: the thing, "proof:<uuid of a VM>"
SUMMARY_RESUME = "cloudy.summary.resume"  # value: the thing, "schedule:<id>"
SNOOZE, ASSIGN = "cloudy.summary.snooze", "cloudy.summary.assign"  # open forms; value: the thing, "<kind>:<id>"
SNOOZE_FORM, ASSIGN_FORM = "cloudy.form.snooze", "cloudy.form.assign"  # callback_ids of those

PROTECT_SHORTCUT = "cloudy.shortcut.protect"
RESTORE_SHORTCUT = "cloudy.shortcut.restore"
SHOW_SHORTCUT = "cloudy.shortcut.show"
SHORTCUTS = (  # features.shortcuts of the app's manifest: label (at most 24 characters), callback_id, type
    ("Protect a VM", PROTECT_SHORTCUT, "global"),
    ("Restore a VM", RESTORE_SHORTCUT, "global"),
    ("Show this transaction", SHOW_SHORTCUT, "message"),
)

MESSAGE_EVENT = "cloudy_message"  # metadata of every message of ours: {"key", "installation", "version"}


def block_id(kind: str, index: int, version: int) -> str:
    """Name a block of one version of a message.

    Source: Block Kit reference, block_id: unique in a message, and a new one whenever the message is updated.
    """
    return f"cloudy-{kind}-{index}-v{version}"[:255]
