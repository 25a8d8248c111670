"""Decides which of the short copyable stretches between changes are worth a part of their own. Pure.

An upload part has a floor. A change shorter than it must take bytes of the copyable stretches beside it (first of the
one before, whose bytes nobody else can use), or one of these is uploaded whole. Decisions meet only where changes
are shorter than the floor and the stretches between them shorter than three floors: a longer stretch is copied in any
case, for uploading it would cost three floors and save less than two. So the states to keep are few.
"""

from itertools import accumulate

from bot.cutting.writer import NOTHING, Lengths, Stretch, Writer


class _State:
    """One way to have come to the end of a stretch, and what it cost."""

    __slots__ = ("back", "copied", "lead", "open", "requests", "sent", "slack")

    def __init__(self, sent: int, requests: int, back: "_State | None", *, copied: bool) -> None:
        self.sent = sent  # bytes more than the changes
        self.requests = requests  # of all parts but the upload that is open
        self.back = back
        self.copied = copied  # else it is uploaded whole
        self.lead = 0  # of a copied stretch: bytes at its beginning that go to the upload before
        self.slack = 0  # of a copied stretch: bytes at its end that can go to the upload after
        self.open = 0  # length of the upload that an uploaded stretch stands in


class Chain:
    """The stretches that are not decided yet, oldest first, behind what is: a held copy's end, or an open upload."""

    def __init__(self, lengths: Lengths, writer: Writer) -> None:
        self._lengths = lengths
        self._writer = writer
        self._held = NOTHING  # decided to be copied, but for what the next upload takes of its end
        self._root = _State(0, 0, None, copied=True)
        self._states = [self._root]
        self._items: list[tuple[int, Stretch]] = []  # with the changed bytes before each

    def __len__(self) -> int:
        return len(self._items)

    @property
    def is_open(self) -> bool:
        """Whether nothing is undecided and the upload at the end is long enough for itself."""
        return not self._items and not self._root.copied

    def pour(self, length: int) -> None:
        """More changed bytes for the open upload."""
        self._writer.upload(length)
        self._root.open = self._writer.open

    def append(self, solid: int, stretch: Stretch, least: int) -> None:
        """A stretch that may be copied if `least` of it remains, behind `solid` changed bytes."""
        self._states = self._after(solid, stretch.length, least)
        self._items.append((solid, stretch))
        if len(self._states) == 1:
            self._commit(self._states[0], len(self._items))

    def wall(self, solid: int, stretch: Stretch) -> None:
        """A stretch of three floors at least, which is copied, and may still grow."""
        copied = [state for state in self._after(solid, stretch.length, self._lengths.floor) if state.copied]
        self._items.append((solid, stretch))
        self._commit(min(copied, key=self._cost), len(self._items))
        self.grow(0)

    def grow(self, length: int) -> None:
        """The held copy goes on; only its last bytes, that an upload may want, are kept back."""
        held = self._held.head(self._held.length + length)
        sure = held.length - self._lengths.floor
        self._writer.copy(held.head(sure))
        self._held = held.without(sure)
        self._root.slack = self._lengths.floor - 1

    def resolve(self, solid: int, *, must: bool) -> None:
        """Decide everything; the changed bytes that follow are an upload of their own; must: the floor holds for it."""
        need = self._need(solid) if must else 0
        fit = [state for state in self._states if not state.copied or state.slack >= need]
        best = min(fit or self._states, key=lambda state: self._end_cost(state, solid, need))
        self._commit(best, len(self._items))
        spare = need if fit else self._held.length  # what was decided before can give no less: so it is sent whole
        self._give(spare if self._root.copied else 0)
        self._writer.upload(solid)
        self._restart(_State(0, 0, None, copied=False))
        self._root.open = self._writer.open

    def shorten(self) -> None:
        """Decide the older half, on the way that is cheapest so far."""
        best = min(self._states, key=self._cost)
        lengths = [solid + stretch.length for solid, stretch in self._items]
        count = next(at for at, sofar in enumerate(accumulate(lengths), start=1) if 2 * sofar >= sum(lengths))
        steps = len(self._items) - count
        anchor = _ancestor(best, steps)
        self._states = [state for state in self._states if _ancestor(state, steps) is anchor]
        self._commit(anchor, count)

    def _cost(self, state: _State) -> tuple[int, int]:
        return state.sent, state.requests + (0 if state.copied else self._lengths.uploads(state.open))

    def _end_cost(self, state: _State, solid: int, need: int) -> tuple[int, int]:
        if state.copied:
            return state.sent + need, state.requests + (self._lengths.uploads(solid + need) if solid else 0)
        return state.sent, state.requests + self._lengths.uploads(state.open + solid)

    def _need(self, solid: int) -> int:
        return self._lengths.floor - solid if 0 < solid < self._lengths.floor else 0

    def _after(self, solid: int, length: int, least: int) -> list[_State]:
        """All ways to go on with a stretch that are not worse than another one of them whatever follows."""
        copied, uploaded = [], []
        for state in self._states:
            copy = self._copied(state, solid, length - least)
            if copy is not None:
                copied.append(copy)
            upload = _State(state.sent + length, state.requests, state, copied=False)
            upload.open = solid + length + (0 if state.copied else state.open)
            uploaded.append(upload)
        best = min(uploaded, key=self._cost)
        return self._pruned(copied, best)

    def _copied(self, state: _State, solid: int, room: int) -> _State | None:
        need = self._need(solid) if state.copied else 0
        lead = max(0, need - state.slack)
        if lead > room:
            return None
        stretch = solid + (need if state.copied else state.open)
        parts = 1 + (self._lengths.uploads(stretch) if stretch else 0)
        made = _State(state.sent + need, state.requests + parts, state, copied=True)
        made.lead, made.slack = lead, room - lead
        return made

    def _pruned(self, copied: list[_State], uploaded: _State) -> list[_State]:
        most = self._lengths.floor - 1  # a copied stretch that can give so much never costs more than that
        worth = [state for state in copied if state.sent <= uploaded.sent]
        if len(worth) > 1:
            worth.sort(key=lambda state: (state.sent, state.requests, state.lead))
        kept: list[_State] = []
        for state in worth:
            if all(state.lead < better.lead or state.requests < better.requests for better in kept):
                kept.append(state)
        if any(state.slack >= most and state.sent + most < uploaded.sent for state in kept):
            return kept
        return [*kept, uploaded]

    def _commit(self, state: _State, count: int) -> None:
        """Hand the oldest stretches over as the way to `state` has them; the last of them, if copied, is held."""
        way: list[_State] = []
        at: _State | None = state
        while len(way) < count and at is not None:
            way.append(at)
            at = at.back
        for (solid, stretch), step in zip(self._items[:count], reversed(way), strict=True):
            self._step(solid, stretch, step)
        del self._items[:count]
        if not self._items:
            self._states = [state]
        state.back = None

    def _step(self, solid: int, stretch: Stretch, step: _State) -> None:
        if self._root.copied:
            self._give(self._need(solid) - step.lead if step.copied else 0)
        self._writer.upload(solid + step.lead)
        if step.copied:
            self._held = stretch.without(step.lead)
        else:
            self._writer.upload(stretch.length)
            step.open = self._writer.open
        self._root = step

    def _give(self, tail: int) -> None:
        """The held copy ends, its last `tail` bytes go to the upload that follows."""
        self._writer.copy(self._held.head(self._held.length - tail))
        self._writer.upload(tail)
        self._held = NOTHING

    def _restart(self, root: _State) -> None:
        self._root, self._states, self._items = root, [root], []


def _ancestor(state: _State, steps: int) -> _State:
    for _ in range(steps):
        if state.back is None:
            raise AssertionError("a state has as many before it as there are undecided stretches")
        state = state.back
    return state
