"""Money weighed against authority: whether whoever asks for it may give it alone, and what they have left.

What is decided by it holds only under `commitments.lock`; without it, it is what would be decided now.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.events import EventCode
from billing.core.money import Money
from billing.core.operations import Role
from billing.money.authority import (
    AuthorityLeft,
    AuthorityUse,
    any_within,
    in_currency,
    what_is_left,
    why_beyond,
    with_given,
)
from billing.money.messages import Commit
from billing.policy.policy import AuthorityLimit

from ..people import people
from . import commitments

REQUESTER, REVISER = "the requester", "the reviser"
"""Whose authority an amount is weighed against: that of whoever shaped it last."""

WEIGHED = {
    REQUESTER: (
        EventCode.WITHIN_REQUESTERS_AUTHORITY,
        EventCode.BEYOND_REQUESTERS_AUTHORITY,
        EventCode.REVIEWED_WHATEVER_REQUESTERS_AUTHORITY,
    ),
    REVISER: (
        EventCode.WITHIN_REVISERS_AUTHORITY,
        EventCode.BEYOND_REVISERS_AUTHORITY,
        EventCode.REVIEWED_WHATEVER_REVISERS_AUTHORITY,
    ),
}
"""By whose authority it is: the events for an amount within it, beyond it, and reviewed in any case."""


async def weighed(session: AsyncSession, order: Commit) -> tuple[EventCode, dict[str, Any]]:
    """The event that says whether the person's authority covers the amount, and by what figures."""
    whose = REVISER if order.revised else REQUESTER
    why, figures = await weigh(session, order, whose=whose)
    within, beyond, whatever = WEIGHED[whose]
    event = beyond if why else within
    if order.reviewed_anyway:
        event, why = whatever, "The policy has this reason reviewed whatever the amount."
    return event, figures | {"why": why}


async def weigh(
    session: AsyncSession, order: Commit, *, whose: str = REQUESTER, until: datetime | None = None
) -> tuple[str, dict[str, Any]]:
    """Why the amount is beyond the person's authority, empty where it is not, and by what figures.

    With `until`, as it stood then, in the roles of now.
    """
    person = await people.get(session, order.organization, order.person)
    roles = [Role(role) for role in person.roles] if person is not None and person.active else []
    amount = Money(amount_minor=sum(part.amount for part in order.parts), currency=order.currency)
    limits = in_currency((limit for role in roles for limit in order.authority.get(role, ())), amount)
    uses = await commitments.uses(
        session,
        order.organization,
        person_id=order.person,
        customer_id=order.customer,
        kinds=order.counted,
        currency=order.currency,
        windows={limit.window_days for limit in limits},
        at=order.at,
        excluding=order.operation,
        until=until,
    )
    why = ""
    if not any_within(limits, amount, uses):
        why = why_beyond(limits, amount, uses, whose)
        if person is None or not person.active:
            why = f"{whose[0].upper()}{whose[1:]} is no longer active."
    return why, _figures(order, amount, roles, limits, uses)


def _figures(
    order: Commit,
    amount: Money,
    roles: list[Role],
    limits: list[AuthorityLimit],
    uses: Mapping[int, AuthorityUse],
) -> dict[str, Any]:
    """What an auditor needs to weigh it again."""
    return {
        "round": order.round,
        "person": order.person,
        "roles": [role.value for role in roles],
        "customer": order.customer,
        "amount": amount.model_dump(),
        "counted": [kind.value for kind in order.counted],
        "limits": [limit.model_dump() for limit in limits],
        "used": {str(days): use.model_dump() for days, use in uses.items()},
    }


def limits_left(figures: Mapping[str, Any], *, given: Money | None = None) -> Iterator[AuthorityLeft]:
    """Each limit in these figures with what is left of it, or would be with so much `given`."""
    for limit in map(AuthorityLimit.model_validate, figures["limits"]):
        used = AuthorityUse.model_validate(figures["used"][str(limit.window_days)])
        yield what_is_left(limit, used if given is None else with_given(used, given))
