"""People as the API shows them: what they may give alone, and when they came in last."""

from collections.abc import Collection
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.operations import Role
from billing.money.authority import left, most_now
from db.money import person_authority
from db.money.person_authority import PersonAuthority
from db.tables import Person

from ..http.auth import Caller, whose
from ..http.context import Context
from .schemas import AuthorityAnswer, PersonAnswer


def acting_roles(roles: Collection[Role]) -> frozenset[Role]:
    """The roles in which somebody acts. Auditors have read-only access, whatever other role they have."""
    return frozenset(roles) if Role.AUDITOR not in roles else frozenset()


async def authority(
    session: AsyncSession, context: Context, person: Person, roles: frozenset[Role], at: datetime
) -> list[AuthorityAnswer]:
    """What the person may give alone in these roles, under the policy in force."""
    found = await person_authority.of_person(
        session, person.organization_id, person.id, roles, context.policy, at
    )
    return [_shown(one) for one in found]


def person_answer(person: Person, caller: Caller, last_sign_in_at: datetime | None) -> PersonAnswer:
    _, visible = whose(caller, person.id)
    return PersonAnswer.model_validate(
        person.model_dump() | {"last_sign_in_at": last_sign_in_at if visible else None}
    )


def _shown(one: PersonAuthority) -> AuthorityAnswer:
    return AuthorityAnswer(
        **one.limit.model_dump(),
        kind=one.kind,
        role=one.role,
        used=one.used,
        left=left(one.limit, one.used),
        most_now=most_now(one.limit, one.used),
    )
