"""The composition root: settings become adapters, service, worker and Slack app."""

import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version as package_version
from typing import TYPE_CHECKING, NoReturn

from pydantic import SecretStr

from bot import crossings, doctor, expiring
from bot.arena import Arena
from bot.checkups import home, outside
from bot.clock import SystemClock
from bot.config import Settings, VMstoreSettings
from bot.doctor import Finding, Group
from bot.errors import CloudyError, OperatorError
from bot.givingback import settle
from bot.janitor import Janitor
from bot.limits import Limits, TransferSettingsFor
from bot.lock import WorkerLock
from bot.logs import setup as set_up_logs
from bot.lookout import Lookout
from bot.model import Actor
from bot.opening import audit_key_of, awaits_key, configured_slas, open_database, service_for
from bot.policy_settings import policy_of
from bot.rate_settings import timetable
from bot.reads import Reads
from bot.rebuilding import Rebuilt, rebuild
from bot.retry import retrying
from bot.service import Service
from bot.slots import Slots
from bot.sockets import keep_sockets
from bot.store import Database
from bot.systems import ConfiguredSystems, prices_of
from bot.throttle import Throttle
from bot.transfer import TransferSettings
from bot.watch import Watch
from bot.worker import Worker, installation_id

if TYPE_CHECKING:
    from handlers.connection import Connection
    from handlers.door import Door

log = logging.getLogger(__name__)

VERSION = package_version("cloudy")

READY_S = 10.0  # how long the process that holds the lock may take to make or migrate the database
LOOK_AT_LOCK_S = 2.0  # twice free in a row: nobody works
LOCK_S = 1.0  # the bot waits so long for the lock, since somebody may just be looking whether it is free
DRAIN_S = 8.0  # then the process ends, whatever hangs
# Of 16 MiB, that files are read into: 512 MiB, however many transactions there are, and 12 at most for one file. One
# that needs more (large, to a store without segments) has memory of its own beside these.
WINDOWS = 32
TURN_S = 0.002  # with Python's 5 ms a person waits for many threads that move bytes; less, and they only take turns


def _prepare(settings: Settings) -> Database:
    """Make or migrate the database and open it; the caller holds the worker lock."""
    Database.migrate(settings.database.path)
    key = audit_key_of(settings, create=True)
    return Database.open(settings.database.path, audit_key=key, clock=SystemClock())


def sending(settings: Settings) -> TransferSettingsFor:
    """How files are sent, by VMstore and targets; what it gives shares memory and each VMstore's room for reads."""
    reads = {name: _reads(vmstore) for name, vmstore in settings.vmstores.items()}
    arena = Arena(WINDOWS)

    def transfer_settings(vmstore: str, targets: Sequence[str]) -> TransferSettings:
        chosen = [settings.targets[name] for name in targets]
        return TransferSettings(
            threads=min(target.threads for target in chosen),
            part_bytes=max(target.part_mib for target in chosen) << 20,
            copies=max(target.copies for target in chosen),
            reads=reads.get(vmstore),
            arena=arena,
        )

    return transfer_settings


def _reads(settings: VMstoreSettings) -> Reads:
    rates = timetable(settings.read_limit, settings.time_zone)
    return Reads(Slots(settings.parallel_reads), Throttle(rates.rate, SystemClock()))


def _worker(settings: Settings, db: Database) -> Worker:
    return Worker(
        db,
        ConfiguredSystems(settings),
        SystemClock(),
        engine_path=settings.database.engine,
        limits=Limits(
            parallel={name: vmstore.parallel for name, vmstore in settings.vmstores.items()},
            transfer_settings=sending(settings),
            hold=settings.protection.hold,
            prices=prices_of(settings),
            remove_after=settings.janitor.remove_after,
            slas=configured_slas(settings),
        ),
        version=VERSION,
        policy=policy_of(settings.policy),
    )


def _lock(settings: Settings) -> WorkerLock:
    path = settings.database.path
    path.parent.mkdir(parents=True, exist_ok=True)
    return WorkerLock(path.with_name(path.name + ".lock"))


def janitor_for(settings: Settings, db: Database, actor: Actor) -> Janitor:
    """The janitor as a person sends it; it may work beside a running bot."""
    settings.require_secrets(slack=False, vmstores=True, targets=True)
    return Janitor(db, ConfiguredSystems(settings), SystemClock(), installation=installation_id(db), actor=actor)


def catalogued(settings: Settings, targets: Sequence[str]) -> tuple[tuple[Rebuilt, ...], str]:
    """Make the catalogue again from these targets alone; with it this installation's id. It may work beside a bot."""
    settings.require_secrets(targets=True)
    systems, lock = ConfiguredSystems(settings), _lock(settings)
    stores = [retrying(systems.target(name), SystemClock().sleep) for name in targets]
    db = _prepare(settings) if lock.acquire() else _opened_once_ready(settings)
    try:
        return tuple(rebuild(db, store) for store in stores), installation_id(db)
    finally:
        db.close()
        lock.release()


def examine(settings: Settings) -> tuple[Finding, ...]:
    """All that the doctor finds; nothing stays of what was made for it."""
    slas = configured_slas(settings)
    abroad = outside.every(ConfiguredSystems(settings), SystemClock(), lambda: _slack_checkup(settings), slas)
    return doctor.examine((*home.every(settings), *abroad))


def _slack_checkup(settings: Settings) -> Group:
    bot_token, app_token = _revealed(settings.slack.bot_token), _revealed(settings.slack.app_token)
    if not (bot_token or app_token):
        return outside.of_slack(None)
    from handlers.checkup import SlackCheckup  # only who asks Slack loads its libraries

    workspace = SlackCheckup(api_url=settings.slack.api_url, bot_token=bot_token, app_token=app_token)
    has = {"has_bot_token": bool(bot_token), "has_app_token": bool(app_token)}
    has |= {"has_admin_channel": bool(settings.slack.admin_channel)}
    return outside.of_slack(workspace, **has, has_groups=bool(policy_of(settings.policy).groups))


class Hand:
    """What the command line holds while it works or follows."""

    def __init__(self, settings: Settings) -> None:
        """OperatorError: the database cannot be used as it is. ConfigError: a secret is missing."""
        self._settings = settings
        self._lock = _lock(settings)
        self._worker: Worker | None = None
        self._looked_at = time.monotonic()
        self._was_free = False
        if self._lock.acquire():
            settings.require_secrets(slack=False, vmstores=True, targets=True)
            self.db = _prepare(settings)
            self._work()
        else:
            self.db = _opened_once_ready(settings)
        self.service = service_for(settings, self.db, self._wake)

    @property
    def is_worker(self) -> bool:
        """Whether this process works, so that no bot does."""
        return self._worker is not None

    def tend(self) -> None:
        """Work ourselves if nobody does any more: another command line may have been the worker, and have ended.

        A bot that is being restarted gets the time to take the lock again first. Call it often.
        """
        if self._worker is not None or time.monotonic() - self._looked_at < LOOK_AT_LOCK_S:
            return
        self._looked_at = time.monotonic()
        is_free = self._lock.acquire()
        if is_free and self._was_free:
            self._settings.require_secrets(slack=False, vmstores=True, targets=True)
            self._work()
        elif is_free:
            self._lock.release()
        self._was_free = is_free

    def drain(self) -> None:
        """Begin nothing new; see Worker.drain."""
        if self._worker is not None:
            self._worker.drain()

    def _work(self) -> None:
        self._worker = _worker(self._settings, self.db)
        self._worker.start()

    def _wake(self) -> None:
        if self._worker is not None:
            self._worker.wake()


def _opened_once_ready(settings: Settings) -> Database:
    """Open what the process with the lock may still be making. OperatorError: it does not become usable in time."""
    until = time.monotonic() + READY_S
    while True:
        db = open_database(settings)
        why = db.ready()
        is_late = time.monotonic() > until
        if why is None and (is_late or not awaits_key(settings)):
            return db
        db.close()
        if why is not None and is_late:
            raise OperatorError(why)
        time.sleep(0.1)


@contextmanager
def hand(settings: Settings) -> Iterator[Hand]:
    """Work: beside a running bot by recording only, else with a worker of our own for as long as this lasts.

    The caller ends the process by `leave`: other transactions may be under way, and stand still. An error ends it here
    the same way, since an orderly end of Python would wait for them, and would fail them.
    """
    set_up_logs("WARNING", settings.secrets())
    house: Hand | None = None
    try:
        house = Hand(settings)
        yield house
    except BaseException as error:  # noqa: BLE001 - whatever it is, the process ends here, with the words
        if house is not None:
            house.drain()
        _tell(error)
        leave(1)
    house.drain()


def _tell(error: BaseException) -> None:
    if isinstance(error, CloudyError):
        sys.stderr.write(f"cloudy: {error.message}\n")
    elif not isinstance(error, KeyboardInterrupt):
        traceback.print_exception(error)


def leave(status: int) -> NoReturn:
    """End the process without waiting for steps that stand still; they go on at the next start."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the bot listens for Slack, when Slack comes to it."""

    host: str
    port: int  # 0: any free one


def serve(settings: Settings, address: Address | None = None) -> None:
    """The bot: worker, Slack app and sender in one process, until SIGTERM or SIGINT. Does not return.

    Slack comes by Socket Mode, or with an address by signed HTTP.
    """
    set_up_logs("INFO", settings.secrets())
    crossings.arm(os.environ.get(crossings.VARIABLE, ""))
    sys.setswitchinterval(TURN_S)
    settings.require_secrets(slack=address is None, slack_http=address is not None, vmstores=True, targets=True)
    lock = _lock(settings)
    if not lock.acquire(wait_s=LOCK_S):
        raise OperatorError(
            f"Another Cloudy works on {settings.database.path} already. "
            "Stop it first, or give this one a folder of its own."
        )
    db = _prepare(settings)
    db.warm()
    worker = _worker(settings, db)
    wait = asked_to_end()
    try:
        service = service_for(settings, db, worker.wake)
        worker.start(look_every=settings.inventory.refresh, accounts=service.schedules.accounts)
        service.retaining.adopt()
        connection = _connection(settings, db, worker, service, address)
        connection.start(_tell_ready)
        _watch(settings, db)
        settle()
    except Exception as error:  # noqa: BLE001 - an orderly end would wait for the runs under way, and fail them
        worker.drain()
        _tell(error)
        leave(1)
    wait()
    log.info("draining", extra={"action": "drain"})
    last = threading.Timer(DRAIN_S, os._exit, args=(0,))
    last.daemon = True
    last.start()
    worker.drain()
    connection.close()
    log.info("drained", extra={"action": "drain"})
    leave(0)


def _watch(settings: Settings, db: Database) -> None:
    """It ends with the process: what it was about to keep, it looks at again after the next start."""
    watch = Watch(db, SystemClock(), partial(expiring.look, settings))
    threading.Thread(target=watch.run, args=(threading.Event(),), name="watch", daemon=True).start()


def asked_to_end() -> Callable[[], None]:
    """Listen for SIGTERM and SIGINT from now on; what is given waits for the first. Main thread only.

    Over a pipe: a handler that sets an Event stands still for ever when it interrupts the main thread inside the
    Event's own lock, which is held for an instant when the wait begins. That signal and every later one would be lost.
    """
    told, telling = os.pipe()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os.write(telling, b"."))

    def wait() -> None:
        os.read(told, 1)

    return wait


def _connection(
    settings: Settings, db: Database, worker: Worker, service: Service, address: Address | None
) -> "Connection":
    # only the bot loads Slack's libraries
    from handlers import connection, courier, gate, membership, notifier, receiptcharts, socketmode, webserver

    slack = settings.slack
    client = connection.slack_client(slack.api_url, _revealed(slack.bot_token))
    app = connection.slack_app(client, service)
    door: Door
    if address is None:
        door = socketmode.SocketDoor(app, app_token=_revealed(slack.app_token), report=partial(keep_sockets, db))
    else:
        guarded = gate.Gate(app, signing_secret=_revealed(slack.signing_secret), health=partial(_health, db, worker))
        door = webserver.WebDoor(guarded, host=address.host, port=address.port)
    asked = service.questions
    sender = notifier.Sender(
        db,
        crossings.watched("slack", client),
        clock=SystemClock(),
        installation=installation_id(db),
        admin_channel=slack.admin_channel,
        on_sent=receiptcharts.promiser(is_wanted=slack.receipt_chart),
    )
    return connection.Connection(
        door,
        sender,
        also=(
            membership.Roster(client, service, policy_of(settings.policy).groups, settings.policy.refresh),
            courier.Courier(service, client, SystemClock()),
            Lookout(db, SystemClock(), asked.slas, channel=slack.admin_channel, fires=asked.fires),
        ),
    )


def _revealed(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""


def _health(db: Database, worker: Worker) -> dict[str, bool]:
    return {"worker": worker.is_well, "database": db.is_well()}


def _tell_ready() -> None:
    print("cloudy: ready", flush=True)  # noqa: T201 - whoever starts the bot may wait for this line
