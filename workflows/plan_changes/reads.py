"""What a plan change reads: the subscription, the plan, previews, and what Stripe holds afterwards."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Literal, NamedTuple

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.operations.records import Records
    from activities.plan_changes.looks import ChangeLooks
    from activities.plan_changes.reads import StripeReads
    from billing.core.operations import Problem
    from billing.plan_changes.messages import (
        ChangeLook,
        ChangeQuery,
        OtherChange,
        OtherChangeQuery,
        RevertQuery,
        ScheduleFacts,
        SchedulePreviewQuery,
    )
    from billing.plan_changes.obstacles import (
        ENDED,
        overtaken,
        subscription_ended_problem,
    )
    from billing.plan_changes.payment import ChangePayment, PaymentQuery
    from billing.plan_changes.phase_fields import Params
    from billing.plan_changes.phases import (
        MadePhase,
        differences,
        not_as_approved,
        undone,
    )
    from billing.plan_changes.report import (
        overtaken_problem,
        still_open_problem,
    )
    from billing.plan_changes.revert import Revert
    from billing.plan_changes.subject import (
        PlanChangeInput,
        PlanChangeRequest,
        PlanChangeSubject,
        PreviewQuery,
        SubscriptionFacts,
        SubscriptionQuery,
        Terms,
        build_subject,
    )
    from billing.plan_changes.verification import ResultLines, ResultQuery

from ..core import ids, options
from ..core.outcome import TROUBLE, refusal_of, refused
from ..core.recorded import recorded
from ..core.stripe_calls import StripeCaller
from ..core.stripe_changes import StripeChanges, wake
from ..core.waiting import pause

RENEWAL = "Waits for the renewal's invoice."
LATE_INVOICE = timedelta(seconds=20)
LATE_INVOICE_TRIES = 15
"""A renewal's invoice may appear a little after its subscription has changed."""


class PreviewedChange(NamedTuple):
    """What a change would do, and to which subscription."""

    subject: PlanChangeSubject
    facts: SubscriptionFacts


class PlanChangeReads:
    """Every read of a plan change; the same look takes the first preview and the re-check."""

    def __init__(self, request: PlanChangeInput, calls: StripeCaller, changes: StripeChanges) -> None:
        self._request, self._calls, self._changes = request, calls, changes

    async def look(
        self,
        wanted: PlanChangeRequest,
        again: PlanChangeSubject | None = None,
        *,
        everything: bool = False,
    ) -> ChangeLook:
        """What the change would do, in one look: `again` at the second of an earlier one, within its period.
        With `everything` for a quote, which shows all that stands in the way."""
        query = ChangeQuery(
            of=self._subscription(),
            other=self._other(),
            wanted=wanted,
            offered=self._request.policy.plan_change.add_ons,
            proration_date=again.proration_date if again is not None else None,
            period_start=again.period_start if again is not None else None,
            everything=everything,
        )
        return await self._calls.call(ChangeLooks.look_at_change, query, options.STRIPE_LOOK)

    async def preview(
        self, wanted: PlanChangeRequest, again: PlanChangeSubject | None = None
    ) -> PreviewedChange | None:
        """What the change would do; None where the period of an earlier preview has rolled over meanwhile.

        Raises ApplicationError with what stands in its way.
        """
        look = await self.look(wanted, again)
        if look.still_open is not None and await self._ends(look.still_open):
            look = await self.look(wanted, again)
        still_open = (still_open_problem(look.still_open.operation),) if look.still_open else ()
        if obstacles := (*still_open, *look.obstacles):
            raise refused(obstacles[0])
        return PreviewedChange(look.subject, look.facts) if look.subject is not None else None

    async def facts(self, *, mirror: bool = False) -> SubscriptionFacts:
        """The subscription now."""
        query = self._subscription(mirror=mirror)
        return await self._calls.call(StripeReads.read_subscription, query, options.STRIPE_READ)

    async def revert(self, subject: PlanChangeSubject, shown: PlanChangeSubject | None = None) -> Revert:
        """What the way back to the former terms would do now, from the second that was shown, if one was."""
        query = RevertQuery(of=self._subscription(), subject=subject, shown=shown)
        try:
            return await self._calls.call(ChangeLooks.look_at_revert, query, options.STRIPE_LOOK)
        except TROUBLE as error:
            return refusal_of(error)

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
            if found.invoice is not None or not await self._changes.wait(RENEWAL, delays):
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

    async def _ends(self, other: OtherChange) -> bool:
        """Whether another change of ours is over, which is told to look at Stripe: it may have come into
        force, or have lost its schedule, without knowing so yet. One that asks people is not waited for."""
        await wake(ids.operation_workflow(other.operation))
        for delay in options.OTHER_CHANGE:
            if other.for_people:
                break
            await pause("Waits for another plan change to end.", delay)
            found = await recorded(Records.read_other_change, self._other())
            if found is None:
                return True
            other = found
        return False

    def _subscription(self, *, mirror: bool = False) -> SubscriptionQuery:
        return SubscriptionQuery(
            organization=self._request.organization,
            subscription=self._request.subscription,
            mirror=mirror,
        )

    def _other(self) -> OtherChangeQuery:
        return OtherChangeQuery(organization=self._request.organization, operation=self._request.operation)


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
