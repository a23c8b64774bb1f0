"""All that a change of the plan is previewed by, in one look: the subscription, the plan, usage, previews.

Nothing is written, so a look may be repeated whole; while Stripe is degraded it is held whole.
"""

import asyncio

from temporalio import activity
from temporalio.exceptions import ApplicationError

from billing.core.operations import Problem
from billing.plan_changes.checks import (
    billed_too_soon,
    in_the_way_of,
    obstacles_to,
    preview_query,
    target_query,
)
from billing.plan_changes.limits import Usage, check_limits
from billing.plan_changes.messages import ChangeLook, ChangeQuery, OtherChange, OtherChangeQuery, RevertQuery
from billing.plan_changes.obstacles import ENDED
from billing.plan_changes.phases import schedule_phases, uncarried_problem
from billing.plan_changes.plans import Plan
from billing.plan_changes.revert import coupons_back, revert_query, without_lost
from billing.plan_changes.subject import (
    PlanChangeSubject,
    PreviewFacts,
    PreviewQuery,
    WaitingChange,
    build_subject,
    with_what_waits,
)
from db.core.session import Database
from db.mirror import subscription_usage
from db.operations import other_changes

from .reads import StripeReads


class ChangeLooks:
    """One activity for each thing that a workflow wants to know of a change before it is made."""

    def __init__(self, reads: StripeReads, database: Database) -> None:
        self._reads, self._database = reads, database

    @activity.defn
    async def look_at_change(self, query: ChangeQuery) -> ChangeLook:
        """What the change would do, or what stands in its way."""
        facts = await self._reads.read_subscription(query.of)
        if query.period_start not in (None, facts.period_start):
            return ChangeLook(facts=facts)
        other = await self.other(query.other)
        found = obstacles_to(query.wanted, facts, other)
        look = ChangeLook(facts=facts, obstacles=found.in_stripe, still_open=found.still_open)
        stops = found.in_stripe or found.still_open is not None
        if facts.status in ENDED or (stops and not query.everything):
            return look
        try:
            return await self._previewed(query, look, found.waiting)
        except ApplicationError as error:
            if not (found.in_stripe and error.non_retryable):
                raise
            # What could not be told is one more of what stands in its way.
            problem = Problem(code=error.type or "failed", message=error.message)
            return look.model_copy(update={"obstacles": (*found.in_stripe, problem)})

    async def _previewed(
        self, query: ChangeQuery, look: ChangeLook, waiting: WaitingChange | None
    ) -> ChangeLook:
        facts = look.facts
        usage, plans = await self.usage(query.of.organization, facts.currency)
        target = await self._reads.read_target_plan(target_query(facts, query.wanted, query.offered), plans)
        asked = preview_query(facts, query.wanted, target, query.proration_date, waiting)
        if obstacles := (*look.obstacles, *in_the_way_of(asked)):
            return look.model_copy(update={"obstacles": obstacles})
        if waiting is not None:
            asked = await self._rewriting(asked, waiting.schedule)
        preview, renewal = await self._previews(asked)
        if (problem := billed_too_soon(asked, preview)) is not None:
            return look.model_copy(update={"obstacles": (problem,)})
        price = target.plan.price(asked.to.interval, facts.currency)
        limits = check_limits(target.plan, price, asked.to.seats, usage)
        amounts = facts.amounts | {price.id: price.unit_amount}
        amounts |= {one.price: one.unit_amount for one in target.add_ons}
        subject = build_subject(asked, preview, renewal, limits)
        return look.model_copy(update={"subject": subject, "amounts": amounts})

    @activity.defn
    async def look_at_revert(self, query: RevertQuery) -> PlanChangeSubject:
        """What the way back to the former terms would do now, from the second that was shown, if one was."""
        asked = revert_query(query.subject, await self._reads.read_subscription(query.of), query.shown)
        if coupons := coupons_back(asked):
            asked = without_lost(asked, await self._reads.read_lost_coupons(coupons))
        preview, renewal = await self._previews(asked)
        return build_subject(asked, preview, renewal, limits=())

    async def other(self, query: OtherChangeQuery) -> OtherChange | None:
        """The organization's plan change that is open beside this one."""
        async with self._database.reading() as session:
            return await other_changes.beside(session, query)

    async def usage(self, organization: str, currency: str) -> tuple[Usage, list[Plan]]:
        """What the organization uses of its plan, by our mirror and our people; and the plans that there
        are."""
        async with self._database.reading() as session:
            return await subscription_usage.usage_and_plans(session, organization, currency)

    async def _rewriting(self, query: PreviewQuery, schedule: str) -> PreviewQuery:
        """The same, with the phases to which the schedule of the change that waits would be rewritten."""
        now = await self._reads.read_current_phase(schedule)
        if now.uncarried:
            problem = uncarried_problem(now.uncarried)
            raise ApplicationError(problem.message, type=problem.code, non_retryable=True)
        return query.model_copy(update={"phases": schedule_phases(query, now)})

    async def _previews(self, query: PreviewQuery) -> tuple[PreviewFacts, PreviewFacts]:
        """The invoice that the change leads to, and the one that follows where that is charged at once."""
        if query.charged_at_once:
            return await asyncio.gather(
                self._reads.read_preview(query), self._reads.read_renewal_preview(query)
            )
        if query.effective == "now":
            preview = await self._reads.read_preview(query)
            if query.begins_new_period(preview.lines):
                return preview, await self._reads.read_renewal_preview(query)
        else:
            preview = await self._at_period_end(query)
        return preview, preview

    async def _at_period_end(self, query: PreviewQuery) -> PreviewFacts:
        """The renewal that the change comes with; Stripe is asked of a new billing cycle in its own way.

        Of a schedule that there is already it is the next invoice, whatever begins with it.
        """
        if query.replaces is not None:
            return await self._reads.read_preview(query)
        if not query.renews_anew:
            preview = await self._reads.read_preview(query)
            if not query.begins_new_period(preview.lines):
                return preview
            query = query.model_copy(update={"new_cycle": True})
        cycle, as_it_is = await asyncio.gather(
            self._reads.read_preview(query), self._reads.read_renewal_preview(query.unchanged)
        )
        return with_what_waits(query, cycle, as_it_is)
