"""What a person may give alone, and how much of it they have used."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.money import Money
from billing.core.operations import Kind, Role
from billing.policy.policy import AuthorityLimit, Policy

from . import commitments


@dataclass(frozen=True)
class PersonAuthority:
    """One limit of a person's, and what they have used of its window."""

    kind: Kind
    role: Role
    limit: AuthorityLimit
    used: Money


async def of_person(
    session: AsyncSession,
    organization_id: str,
    person_id: str,
    roles: Collection[Role],
    policy: Policy,
    at: datetime,
) -> list[PersonAuthority]:
    """Each limit that the policy gives one of these roles; one query for all that share their windows."""
    limits = [
        (kind, role, limit)
        for kind, by_role in policy.authority.items()
        for role in sorted(roles)
        for limit in by_role.get(role, ())
    ]
    windows: dict[tuple[tuple[Kind, ...], str], set[int]] = {}
    for kind, _, limit in limits:
        shared = (policy.counted_with(kind), limit.per_item.currency)
        windows.setdefault(shared, set()).add(limit.window_days)
    uses = {
        (kinds, currency): await commitments.uses(
            session,
            organization_id,
            person_id=person_id,
            customer_id=None,
            kinds=kinds,
            currency=currency,
            windows=days,
            at=at,
            excluding="",
        )
        for (kinds, currency), days in windows.items()
    }
    return [
        PersonAuthority(
            kind,
            role,
            limit,
            uses[policy.counted_with(kind), limit.per_item.currency][limit.window_days].by_person,
        )
        for kind, role, limit in limits
    ]
