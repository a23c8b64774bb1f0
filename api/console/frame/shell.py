"""What is around every page: who reads it, in which zone, what waits for them and what is degraded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import Depends
from sqlalchemy import and_
from sqlmodel import col, select

from billing.approvals.deciders import ApproverPool
from billing.core.operations import Role
from billing.plan_changes.plans import Plan
from db.approvals import approvals, deciders, delegations
from db.core.clock import utc_now
from db.mirror import bills, mirror
from db.tables import Approval, Delegation, Organization, OrganizationInvoice, Person

from ...approvals.views import Viewer
from ...bill import views as bill
from ...bill.schemas import OrganizationInvoiceAnswer
from ...http.auth import GIVERS, AnyCaller, Caller
from ...http.context import InContext
from ...incidents.routes import banner
from ...incidents.schemas import BannerAnswer

COUNTED = 100
"""So many approvals are looked at for the number beside "Approvals"."""


@dataclass(frozen=True)
class Shell:
    """`names` are those of everybody in the organization by their ids, `plans` those of plans by their short
    names, `catalog` the plans; `pool` has everybody's roles and who acts for whom; `waiting` are the
    approvals that the reader may decide now; `unpaid` are the organization's own invoices that somebody has
    to pay. `testing`: no real money is moved; `dashboard`: where Stripe shows its objects, if it does."""

    caller: Caller
    person: Person
    organization: Organization
    names: Mapping[str, str]
    plans: Mapping[str, str]
    catalog: Sequence[Plan]
    zone: ZoneInfo
    pool: ApproverPool
    waiting: Sequence[Approval]
    banner: BannerAnswer
    unpaid: Sequence[OrganizationInvoiceAnswer]
    testing: bool
    dashboard: str

    def has(self, *roles: Role) -> bool:
        return bool(self.caller.roles.intersection(roles)) and Role.AUDITOR not in self.caller.roles

    @property
    def may_give(self) -> bool:
        """Whether they may do what billing admins and controllers do."""
        return self.has(*GIVERS)

    @property
    def sees_finance(self) -> bool:
        return self.has(Role.FINANCE, Role.CONTROLLER)


async def shell(caller: AnyCaller, context: InContext) -> Shell:
    async with context.database.reading() as session:
        at = utc_now()
        rows = await session.exec(
            select(Organization, Person, Delegation, OrganizationInvoice)
            .join(Person, col(Person.organization_id) == Organization.id)
            .join(
                Delegation,
                and_(col(Delegation.from_person) == Person.id, delegations.has_begun(at)),
                isouter=True,
            )
            .join(  # hardly ever one
                OrganizationInvoice,
                and_(col(OrganizationInvoice.organization_id) == Organization.id, bills.UNPAID),
                isouter=True,
            )
            .where(Organization.id == caller.organization)
        )
        found = rows.all()
        organization = found[0][0]
        people = {person.id: person for _, person, *_ in found}
        begun = {delegation.id: delegation for *_, delegation, _ in found if delegation is not None}
        owed = {invoice.id: bill.invoice(invoice) for *_, invoice in found if invoice is not None}
        plans = await mirror.plans(session)
        pool = deciders.pool_among(people.values(), list(begun.values()), at)
        seen_by = Viewer(caller, pool, at)
        mine = approvals.paged(caller.organization, waits_for=caller.person, keep=seen_by.may_have_a_say)
        waiting = await mine.page(session, limit=COUNTED)
    person = people[caller.person]
    return Shell(
        caller=caller,
        person=person,
        organization=organization,
        names={one.id: one.name for one in people.values()},
        plans={plan.plan: plan.name for plan in plans},
        catalog=plans,
        zone=ZoneInfo(person.zone or organization.zone),
        pool=pool,
        waiting=waiting.rows,
        banner=await banner(caller, context),
        unpaid=[one for one in owed.values() if one.needs_payment],
        testing=context.site.testing,
        dashboard=context.site.dashboard,
    )


InShell = Annotated[Shell, Depends(shell)]
