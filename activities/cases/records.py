"""What the workflow of a case asks of the records: who owns it, when to say something, in whose authority it
counts, its end.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity

from billing.approvals.notice_messages import NoticeInput
from billing.cases.case import (
    ACTIONS,
    CLOSING,
    COUNTS_AS,
    MAKER_TO_CONFIRM,
    NOTICES,
    CaseCounted,
    CaseFound,
    CaseMaker,
    CaseResult,
    CaseSoFar,
    CaseStep,
    CloseCase,
    CountCase,
    DenyMaking,
    EndCase,
    NameMaker,
    OwnCase,
    case_subject,
)
from billing.core.business_time import add_business, end_of_business_day
from billing.core.events import EventCode
from billing.core.operations import Role, State
from billing.mail.messages import MailContext, MailRequest
from billing.money.messages import Commit, CommitPart
from billing.money.notes import with_objects
from billing.operations.messages import Progress
from billing.policy.policy import Policy
from db.cases import cases
from db.core import timeline
from db.core.session import Database
from db.money import commitments
from db.money.weighing import weigh
from db.operations import notices, operations, outbox
from db.people import people
from db.tables import Case, Operation

from ..operations.notices import open_notice
from ..operations.records import write

COUNTED = "authority:made_by"
REMINDED = "reminded:"


class CaseRecords:
    """One transaction each, and each may be repeated."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @activity.defn
    async def open_case(self, step: CaseStep) -> CaseSoFar:
        """Finance and those who can write its note are told, once; says where the case stands, as a run of
        its workflow begins."""
        async with self._database.transaction() as session:
            case, operation, policy = await _read(session, step.operation)
            await write(
                session,
                Progress(
                    operation=step.operation,
                    key="opened",
                    event=EventCode.AWAITING_NOTE,
                    at=step.at,
                    state=State.RUNNING,
                    stage="note_owed",
                    allowed_actions=tuple(operation.allowed_actions),
                ),
            )
            await open_notice(session, _notice(operation, policy), step.at)
            mail = _mail(case, operation, "opened", "case_opened", roles=(Role.BILLING_ADMIN,))
            await outbox.mail(session, mail, at=step.at)
            return await _so_far(session, case, operation, policy)

    @activity.defn
    async def remind_case(self, step: CaseStep) -> CaseSoFar:
        """Whoever owes its note is reminded; the controller hears of it as soon as it is late."""
        async with self._database.transaction() as session:
            case, operation, policy = await _read(session, step.operation)
            if step.escalate:
                await cases.escalate(session, step.operation, at=step.at)
            event = EventCode.ESCALATED_TO_CONTROLLER if step.escalate else EventCode.REMINDED_OF_NOTE
            progress = Progress(
                operation=step.operation,
                key=f"{REMINDED}{step.number}",
                event=event,
                at=step.at,
                detail={"owner": case.owner, "times": step.number},
            )
            await write(session, progress)
            owner = await _owner(session, case)
            await outbox.mail(session, _reminder(case, operation, step, owner), at=step.at)
            result = operation.result or {}
            if result.get("named"):
                mail = _named(case, operation, f"named:{step.number}", CaseMaker.model_validate(result))
                await outbox.mail(session, mail, at=step.at)
            return await _so_far(session, case, operation, policy)

    @activity.defn
    async def assign_case(self, order: OwnCase) -> None:
        """Somebody takes the case on, from whoever had it before."""
        async with self._database.transaction() as session:
            await cases.own(session, order.operation, order.person)
            progress = Progress(
                operation=order.operation,
                key=f"owned:{order.at.isoformat()}",
                event=EventCode.ASSIGNED,
                at=order.at,
                actor=order.person,
                detail={"owner": order.person},
            )
            await write(session, progress)

    @activity.defn
    async def record_maker(self, order: NameMaker) -> None:
        """It has its note, and waits for the word of whoever is said to have made it: only that counts it."""
        close = order.close
        named = CaseMaker(named=close.done_by, named_by=close.person, note=close.note)
        progress = Progress(
            operation=order.operation,
            key=f"named:{order.at.isoformat()}",
            event=EventCode.AWAITING_MAKER,
            at=order.at,
            actor=close.person,
            state=State.RUNNING,
            stage=MAKER_TO_CONFIRM,
            result=named,
            allowed_actions=(*ACTIONS, "confirm"),
            detail={"named": close.done_by},
        )
        async with self._database.transaction() as session:
            case, operation, _ = await _read(session, order.operation)
            await write(session, progress)
            await outbox.mail(session, _named(case, operation, progress.key, named), at=order.at)

    @activity.defn
    async def record_denial(self, order: DenyMaking) -> None:
        """Whoever was said to have made it did not."""
        said = order.confirm
        progress = Progress(
            operation=order.operation,
            key=f"denied:{order.at.isoformat()}",
            event=EventCode.MAKER_REFUTED,
            at=order.at,
            actor=said.person,
            state=State.RUNNING,
            stage="note_owed",
            result=CaseMaker(named=None, named_by=order.named_by, denied_by=said.person),
            allowed_actions=ACTIONS,
            detail={"named_by": order.named_by, "comment": said.comment},
        )
        async with self._database.transaction() as session:
            case, operation, _ = await _read(session, order.operation)
            await write(session, progress)
            mail = _mail(
                case,
                operation,
                progress.key,
                "case_denied",
                people=(order.named_by,),
                person=said.person,
                comment=said.comment,
            )
            await outbox.mail(session, mail, at=order.at)

    @activity.defn
    async def count_case(self, order: CountCase) -> CaseCounted:
        """Counts what it gave in the windows of whoever made it, and says whether these had room for it then.

        A repeat answers what the first attempt did.
        """
        async with self._database.transaction() as session:
            case, operation, policy = await _read(session, order.operation)
            await commitments.lock(session, case.organization_id)
            held = await commitments.of_operation(session, order.operation)
            released = all(row.released_at is not None for row in held)
            told = await timeline.find(session, order.operation, COUNTED)
            if told is not None:
                beyond = told.code == EventCode.BEYOND_MAKERS_AUTHORITY
                return CaseCounted(beyond=beyond, why=told.detail["why"], released=released)
            weighing = _weighing(case, operation, policy, order.person)
            why, figures = await weigh(session, weighing, whose="the maker", until=case.noticed_at)
            await commitments.count_for(session, order.operation, authority_of=order.person)
            # Without the round: the money was set aside when the case was opened, not now.
            detail = {name: told for name, told in figures.items() if name != "round"}
            progress = Progress(
                operation=order.operation,
                key=COUNTED,
                event=EventCode.BEYOND_MAKERS_AUTHORITY if why else EventCode.WITHIN_MAKERS_AUTHORITY,
                at=order.at,
                detail=detail | {"authority_of": order.person, "why": why},
            )
            await write(session, progress)
            return CaseCounted(beyond=bool(why), why=why, released=released)

    @activity.defn
    async def end_case(self, order: EndCase) -> CaseResult:
        """Its note is there: closes it; gives the result. Finance gets another notice where it was the maker
        who acknowledged the first."""
        async with self._database.transaction() as session:
            case, operation, policy = await _read(session, order.operation)
            told = await notices.acknowledged_by(session, order.operation, order.close.done_by)
            result = _result(case, operation, order, told)
            await cases.close(session, order.operation, done_by=order.close.done_by, at=order.at)
            progress = Progress(
                operation=order.operation,
                key="ended",
                event=EventCode.CLOSED_WITH_NOTE,
                at=order.at,
                actor=order.close.person,
                state=State.COMPLETED,
                stage="done",
                result=result,
                allowed_actions=(),
            )
            await write(session, progress)
            if told:
                await open_notice(session, _notice(operation, policy, number=2), order.at)
            await outbox.mail(session, _closed(case, operation, order, result), at=order.at)
            return result


async def _read(session: AsyncSession, operation_id: str) -> tuple[Case, Operation, Policy]:
    operation = await operations.get_any(session, operation_id)
    assert operation is not None, "a case has its operation"
    return await cases.get(session, operation_id), operation, Policy.model_validate(operation.policy)


async def _so_far(session: AsyncSession, case: Case, operation: Operation, policy: Policy) -> CaseSoFar:
    events = await timeline.read(session, operation.id)
    reminded = [event.at for event in events if event.key.startswith(REMINDED)]
    return CaseSoFar(
        reminders=len(reminded),
        escalated=case.escalated_at is not None,
        next_at=_next(case, policy, reminded[-1] if reminded else case.noticed_at),
        named=_close(operation) if operation.stage == MAKER_TO_CONFIRM else None,
        closing=_close(operation) if operation.stage == CLOSING else None,
    )


def _close(operation: Operation) -> CloseCase:
    """What was said to close it."""
    maker = CaseMaker.model_validate(operation.result)
    assert maker.named, "nobody has denied it"
    assert maker.note, "it came with the name"
    return CloseCase(person=maker.named_by, note=maker.note, done_by=maker.named)


async def _owner(session: AsyncSession, case: Case) -> str | None:
    """Whoever has taken it on, unless they have left: then it is everybody's again."""
    owner = await people.get(session, case.organization_id, case.owner) if case.owner else None
    return owner.id if owner is not None and owner.active else None


def _notice(operation: Operation, policy: Policy, number: int = 1) -> NoticeInput:
    found = CaseFound.model_validate(operation.request)
    return NoticeInput.under(
        policy,
        NOTICES[found.object_kind],
        organization=operation.organization_id,
        operation=operation.id,
        subject=case_subject(found),
        number=number,
    )


def _reminder(case: Case, operation: Operation, step: CaseStep, owner: str | None) -> MailRequest:
    """To whoever owes the note, or everybody who can write it; when it is late to the controller too."""
    late = step.at >= case.deadline
    roles = (*(() if owner else (Role.BILLING_ADMIN,)), *((Role.CONTROLLER,) if late else ()))
    return _mail(
        case,
        operation,
        f"reminded:{step.number}",
        "case_escalated" if late else "case_reminder",
        roles=roles,
        people=(owner,) if owner else (),
        owner=owner,
        number=step.number,
    )


def _named(case: Case, operation: Operation, key: str, maker: CaseMaker) -> MailRequest:
    """To whoever is said to have made it: only they can say so, as it would count in their authority."""
    people = (maker.named,) if maker.named else ()
    return _mail(case, operation, key, "case_named", people=people, person=maker.named_by, comment=maker.note)


def _closed(case: Case, operation: Operation, order: EndCase, result: CaseResult) -> MailRequest:
    loud = case.escalated_at is not None or result.beyond_authority
    return _mail(
        case,
        operation,
        "closed",
        "case_closed",
        roles=(Role.BILLING_ADMIN, Role.CONTROLLER) if loud else (Role.BILLING_ADMIN,),
        result=result,
        person=order.close.person,
        comment=result.note,
        number=order.reminders,
    )


def _mail(
    case: Case,
    operation: Operation,
    key: str,
    template: str,
    *,
    roles: tuple[Role, ...] = (),
    people: tuple[str, ...] = (),
    **said: Any,  # beside what was made
) -> MailRequest:
    return MailRequest(
        organization=case.organization_id,
        operation=operation.id,
        key=key,
        template=template,
        roles=roles,
        people=people,
        context=MailContext(
            subject=case_subject(CaseFound.model_validate(operation.request)),
            noticed_at=case.noticed_at,
            deadline=case.deadline,
            **said,
        ),
    )


def _next(case: Case, policy: Policy, after: datetime) -> datetime:
    """When something is said again: every so often until the note is late, then once a business day."""
    rules = policy.cases
    calendar = policy.calendars[rules.calendar]
    if after >= case.deadline:
        return end_of_business_day(after, calendar)
    return min(add_business(after, timedelta(minutes=rules.remind_every), calendar), case.deadline)


def _weighing(case: Case, operation: Operation, policy: Policy, person: str) -> Commit:
    """As if whoever made it in Stripe had asked for it here, when it was noticed."""
    found = CaseFound.model_validate(operation.request)
    assert found.amount is not None, "a plan change is not weighed"
    kind = COUNTS_AS[found.object_kind]
    return Commit(
        organization=case.organization_id,
        operation=operation.id,
        kind=kind,
        person=person,
        customer=found.customer,
        currency=found.amount.currency,
        parts=(CommitPart(payment_intent=found.payment_intent, amount=found.amount.amount_minor),),
        authority=policy.authority.get(kind, {}),
        counted=policy.counted_with(kind),
        round=0,
        at=case.noticed_at,
    )


def _result(case: Case, operation: Operation, order: EndCase, told_the_maker_alone: bool) -> CaseResult:
    found = CaseFound.model_validate(operation.request)
    counted = order.counted
    return CaseResult(
        object=found.object,
        note=with_objects(order.close.note, found.payments),
        noted_in_stripe=order.noted_in_stripe,
        done_by=order.close.done_by,
        beyond_authority=counted.beyond if counted else None,
        why_beyond=(counted.why or None) if counted else None,
        counted=not counted.released if counted else None,
        in_time=order.at <= case.deadline,
        problem=order.problem,
        told_the_maker_alone=told_the_maker_alone,
    )
