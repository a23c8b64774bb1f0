"""Who decides on approvals, and what they have used of their authority, as the records have it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from pydantic import TypeAdapter
from sqlalchemy import and_, or_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.approvals.authorship import Author, people
from billing.approvals.deciders import ApproverPool, Deciders, DelegatedRole
from billing.approvals.ladder import Refusal, Rung, Signature
from billing.approvals.progress import ApprovalProgress, Authority
from billing.core.money import Money
from billing.core.operations import Kind, Role
from billing.money.authority import in_currency
from billing.policy.policy import AuthorityLimit

from ..core import timeline
from ..core.pending import reads
from ..money import commitments
from ..money.commitments import UsesAsked
from ..operations import operations
from ..people.people import may_have
from ..tables import Approval, Case, Delegation, Notice, Operation, Person
from . import approvals, delegations

_LIMITS: TypeAdapter[dict[Role, tuple[AuthorityLimit, ...]]] = TypeAdapter(
    dict[Role, tuple[AuthorityLimit, ...]]
)


async def approver_pool(
    session: AsyncSession,
    organization_id: str,
    at: datetime,
    *,
    roles: Iterable[Role] = (),
    people: Collection[str] = (),
) -> ApproverPool:
    """Who acts for whom at this time and did before, and the active people among those who do, of `people`
    and of these roles."""
    begun = delegations.has_begun(at)
    lent = (col(Delegation.organization_id) == organization_id, begun)
    ends = (select(one).where(*lent) for one in (col(Delegation.from_person), col(Delegation.to_person)))
    asked = or_(col(Person.id).in_(people), *map(may_have, sorted(roles)))
    # Everybody whom a delegation names comes with each of theirs, the others once and with none.
    found = await session.exec(
        select(Person, Delegation, asked.label("asked"))
        .outerjoin(Delegation, and_(*lent, col(Delegation.to_person) == col(Person.id)))
        .where(
            Person.organization_id == organization_id,
            or_(asked, *(col(Person.id).in_(end) for end in ends)),
        )
        .execution_options(populate_existing=True, **reads(Person, Delegation))
    )
    rows = found.all()
    given = {lent.id: lent for _, lent, _ in rows if lent is not None}
    agreed = [_delegated_role(one, at) for one in sorted(given.values(), key=_beginning)]
    acting = [one for one in agreed if one.until is None]
    ids = {*(one.delegator for one in acting), *(one.delegate for one in acting)}
    everybody = {one.id: one for one, _, is_asked in rows if is_asked or one.id in ids}
    for person in everybody.values():
        timeline.learn_person(session, person.id, person.name, person.roles)
    return _pool((one for one in everybody.values() if one.active), agreed)


def _beginning(delegation: Delegation) -> tuple[datetime, str]:
    return delegation.starts_at, delegation.id


def pool_among(people: Iterable[Person], begun: Iterable[Delegation], at: datetime) -> ApproverPool:
    """The same of everybody in the organization, where they and the delegations that have begun were read
    already."""
    earliest_first = sorted(begun, key=_beginning)
    return _pool((one for one in people if one.active), [_delegated_role(one, at) for one in earliest_first])


def _pool(active: Iterable[Person], agreed: Sequence[DelegatedRole]) -> ApproverPool:
    return ApproverPool(
        {person.id: tuple(map(Role, person.roles)) for person in active},
        tuple(one for one in agreed if one.until is None),
        tuple(one for one in agreed if one.until is not None),
    )


def _delegated_role(row: Delegation, at: datetime) -> DelegatedRole:
    # Clocks differ: one that is revoked is in force no more, whatever time it is here.
    over = row.ends_at if row.revoked_at is None else min(row.ends_at, row.revoked_at)
    in_force = row.revoked_at is None and row.ends_at > at
    return DelegatedRole(
        row.from_person,
        row.to_person,
        Role(row.role) if row.role else None,
        row.approval_id,
        None if in_force else over,
    )


def authors_of(row: Operation | Approval) -> tuple[Author, ...]:
    return tuple(Author.model_validate(author) for author in row.authors)


def progress_of(approval: Approval, pool: ApproverPool) -> ApprovalProgress:
    """An approval with those who may decide on it."""
    return ApprovalProgress(
        Deciders(pool, approval.id, authors_of(approval)),
        ladder_of(approval),
        approval.rung,
        signatures_of(approval),
    )


async def refusal_to_acknowledge(
    session: AsyncSession, notice: Notice, person: str, at: datetime
) -> Refusal | None:
    """Why somebody may not acknowledge a notice: of what they, or whoever they act for, did or allowed."""
    operation = await operations.get_any(session, notice.operation_id)
    assert operation is not None, "a notice is of an operation"
    authors = list(authors_of(operation))
    if (case := await session.get(Case, operation.id)) is not None:
        made = (case.done_by, (operation.result or {}).get("named"))
        authors += [Author(person=one, at=operation.created_at, how="asked") for one in made if one]
    pool = await approver_pool(session, notice.organization_id, at, people=[person, *people(authors)])
    yeses = await approvals.yeses(session, operation.id)
    return Deciders(pool, "", authors).refusal_to_acknowledge(person, yeses)


async def authority_for(
    session: AsyncSession, approval: Approval, people: Collection[str], at: datetime
) -> Authority | None:
    """What an approval is held against, with what these people have used; None where it is against nothing.

    For a decision, read it under `commitments.lock`.
    """
    (found,) = await authority_for_each(session, approval.organization_id, [(approval, people)], at)
    return found


async def authority_for_each(
    session: AsyncSession,
    organization_id: str,
    asked: Sequence[tuple[Approval, Collection[str]]],
    at: datetime,
) -> list[Authority | None]:
    """The same for each approval of an organization with its people."""
    questions = [_question(approval, people) for approval, people in asked]
    uses = await commitments.uses_of_each(
        session, organization_id, [one.against for one in questions if one], at=at
    )
    used = iter(uses)
    return [Authority(one.amount, one.limits, next(used)) if one else None for one in questions]


async def authority_over(
    session: AsyncSession,
    organization_id: str,
    amount: Money,
    limits: Mapping[Role, Sequence[AuthorityLimit]],
    people: Collection[str],
    *,
    customer: str | None,
    counted: Collection[Kind],
    excluding: str,
    at: datetime,
) -> Authority:
    """What the amount is held against, with what these people have used of the limits of any role."""
    asked = UsesAsked(
        sorted(set(people)), customer, counted, amount.currency, _windows(limits, amount), excluding
    )
    (uses,) = await commitments.uses_of_each(session, organization_id, [asked], at=at)
    return Authority(amount, limits, uses)


class _AuthorityQuestion(NamedTuple):
    amount: Money
    limits: Mapping[Role, Sequence[AuthorityLimit]]
    against: UsesAsked


def _question(approval: Approval, people: Collection[str]) -> _AuthorityQuestion | None:
    amount = amount_of(approval)
    if amount is None or approval.authority is None:
        return None
    limits = _LIMITS.validate_python(approval.authority)
    against = UsesAsked(
        people=sorted(set(people)),
        customer=approval.customer_id,
        kinds=[Kind(kind) for kind in approval.counted],
        currency=amount.currency,
        windows=_windows(limits, amount),
        excluding=approval.operation_id,
    )
    return _AuthorityQuestion(amount, limits, against)


def ladder_of(approval: Approval) -> tuple[Rung, ...]:
    return tuple(Rung.model_validate(rung) for rung in approval.ladder)


def signatures_of(approval: Approval) -> tuple[Signature, ...]:
    return tuple(Signature.model_validate(one) for one in approval.signatures)


def amount_of(approval: Approval) -> Money | None:
    if approval.amount_minor is None or approval.currency is None:
        return None
    return Money(amount_minor=approval.amount_minor, currency=approval.currency)


def _windows(limits: Mapping[Role, Collection[AuthorityLimit]], amount: Money) -> set[int]:
    return {limit.window_days for each in limits.values() for limit in in_currency(each, amount)}
