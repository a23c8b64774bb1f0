"""Holds our mirror against all of Stripe, corrects it, and notes what it had otherwise."""

from collections.abc import Callable
from typing import Any, NamedTuple

from temporalio import workflow
from temporalio.exceptions import ActivityError, RetryState

with workflow.unsafe.imports_passed_through():
    from activities.mirror.event_catch_up import EventCatchUp
    from activities.mirror.mirror import Mirror, PageDone, PageQuery
    from activities.mirror.reconciliations import Reconciliations
    from billing.core.operations import Problem
    from billing.mirror.reconciliation import BeginRun, EndRun, ReconcileInput, RunAt
    from billing.stripe.events import CatchUpDone, CatchUpPage

from ..core import ids, options
from ..core.outcome import problem_of
from ..core.recorded import history_is_long, recorded


class ReconcilePhase(NamedTuple):
    stage: str
    page: Callable[[Any, PageQuery], Any]


PHASES = (
    ReconcilePhase("subscriptions", Mirror.mirror_subscriptions),
    ReconcilePhase("customers", Mirror.mirror_customers),
    ReconcilePhase("invoices", Mirror.mirror_invoices),
    ReconcilePhase("payments", Mirror.mirror_payments),
    ReconcilePhase("invoice_payments", Mirror.mirror_invoice_payments),
    ReconcilePhase("refunds", Mirror.mirror_refunds),
    ReconcilePhase("credit_notes", Mirror.mirror_credit_notes),
    ReconcilePhase("balances", Mirror.mirror_balances),
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
    """Events that never came, plans, subscriptions, customers, then their invoices and money; one activity a
    page, behind people's work. Then what the mirror has and no page has shown.
    """

    @workflow.run
    async def run(self, asked: ReconcileInput | None = None) -> int:
        self._asked = asked or ReconcileInput()
        if self._asked.phase == 0 and self._asked.after is None:
            await self._begin()
        problem = await self._compared()
        await workflow.execute_activity_method(
            Reconciliations.end_reconciliation,
            EndRun(reconciliation=self._run, missed=self._asked.missed, problem=problem),
            **options.RECONCILIATION,
        )
        return self._asked.compared

    async def _begin(self) -> None:
        order = BeginRun(
            reconciliation=self._asked.reconciliation,
            workflow=workflow.info().workflow_id,
        )
        run: str = await workflow.execute_activity_method(
            Reconciliations.begin_reconciliation, order, **options.RECONCILIATION
        )
        self._asked = self._asked.model_copy(update={"reconciliation": run})

    async def _compared(self) -> Problem | None:
        """Phase by phase from where it stands; returns what it was given up for."""
        try:
            if self._asked.phase == 0 and self._asked.after is None:
                await self._events()
                await self._plans()
            while self._asked.phase < len(PHASES):
                await self._page(PHASES[self._asked.phase])
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
        self._asked = self._asked.model_copy(update={"missed": missed})

    async def _plans(self) -> None:
        """One that is described wrongly in Stripe is said at the end: it hides nothing of the money."""
        await self._reach("plans")
        update: dict[str, Any]
        try:
            update = {
                "compared": await workflow.execute_activity_method(
                    Mirror.mirror_catalog, **options.STRIPE_PAGE
                )
            }
        except ActivityError as error:
            if error.retry_state != RetryState.NON_RETRYABLE_FAILURE:
                raise
            update = {"problem": problem_of(error)}
        self._asked = self._asked.model_copy(update=update)

    async def _page(self, phase: ReconcilePhase) -> None:
        asked = self._asked
        if asked.after is None:
            await self._reach(phase.stage)
        query = PageQuery(reconciliation=self._run, after=asked.after)
        done: PageDone = await workflow.execute_activity_method(phase.page, query, **options.STRIPE_PAGE)
        update = {
            "phase": asked.phase + (done.after is None),
            "after": done.after,
            "compared": asked.compared + done.stored,
        }
        self._asked = asked.model_copy(update=update)
        if history_is_long():
            workflow.continue_as_new(self._asked)

    async def _reach(self, stage: str) -> None:
        at = RunAt(reconciliation=self._run, stage=stage)
        await recorded(Reconciliations.record_stage, at)

    @property
    def _run(self) -> str:
        assert self._asked.reconciliation is not None, "it has begun"
        return self._asked.reconciliation
