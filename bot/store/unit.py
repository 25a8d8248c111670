"""One unit of work: the repositories over one session."""

from sqlmodel import Session

from bot.ports import Clock
from bot.store.approvals import Approvals
from bot.store.audit import Audit
from bot.store.concerns import Concerns, Measures
from bot.store.counts import Counts
from bot.store.deliveries import Deliveries
from bot.store.files import Files
from bot.store.handouts import Handouts
from bot.store.health import Health
from bot.store.inventory import Inventory
from bot.store.ledger import Ledger
from bot.store.lists import Lists
from bot.store.members import Members
from bot.store.outbox import Outbox
from bot.store.parts import Parts
from bot.store.past import PastRuns
from bot.store.points import Points
from bot.store.proofs import Proofs
from bot.store.questions import Questions
from bot.store.retentions import Holds, Retentions
from bot.store.samples import Samples
from bot.store.schedules import Fires, Schedules
from bot.store.settings import Settings
from bot.store.standings import Standings
from bot.store.steps import Steps
from bot.store.transactions import Transactions
from bot.store.troubles import Troubles


class Unit:
    """All that is read and written together; belongs to one thread and ends with its `with`."""

    def __init__(self, session: Session, clock: Clock, audit_key: bytes | None) -> None:
        self.transactions = Transactions(session, clock)
        self.steps = Steps(session, clock)
        self.past = PastRuns(session)
        self.ledger = Ledger(session, clock)
        self.parts = Parts(session)
        self.files = Files(session)
        self.points = Points(session)
        self.samples = Samples(session)
        self.proofs = Proofs(session)
        self.approvals = Approvals(session)
        self.questions = Questions(session)
        self.retentions = Retentions(session)
        self.holds = Holds(session)
        self.schedules = Schedules(session)
        self.fires = Fires(session)
        self.inventory = Inventory(session, clock)
        self.health = Health(session)
        self.handouts = Handouts(session, clock)
        self.lists = Lists(session)
        self.standings = Standings(session)
        self.troubles = Troubles(session)
        self.counts = Counts(session)
        self.concerns = Concerns(session)
        self.measures = Measures(session)
        self.members = Members(session, clock)
        self.outbox = Outbox(session, clock)
        self.settings = Settings(session)
        self.deliveries = Deliveries(session, clock)
        self.audit = Audit(session, clock, audit_key)
