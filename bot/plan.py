"""Arithmetic of parts: how a file is cut so that a store takes it. Pure."""

from bot.errors import OperatorError
from bot.model import Part, PartLimits

MIB = 1 << 20


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


def common(limits: tuple[PartLimits, ...]) -> PartLimits:
    """Limits that suit every one of several stores, so that one cut serves them all."""
    return PartLimits(
        smallest=max(each.smallest for each in limits),
        largest=min(each.largest for each in limits),
        most=min(each.most for each in limits),
        largest_object=min(each.largest_object for each in limits),
        smallest_source=max(each.smallest_source for each in limits),
        copy_wanted=min(each.copy_wanted for each in limits),
    )


def _too_large(size: int, most: int) -> OperatorError:
    return OperatorError(
        f"A file of {size} bytes is larger than the largest object that the store takes ({most} bytes). "
        "Protect the VM to another target, or split the disk."
    )
