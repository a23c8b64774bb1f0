"""Plan changes as the product's own workflow carries them out, with people who all approve at one time."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import stripe

from activities.effects.registry import EFFECTS
from activities.plan_changes.looks import ChangeLooks
from activities.plan_changes.reads import StripeReads
from activities.stripe.failures import translate
from billing.approvals.messages import ApprovalOutcome, OpenedApproval
from billing.core.operations import Problem, State
from billing.mail.steps import OpenApproval
from billing.operations.messages import Progress
from billing.operations.standing import Abandon, AbandonResult, RecordedEnd, Standing, StandingQuery
from billing.plan_changes.limits import Usage
from billing.plan_changes.messages import OtherChangeQuery
from billing.plan_changes.plans import Plan
from billing.plan_changes.subject import (
    PlanChangeInput,
    PlanChangeRequest,
    PlanChangeSubject,
    SubscriptionFacts,
    SubscriptionQuery,
)
from billing.policy.policy import Policy
from billing.stripe.effects import Effect, EffectOutcome
from billing.stripe.events import StripeChanged
from db.mirror import mirror
from workflows.plan_changes.workflow import PlanChangeWorkflow

from ....support.in_process import InProcess


@dataclass
class Story:
    """A change, and what was recorded of it."""

    subject: PlanChangeSubject | None = None
    """What people were asked to approve."""
    progress: list[Progress] = field(default_factory=list)
    end: Progress | None = None
    at_once: bool = False
    """Whether it was there before time went on: over, or under way to its bank."""
    task: asyncio.Task[str] | None = None
    workflow: PlanChangeWorkflow | None = None

    @property
    def state(self) -> str:
        """In which it has ended, or stands."""
        last = self.end or next((one for one in reversed(self.progress) if one.state), None)
        return last.state.value if last is not None and last.state is not None else "running"

    @property
    def stage(self) -> str:
        """Where it stands."""
        return self.progress[-1].stage if self.progress else ""

    @property
    def problem(self) -> Problem | None:
        """Why it stands there."""
        return self.end.error if self.end else self.progress[-1].error if self.progress else None

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.end is not None

    @property
    def ending(self) -> str:
        """`verified`, or the code by which it has ended, or else its state."""
        return "verified" if self.verified else self.problem.code if self.problem else self.state

    @property
    def verified(self) -> bool:
        """Whether it is said to be done as it was approved."""
        return self.state == "completed" and bool(getattr(self.end and self.end.result, "verified", False))


class Looks(ChangeLooks):
    """There is one change alone, and little in use."""

    def __init__(self, reads: StripeReads) -> None:
        self._reads = reads

    async def other(self, query: OtherChangeQuery) -> None:
        return None

    async def usage(self, organization: str, currency: str) -> tuple[Usage, list[Plan]]:
        async with self._reads._database.reading() as session:
            plans = await mirror.plans(session)
        return Usage(seats=1, customers=0, ar_balance=0, currency=currency), plans


class Stories:
    """All changes of a test."""

    def __init__(self, client: stripe.StripeClient, reads: StripeReads, policy: Policy) -> None:
        self._client, self._reads, self._policy = client, reads, policy
        self._looks = Looks(reads)
        self._told = dict[str, Story]()
        self._agreed = asyncio.Event()
        self.now = 0
        hosted = {
            name: getattr(reads, name)
            for name in dir(StripeReads)
            if name.startswith("read_") and name != "read_subscription"
        }
        self.temporal = InProcess(
            {
                **hosted,
                "read_subscription": self._read_subscription,
                "perform_effect": self._perform,
                "read_standing": self._standing,
                "look_at_change": self._looks.look_at_change,
                "look_at_revert": self._looks.look_at_revert,
                "record_progress": self._progress,
                "end_operation": self._end,
                "abandon_operation": self._abandon,
                "read_other_change": self._nothing,
                "check_events_known": self._known,
                "open_approval": self._approve,
            },
            lambda: self.now,
        )

    def begin(self, name: str, subscription: str, wanted: PlanChangeRequest) -> Story:
        """Somebody asks for a change."""
        asked = PlanChangeInput(
            operation=name,
            organization="org_a",
            subscription=subscription,
            requested_by="per_a",
            wanted=wanted,
            policy=self._policy,
        )
        story = self._told[name] = Story()
        story.workflow = PlanChangeWorkflow(asked)
        story.task = asyncio.ensure_future(story.workflow.run(asked))
        return story

    def agree(self) -> None:
        """Whoever was asked approves."""
        self._agreed.set()
        self.temporal.look_again()

    def tell(self) -> None:
        """Stripe tells of changes, and time has gone on."""
        for story in self._told.values():
            if story.workflow is not None:
                story.workflow.stripe_changed(StripeChanged(event="evt_a"))
        self.temporal.look_again()

    async def over(self) -> None:
        """What still waits is given up; what failed raises."""
        for story in self._told.values():
            if story.task is not None and not story.task.done():
                story.task.cancel()
        tasks = [story.task for story in self._told.values() if story.task is not None]
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(ended, BaseException) and not isinstance(ended, asyncio.CancelledError):
                raise ended

    async def _read_subscription(self, query: SubscriptionQuery) -> SubscriptionFacts:
        return await self._reads.read_subscription(query.model_copy(update={"mirror": False}))

    async def _perform(self, effect: Effect) -> EffectOutcome:
        try:
            found = await EFFECTS[effect.kind].call(self._client, effect)
        except stripe.StripeError as error:
            failure = translate(error)
            if failure.verdict != "refusal":
                raise
            return EffectOutcome(
                outcome="refused", key=effect.key, problem=failure.problem, declined=failure.declined
            )
        return EffectOutcome(outcome="done", key=effect.key, stripe_id=found.stripe_id, detail=found.detail)

    async def _standing(self, _: StandingQuery) -> Standing:
        return Standing(state=State.RUNNING, stage="")

    async def _progress(self, progress: Progress) -> None:
        self._told[progress.operation].progress.append(progress)

    async def _end(self, ending: Progress) -> RecordedEnd:
        assert ending.state is not None
        self._told[ending.operation].end = ending
        return RecordedEnd(state=ending.state, ours=True)

    async def _abandon(self, _: Abandon) -> AbandonResult:
        return AbandonResult(outcome="begun")

    async def _known(self, _: Any) -> bool:
        return True

    async def _nothing(self, _: Any) -> None:
        return None

    async def _approve(self, order: OpenApproval) -> OpenedApproval:
        asked = order.request
        assert isinstance(asked.subject, PlanChangeSubject)
        if order.step is not None:
            await self._progress(order.step)
        self._told[asked.operation].subject = asked.subject
        await self.temporal.pause(self._agreed)
        outcome = ApprovalOutcome(state="approved", person="per_b", subject_hash=asked.subject_hash)
        return OpenedApproval(rungs=(), rung=0, outcome=outcome)
