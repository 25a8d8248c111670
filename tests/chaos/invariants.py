"""What must be true after any round. Each check gives the reasons why it is broken; none: it holds."""

from collections import Counter
from collections.abc import Callable, Iterator

from botocore.exceptions import ClientError

from bot import manifest
from bot.errors import CloudyError
from bot.model import State, StepState, Transaction
from tests.chaos.facts import Facts, body
from tests.chaos.plan import TARGETS, VMS

LEFT_OUT = (".vswp", ".lck")  # files of a VM that no recovery point holds
WORDS = {  # what receipt and root say of an end
    State.SUCCEEDED: "is protected in",
    State.PARTIAL: "not in every target",
    State.FAILED: "is not protected",
    State.STOPPED: "Stopped by",
}
MILESTONES = ("snapshot", "clone", "upload", "verify")

Reasons = Iterator[str]


def _was_planned(transaction: Transaction) -> bool:
    """Whether it has a thread; what could not be planned is answered privately."""
    return bool(transaction.frozen)


def each_ends_as_nothing_but_a_person_decided(facts: Facts) -> Reasons:
    """A kill fails nothing: what nobody stopped is protected, or joined one that is."""
    for each in facts.transactions:
        if not each.state.is_final:
            yield f"{each.id} is still {each.state}"
        elif each.state is State.REFUSED:
            if not each.plan.get("joined"):
                yield f"{each.id} is refused: {each.failure}"
        elif each.stop_asked_by:
            if each.state is State.FAILED:
                yield f"{each.id} was stopped and has failed: {each.failure}"
        elif each.state is not State.SUCCEEDED:
            yield f"{each.id} is {each.state}, and nobody stopped it: {each.failure}"


def each_has_one_outcome_in_the_audit(facts: Facts) -> Reasons:
    """The state in the database, once."""
    for each in facts.transactions:
        rows = facts.audit[each.id]
        if _was_planned(each):
            told = [row.body["state"] for row in rows if row.action == "outcome"]
        else:
            told = [row.body["event"] for row in rows if row.action == "plan"]
        if told != [each.state.value]:
            yield f"{each.id} is {each.state}, the audit says {told}"
        if not [row for row in rows if row.action == "command"]:
            yield f"{each.id}: the audit does not say who asked"


def the_audit_chain_is_whole(facts: Facts) -> Reasons:
    """Nothing changed, nothing missing."""
    if not facts.verdict.judged or facts.verdict.broken_at is not None:
        yield f"audit: {facts.verdict.why}"


def each_has_one_true_receipt(facts: Facts) -> Reasons:
    """One receipt in the thread, with the words of the state; the root says the same."""
    for each in filter(_was_planned, facts.transactions):
        for part in ("receipt", "root"):
            texts = [message.text for message in facts.posted if message.key == f"{each.id}:{part}"]
            if len(texts) != 1:
                yield f"{each.id} has {len(texts)} messages {part}"
            elif each.state in WORDS and WORDS[each.state] not in texts[0]:
                yield f"{each.id} is {each.state}, its {part} says: {texts[0]!r}"


def slack_holds_each_message_once(facts: Facts) -> Reasons:
    """What the outbox wants stands there in its last version, once, in its thread; nothing else does."""
    wanted = {row.key: row for row in facts.outbox if not row.only_for}
    counts = Counter(message.key for message in facts.posted)
    yield from (f"{key or 'a message without a key'} stands {n} times" for key, n in counts.items() if n > 1)
    yield from (f"{key} stands nowhere" for key in wanted.keys() - counts.keys())
    yield from (f"{key!r} stands in Slack, and the outbox does not know it" for key in counts.keys() - wanted.keys())
    for message in facts.posted:
        row = wanted.get(message.key)
        if row and message.version != row.version:
            yield f"{message.key} stands in version {message.version} of {row.version}"
        if row and message.ts != row.ts:
            yield f"{message.key} stands at {message.ts}, the outbox says {row.ts}"
    for row in facts.outbox:
        if row.failed or row.sent_version != row.version:
            yield f"{row.key}: version {row.sent_version} of {row.version} was sent, given up: {row.failed}"


def each_thread_is_complete(facts: Facts) -> Reasons:
    """One root, one plan, the milestones of what was done, one receipt, all in one thread."""
    by_key = {message.key: message for message in facts.posted}
    for each in filter(_was_planned, facts.transactions):
        names = ["root", "plan", "receipt"]
        if each.state is State.SUCCEEDED:
            names += [f"milestone:{step}" for step in MILESTONES]
        missing = [name for name in names if f"{each.id}:{name}" not in by_key]
        if missing:
            yield f"{each.id} has no message {', '.join(missing)}"
        threads = {message.thread_ts for key, message in by_key.items() if key.startswith(f"{each.id}:")}
        if len(threads) > 1:
            yield f"{each.id} is told in {len(threads)} threads"


def a_recovery_point_is_whole_or_not_there(facts: Facts) -> Reasons:
    """It exists where the state says so, and its objects are the snapshot's files, byte for byte."""
    for each in facts.transactions:
        for target in TARGETS:
            there = f"{each.id}/manifest.json" in facts.keys[target]
            told = target in each.plan.get("protected_in", ())
            known = (each.id, target) in facts.points
            if not there == told == known:
                yield f"{each.id} in {target}: manifest {there}, state {told}, catalogue {known}"
            if there:
                yield from (f"{each.id} in {target}: {why}" for why in _differences(facts, each, target))
        expected = _expected(each)
        if expected is not None and set(each.plan.get("protected_in", ())) != expected:
            yield f"{each.id} is {each.state} and protected in {each.plan.get('protected_in')}"


def _expected(each: Transaction) -> set[str] | None:
    if each.state is State.PARTIAL:
        return None
    return set(each.targets) if each.state is State.SUCCEEDED else set()


def _differences(facts: Facts, each: Transaction, target: str) -> Reasons:
    taken = facts.world.frozen.of.get(each.id, [])
    if len(taken) != 1:
        return  # told by each_thing_is_made_once
    folder = taken[0]
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    try:
        files = manifest.decode(body(facts.world, target, f"{each.id}/manifest.json")).files
        if {file.name for file in files} != {name for name in names if not name.endswith(LEFT_OUT)}:
            yield f"it holds {sorted(file.name for file in files)}, the snapshot has {sorted(names)}"
        for file in files:
            if body(facts.world, target, file.key) != (folder / file.name).read_bytes():
                yield f"{file.name} is not the snapshot's"
    except (CloudyError, ClientError, OSError) as error:
        yield f"{type(error).__name__}: {error}"


def each_thing_is_made_once(facts: Facts) -> Reasons:
    """A snapshot is not taken twice: the second one would be of another moment."""
    for label, taken in facts.world.frozen.of.items():
        if len(taken) > 1:
            yield f"{len(taken)} snapshots were taken for {label}"


def nothing_is_left_on_the_vmstore(facts: Facts) -> Reasons:
    """No snapshot, no clone, no file that is not a VM's, no session."""
    yield from (f"snapshot left: {description}" for description in facts.snapshots)
    yield from (f"left on the export: {name}" for name in facts.export if name not in VMS)
    if facts.sessions:
        yield f"{facts.sessions} sessions are open after a good end"


def nothing_is_left_in_the_targets(facts: Facts) -> Reasons:
    """No unfinished upload, no object outside a recovery point."""
    for target in TARGETS:
        yield from (f"unfinished upload in {target}: {key}" for key in facts.uploads[target])
        whole = {key.partition("/")[0] for key in facts.keys[target] if key.endswith("/manifest.json")}
        whole.add(".cloudy")  # what is kept for all: the zero object
        yield from (f"left in {target}: {key}" for key in facts.keys[target] if key.partition("/")[0] not in whole)


def only_listed_objects_are_in_a_recovery_point(facts: Facts) -> Reasons:
    """What the manifest does not name is rubbish that nobody would ever remove."""
    for (transaction, target), _point in facts.points.items():
        listed = {f"{transaction}/manifest.json"}
        files = manifest.decode(body(facts.world, target, f"{transaction}/manifest.json")).files
        listed |= {key for file in files for key in (file.key, file.digests) if key}
        there = {key for key in facts.keys[target] if key.startswith(f"{transaction}/")}
        yield from (f"{key} in {target} is in no manifest" for key in there - listed)
        yield from (f"{key} of a manifest is not in {target}" for key in listed - there)


def the_receipt_tells_what_was_moved(facts: Facts) -> Reasons:
    """Also what was sent, copied or zero before a kill: at least all of it, once for each target."""
    for each in facts.transactions:
        size = sum(point.size for (transaction, _), point in facts.points.items() if transaction == each.id)
        told = each.bytes.sent + each.bytes.copied + each.bytes.zero
        if told < size:
            yield f"{each.id}: {told} bytes are told as sent, copied or zero, {size} stand in the targets"


def the_ledger_is_empty(facts: Facts) -> Reasons:
    """Nothing is left to clean up, and nothing is said to be."""
    yield from (f"{each.id} says that it left {each.left_behind}" for each in facts.transactions if each.left_behind)
    yield from (f"ledger: {each.kind} {each.name} on {each.system}" for each in facts.ledger)


def engine_and_database_agree(facts: Facts) -> Reasons:
    """Each run is over in the engine, with the state of the database; no step is under way."""
    for each in facts.transactions:
        status, result = facts.engine.get(each.id, ("none", ""))
        if status == "none":
            if each.started_at is not None and each.state is not State.STOPPED:  # stopped before it was handed over
                yield f"{each.id} began, and the engine does not know it"
        elif (status, result) != ("SUCCESS", each.state.value):
            yield f"{each.id} is {each.state}, the engine says {status} {result}"
        open_steps = [s.id for s in facts.steps[each.id] if s.state in (StepState.PENDING, StepState.RUNNING)]
        if open_steps:
            yield f"{each.id} has ended, its steps {open_steps} have not"


CHECKS: tuple[Callable[[Facts], Reasons], ...] = (
    each_ends_as_nothing_but_a_person_decided,
    each_has_one_outcome_in_the_audit,
    the_audit_chain_is_whole,
    each_has_one_true_receipt,
    slack_holds_each_message_once,
    each_thread_is_complete,
    a_recovery_point_is_whole_or_not_there,
    each_thing_is_made_once,
    nothing_is_left_on_the_vmstore,
    nothing_is_left_in_the_targets,
    only_listed_objects_are_in_a_recovery_point,
    the_receipt_tells_what_was_moved,
    the_ledger_is_empty,
    engine_and_database_agree,
)
