"""What the policy would say of a request: by the functions that weigh and review real ones, on the records of
now. It reads, and writes nothing."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from billing.approvals.deciders import ApproverPool
from billing.approvals.messages import ReviewSetup
from billing.core.errors import BillingError
from billing.core.events import WITHIN_AUTHORITY
from billing.core.money import Money
from billing.core.operations import Kind, Role
from billing.money.authority import AuthorityLeft
from billing.money.messages import Commit, CommitPart
from billing.operations.kinds import KINDS
from billing.policy.phrases import join
from billing.policy.policy import REASONS, Policy
from billing.policy.review_rules import ReviewRule
from billing.policy.sentences import rule_in_words
from billing.quotes.quote import QuotedReview
from db.approvals import deciders, delegations, ladders
from db.core.clock import utc_now
from db.mirror import mirror
from db.money import weighing
from db.people import people
from db.tables import Person

from ..http.auth import GIVERS, SEE_AUTHORITY, Caller
from ..http.context import Context
from ..http.models import ObstacleAnswer
from ..money.checks import check_size
from ..problems.common import CREDENTIALS_REVOKED, INVALID_REQUEST
from ..problems.problem import ApiProblem, existing
from ..quotes.schemas import NamedPerson, QuotedAuthorityAnswer
from ..quotes.service import refusal, review_answer
from .schemas import SimulationAnswer, SimulationQuery

NO_OPERATION = ""
"""Nothing that is recorded is of it, so that nothing is left out of what counts."""


async def simulate(context: Context, caller: Caller, wanted: SimulationQuery) -> SimulationAnswer:
    """Raises ApiProblem `role_missing`, `not_found` for people and customers, `invalid_request`."""
    if wanted.person not in (None, caller.person):
        caller.needs(*sorted(SEE_AUTHORITY))
    amount, at = _amount(wanted), utc_now()
    async with context.database.reading() as session:
        members = {one.id: one for one in await people.everybody(session, caller.organization)}
        person = existing(members.get(wanted.person or caller.person))
        if wanted.customer is not None:
            existing(await mirror.customer(session, caller.organization, wanted.customer))
        begun = await delegations.begun(session, caller.organization, at)
        pool = deciders.pool_among(members.values(), begun, at)
        simulation = Simulation(session, context.policy, Kind(wanted.kind), person, wanted.customer, pool, at)
        authority: QuotedAuthorityAnswer | None = None
        after: list[AuthorityLeft] = []
        review: QuotedReview | None = None
        match simulation.kind:
            case Kind.PLAN_CHANGE:
                review = await simulation.review_of_plan_change()
            case Kind.CANCELLATION:
                review = await simulation.review_of_cancellation(amount, str(wanted.reason))
            case _:
                assert amount is not None
                authority, after = await simulation.authority(amount, str(wanted.reason))
                if not authority.within:
                    review = await simulation.review(amount, str(wanted.reason), authority.why)
    names = {one.id: one.name for one in members.values()}
    return SimulationAnswer(
        kind=simulation.kind,
        person=NamedPerson(id=person.id, name=person.name),
        amount=amount,
        simulated_at=at,
        policy=context.policy_hash,
        obstacles=_obstacles(person, simulation.kind, amount),
        authority=authority,
        authority_after=after,
        rule=rule_in_words(context.policy, simulation.kind, review.rule) if review else None,
        review=review_answer(review, names) if review else None,
    )


@dataclass(frozen=True)
class Simulation:
    """A request of this kind by this person, on the records of now."""

    session: AsyncSession
    policy: Policy
    kind: Kind
    person: Person
    customer: str | None
    pool: ApproverPool
    at: datetime

    async def authority(
        self, amount: Money, reason: str
    ) -> tuple[QuotedAuthorityAnswer, list[AuthorityLeft]]:
        """Whether they may give it alone, with their limits as they are and as they would be."""
        order = Commit.under(
            self.policy,
            self.kind,
            reason,
            organization=self.person.organization_id,
            operation=NO_OPERATION,
            person=self.person.id,
            customer=self.customer,
            currency=amount.currency,
            parts=(CommitPart(amount=amount.amount_minor),),
            at=self.at,
        )
        event, figures = await weighing.weighed(self.session, order)
        within = event in WITHIN_AUTHORITY
        limits = list(weighing.limits_left(figures))
        after = list(weighing.limits_left(figures, given=amount)) if within else limits
        return QuotedAuthorityAnswer(within=within, why=figures["why"], limits=limits), after

    async def review(self, amount: Money, reason: str, why: str) -> QuotedReview:
        """Who would be asked for money back."""
        rules = self.policy.money_rules(self.kind)
        return await self._asked(rules.rule_for(reason, amount), rules.calendar, why, amount)

    async def review_of_plan_change(self) -> QuotedReview:
        rules = self.policy.plan_change
        return await self._asked(ReviewRule(ladder=rules.ladder), rules.calendar, "", None)

    async def review_of_cancellation(self, worth: Money | None, reason: str) -> QuotedReview:
        """By what its unused time is worth; where that is nothing, whoever is asked may approve."""
        rules = self.policy.cancellations
        rule = rules.rule_for(reason, worth or Money(amount_minor=0, currency=self.policy.currency))
        return await self._asked(rule, rules.calendar, "", worth)

    async def _asked(self, rule: ReviewRule, calendar: str, why: str, amount: Money | None) -> QuotedReview:
        setup = ReviewSetup.under(
            self.policy,
            self.kind,
            ladder=rule.ladder,
            calendar=calendar,
            approval=NO_OPERATION,
            organization=self.person.organization_id,
            operation=NO_OPERATION,
            requested_by=self.person.id,
            amount=amount,
            customer=self.customer,
        )
        preview = await ladders.preview(self.session, setup, self.at, pool=self.pool)
        return QuotedReview.of(rule, why, calendar, setup.ladder, preview)


def _amount(wanted: SimulationQuery) -> Money | None:
    """Raises ApiProblem `invalid_request` for what is missing or does not belong to the kind."""
    if wanted.kind == "plan_change":
        return None
    worthless = wanted.kind == "cancellation" and wanted.amount_minor is None and wanted.currency is None
    if wanted.amount_minor is None and not worthless:
        raise _missing("amount_minor")
    if wanted.currency is None and not worthless:
        raise _missing("currency")
    if wanted.reason not in REASONS[wanted.kind]:
        raise ApiProblem.at(
            INVALID_REQUEST, f"reason must be {_listed(REASONS[wanted.kind])}.", "/reason", where="query"
        )
    if wanted.amount_minor is None or wanted.currency is None:
        return None
    return Money(amount_minor=wanted.amount_minor, currency=wanted.currency)


def _missing(name: str) -> ApiProblem:
    return ApiProblem.at(INVALID_REQUEST, f"{name} is required for an amount.", f"/{name}", where="query")


def _listed(values: Collection[str]) -> str:
    return join((f"'{value}'" for value in values), "or")


def _obstacles(person: Person, kind: Kind, amount: Money | None) -> list[ObstacleAnswer]:
    """What such a request of theirs would be answered with at once."""
    try:
        if amount is not None:
            check_size(amount.amount_minor, amount.currency)
        caller = Caller.of(person, None) if person.active else None
        if caller is None:
            raise ApiProblem(CREDENTIALS_REVOKED, f"{person.name} is not active or has no role.")
        caller.acts()
        caller.needs(*sorted(GIVERS if KINDS[kind].gives_money else (Role.BILLING_ADMIN,)))
    except (ApiProblem, BillingError) as error:
        return [refusal(error)]
    return []
