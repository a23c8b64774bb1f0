"""What a plan costs a month, so that two can be held side by side however they are billed."""

from collections.abc import Mapping

from ..core.money import Money
from ..core.operations import Message
from ..plan_changes.plans import Interval
from ..plan_changes.subject import Terms

MONTHS = {"month": 1, "year": 12}


class MonthlyCost(Message):
    """By the list prices of all seats and add-ons, before discounts, taxes and usage; `before` is None where
    it isn't known."""

    before: Money | None
    after: Money

    @property
    def difference(self) -> Money | None:
        """What it costs more, or less than nothing what it saves."""
        return self.after - self.before if self.before is not None else None


def cost_per_month(unit_amount: int, seats: int, interval: Interval, currency: str) -> Money:
    """What so many seats cost a month, at `unit_amount` minor units a seat and interval.

    Of a year it is the twelfth, half a minor unit rounded up.
    """
    months = MONTHS[interval]
    return Money(amount_minor=(2 * unit_amount * seats + months) // (2 * months), currency=currency)


def monthly_cost(terms: Terms, amounts: Mapping[str, int | None], currency: str) -> Money | None:
    """What these terms cost a month, by the amounts of their prices; None where that of a seat isn't known.

    Of what is beside the plan, it has what is so much a piece.
    """
    seat = amounts.get(terms.price)
    if seat is None:
        return None
    others = sum((amounts.get(one.price) or 0) * (one.quantity or 0) for one in terms.others)
    return cost_per_month(seat * terms.seats + others, 1, terms.interval, currency)
