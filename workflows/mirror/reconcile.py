"""Holds our mirror against Stripe, corrects it, and notes what it had otherwise.

A run that somebody asks for compares everything. One by schedule compares what is new since the last one, and
a piece of everything: so what it costs follows what has changed, and everything is compared within a week.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from temporalio import workflow
from temporalio.exceptions import ActivityError, RetryState

with workflow.unsafe.imports_passed_through():
    from activities.mirror.event_catch_up import EventCatchUp
    from activities.mirror.mirror import Mirror, PageDone, PageQuery
    from activities.mirror.reconciliations import Reconciliations
    from activities.plan_changes.near_limits import NearLimits
    from billing.core.operations import Problem
    from billing.mirror.reconciliation import (
        BeginRun,
        BegunReconciliation,
        EndRun,
        ReconcileInput,
        RollingPage,
        RollOn,
        RunAt,
        StripeNews,
        WindowsCompared,
    )
    from billing.stripe.events import CatchUpDone, CatchUpPage

from ..core import anew, ids, options
from ..core.outcome import problem_of
from ..core.recorded import recorded


class ReconcilePhase(NamedTuple):
    stage: str
    page: Callable[[Any, PageQuery], Any]


RECENT = (
    ReconcilePhase("customers", Mirror.mirror_customers),
    ReconcilePhase("subscriptions", Mirror.mirror_subscriptions),
    ReconcilePhase("invoices", Mirror.mirror_invoices),
    ReconcilePhase("payments", Mirror.mirror_payments),
    ReconcilePhase("invoice_payments", Mirror.mirror_invoice_payments),
    ReconcilePhase("refunds", Mirror.mirror_refunds),
    ReconcilePhase("credit_notes", Mirror.mirror_credit_notes),
    ReconcilePhase("disputes", Mirror.mirror_disputes),
    ReconcilePhase("balances", Mirror.mirror_balances),
)
"""What is new: what was changed or is gone is told by events, and else found when everything is compared."""

PHASES = (
    *RECENT,
    ReconcilePhase("missing_subscriptions", Mirror.look_up_subscriptions),
    ReconcilePhase("missing_customers", Mirror.look_up_customers),
    ReconcilePhase("missing_invoices", Mirror.look_up_invoices),
    ReconcilePhase("missing_organization_invoices", Mirror.look_up_organization_invoices),
    ReconcilePhase("renewals", Mirror.look_up_renewals),
)
"""Each needs what those before it have stored. What comes later goes to the end: a run that goes on in a new
history of a later release counts them."""


@workflow.defn(name=ids.RECONCILE)
class ReconcileWorkflow:
    """Events that never came, plans, customers, subscriptions, then invoices and money; one activity a
    page, behind people's work. Then, of everything, what the mirror has and no page has shown.
    """

    @workflow.run
    async def run(self, asked: ReconcileInput | None = None) -> int:
        self._asked = asked or ReconcileInput(scope="recent")
        self._done = RollOn()
        if self._is_new:
            await self._begin()
        problem = await self._compared()
        if self._asked.scope == "recent":
            await self._tell_near_limits()
        await workflow.execute_activity_method(
            Reconciliations.end_reconciliation,
            EndRun(reconciliation=self._run, missed=self._asked.missed, problem=problem),
            **options.RECONCILIATION,
        )
        return self._asked.compared

    async def _tell_near_limits(self) -> None:
        """By what the mirror has by now: what has come in counts in the limits of plans."""
        after: str | None = ""
        while after is not None:
            after = await workflow.execute_activity_method(
                NearLimits.mail_near_limits, after, **options.RECONCILIATION
            )

    async def _begin(self) -> None:
        order = BeginRun(
            reconciliation=self._asked.reconciliation,
            workflow=workflow.info().workflow_id,
            scope=self._asked.scope,
        )
        begun: BegunReconciliation = await workflow.execute_activity_method(
            Reconciliations.begin_reconciliation, order, **options.RECONCILIATION
        )
        self._note(reconciliation=begun.reconciliation, scope=begun.scope)

    async def _compared(self) -> Problem | None:
        """Phase by phase from where it stands; returns what it was given up for."""
        recent = self._asked.scope == "recent"
        phases = RECENT if recent else PHASES
        try:
            if self._is_new:
                await self._events()
                if recent and not await self._has_news():
                    self._note(phase=len(phases) + 1)
                else:
                    await self._plans()
            while self._asked.phase < len(phases):
                await self._page(phases[self._asked.phase])
            if recent:
                await self._rest()
        except ActivityError as error:
            return problem_of(error)
        return self._asked.problem

    async def _events(self) -> None:
        """Those that never arrived: what they tell of is on its way, and no difference."""
        await self._reach("events")
        page: CatchUpPage | None = CatchUpPage(at=workflow.now())
        missed = 0
        while page is not None:
            done: CatchUpDone = await workflow.execute_activity_method(
                EventCatchUp.catch_up_events, page, **options.STRIPE_PAGE
            )
            missed, page = page.missed + done.missed, done.next
        self._note(missed=missed)

    async def _has_news(self) -> bool:
        """Whether Stripe may have anything new; of that, what it had told of by now is compared then."""
        news: StripeNews = await recorded(Reconciliations.look_for_news, self._at("events"))
        self._note(news_until=news.until)
        return news.any

    async def _plans(self) -> None:
        """One that is described wrongly in Stripe is said at the end: it hides nothing of the money."""
        await self._reach("plans")
        try:
            compared: int = await workflow.execute_activity_method(
                Mirror.mirror_catalog, **options.STRIPE_PAGE
            )
        except ActivityError as error:
            if error.retry_state != RetryState.NON_RETRYABLE_FAILURE:
                raise
            self._note(problem=problem_of(error))
        else:
            self._note(compared=compared)

    async def _page(self, phase: ReconcilePhase) -> None:
        asked = self._asked
        if asked.after is None:
            await self._reach(phase.stage)
        query = PageQuery(
            reconciliation=self._run,
            after=asked.after,
            until=asked.until,
            recent=asked.scope == "recent",
            newest=asked.newest,
        )
        done: PageDone = await workflow.execute_activity_method(phase.page, query, **options.STRIPE_PAGE)
        self._note(
            phase=asked.phase + (done.after is None),
            after=done.after,
            until=done.until,
            newest=done.newest,
            compared=asked.compared + done.stored,
        )
        self._go_on_anew_if_long()

    async def _rest(self) -> None:
        """What is new is compared; then what could not be mirrored is tried again; then the pages of
        everything that are due."""
        if self._asked.phase == len(RECENT):
            done = WindowsCompared(until=self._asked.news_until)
            await recorded(Reconciliations.record_windows, done)
            self._note(phase=len(RECENT) + 1)
        if self._asked.phase == len(RECENT) + 1:
            await self._failed()
            self._note(phase=len(RECENT) + 2)
        while (page := await self._rolled_on(self._done)) is not None:
            self._go_on_anew_if_long()
            self._done = await self._piece(page)

    async def _failed(self) -> None:
        after: str | None = ""
        while after is not None:
            query = PageQuery(reconciliation=self._run, after=after)
            done: PageDone = await workflow.execute_activity_method(
                Mirror.mirror_failed, query, **options.STRIPE_PAGE
            )
            after = done.after

    async def _piece(self, page: RollingPage) -> RollOn:
        """A page of everything, as of the rolling comparison whose it is; returns what follows."""
        query = PageQuery(reconciliation=page.reconciliation, after=page.after, until=page.until)
        done: PageDone = await workflow.execute_activity_method(
            PHASES[page.phase].page, query, **options.STRIPE_PAGE
        )
        following = RollingPage(
            reconciliation=page.reconciliation,
            phase=page.phase + (done.after is None),
            after=done.after,
            until=done.until if done.after is not None else None,
        )
        is_over = following.phase == len(PHASES)
        return RollOn(next=following, stage=None if is_over else PHASES[following.phase].stage)

    async def _rolled_on(self, order: RollOn) -> RollingPage | None:
        page: RollingPage | None = await recorded(Reconciliations.record_rolling, order)
        return page

    async def _reach(self, stage: str) -> None:
        await recorded(Reconciliations.record_stage, self._at(stage))

    def _at(self, stage: str) -> RunAt:
        return RunAt(reconciliation=self._run, stage=stage)

    def _note(self, **now: Any) -> None:
        self._asked = self._asked.model_copy(update=now)

    def _go_on_anew_if_long(self) -> None:
        if anew.is_time_early():
            anew.go_on(self._asked)

    @property
    def _is_new(self) -> bool:
        return self._asked.phase == 0 and self._asked.after is None

    @property
    def _run(self) -> str:
        assert self._asked.reconciliation is not None, "it has begun"
        return self._asked.reconciliation
