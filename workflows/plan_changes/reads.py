"""What a plan change reads: the subscription, the plan, previews, and what Stripe holds afterwards."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Literal, NamedTuple

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.operations.records import Records
    from activities.plan_changes.reads import StripeReads
    from billing.core.operations import Problem
    from billing.plan_changes.checks import (
        billed_too_soon,
        in_the_way_of,
        several_alike,
        target_query,
        terms_after,
    )
    from billing.plan_changes.limits import Usage, check_limits
    from billing.plan_changes.messages import (
        OtherChange,
        OtherChangeQuery,
        ScheduleFacts,
        SchedulePreviewQuery,
        Target,
        UsageQuery,
    )
    from billing.plan_changes.obstacles import (
        ENDED,
        in_the_way,
        not_taken_back,
        overtaken,
        subscription_ended_problem,
    )
    from billing.plan_changes.payment import ChangePayment, PaymentQuery
    from billing.plan_changes.phase_fields import Params
    from billing.plan_changes.phases import (
        MadePhase,
        differences,
        not_as_approved,
        schedule_phases,
        uncarried_problem,
        undone,
    )
    from billing.plan_changes.report import (
        not_replaced_now_problem,
        overtaken_problem,
        still_open_problem,
    )
    from billing.plan_changes.revert import Revert, coupons_back, revert_query, without_lost
    from billing.plan_changes.subject import (
        PlanChangeInput,
        PlanChangeRequest,
        PlanChangeSubject,
        PreviewFacts,
        PreviewQuery,
        SubscriptionFacts,
        SubscriptionQuery,
        Terms,
        WaitingChange,
        build_subject,
        with_what_waits,
    )
    from billing.plan_changes.verification import ResultLines, ResultQuery

from ..core import ids, options
from ..core.outcome import TROUBLE, refusal_of, refused
from ..core.recorded import recorded
from ..core.stripe_calls import StripeCaller
from ..core.stripe_changes import StripeChanges, wake

LATE_INVOICE = timedelta(seconds=20)
LATE_INVOICE_TRIES = 15
"""A renewal's invoice may appear a little after its subscription has changed."""


class PreparedChange(NamedTuple):
    """What is to be previewed, of which plan, and what is in use."""

    query: PreviewQuery
    target: Target
    usage: Usage


class Obstacles(NamedTuple):
    """What stands in the way of a change, and the change of ours whose place it would take."""

    in_stripe: tuple[Problem, ...]
    still_open: OtherChange | None
    """Another change of ours that is not over, and whose place can't be taken: what this one would bill can
    be told all the same."""
    waiting: WaitingChange | None


class PreviewedChange(NamedTuple):
    """What a change would do, to which subscription, and what things cost then and now."""

    subject: PlanChangeSubject
    facts: SubscriptionFacts
    amounts: Mapping[str, int | None]
    """In minor units for one of it, by the prices' ids."""


class PlanChangeReads:
    """Every read of a plan change; the same code takes the first preview and the re-check."""

    def __init__(self, request: PlanChangeInput, calls: StripeCaller, changes: StripeChanges) -> None:
        self._request, self._calls, self._changes = request, calls, changes

    async def preview(
        self, wanted: PlanChangeRequest, proration_date: int | None = None
    ) -> PlanChangeSubject:
        """What the change would do. Without a second, Stripe chooses one, and it is pinned from then on."""
        return (await self._preview(wanted, await self.facts(), proration_date)).subject

    async def prepare(
        self,
        wanted: PlanChangeRequest,
        facts: SubscriptionFacts,
        proration_date: int | None = None,
        replaces: WaitingChange | None = None,
    ) -> PreparedChange:
        """What is to be previewed; the plan and the add-ons are looked up in Stripe."""
        asked = target_query(facts, wanted, self._request.policy.plan_change.add_ons)
        usage_query = UsageQuery(organization=self._request.organization, currency=facts.currency)
        target, usage = await asyncio.gather(
            self._calls.call(StripeReads.read_target_plan, asked, options.STRIPE_READ),
            recorded(Records.read_usage, usage_query),
        )
        query = PreviewQuery(
            facts=facts,
            to=terms_after(facts, wanted, target),
            effective=wanted.effective,
            invoicing=wanted.invoicing,
            proration_date=proration_date,
            replaces=replaces,
            end=facts.planned_end if wanted.take_back_end else None,
        )
        return PreparedChange(query, target, usage)

    async def look(self, asked: PreparedChange) -> PreviewedChange:
        """As `preview`, with what it was made of."""
        query, target, usage = asked
        facts = query.facts
        if query.replaces is not None:
            query = await self._rewriting(query, query.replaces.schedule)
        preview, renewal = await self._previews(query)
        if (problem := billed_too_soon(query, preview)) is not None:
            raise refused(problem)
        price = target.plan.price(query.to.interval, facts.currency)
        limits = check_limits(target.plan, price, query.to.seats, usage)
        amounts = facts.amounts | {price.id: price.unit_amount}
        amounts |= {one.price: one.unit_amount for one in target.add_ons}
        return PreviewedChange(build_subject(query, preview, renewal, limits), facts, amounts)

    async def preview_again(
        self, wanted: PlanChangeRequest, approved: PlanChangeSubject
    ) -> PlanChangeSubject | None:
        """The same preview at the same second, or None when the period has rolled over meanwhile."""
        facts = await self.facts()
        if facts.period_start != approved.period_start:
            return None
        return (await self._preview(wanted, facts, approved.proration_date)).subject

    async def facts(self, *, mirror: bool = False) -> SubscriptionFacts:
        """The subscription now."""
        query = SubscriptionQuery(
            organization=self._request.organization,
            subscription=self._request.subscription,
            mirror=mirror,
        )
        return await self._calls.call(StripeReads.read_subscription, query, options.STRIPE_READ)

    async def revert(self, subject: PlanChangeSubject, shown: PlanChangeSubject | None = None) -> Revert:
        """What the way back to the former terms would do now, from the second that was shown, if one was."""
        try:
            query = revert_query(subject, await self.facts(), shown)
            if coupons := coupons_back(query):
                query = without_lost(
                    query,
                    await self._calls.call(StripeReads.read_lost_coupons, coupons, options.STRIPE_READ),
                )
            preview, renewal = await self._previews(query)
        except TROUBLE as error:
            return refusal_of(error)
        return build_subject(query, preview, renewal, limits=())

    async def obstacles(self, wanted: PlanChangeRequest, facts: SubscriptionFacts) -> Obstacles:
        """All that stands in the way of it, and the change of ours that waits, whose place it would take."""
        other = await self._other()
        waiting = other.waiting if other is not None else None
        state, problems = facts, [several_alike(wanted, facts.terms)]
        if wanted.take_back_end:
            state = facts.model_copy(update={"cancel_at": None})
            problems.append(not_taken_back(facts.planned_end, facts.period_end))
        own = [problem for problem in problems if problem is not None]
        if waiting is None or waiting.schedule != facts.schedule or has_come(waiting, facts):
            return Obstacles((*in_the_way(state), *own), other, None)
        found = (*in_the_way(state.model_copy(update={"schedule": None})), *own)
        if wanted.effective != "period_end":
            found = (*found, not_replaced_now_problem(waiting.operation))
        return Obstacles(found, None, waiting)

    async def over(self) -> Problem | None:
        """Why nothing can come of any change; None while something can."""
        return subscription_ended_problem() if (await self.facts()).status in ENDED else None

    async def payment(self, query: PaymentQuery) -> ChangePayment:
        """Whether a change that is charged at once is there, and how its payment stands."""
        return await self._calls.call(StripeReads.read_change_payment, query, options.STRIPE_READ)

    async def result(
        self,
        subject: PlanChangeSubject,
        effect_key: str,
        invoice: str | None = None,
        *,
        is_own: bool = False,
    ) -> ResultLines:
        """What Stripe holds after the change was applied; `invoice` is the one that its answer named, or is
        known to be its own."""
        query = ResultQuery(subject=subject, effect_key=effect_key, invoice=invoice, is_own=is_own)
        return await self._calls.call(StripeReads.read_applied_lines, query, options.STRIPE_READ)

    async def renewal(self, subject: PlanChangeSubject) -> ResultLines:
        """The renewal's lines, once its invoice is there."""
        delays = _delays_within(LATE_INVOICE * LATE_INVOICE_TRIES)
        while True:
            self._changes.clear()
            found = await self.result(subject, effect_key="")
            if found.invoice is not None or not await self._changes.wait(delays):
                return found

    async def standing(
        self, subject: PlanChangeSubject, schedule: str, sent: Sequence[Params]
    ) -> Literal["waits", "changed", "gone"] | Problem:
        """Whether Stripe has moved the subscription on to the scheduled terms, or what stands in the way.

        What somebody has changed since it was approved does: the schedule would undo it.
        """
        self._changes.clear()
        facts = await self.facts(mirror=True)
        if _still_waits(facts, subject, schedule):
            found = await self.schedule(schedule)
            if found.status == "active":
                names = dict.fromkeys([*not_as_approved(subject, facts), *differences(sent, found)])
                return overtaken_problem(tuple(names)) if names else "waits"
            facts = await self.facts(mirror=True)  # it ended between the two
        if _has_changed(facts, subject):
            return "changed"
        if (problem := overtaken(facts)) is not None:
            return problem
        return "waits" if facts.schedule == schedule else "gone"

    async def undone(self, schedule: str, sent: Sequence[Params]) -> tuple[str, ...]:
        """The names of what a change at the end of the period took away that nobody had seen."""
        return undone(sent, (await self.schedule(schedule)).phases)

    async def terms_since(self, subject: PlanChangeSubject) -> Terms | None:
        """The terms to which Stripe has moved the subscription on; None where it hasn't."""
        facts = await self.facts(mirror=True)
        return facts.terms if _has_changed(facts, subject) else None

    async def current_phase(self, schedule: str) -> MadePhase:
        """The phase in which a schedule's subscription is now."""
        return await self._calls.call(StripeReads.read_current_phase, schedule, options.STRIPE_READ)

    async def schedule(self, schedule: str) -> ScheduleFacts:
        """What a schedule in Stripe says."""
        return await self._calls.call(StripeReads.read_schedule, schedule, options.STRIPE_READ)

    async def planned(self, approved: PlanChangeSubject, schedule: str) -> PlanChangeSubject:
        """What the schedule in Stripe will do, by its own preview; limits as approved."""
        asked = SchedulePreviewQuery(schedule=schedule, metered=approved.to.metered)
        facts, preview = await asyncio.gather(
            self.facts(), self._calls.call(StripeReads.read_schedule_preview, asked, options.STRIPE_READ)
        )
        query = PreviewQuery(
            facts=facts,
            to=approved.to,
            effective=approved.effective,
            invoicing=approved.invoicing,
            replaces=approved.replaces,
            end=approved.takes_back,
        )
        return build_subject(query, preview, preview, approved.limits)

    async def _preview(
        self, wanted: PlanChangeRequest, facts: SubscriptionFacts, proration_date: int | None
    ) -> PreviewedChange:
        found = await self.obstacles(wanted, facts)
        if (other := found.still_open) is not None and await self._ends(other):
            facts = await self.facts()
            found = await self.obstacles(wanted, facts)
        still_open = (still_open_problem(found.still_open.operation),) if found.still_open else ()
        if obstacles := (*still_open, *found.in_stripe):
            raise refused(obstacles[0])
        asked = await self.prepare(wanted, facts, proration_date, found.waiting)
        if obstacles := in_the_way_of(asked.query):
            raise refused(obstacles[0])
        return await self.look(asked)

    async def _ends(self, other: OtherChange) -> bool:
        """Whether another change of ours is over, which is told to look at Stripe: it may have come into
        force, or have lost its schedule, without knowing so yet. One that asks people is not waited for."""
        await wake(ids.operation_workflow(other.operation))
        for delay in options.OTHER_CHANGE:
            if other.for_people:
                break
            await workflow.sleep(delay)
            found = await self._other()
            if found is None:
                return True
            other = found
        return False

    async def _other(self) -> OtherChange | None:
        query = OtherChangeQuery(organization=self._request.organization, operation=self._request.operation)
        return await recorded(Records.read_other_change, query)

    async def _rewriting(self, query: PreviewQuery, schedule: str) -> PreviewQuery:
        """The same, with the phases to which the schedule of the change that waits would be rewritten."""
        now = await self.current_phase(schedule)
        if now.uncarried:
            raise refused(uncarried_problem(now.uncarried))
        return query.model_copy(update={"phases": schedule_phases(query, now)})

    async def _previews(self, query: PreviewQuery) -> tuple[PreviewFacts, PreviewFacts]:
        """The invoice that the change leads to, and the one that follows where that is charged at once."""
        if query.charged_at_once:
            return await asyncio.gather(self._read_preview(query), self._read_renewal(query))
        if query.effective == "now":
            preview = await self._read_preview(query)
            if query.begins_new_period(preview.lines):
                return preview, await self._read_renewal(query)
        else:
            preview = await self._at_period_end(query)
        return preview, preview

    async def _at_period_end(self, query: PreviewQuery) -> PreviewFacts:
        """The renewal that the change comes with; Stripe is asked of a new billing cycle in its own way.

        Of a schedule that there is already it is the next invoice, whatever begins with it.
        """
        if query.replaces is not None:
            return await self._read_preview(query)
        if not query.renews_anew:
            preview = await self._read_preview(query)
            if not query.begins_new_period(preview.lines):
                return preview
            query = query.model_copy(update={"new_cycle": True})
        cycle, as_it_is = await asyncio.gather(self._read_preview(query), self._read_renewal(query.unchanged))
        return with_what_waits(query, cycle, as_it_is)

    async def _read_preview(self, query: PreviewQuery) -> PreviewFacts:
        return await self._calls.call(StripeReads.read_preview, query, options.STRIPE_READ)

    async def _read_renewal(self, query: PreviewQuery) -> PreviewFacts:
        return await self._calls.call(StripeReads.read_renewal_preview, query, options.STRIPE_READ)


def has_come(waiting: WaitingChange, facts: SubscriptionFacts) -> bool:
    """Whether it has come into force, though nobody has looked yet: its renewal is to be verified."""
    return facts.period_start >= waiting.effective_at


def _still_waits(facts: SubscriptionFacts, subject: PlanChangeSubject, schedule: str) -> bool:
    """Whether its period goes on under the schedule, and nothing has come in between."""
    within = facts.period_start < subject.period_end and facts.schedule == schedule
    return within and overtaken(facts) is None


def _has_changed(facts: SubscriptionFacts, subject: PlanChangeSubject) -> bool:
    """Whatever else it is by now: of what the renewal has otherwise the verification tells."""
    return facts.period_start >= subject.period_end and facts.terms != subject.from_


def _delays_within(whole: timedelta) -> Iterator[timedelta]:
    end = workflow.now() + whole
    while (left := end - workflow.now()) > timedelta(0):
        yield min(left, LATE_INVOICE)
