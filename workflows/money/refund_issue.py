"""A refund in Stripe: issued once, followed to its end, its note kept in both places, watched for a while."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import chain, repeat

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from billing.core.events import EventCode
    from billing.core.operations import Problem, State
    from billing.money.refund import (
        RefundPart,
        RefundSubject,
        ResolveRefund,
        ReviseRefund,
        refund_params,
    )
    from billing.money.refund_report import RefundResult, Share, first_found, refund_report
    from billing.operations.standing import Standing
    from billing.policy.policy import RefundPolicy
    from billing.stripe.effects import EffectBegins

from ..core import options
from ..core.commands import PendingCommands
from ..core.effects import OperationEffects
from ..core.notes import NoteSync
from ..core.outcome import OperationEnded, Outcome, problem_of
from ..core.recorder import OperationRecorder
from ..core.stripe_changes import StripeChanges
from .refund_reads import RefundReads
from .reservation import MoneyReservation

RETRY = "retry"
WATCHES = "The refund came through: watches whether it comes back."
FOLLOWS = "Waits for the refund to come through in Stripe."


class RefundIssue:
    """What Stripe has of a refund; every change of it is settled in one place, whoever noticed it first."""

    def __init__(
        self,
        rules: RefundPolicy,
        recorder: OperationRecorder,
        effects: OperationEffects,
        commands: PendingCommands[ReviseRefund, ResolveRefund],
        changes: StripeChanges,
        reads: RefundReads,
        reservation: MoneyReservation,
        notes: NoteSync,
    ) -> None:
        self._recorder, self._effects, self._cancel = recorder, effects, commands.cancel
        self._changes, self._reads = changes, reads
        self._reservation, self._notes = reservation, notes
        self._rules = rules
        self._subject: RefundSubject  # what `begin` is given
        self._shares: list[Share] = []
        self._looks, self._try = 0, 1
        self._standing: Standing | None = None

    @property
    def came_through(self) -> tuple[str, ...]:
        """The payments whose part was returned."""
        return tuple(share.part.payment_intent for share in self._shares if share.through)

    @property
    def _refunds(self) -> list[str]:
        """What is waited for, by Stripe's ids."""
        return [share.found.refund for share in self._shares if share.found is not None]

    def report(self) -> RefundResult:
        return refund_report(self._subject, self._shares)

    def take_up(self, standing: Standing) -> None:
        """Goes on where an earlier run was: every part is at its latest try."""
        self._standing = standing
        self._looks = max(standing.last("pending"), standing.last("requires_action"))

    @property
    def is_to_be_retried(self) -> bool:
        """Whether an earlier run has told that somebody tries again, and has not come to do so."""
        standing = self._standing
        if standing is None or not (answered := standing.last(RETRY)):
            return False
        return all(one.version <= answered for one in standing.begun if one.effect == "refund.create")

    async def begin(self, subject: RefundSubject) -> Problem | None:
        """Issues every part and follows it to its end; None when all came through.

        Raises OperationEnded when Stripe refused it whole: nothing was done.
        """
        self._subject = subject
        currency = subject.amount.currency
        self._shares = [
            Share(part=part, currency=currency, version=self._tried_before(number))
            for number, part in enumerate(subject.parts)
        ]
        first = not self._was_tried
        taken_back = self._standing is not None and any(
            one.step.startswith("cancel:") for one in self._standing.begun
        )
        problem = await self._settled()
        statuses = {share.status for share in self._shares}
        if first and "refused" in statuses and statuses <= {"refused", "not_tried"}:
            raise OperationEnded(Outcome(State.FAILED, EventCode.REFUSED_BY_STRIPE, problem))
        if statuses == {"canceled"} and (taken_back or self._cancel.received is not None):
            cancelled = Outcome.cancelled(self._cancel.received)
            raise OperationEnded(replace(cancelled, result=self.report()))
        return problem

    @property
    def _was_tried(self) -> bool:
        return any(share.version for share in self._shares)

    def _tried_before(self, number: int) -> int:
        """Tries before the latest one, which is settled instead of made once more."""
        return max(self._standing.version(f"refund:{number}") - 1, 0) if self._standing else 0

    async def again(self, resolve: ResolveRefund) -> Problem | None:
        """Tries what did not come through once more, as a new intent; None when all came through."""
        self._cancel.forget()  # a refund that waits for the customer can be taken back again
        self._try = resolve.question + 1  # each answer leads to one try
        await self._recorder.record_progress(
            f"{RETRY}:{resolve.question}",
            EventCode.REFUND_RETRIED,
            actor=resolve.person,
            detail={"comment": resolve.comment},
            state=State.RUNNING,
            stage="issuing",
            allowed_actions=(),
        )
        return await self._settled()

    async def watch(self) -> Problem | None:
        """A refund that succeeded can still fail: until the policy's days are over. Stripe's event says so;
        only at the end is it looked for, should events be missing then."""
        since = self._standing.closed_at if self._standing is not None else None
        end = _until((since or workflow.now()) + timedelta(days=self._rules.watch_days))
        while await self._changes.wait(WATCHES, end, objects=self._refunds):
            try:
                await self._look(every=True)
            except (ActivityError, ApplicationError) as error:
                return problem_of(error)
            if problem := self.problem():
                return problem
        return None

    async def close_note(self, resolve: ResolveRefund) -> Problem | None:
        """The comment of whoever closes a failed refund is its note, in both places; None when it is."""
        await self._notes.add(resolve.comment, resolve.person)
        try:
            return await self._keep_notes()
        except (ActivityError, ApplicationError) as error:
            return problem_of(error)

    # --- Issuing --------------------------------------------------------------------------------------

    async def _settled(self) -> Problem | None:
        """One way to an end for everything: issue what is missing, follow it, keep the notes."""
        try:
            refused = await self._issue()
            await self._follow()
            return refused or self.problem() or await self._keep_notes()
        except (ActivityError, ApplicationError) as error:
            # Money may have moved: a person looks, and nothing is called failed that isn't.
            return problem_of(error)

    async def _issue(self) -> Problem | None:
        """Stops at the first part that Stripe refuses; later ones are not tried."""
        again = self._was_tried
        for number, share in enumerate(self._shares):
            if share.through or share.under_way:
                continue
            begun = self._standing is not None and self._standing.version(f"refund:{number}") > share.version
            if again and not begun and not await self._still_free(share.part):
                return share.no_room
            self._shares[number] = await self._issue_part(number, share)
            if self._shares[number].refused is not None:
                return self._shares[number].refused
        return None

    async def _still_free(self, part: RefundPart) -> bool:
        """As before the first try: in Stripe, and beside what others have set aside meanwhile."""
        proposal = await self._reads.part_possible(self._subject, part)
        return proposal is not None and await self._reservation.has_room(proposal)

    async def _issue_part(self, number: int, share: Share) -> Share:
        payment = share.part.payment_intent
        metadata = self._notes.initial_metadata([payment])
        params = refund_params(self._subject, share.part, metadata)
        version = max(share.version + 1, self._try)
        begins = EffectBegins(event=EventCode.ISSUING_REFUND, stage="issuing")
        performed = await self._effects.perform(
            f"refund:{number}", "refund.create", payment, params, version, begins=begins
        )
        if performed.outcome == "refused" or performed.stripe_id is None:
            return share.tried(version, refused=performed.problem)
        return share.tried(version, found=first_found(performed.stripe_id, performed.detail))

    # --- Following ------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        """Until nothing is pending."""
        delays = chain(options.FOLLOW, repeat(options.FOLLOW[-1]))
        told = ""
        await self._look(every=True)
        while any(share.under_way for share in self._shares):
            told = await self._record_stage(told)
            await self._changes.wait(FOLLOWS, delays, lambda: self._cancel_asked, self._refunds)
            if self._cancel_asked:
                await self._cancel_in_stripe()
            await self._look()

    @property
    def _cancel_asked(self) -> bool:
        return self._cancel.is_open and self._cancel.received is not None

    async def _record_stage(self, told: str) -> str:
        """A refund that waits for the customer can still be taken back; a pending one can't."""
        waits = any(share.status == "requires_action" for share in self._shares)
        stage = "requires_action" if waits else "pending"
        if waits:
            self._cancel.open()
        else:
            self._cancel.pause()
        if stage != told:
            self._looks += 1
            await self._recorder.record_progress(
                f"{stage}:{self._looks}",
                EventCode.REFUND_AWAITS_CUSTOMER if waits else EventCode.REFUND_PENDING,
                state=State.RUNNING,
                stage=stage,
                result=self.report(),
                allowed_actions=("cancel",) if waits else (),
            )
        return stage

    async def _cancel_in_stripe(self) -> None:
        """Stripe refuses it when the customer was quicker; what then holds is read afterwards."""
        self._cancel.pause()
        for number, share in enumerate(self._shares):
            if share.status == "requires_action" and share.found is not None:
                await self._effects.perform(
                    f"cancel:{number}", "refund.cancel", share.found.refund, {}, share.version
                )

    async def _look(self, every: bool = False) -> None:
        self._changes.clear()
        for number, share in enumerate(self._shares):
            if share.found is not None and (every or share.under_way):
                found = await self._reads.found(share.found.refund, self._changes)
                self._shares[number] = share.model_copy(update={"found": found})

    def problem(self) -> Problem | None:
        return next((share.problem for share in self._shares if share.problem), None)

    # --- The note -------------------------------------------------------------------------------------

    async def _keep_notes(self) -> Problem | None:
        """Every note that our records have is in Stripe's metadata too; None when it is."""
        for share in self._shares:
            if share.found is not None:
                problem = await self._notes.sync(
                    "refund.note",
                    share.found.refund,
                    share.found.metadata,
                    [share.part.payment_intent],
                )
                if problem is not None:
                    return problem
        return None


def _until(end: datetime) -> Iterator[timedelta]:
    """What is left, whenever it is asked for."""
    while (left := end - workflow.now()) > timedelta(0):
        yield left
