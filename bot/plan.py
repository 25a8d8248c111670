"""Arithmetic of parts: how a file is cut so that a store takes it, and as little as possible is sent. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bot.cutting.budget import Budget
from bot.cutting.equal import Equal
from bot.cutting.segmented import Segmented
from bot.cutting.stream import Stream
from bot.cutting.writer import Lengths, Writer
from bot.errors import OperatorError
from bot.model import Capabilities, Part, PartLimits, Run, Segment

MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class CutRules:
    """How files are cut for one store. Lengths in bytes."""

    limits: PartLimits = field(default_factory=PartLimits)
    copies_parts: bool = True
    equal_parts: bool = False
    segments: bool = True  # temporary objects may be made and copied as parts
    segment: int = 1 << 30  # so long they are at least; longer where an object could have too few
    upload: int = 16 * MIB  # uploads are cut so; longer only where nothing else keeps the number of parts down
    granule: int = 1  # parts begin at multiples of it, if all runs but the last are multiples of it
    look_ahead: int = 64 * MIB  # bytes that may be left undecided

    @classmethod
    def of(cls, limits: PartLimits, able: Capabilities, *, granule: int = 1) -> "CutRules":
        """What suits a store; segments only where it copies parts, and what is made for a while can be removed."""
        return cls(
            limits=limits,
            copies_parts=able.copies_parts,
            equal_parts=able.equal_parts,
            segments=able.copies_parts and not able.locks_all,
            granule=granule,
        )


class Cutter(Protocol):
    """Turns the runs of one file, in its order, into parts, in its order, while it is read.

    The parts of the object are numbered from 1 without gaps; so are those of each segment's temporary object, which
    name the segment and are followed by it.
    """

    @property
    def needs(self) -> int:
        """So many bytes of the file must fit into memory: what may be undecided, and two uploads besides."""

    @property
    def settled(self) -> int:
        """No part to come uploads bytes before this offset, so nobody needs to keep them."""

    def feed(self, run: Run) -> Sequence[Part | Segment]:
        """The parts that are decided by this. A run may be of any length; how they are split makes no difference."""

    def finish(self) -> Sequence[Part | Segment]:
        """The rest. ValueError: the runs were not as long as the file."""


def cutter(size: int, rules: CutRules) -> Cutter:
    """What cuts a file of `size` bytes so that the fewest bytes are sent, and then the fewest requests made.

    Exact while the file cannot need more parts than the store takes (S3: 48 GiB) and the look-ahead is never full of
    short stretches (one of at least three floors, or a change of one floor, decides all before it). Each time that it
    is full, its older half is decided, which costs less than two floors (10 MiB on S3) more than the optimum, and
    mostly nothing: what is decided there seldom hangs on what comes half a look-ahead later. Between two such times lie
    at least (look-ahead - 5 floors - the larger of an upload and two floors) / 2 bytes. Never is more sent than the
    file.
    Larger files: copies get longer; where that could still not do, segments take the rest (no byte more), or, without
    segments, uploads get longer and the shortest copies are given up.
    At most the larger of the look-ahead and nine floors, with one upload's length, is fed and not settled.
    OperatorError: the store takes no object of that size.
    """
    limits, floor = rules.limits, _up(rules.limits.smallest, rules.granule)
    length = part_length(size, limits, wanted=rules.upload)
    if size > limits.largest_object:
        raise _too_large(size, limits.largest_object)
    if rules.equal_parts or not rules.copies_parts or size < limits.smallest:
        return _equal(size, length, rules)
    if size <= (limits.most - 1) * floor:
        return _stream(size, rules, _lengths(rules, rules.upload, limits.copy_wanted))
    segment = _segment(size, rules)
    if rules.segments and segment <= (limits.most - 1) * floor:
        return _segmented(size, segment, rules)
    return _budgeted(size, length, rules)


def _segment(size: int, rules: CutRules) -> int:
    """How long segments are: so that the half of an object's parts would do. A store takes a minute for each 4 GiB.

    In whole uploads where these reach, so that those of a disk that is all new lie in windows as they do before.
    """
    limits = rules.limits
    needed = max(rules.segment, -(-2 * size // limits.most))
    for unit in (_up(rules.upload, rules.granule), rules.granule):
        length = min(_up(needed, unit), limits.largest // unit * unit)
        if size <= length * (limits.most - 1):
            break
    return length


def _stream(size: int, rules: CutRules, lengths: Lengths, budget: Budget | None = None) -> Stream:
    return Stream(
        lengths,
        Writer(lengths),
        end=size,
        smallest_source=rules.limits.smallest_source,
        look_ahead=rules.look_ahead,
        budget=budget,
    )


def _segmented(size: int, longest: int, rules: CutRules) -> Segmented:
    most = rules.limits.most
    return Segmented(
        size,
        _lengths(rules, rules.upload, max(rules.limits.copy_wanted, -(-4 * size // most))),
        _lengths(rules, rules.upload, rules.limits.copy_wanted),
        longest=longest,
        most=most,
        smallest_source=rules.limits.smallest_source,
        look_ahead=rules.look_ahead,
    )


def _budgeted(size: int, length: int, rules: CutRules) -> Stream | Equal:
    """Uploads an eighth longer, and copies four times as long, as the pace of an eighth fewer parts than there are."""
    most = rules.limits.most - rules.limits.most // 8 - 16
    pace = max(-(-size // most), rules.upload * 8 // 9) if most > 0 else size
    lengths = _lengths(rules, -(-pace * 9 // 8), max(rules.limits.copy_wanted, 4 * pace))
    if lengths.upload < pace or lengths.copy < 2 * pace or rules.look_ahead < 4 * lengths.floor:
        return _equal(size, length, rules)
    return _stream(size, rules, lengths, Budget(size, rules.limits.most, lengths, pace))


def _equal(size: int, length: int, rules: CutRules) -> Equal:
    limits, granule = rules.limits, rules.granule
    if length < size:  # more than one part
        length = min(_up(length, granule), limits.largest // granule * granule)
        if length * limits.most < size:
            raise _too_large(size, length * limits.most)
    copies = rules.copies_parts and size >= limits.smallest
    return Equal(size, length, smallest_source=limits.smallest_source, copies=copies)


def _lengths(rules: CutRules, upload: int, copy: int) -> Lengths:
    """In whole granules, within what the store takes."""
    granule = rules.granule
    floor, largest = _up(rules.limits.smallest, granule), rules.limits.largest // granule * granule
    upload = min(max(floor, _up(upload, granule)), largest)
    copy = min(max(floor, _up(copy, granule)), largest)
    return Lengths(
        floor=floor,
        upload=upload,
        copy=copy,
        upload_top=max(upload, 2 * floor - 1),
        copy_top=min(2 * copy - 1, largest),
    )


def _up(length: int, granule: int) -> int:
    return -(-length // granule) * granule


def parts(size: int, limits: PartLimits, *, wanted: int = 16 * MIB) -> tuple[Part, ...]:
    """Cut a file of `size` bytes into parts that cover it exactly once, in order.

    All but the last are equally long: `wanted` bytes, or more (in whole MiB) where the store would need too many.
    An empty file has no parts; a file of one part is better written at once.
    OperatorError: the store takes no object of that size.
    """
    if size > limits.largest_object:
        raise _too_large(size, limits.largest_object)
    length = part_length(size, limits, wanted=wanted)
    return tuple(
        Part(number=number, offset=offset, length=min(length, size - offset))
        for number, offset in enumerate(range(0, size, length), start=1)
    )


def part_length(size: int, limits: PartLimits, *, wanted: int = 16 * MIB) -> int:
    """Length in bytes of all parts but the last. OperatorError: no length fits the store's limits."""
    length = min(max(wanted, limits.smallest), limits.largest)
    if length * limits.most < size:
        needed = -(-size // limits.most)
        length = min(-(-needed // MIB) * MIB, limits.largest)
    if length * limits.most < size:
        raise _too_large(size, limits.largest * limits.most)
    return length


def _too_large(size: int, most: int) -> OperatorError:
    return OperatorError(
        f"A file of {size} bytes is larger than the largest object that the store takes ({most} bytes). "
        "Protect the VM to another target, or split the disk."
    )
