"""Nouns of estimates: what runs before came to, what things cost, what is expected of a run."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.model.transactions import Bytes, Carried


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """Requests to one target, by how clouds charge them."""

    writes: int = 0  # put, copy, begin, complete, list
    reads: int = 0  # get, head

    @property
    def total(self) -> int:
        """All of them."""
        return self.writes + self.reads


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What one target costs; None: not known."""

    storage: float | None = None  # a GiB and month
    write: float | None = None  # 1,000 requests that write
    read: float | None = None  # 1,000 requests that read
    currency: str = "USD"
    listed: str = ""  # whose list price it is; "": it was configured
    cold: float | None = None  # a GiB and month of what is moved to a tier
    archive: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """A number that nobody knows yet, low <= likely <= high; likely None: only its limits are known."""

    low: int
    high: int
    likely: int | None = None

    def __add__(self, other: "Guess") -> "Guess":
        is_known = self.likely is not None and other.likely is not None
        likely = (self.likely or 0) + (other.likely or 0) if is_known else None
        return Guess(low=self.low + other.low, high=self.high + other.high, likely=likely)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Money in one currency, low <= likely <= high; likely None: only its limits are known."""

    currency: str
    low: float
    high: float
    likely: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a protection is expected to move, take and cost, told before it begins; None: nobody knows."""

    rests_on: str  # in words
    read: Guess | None = None  # bytes; so are the next three, of all targets together
    sent: Guess | None = None
    copied: Guess | None = None
    zero: Guess | None = None
    requests: Guess | None = None
    seconds: Guess | None = None
    once: tuple[Cost, ...] = ()  # of the requests
    month: tuple[Cost, ...] = ()  # of what is stored more, each month
    month_in_all: tuple[Cost, ...] = ()  # of all recovery points of the VM there, each month
    prices: Mapping[str, Price] = field(default_factory=dict)  # by target, as they were
    unpriced: tuple[str, ...] = ()  # targets of which no price is known


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A protection that ended well, as estimates see it."""

    vm_uuid: str
    targets: tuple[str, ...]
    bytes: Bytes
    size: int = 0  # provisioned then; 0: not known
    bases: frozenset[str] = frozenset()  # targets that had a base
    requests: Mapping[str, Requests] = field(default_factory=dict)  # by target
    seconds: Mapping[str, float] = field(default_factory=dict)  # by step

    def carried(self, target: str) -> Carried | None:
        """How bytes came to this target; None: it took no part, or nobody counted it apart."""
        if target not in self.targets:
            return None
        if not self.bytes.targets and len(self.targets) == 1:
            return Carried(sent=self.bytes.sent, copied=self.bytes.copied, zero=self.bytes.zero)
        return self.bytes.targets.get(target)
