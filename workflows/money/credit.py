"""A credit: checked, within authority or approved, given once, read back, closed with its note."""

from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from billing.core.events import EventCode
    from billing.core.messages import Cancel
    from billing.core.notices import NoticeKind
    from billing.core.operations import Kind, Problem, State
    from billing.core.standing import Standing
    from billing.money.credit import AcceptCredit, CreditInput, CreditSubject, ReviseCredit
    from billing.stripe.events import StripeChanged

from ..approvals.object_end import Glances
from ..core import ids
from ..core.inbox import Waits
from ..core.life import live
from ..core.operation import Ended, Story
from ..core.stripe_news import News
from .credit_issue import CreditIssue
from .credit_reads import CreditReads
from .review import MoneyReview, Planned


@workflow.defn(name=ids.CREDIT)
class CreditWorkflow:
    """One credit, from the request to the read-back."""

    @workflow.init
    def __init__(self, request: CreditInput) -> None:
        rules = request.policy.credit
        self._wanted = request.wanted
        self._asked = 0
        self._story = Story(
            organization=request.organization,
            operation=request.operation,
            requested_by=request.requested_by,
            policy=request.policy,
        )
        self._waits: Waits[ReviseCredit, AcceptCredit] = Waits(
            revise_within=rules.revise_within, too_late="The credit is already being given in Stripe."
        )
        self._reads = CreditReads(request, self._story.calls)
        self._glances, self._news = CreditReads(request, Glances()), News()
        self._issue = CreditIssue(request, self._story, self._reads)
        self._review = MoneyReview[CreditSubject](
            self._story,
            self._waits,
            Kind.CREDIT,
            rules,
            self._plan,
            self._still_possible,
            self._revised,
            glance=self._glance,
            news=self._news,
        )

    @workflow.run
    async def run(self, request: CreditInput) -> str:
        return await live(self._story, self._waits, tell=self._told, unclear=self._differs)

    # --- What people and Stripe send --------------------------------------------------------------------

    @workflow.update
    async def cancel(self, cancel: Cancel) -> None:
        """Takes the request back; possible until it is being given."""
        await self._waits.take_cancel(cancel)

    @cancel.validator
    def _may_cancel(self, cancel: Cancel) -> None:
        self._waits.check_cancel()

    @workflow.update
    async def revise(self, revise: ReviseCredit) -> None:
        """The edited request, after an approver asked for changes."""
        await self._waits.take_revision(revise)

    @workflow.update
    async def resolve(self, resolve: AcceptCredit) -> None:
        """Accepts what Stripe made of the credit."""
        await self._waits.take_resolution(resolve)

    @workflow.signal
    def stripe_changed(self, changed: StripeChanged) -> None:
        """Stripe has told us of a change; what it is, is read from Stripe."""
        self._news.tell()

    # --- The story ------------------------------------------------------------------------------------

    async def _plan(self) -> Planned[CreditSubject] | Problem:
        return await self._reads.plan(self._wanted)

    async def _glance(self) -> Planned[CreditSubject] | Problem:
        return await self._glances.plan(self._wanted)

    async def _still_possible(self, subject: CreditSubject) -> Planned[CreditSubject] | None:
        """Exactly what was approved, by what Stripe says now; None when the same request would do another."""
        planned = await self._plan()
        return None if isinstance(planned, Problem) or planned.subject != subject else planned

    def _revised(self, revised: ReviseCredit) -> None:
        self._wanted = revised.wanted
        self._issue.notes.learn(revised.note)

    async def _told(self, standing: Standing) -> Ended:
        if not standing.begun:
            subject = await self._review.agree(standing.last("checked"))
        else:
            subject = self._review.subject = CreditSubject.model_validate(standing.subject)
            self._asked = standing.last("mismatch")
            if standing.stage == "mismatched":
                self._asked -= 1  # the same question once more
        self._waits.no_more_cancelling()
        await self._issue.give(subject)
        problem = await self._issue.verify()
        if problem is not None:
            return await self._differs(problem)
        return Ended(State.COMPLETED, EventCode.CREDITED, result=self._issue.report)

    async def _differs(self, problem: Problem) -> Ended:
        """What is not as agreed waits for a person, who takes it as Stripe has it."""
        self._asked += 1
        accepted = await self._ask_what_next(problem, self._asked)
        unnoted = await self._issue.verify_note()
        report = self._issue.report | {"accepted_by": accepted.person, "comment": accepted.comment}
        if unnoted is not None:
            report |= {"note_problem": unnoted.model_dump()}
        return Ended(
            State.COMPLETED,
            EventCode.ACCEPTED_AS_IN_STRIPE,
            result=report,
            person=accepted.person,
            comment=accepted.comment,
        )

    async def _ask_what_next(self, problem: Problem, number: int) -> AcceptCredit:
        await self._story.tell(
            f"mismatch:{number}",
            EventCode.CREDIT_DIFFERS,
            state=State.MISMATCHED,
            stage="mismatched",
            result=self._issue.report,
            error=problem,
            allowed_actions=("accept",),
            detail=problem.model_dump(),
        )
        told = {"result": self._issue.report, "problem": problem.model_dump()}
        await self._story.flag_finance(NoticeKind.CREDIT_DIFFERS, self._subject_document() | told, number)
        context = {"state": State.MISMATCHED.value, "subject": self._subject_document()} | told
        await self._story.mail_requester(f"mismatch:{number}", "money_ended", context)
        return await self._waits.for_resolution()

    def _subject_document(self) -> dict[str, Any]:
        subject = self._review.subject
        return subject.model_dump(mode="json") if subject is not None else {}
