"""What unused time is worth from one second to the next.

Stripe ends a plan in the second in which it is told to, and takes no other: what a credit comes to then is
known by what it came to before, and by the time that is left.
"""

from collections.abc import Sequence

from ..plan_changes.proration import Line

ROUNDING = 1
"""Minor units by which Stripe's rounding at one second may differ from ours out of another."""


def worth_at(line: Line, at: int) -> int:
    """What a credit for the time until the line's end comes to when it is given at this second instead."""
    whole = line.period.end - line.period.start
    if whole <= 0:
        return 0
    left = max(0, line.period.end - at)
    return -((-line.amount_minor * left * 2 + whole) // (2 * whole))


def unlike_lines(before: Sequence[Line], after: Sequence[Line]) -> tuple[Line, ...]:
    """The lines of either that have no partner among the other's, of a credit with what is left of it."""
    left = list(after)
    missing: list[Line] = []
    for line in before:
        partner = next((one for one in left if _same(line, one)), None)
        if partner is None:
            missing.append(line)
        else:
            left.remove(partner)
    return (*missing, *left)


def _same(before: Line, after: Line) -> bool:
    if before.identity() == after.identity():
        return True
    return (
        before.kind == after.kind == "credit"
        and (before.price, before.quantity, before.period.end)
        == (after.price, after.quantity, after.period.end)
        and before.period.start <= after.period.start
        and abs(worth_at(before, after.period.start) - after.amount_minor) <= ROUNDING
    )
