"""The payment of a plan change that is charged at once: waited for as long as Stripe or a bank takes."""

from collections.abc import Iterator
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from billing.core.events import EventCode
    from billing.core.operations import Problem, Role, State
    from billing.mail.messages import MailContext
    from billing.operations.standing import Standing
    from billing.plan_changes.messages import Resolve, Revise
    from billing.plan_changes.obstacles import subscription_ended_problem
    from billing.plan_changes.payment import (
        ChangePayment,
        PaymentQuery,
        awaited,
        dropped_problem,
        unpaid_problem,
    )
    from billing.plan_changes.subject import PlanChangeSubject, SubscriptionFacts
    from billing.plan_changes.verification import ResultLines
    from billing.stripe.effects import EffectOutcome, effect_key

from ..core.commands import PendingCommands
from ..core.effects import OperationEffects
from ..core.outcome import Outcome
from ..core.recorder import OperationRecorder
from ..core.stripe_changes import StripeChanges
from .reads import PlanChangeReads

VOID = "void"
"""The step by which a change that was taken back is dropped."""

WAITS = "payment"
"""How the keys of the events begin that say what is waited for."""

PAYERS = (Role.BILLING_ADMIN, Role.FINANCE)
"""Who hears that something is to be paid."""

STAGES = {"waits": "payment_due", "applied": "payment_under_way"}
"""In which a change is that is not there yet, and one that is there before its payment."""

ENDS = {
    subscription_ended_problem().code: (State.FAILED, EventCode.SUBSCRIPTION_CANCELLED),
    "payment_expired": (State.EXPIRED, EventCode.PAYMENT_EXPIRED),
    "payment_voided": (State.CANCELLED, EventCode.PAYMENT_VOIDED),
}
"""How a change ends that Stripe has dropped, by why."""


class PlanChangePayment:
    """From Stripe's answer to the change until it is paid, dropped, or there without its payment.

    waits ── paid ── there ── verified
      ├ its time is over, or its invoice is voided ── expired, voided
      └ cancelled: its invoice is voided, unless it was paid first
    there ── a bank debit is under way ── paid, or failed
    """

    _query: PaymentQuery  # once it is expected

    def __init__(
        self,
        recorder: OperationRecorder,
        effects: OperationEffects,
        reads: PlanChangeReads,
        commands: PendingCommands[Revise, Resolve],
        changes: StripeChanges,
    ) -> None:
        self._recorder, self._effects, self._reads = recorder, effects, reads
        self._commands, self._changes = commands, changes
        self._until: int | None = None
        self._number = 0
        self._told: str | None = None
        self._void_begun = self._voiding = False
        self.lines: ResultLines | None = None
        """What Stripe holds of the change, as the last look at its payment has read it."""

    def expect(self, subject: PlanChangeSubject, standing: Standing) -> None:
        """Whose payment it is; goes on where an earlier run was."""
        key = effect_key(self._recorder.organization, self._recorder.operation, "apply", 1)
        self._query = PaymentQuery(subject=subject, effect_key=key)
        self._number = standing.last(WAITS)
        if standing.stage in STAGES.values():
            self._told = (standing.result or {}).get("needs")
        self._void_begun = standing.version(VOID) > 0

    def follow(self, applied: EffectOutcome, before: SubscriptionFacts | None) -> None:
        """Stripe's answer to it; `before` is the subscription just before, where this run has sent it."""
        named = applied.detail.get("latest_invoice")
        is_new = named is not None and before is not None and named != before.latest_invoice
        self._query = self._query.model_copy(update={"invoice": named, "is_own": is_new})
        self._until = applied.detail.get("pending_until")

    @property
    def invoice(self) -> str | None:
        """The change's own, where it is known."""
        return self._query.invoice if self._query.is_own else None

    async def settled(self) -> Outcome | Problem | None:
        """Waits. How it ended where Stripe has dropped the change; else why it is there unpaid, or None."""
        if self._void_begun:
            await self._void("")
        while True:
            payment = await self._look()
            if payment.stands == "dropped" or payment.settled:
                break
            await self._tell(payment)
            if not await self._void_if_cancelled(payment):
                await self._until_told(payment)
        self._commands.cancel.close()
        self._told = None  # what is paid again later is waited for, and told, again
        if payment.stands == "dropped":
            return self._dropped(payment)
        problem = unpaid_problem(payment)
        if self._number and problem is None:
            await self._recorder.record_progress(
                "payment_made",
                EventCode.PAYMENT_MADE,
                state=State.RUNNING,
                stage="applying",
                allowed_actions=(),
                detail={"invoice": payment.invoice},
            )
        return problem

    async def _look(self) -> ChangePayment:
        self._changes.clear()
        payment = await self._reads.payment(self._query)
        if payment.invoice is not None:
            self._query = self._query.model_copy(update={"invoice": payment.invoice, "is_own": True})
        self._until = payment.expires_at or self._until
        self.lines = payment.lines
        return payment

    # --- Waiting --------------------------------------------------------------------------------------

    async def _tell(self, payment: ChangePayment) -> None:
        """The operation says what it waits for, and the payers get the way to it: anew when that changes."""
        waits = payment.stands == "waits"
        if waits:
            self._commands.cancel.open()
        else:
            self._commands.cancel.close()
        if payment.invoice_status != "open":
            return  # it was paid or voided just now, and the change is about to follow
        due = awaited(self._query.subject, payment)
        if self._told == due.needs:
            return
        self._told, self._number = due.needs, self._number + 1
        key = f"{WAITS}:{self._number}"
        context = MailContext(subject=self._query.subject, result=due)
        mail = self._recorder.to_roles(key, "plan_change_payment_due", PAYERS, context)
        await self._recorder.record_progress(
            key,
            EventCode.PAYMENT_DUE if waits else EventCode.PAYMENT_UNDER_WAY,
            state=State.RUNNING,
            stage=STAGES[payment.stands],
            result=due,
            allowed_actions=("cancel",) if waits else (),
            detail=due.document(),
            mails=(mail,) if due.needs != "time" else (),
        )

    async def _void_if_cancelled(self, payment: ChangePayment) -> bool:
        """Whether it was just tried, once: what is voided is dropped, and what was paid first refuses."""
        if payment.stands != "waits" or payment.invoice is None or not self._is_taken_back():
            return False
        await self._void(payment.invoice)
        return True

    async def _void(self, invoice: str) -> None:
        """Voids it; what an earlier run has begun is settled, whichever it was."""
        self._void_begun, self._voiding = False, True
        await self._effects.perform(VOID, "bill.void", invoice, {})

    async def _until_told(self, payment: ChangePayment) -> None:
        """Until Stripe tells of the subscription or the invoice, or nobody would; a cancellation ends it,
        where it is known what to void."""
        objects = [self._query.subject.subscription, *([payment.invoice] if payment.invoice else [])]
        delays = self._delays(payment.expires_at)
        await self._changes.wait(
            "Waits for the change's invoice to be paid.",
            delays,
            lambda: payment.invoice is not None and self._is_taken_back(),
            objects,
        )

    def _is_taken_back(self) -> bool:
        return self._commands.cancel.received is not None and not self._voiding

    def _delays(self, until: int | None) -> Iterator[timedelta]:
        poll = timedelta(minutes=self._recorder.policy.plan_change.scheduled_poll)
        while True:
            left = timedelta(seconds=until - workflow.now().timestamp()) if until is not None else poll
            yield min(left, poll) if left > timedelta(0) else poll

    # --- Over -----------------------------------------------------------------------------------------

    def _dropped(self, payment: ChangePayment) -> Outcome:
        """Nothing was changed in Stripe, and nothing will be."""
        self._effects.came_to_nothing()
        problem = dropped_problem(payment, self._until)
        if self._voiding and problem.code == "payment_voided":
            return Outcome.cancelled(self._commands.cancel.received)
        state, event = ENDS[problem.code]
        return Outcome(state, event, problem)
