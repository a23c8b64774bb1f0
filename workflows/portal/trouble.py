"""A customer can't open an invoice: why, what fixes it, and whether they are in before the day is over."""

from datetime import timedelta
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.portal.troubles import PortalAccessRecords
    from billing.core.events import EventCode
    from billing.core.hashing import digest
    from billing.core.operations import CUSTOMER, SYSTEM, Problem, Role, State
    from billing.mail.messages import MailContext, MailRequest
    from billing.mail.steps import Step, TroubleRecord
    from billing.portal.trouble import (
        AccessTroubleResult,
        AccessTroubleSubject,
        CloseTrouble,
        GotIn,
        How,
        NewLink,
        PortalAccessInput,
        SoFar,
        TroubleFound,
        TroubleQuery,
        TroubleStands,
    )
    from billing.stripe.events import StripeChanged

from ..core import anew, ids
from ..core.outcome import refused
from ..core.recorded import recorded
from ..core.waiting import by, wait

ENDS = {
    "got_in": EventCode.CUSTOMER_GOT_IN,
    "paid": EventCode.INVOICE_PAID,
    "not_payable": EventCode.INVOICE_NOT_PAYABLE,
    "closed": EventCode.CLOSED_BY_PERSON,
}


@workflow.defn(name=ids.PORTAL_ACCESS)
class PortalAccessWorkflow:
    """One trouble, open until it is over: silence only makes it louder."""

    @workflow.init
    def __init__(self, request: PortalAccessInput) -> None:
        self._request = request
        self._portal = request.policy.portal
        self._escalate_at = request.deadline - timedelta(minutes=self._portal.escalate_before)
        self._got_in: GotIn | None = None
        self._closed: CloseTrouble | None = None
        self._how: How | None = None
        self._changed = False

    @workflow.run
    async def run(self, request: PortalAccessInput) -> str:
        so_far = request.so_far or await self._begin()
        while not await self._over():
            so_far = await self._louder(so_far)
            if anew.is_time():
                await self._go_on_anew(so_far)
            await self._wait(so_far)
        await self._end(so_far)
        await workflow.wait_condition(workflow.all_handlers_finished)
        return State.COMPLETED.value

    # --- What people and Stripe send ------------------------------------------------------------------

    @workflow.update
    async def got_in(self, got_in: GotIn) -> None:
        """The customer has opened the page."""
        self._got_in = self._got_in or got_in

    @workflow.update
    async def close(self, close: CloseTrouble) -> None:
        """A person has seen to it; the first to say so stays."""
        if self._how is not None or self._closed is not None:
            raise refused(Problem(code="not_closable", message="It was closed before."))
        self._closed = close

    @workflow.signal
    def stripe_changed(self, changed: StripeChanged) -> None:
        """Stripe has told us of the invoice; what it is now, the mirror says."""
        self._changed = True

    # --- Its steps ------------------------------------------------------------------------------------

    async def _begin(self) -> SoFar:
        """Finds out why, fixes it where a new link does, and tells those who can do something.

        What an earlier run has said is not said again: the days that were missed go on counting.
        """
        found = await self._look()
        self._how = found.how
        subject = self._subject(found)
        so_far = SoFar(subject=subject, say_missed_at=self._request.deadline)
        mail = self._mail("told", "portal_trouble", (Role.BILLING_ADMIN,), so_far)
        stands = await self._record(
            "diagnosed",
            EventCode.DIAGNOSED,
            detail={"found": list(found.codes), "subject_hash": digest(subject.document())},
            state=State.RUNNING,
            stage="waiting",
            subject=subject,
            allowed_actions=("close",),
            mails=(mail,) if self._how is None else (),
        )
        if found.by_link and self._request.cause != "asked":
            order = NewLink(
                operation=self._request.operation,
                organization=self._request.organization,
                invoice=self._request.invoice,
                policy=self._portal,
                at=workflow.now(),
            )
            await recorded(PortalAccessRecords.mail_trouble_link, order)
        if stands.missed:
            so_far = so_far.model_copy(update={"say_missed_at": stands.day_ends})
        return so_far.model_copy(update={"escalated": stands.escalated, "missed": stands.missed})

    async def _over(self) -> bool:
        """Whether the customer is in, a person has closed it, or nobody has to get in any more."""
        self._changed = False
        if self._how is None and self._got_in is None and self._closed is None:
            self._how = (await self._look()).how
        if self._how is None:
            self._how = "got_in" if self._got_in else "closed" if self._closed else None
        return self._how is not None

    async def _louder(self, so_far: SoFar) -> SoFar:
        """To the controller before the deadline; then every business day that it was missed."""
        now = workflow.now()
        if not so_far.escalated and now >= self._escalate_at:
            mail = self._mail("escalated", "portal_trouble_escalated", (Role.CONTROLLER,), so_far)
            await self._record("escalated", EventCode.ESCALATED_TO_CONTROLLER, escalated=True, mails=(mail,))
            so_far = so_far.model_copy(update={"escalated": True})
        if now < so_far.say_missed_at:
            return so_far
        number = so_far.missed + 1
        so_far = so_far.model_copy(update={"missed": number})
        roles = (Role.BILLING_ADMIN, Role.CONTROLLER)
        stands = await self._record(
            f"missed:{number}",
            EventCode.DEADLINE_MISSED,
            detail={"times": number},
            mails=(self._mail(f"missed:{number}", "portal_trouble_escalated", roles, so_far),),
        )
        return so_far.model_copy(update={"say_missed_at": stands.day_ends})

    async def _wait(self, so_far: SoFar) -> None:
        """Until something happens, or it is time to say something; before that, the invoice is looked at."""
        until = so_far.say_missed_at if so_far.escalated else min(self._escalate_at, so_far.say_missed_at)
        await wait(
            f"Waits for the customer to open the invoice; looks again at {by(until)}.",
            lambda: self._changed or self._got_in is not None or self._closed is not None,
            max(until - workflow.now(), timedelta(0)),
        )

    async def _end(self, so_far: SoFar) -> None:
        assert self._how is not None
        solved_at = self._got_in.at if self._how == "got_in" and self._got_in else workflow.now()
        result = AccessTroubleResult(
            how=self._how,
            solved_at=solved_at,
            within_same_business_day=solved_at <= self._request.deadline,
            minutes=max(0, int((solved_at - self._request.noticed_at).total_seconds() // 60)),
        )
        closed = self._closed if self._how == "closed" else None
        roles = (Role.BILLING_ADMIN, Role.CONTROLLER) if so_far.escalated else (Role.BILLING_ADMIN,)
        actor = closed.person if closed else CUSTOMER if self._how == "got_in" else SYSTEM
        await self._record(
            "ended",
            ENDS[self._how],
            actor=actor,
            # What somebody wrote at the same moment is kept, even if it ended otherwise.
            detail={"note": self._closed.note, "by": self._closed.person} if self._closed else {},
            how=self._how,
            state=State.COMPLETED,
            stage="done",
            result=result,
            allowed_actions=(),
            mails=(
                self._mail("ended", "portal_trouble_solved", roles, so_far, result=result, closed=closed),
            ),
        )

    # --- Its parts ------------------------------------------------------------------------------------

    async def _look(self) -> TroubleFound:
        query = TroubleQuery(
            organization=self._request.organization, invoice=self._request.invoice, at=workflow.now()
        )
        found: TroubleFound = await recorded(PortalAccessRecords.find_access_trouble, query)
        return found

    def _subject(self, found: TroubleFound) -> AccessTroubleSubject:
        request = self._request
        return AccessTroubleSubject(
            invoice=request.invoice,
            invoice_number=found.number,
            customer=request.customer,
            cause=request.cause,
            description=request.comment,
            noticed_at=request.noticed_at,
            deadline=request.deadline,
            found=found.codes,
            since=found.since,
            words=found.words,
            action=found.action,
            new_link=found.by_link,
        )

    async def _record(
        self,
        key: str,
        event: EventCode,
        *,
        escalated: bool = False,
        how: How | None = None,
        **progress: Any,
    ) -> TroubleStands:
        """The step and the trouble's row; says where the trouble stands then."""
        record = TroubleRecord(
            progress=Step(
                operation=self._request.operation, key=key, event=event, at=workflow.now(), **progress
            ),
            escalated=escalated,
            how=how,
            calendar=self._request.policy.calendars[self._portal.calendar],
        )
        return await recorded(PortalAccessRecords.record_trouble, record)

    def _mail(
        self,
        key: str,
        template: str,
        roles: tuple[Role, ...],
        so_far: SoFar,
        *,
        result: AccessTroubleResult | None = None,
        closed: CloseTrouble | None = None,
    ) -> MailRequest:
        context = MailContext(
            subject=so_far.subject,
            result=result,
            deadline=self._request.deadline,
            number=so_far.missed,
            requested_by=None if self._request.reported_by == CUSTOMER else self._request.reported_by,
            person=closed.person if closed else None,
            comment=closed.note if closed else None,
        )
        return MailRequest(
            organization=self._request.organization,
            operation=self._request.operation,
            key=key,
            template=template,
            roles=roles,
            context=context,
        )

    async def _go_on_anew(self, so_far: SoFar) -> None:
        """With a fresh history; what people have sent meanwhile is looked at first."""
        await workflow.wait_condition(workflow.all_handlers_finished)
        if self._got_in is None and self._closed is None:
            anew.go_on(self._request.model_copy(update={"so_far": so_far}))
