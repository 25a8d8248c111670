"""What the summaries of ninety days must say, counted from our own books, and whether Slack would take them."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from bot import digest
from bot.model import Digest, Fire, Span, Topic
from handlers import blocks
from integrations.simulators.slack.blocks import is_too_long, problems_of
from tests.workflow.ninety_books import RPO
from tests.workflow.ninety_kept import KeptDays
from tests.workflow.schedule_world import OPS

MOST_BLOCKS, MOST_TEXT = 50, 4_000  # what Slack takes in a message that may be edited


class Told:
    """Each summary that comes, looked at when it comes."""

    def __init__(self, days: KeptDays) -> None:
        self.spans: Counter[Span] = Counter()
        self.topics: Counter[Topic] = Counter()
        self.most_blocks = self.most_text = 0
        days.on_fire.append(self.by_schedule)
        days.on_day.append(lambda _days, at: self.when_asked(days, at))

    def by_schedule(self, days: KeptDays, fire: Fire) -> None:
        """Each fire has told one, in the channel."""
        key = f"schedule:{fire.schedule}:{fire.at:%Y%m%dT%H%M%SZ}:{OPS.channel}:summary"
        with days.world.db.read() as unit:
            message = unit.outbox.get(key)
        assert message is not None
        assert message.channel == OPS.channel
        told = digest.of_view(message.view)
        assert told is not None
        assert told.span is (Span.WEEK if "week" in fire.schedule else Span.DAY)
        self._look(days, told)

    def when_asked(self, days: KeptDays, at: datetime) -> None:
        """As `/summary` does, at the end of each day, whatever the schedule did."""
        told = days.world.service.summaries.digest(Span.DAY)
        assert told.until == at
        self._look(days, told)

    def _look(self, days: KeptDays, told: Digest) -> None:
        self.spans[told.span] += 1
        self.topics.update(chapter.topic for chapter in told.chapters)
        self._fits(told)
        counts = {each.topic.value: each.total for each in told.chapters if each.total and each.topic in _COUNTED}
        expected = dict(Counter(topic.value for topic in (*_ran(days, told), *_stands(days, told.until))))
        assert counts == expected, (told.until, counts, expected)
        assert {stored.target: (stored.points, stored.size) for stored in told.stored} == _stored(days)

    def _fits(self, told: Digest) -> None:
        """At each level of what a workspace can show."""
        for level in (blocks.TEXT, blocks.SECTIONS, blocks.PLAN):
            drawn = blocks.render(digest.view(told), level)
            assert 0 < len(drawn.text) <= MOST_TEXT
            assert len(drawn.blocks) <= MOST_BLOCKS
            assert problems_of(list(drawn.blocks)) == []
            assert not is_too_long(list(drawn.blocks))
            self.most_blocks = max(self.most_blocks, len(drawn.blocks))
            self.most_text = max(self.most_text, len(drawn.text))


_COUNTED = (Topic.FAILED, Topic.FAILING, Topic.LATE, Topic.UNPROTECTED, Topic.APPROVAL, Topic.HELD, Topic.SCHEDULE)


def _ran(days: KeptDays, told: Digest) -> Iterator[Topic]:
    """What ended in its time; a VM whose last run failed is told."""
    window = [each for each in days.books.ended if told.since < each.ended_at <= told.until]
    runs = {each.workflow: each for each in told.ran}
    good = sum(each.is_good for each in window)
    if window:
        assert (runs["protect"].well, runs["protect"].failed) == (good, len(window) - good)
    rounds = [is_good for at, is_good in days.books.rounds if told.since < at <= told.until]
    assert (runs["expire"].well if "expire" in runs else 0) == sum(rounds)
    yield from (Topic.FAILED for is_good in rounds[-1:] if not is_good)
    last = {each.vm: each for each in sorted(window, key=lambda each: each.number)}
    yield from (Topic.FAILED for each in last.values() if not each.is_good)


def _stands(days: KeptDays, now: datetime) -> Iterator[Topic]:
    """How each VM stands that there is, the worst of it; what is damaged helps nobody."""
    newest: dict[str, datetime] = {}
    damaged = {id for id, _target in days.books.damaged}
    for point in (point for id, point in days.books.points.items() if id not in damaged):
        newest[point.vm_name] = max(point.taken_at, newest.get(point.vm_name, point.taken_at))
    for vm in days.living:
        last = newest.get(vm)
        if _failed_in_a_row(days, vm, last) > 1:
            yield Topic.FAILING
        elif last is None:
            yield Topic.UNPROTECTED
        elif now - last > RPO:
            yield Topic.LATE


def _failed_in_a_row(days: KeptDays, vm: str, last: datetime | None) -> int:
    """The newest runs that failed, since one went well or left something."""
    count = 0
    for run in sorted(days.books.by_vm[vm], key=lambda run: run.number, reverse=True)[:12]:
        if run.is_good or (last is not None and last >= run.begun_at):
            return count
        count += 1
    return count


def _stored(days: KeptDays) -> dict[str, tuple[int, int]]:
    points = days.books.points.values()
    return {"s3": (len(points), sum(point.size for point in points))} if points else {}
