"""How money back comes to be allowed: checked, within authority or approved, and still possible."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.money.commitments import Commitments
    from billing.approvals.messages import ApprovalOutcome, RevisionSummary
    from billing.approvals.subject_changes import SinceLastRound, subject_changes
    from billing.core.events import EventCode
    from billing.core.money import Money
    from billing.core.operations import Kind, Message, Problem, State
    from billing.money.invoice_money import InvoiceCap
    from billing.money.messages import Commit, CommitmentResult, CommitPart
    from billing.money.object_end import beyond_revision
    from billing.policy.policy import MoneyPolicy

from ..approvals.object_end import ObjectEnd
from ..approvals.review import reviewed, revision
from ..core.inbox import Waits
from ..core.operation import Asked, Ended, Story
from ..core.recorded import recorded
from ..core.stripe_news import News

Subject = TypeVar("Subject", bound=Message)


@dataclass(frozen=True)
class Planned(Generic[Subject]):
    """What would be done, and what its authority and approval are about."""

    subject: Subject
    subject_hash: str
    amount: Money
    customer: str | None
    reason: str
    parts: tuple[CommitPart, ...]
    cap: InvoiceCap | None = None
    """Of the invoice that parts are given back of."""


class MoneyReview(Generic[Subject]):
    """The part of a refund or credit before anything is done to Stripe.

    `plan` says what would be done, or why it can't be; `still_possible` plans what was approved by what
    Stripe says now, None when it can't be done as it was approved. `glance` plans as well, where Stripe can
    be asked at once: of `news` while people are waited for.
    """

    def __init__(
        self,
        story: Story,
        waits: Waits[Any, Any],
        kind: Kind,
        rules: MoneyPolicy,
        plan: Callable[[], Awaitable[Planned[Subject] | Problem]],
        still_possible: Callable[[Subject], Awaitable[Planned[Subject] | None]],
        revise: Callable[[Any], None],
        *,
        glance: Callable[[], Awaitable[Planned[Subject] | Problem]],
        news: News,
    ) -> None:
        self._story, self._waits, self._kind, self._rules = story, waits, kind, rules
        self._plan, self._still_possible, self._revise = plan, still_possible, revise
        self._glance = glance
        self._end = ObjectEnd(
            waits, news, self._over, state=State.BLOCKED, event=EventCode.NOT_POSSIBLE_ANY_MORE
        )
        self._round = 0
        self._revised: RevisionSummary | None = None
        self._since: SinceLastRound | None = None
        """Why there is another round; what is new in it is known once it is planned."""
        self.subject: Subject | None = None
        """What is, or was last, asked for."""

    async def agree(self, rounds: int = 0) -> Subject:
        """What may be done now; `rounds` there were before, in an earlier run.

        Raises Ended when it is blocked, rejected, cancelled or left without an answer.
        """
        self._round = rounds
        event = EventCode.CHECKED
        while True:
            before = self._dump()
            planned = await self._check(event)
            self._since = self._compared(before)
            committed = await self._commit(planned)
            self._stop_if_cancelled()
            if committed.alone:
                self._waits.cancellable = False
                return planned.subject
            outcome = await self._review(planned, committed.why)
            match outcome.state:
                case "approved":
                    if await self._still_free(planned.subject):
                        self._stop_if_cancelled()
                        self._waits.cancellable = False
                        return planned.subject
                    event = EventCode.CHANGED_SINCE_APPROVAL
                    self._since = SinceLastRound(why="drifted", changes=())
                case "changes_requested":
                    self._since = await self._await_revision(outcome)
                    event = EventCode.REQUEST_REVISED
                case "superseded":
                    event = EventCode.CHECKED_AGAIN
                case "rejected":
                    raise Ended(
                        State.REJECTED, EventCode.REJECTED, person=outcome.person, comment=outcome.comment
                    )
                case "expired":
                    raise Ended(State.EXPIRED, EventCode.EXPIRED_UNANSWERED)
                case "dismissed":
                    raise self._cancelled()

    async def _check(self, event: EventCode) -> Planned[Subject]:
        """What Stripe says now; what is impossible ends here, before anybody is asked."""
        self._stop_if_cancelled()
        self._end.looking()
        planned = await self._plan()
        if isinstance(planned, Problem):
            raise Ended(State.BLOCKED, EventCode.NOT_POSSIBLE, planned)
        self.subject = planned.subject
        self._round += 1
        await self._story.tell(
            f"checked:{self._round}",
            event,
            state=State.RUNNING,
            stage="checked",
            subject=planned.subject.model_dump(mode="json"),
            allowed_actions=("cancel",),
            detail={"amount": planned.amount.model_dump(), "subject_hash": planned.subject_hash},
        )
        return planned

    async def _commit(self, planned: Planned[Subject]) -> CommitmentResult:
        """Sets the money aside and asks whether whoever shaped it last may give it alone."""
        committed: CommitmentResult = await recorded(Commitments.commit, self._order(planned))
        if committed.problem is not None:
            raise Ended(State.BLOCKED, EventCode.NOT_POSSIBLE, committed.problem)
        return committed

    async def _still_free(self, subject: Subject) -> bool:
        """Whether exactly what was approved can be done now: in Stripe, and beside what others set aside.

        Time has passed since both were weighed, and money may have been given back in Stripe itself.
        """
        planned = await self._still_possible(subject)
        return planned is not None and await self.has_room(planned)

    async def has_room(self, planned: Planned[Subject]) -> bool:
        """Whether it can be given beside what other operations have set aside: asked just before it is, under
        the organization's lock."""
        return await recorded(Commitments.check_room, self._order(planned))

    async def _over(self) -> Problem | None:
        planned = await self._glance()
        return planned if isinstance(planned, Problem) and beyond_revision(planned) else None

    def _order(self, planned: Planned[Subject]) -> Commit:
        policy = self._story.policy
        author = self._revised.by if self._revised else self._story.requested_by
        return Commit(
            organization=self._story.organization,
            operation=self._story.operation,
            kind=self._kind,
            person=author,
            revised=author != self._story.requested_by,
            customer=planned.customer,
            currency=planned.amount.currency,
            parts=planned.parts,
            cap=planned.cap,
            authority=policy.authority.get(self._kind, {}),
            counted=policy.counted_with(self._kind),
            reviewed_anyway=planned.reason in self._rules.always,
            round=self._round,
            at=workflow.now(),
        )

    async def _review(self, planned: Planned[Subject], rule: str) -> ApprovalOutcome:
        """One round; a cancellation on the way dismisses it."""
        asked = Asked(
            kind=self._kind,
            subject=planned.subject.model_dump(mode="json"),
            subject_hash=planned.subject_hash,
            reason=planned.reason,
            ladder=self._rules.ladder_for(planned.reason, planned.amount),
            calendar=self._rules.calendar,
            amount=planned.amount,
            customer=planned.customer,
            rule=rule,
            revised=self._revised,
            since=self._since,
        )
        return await reviewed(self._story, self._waits, self._end, asked, round_=self._round)

    def _compared(self, before: dict[str, Any]) -> SinceLastRound | None:
        if self._since is None:
            return None
        changes = subject_changes(self._kind, before, self._dump())
        return self._since.model_copy(update={"changes": changes})

    async def _await_revision(self, outcome: ApprovalOutcome) -> SinceLastRound:
        """An approver asked for changes: somebody sends a revised request, or takes it back."""
        await self._story.await_revision(self._round, self._dump(), outcome)
        revised = await revision(self._waits, self._end)
        self._stop_if_cancelled()
        if revised is None:
            raise Ended(State.EXPIRED, EventCode.EXPIRED_UNREVISED)
        self._revised = RevisionSummary(
            by=revised.person, asked_by=outcome.person, comment=outcome.comment, former=self._dump()
        )
        self._revise(revised)
        return SinceLastRound(
            why="revised",
            changes=(),
            asked_by=outcome.person,
            comment=outcome.comment,
            revised_by=revised.person,
        )

    def _dump(self) -> dict[str, Any]:
        return self.subject.model_dump(mode="json") if self.subject is not None else {}

    def _stop_if_cancelled(self) -> None:
        if self._waits.cancelled is not None:
            raise self._cancelled()

    def _cancelled(self) -> Ended:
        return Ended.cancelled(self._waits.cancelled)
