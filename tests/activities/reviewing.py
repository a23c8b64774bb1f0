"""A review of an organization's plan change, as its workflow and the API drive its records."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlmodel import col, select

from activities.approvals.approvals import Approvals
from billing.approvals.authorship import Author, Shaping
from billing.approvals.ladder import Rung
from billing.approvals.marks import DecisionMarks
from billing.approvals.messages import (
    ApprovalInput,
    ApprovalOutcome,
    ClimbApproval,
    CloseApproval,
    Decide,
    OpenedApproval,
    ReadOutcome,
    RemindApproval,
)
from billing.core.business_time import Calendar
from billing.core.errors import BillingError
from billing.core.keys import Keys
from billing.core.operations import Problem, Role
from billing.mail.messages import MailRequest
from billing.mail.steps import OpenApproval
from billing.policy.policy import LadderStep
from db.approvals import approvals, deciders, decisions
from db.core import timeline
from db.core.session import Database
from db.operations import operations, outbox
from db.tables import Approval, Decision, Operation, Outbox, TimelineEvent

from ..support.builders import (
    NOW,
    SUBJECT_HASH,
    Member,
    Tenant,
    an_operation,
    authored,
    store,
    tenant,
)
from ..support.case_rules import case_rules
from .mail.contexts import an_upgrade

LATER = NOW + timedelta(hours=1)
OFFICE = Calendar.model_validate(
    {
        "name": "office",
        "zone": "America/New_York",
        "country": "US",
        "days": (0, 1, 2, 3, 4),
        "opens": "09:00:00",
        "closes": "17:00:00",
    }
)
LADDER = (
    LadderStep(roles=(Role.CONTROLLER,), respond_within=480, remind_every=240),
    LadderStep(roles=(Role.LEGAL,), respond_within=480),
)


@dataclass(frozen=True)
class Settled:
    """What came of a decision: it ended the round, was refused, or left it open to others."""

    outcome: ApprovalOutcome | None = None
    refusal: Problem | None = None


class Review:
    """An approval of an organization's plan change, and those who may or may not decide it."""

    def __init__(self, database: Database, acme: Tenant, operation: Operation) -> None:
        self.database, self.acme, self.operation = database, acme, operation
        self.marks = DecisionMarks.of(Keys("test", {"test": b"k" * 32}))
        self.approvals = Approvals(database, self.marks)
        self.asked: dict[str, Any] = {}
        self.id = f"apr_{operation.id.removeprefix('op_')}-1"

    @property
    def request(self) -> ApprovalInput:
        """As the workflow asks; `asked` is what a test changes of it."""
        given = {
            "approval": self.id,
            "organization": self.acme.id,
            "operation": self.operation.id,
            "kind": "plan_change",
            "round": 1,
            "subject": an_upgrade(),
            "subject_hash": SUBJECT_HASH,
            "reason": "The team grows.",
            "amount": None,
            "requested_by": self.acme.admin.id,
            "ladder": LADDER,
            "calendar": OFFICE,
            "calendars": {},
            "authority": None,
            "customer": None,
            "counted": (),
            "rule": "",
            "revised": None,
            "since": None,
        }
        return ApprovalInput.model_validate(given | self.asked)

    async def opened(self, at: datetime = NOW, **asked: Any) -> OpenedApproval:
        self.asked |= asked
        await self._authored(self.request.requested_by)
        order = OpenApproval(request=self.request, at=at)
        return await self.approvals.open_approval(order)

    async def _authored(self, requester: str) -> None:
        """As the API would have noted who asked."""
        async with self.database.transaction() as session:
            row = await operations.get_any(session, self.operation.id)
            assert row is not None
            later = [author for author in row.authors if author["how"] != "asked"]
            row.authors = authored({"requested_by": requester}) + later
            session.add(row)

    async def shaped(self, by: Member, how: Shaping = "revised", at: datetime = NOW) -> None:
        """Somebody shaped it before it is put before the approvers."""
        async with self.database.transaction() as session:
            await operations.add_author(session, self.operation.id, Author(person=by.id, at=at, how=how))

    async def open(self, at: datetime = NOW, **asked: Any) -> tuple[Rung, ...]:
        return (await self.opened(at, **asked)).rungs

    async def climb(self, rung: int = 1, at: datetime = LATER) -> OpenedApproval:
        order = ClimbApproval(
            approval=self.id, operation=self.operation.id, rung=rung, at=at, request=self.request
        )
        climbed = await self.approvals.climb_approval(order)
        assert climbed is not None
        return climbed

    async def remind(self, rung: int = 0, number: int = 0) -> MailRequest:
        """The mail that reminds them."""
        order = RemindApproval(
            approval=self.id, operation=self.operation.id, rung=rung, number=number, at=LATER
        )
        await self.approvals.record_reminder(order)
        return await self.mail()

    async def mail(self) -> MailRequest:
        """The last that it wrote."""
        async with self.database.reading() as session:
            rows = select(Outbox).where(Outbox.action == outbox.MAIL).order_by(col(Outbox.id).desc())
            row = (await session.exec(rows)).first()
        assert row is not None
        return MailRequest.model_validate(row.payload)

    async def decision(self, who: Member, **fields: Any) -> Decide:
        """What somebody says to what they see."""
        row = await self.row()
        given = {"person": who.id, "verdict": fields.pop("decision", "approve")}
        return Decide.model_validate(given | {"subject_hash": row.subject_hash} | fields)

    async def settle(self, said: Decide, database: Database | None = None, at: datetime = LATER) -> Settled:
        try:
            async with (database or self.database).transaction() as session:
                row = await approvals.lock(session, self.id)
                people = [said.person, *(one.person for one in deciders.authors_of(row))]
                who = await deciders.approver_pool(session, row.organization_id, at, people=people)
                return Settled(await decisions.decide(session, row, said, who, at, self.marks))
        except BillingError as error:
            return Settled(refusal=Problem(code=error.code, message=error.message))

    async def read(self) -> ApprovalOutcome | None:
        return await self.approvals.read_outcome(ReadOutcome(approval=self.id, at=LATER))

    async def decide(self, who: Member, **fields: Any) -> Settled:
        return await self.settle(await self.decision(who, **fields))

    async def close(
        self, state: Literal["expired", "dismissed"] = "expired", database: Database | None = None
    ) -> ApprovalOutcome:
        order = CloseApproval(
            approval=self.id, operation=self.operation.id, state=state, reason="Silence.", at=LATER
        )
        return await Approvals(database or self.database, self.marks).close_approval(order)

    async def row(self) -> Approval:
        async with self.database.reading() as session:
            return await approvals.get_any(session, self.id)

    async def decisions(self) -> list[Decision]:
        async with self.database.reading() as session:
            return await approvals.decisions(session, self.id)

    async def events(self) -> list[TimelineEvent]:
        async with self.database.reading() as session:
            return await timeline.read(session, self.operation.id)


async def a_review(database: Database) -> Review:
    acme = await tenant(database)
    operation = an_operation(acme, policy=case_rules().document)
    await store(database, operation)
    return Review(database, acme, operation)
