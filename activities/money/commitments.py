"""The records of money set aside, weighed against authority under the organization's lock."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity

from billing.core.errors import Code
from billing.core.events import WITHIN_AUTHORITY, EventCode
from billing.core.money import Money
from billing.core.operations import SYSTEM, Kind, Problem
from billing.money.credit import CreditSubject
from billing.money.invoice_money import InvoiceCap
from billing.money.messages import AuthorityCheck, Commit, CommitmentResult, CommitPart
from billing.money.waiver import WAIVERS
from billing.operations.messages import Progress
from db.core import timeline
from db.core.session import Database
from db.money import commitments, weighing
from db.tables import Commitment, TimelineEvent

from ..operations.abandonment import must_be_open
from ..operations.records import write


class Commitments:
    """One transaction each, and each may be repeated."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @activity.defn
    async def commit_money(self, order: Commit) -> CommitmentResult:
        """Sets the money aside, and counts it at once where whoever shaped it last may give it alone.

        Of several at the same moment each sees those before it, for what is left of a payment as for what
        is left of an authority. A repeat of a round answers what the first attempt did.
        """
        async with self._database.transaction() as session:
            await commitments.lock(session, order.organization)
            await must_be_open(session, order.operation)
            key = f"authority:{order.round}"
            earlier = await timeline.find(session, order.operation, key)
            if earlier is not None:
                told = await _still_told(session, order, earlier)
                if told is not None:
                    return told
                key = _again(key, order.at)
            problem = await _held_by_others(session, order)
            if problem is not None:
                await _free(session, order)
                return CommitmentResult(alone=False, problem=problem)
            await commitments.hold(session, _rows(order))
            event, detail = await weighing.weighed(session, order)
            alone = event in WITHIN_AUTHORITY
            if alone:
                await commitments.decide(session, order.operation, authority_of=order.person, at=order.at)
            await write(
                session,
                Progress(operation=order.operation, key=key, event=event, at=order.at, detail=detail),
            )
            return CommitmentResult(alone=alone, why=detail["why"])

    @activity.defn
    async def check_authority(self, order: Commit) -> AuthorityCheck:
        """What `commit_money` would say now. It writes nothing and holds up nobody: another request may be
        weighed at the same moment."""
        async with self._database.reading() as session:
            problem = await _held_by_others(session, order)
            held = sum(row.amount_minor for row in await _waiting(session, order))
            event, figures = await weighing.weighed(session, order)
        return AuthorityCheck(
            within=event in WITHIN_AUTHORITY,
            why=figures["why"],
            limits=tuple(weighing.limits_left(figures)),
            held=held,
            problem=problem,
        )

    @activity.defn
    async def check_room(self, order: Commit) -> bool:
        """Whether what was set aside can be given now: by what Stripe says now, beside what others hold."""
        async with self._database.transaction() as session:
            await commitments.lock(session, order.organization)
            return await _held_by_others(session, order) is None


async def _free(session: AsyncSession, order: Commit) -> None:
    """Frees what an earlier round had set aside, with the event that says so."""
    released = await commitments.release(session, order.operation, at=order.at)
    if released:
        detail = {"amounts": [_money(one.amount_minor, one.currency).model_dump() for one in released]}
        await timeline.append(
            session,
            order.operation,
            key=f"released:{order.at.astimezone(UTC).isoformat()}",
            event=EventCode.MONEY_RELEASED,
            actor=SYSTEM,
            at=order.at,
            detail=detail,
        )


async def _still_told(
    session: AsyncSession, order: Commit, earlier: TimelineEvent
) -> CommitmentResult | None:
    """What was answered for the round; None where it no longer holds: a workflow that was reset comes again
    after its money was released or another round's was set aside, and nothing may be given uncounted.
    """
    rows = await commitments.of_operation(session, order.operation)
    held = [row for row in rows if row.released_at is None]
    # A late attempt is older than what was done since, and does not take it back.
    late = any((row.released_at or row.created_at) > order.at for row in rows)
    again = await timeline.find(session, order.operation, _again(earlier.key, rows[0].created_at))
    event = again or earlier
    alone = event.code in WITHIN_AUTHORITY
    counted = not alone or all(row.decided_at is not None for row in held)
    if not late and not (counted and _parts(held) == _parts(_rows(order))):
        return None
    return CommitmentResult(alone=alone, why=event.detail["why"])


def _again(key: str, at: datetime) -> str:
    return f"{key}:{at.astimezone(UTC).isoformat()}"


def _parts(rows: Sequence[Commitment]) -> list[tuple[str | None, str | None, int]]:
    return [(row.payment_intent, row.invoice_id, row.amount_minor) for row in rows]


async def _held_by_others(session: AsyncSession, order: Commit) -> Problem | None:
    """Why what others hold of the invoice or of a payment leaves no room for it; None when it does."""
    problem = await _claimed(session, order)
    if problem is not None:
        return problem
    held = await _waiting_on_payments(session, order)
    for part in order.parts:
        waiting = [row for row in held if row.payment_intent == part.payment_intent]
        problem = _too_little(part, waiting, order.currency)
        if problem is not None:
            return problem
    return await _above_cap(session, order) or await _lines_held(session, order)


async def _lines_held(session: AsyncSession, order: Commit) -> Problem | None:
    """Why what others will credit of the invoice's lines leaves too little of one."""
    if not order.lines or order.invoice is None:
        return None
    held = await commitments.credits_on(session, order.organization, order.invoice, excluding=order.operation)
    subjects = {one.id: CreditSubject.model_validate(one.subject) for one in held}
    for line in order.lines:
        in_stripe = {credit.operation for credit in line.credits}
        waiting = {
            operation: credited.amount.amount_minor
            for operation, subject in subjects.items()
            for credited in subject.lines
            if credited.line == line.line and operation not in in_stripe
        }
        if problem := line.problem(sum(waiting.values()), tuple(waiting)):
            return problem
    return None


async def _claimed(session: AsyncSession, order: Commit) -> Problem | None:
    """Why another request about the same invoice has to end first: who voids it or writes it off gives up all
    that is left of it, so beside that there is nothing to give."""
    if order.invoice is None:
        return None
    claims = await commitments.claims_on(
        session, order.organization, order.invoice, excluding=order.operation
    )
    if order.kind not in WAIVERS:
        claims = [one for one in claims if one.kind in WAIVERS]
    if not claims:
        return None
    others = ", ".join(f"{Kind(one.kind).noun} {one.id}" for one in claims)
    return Problem(
        code=Code.INVOICE_CLAIMED, message=f"Invoice {order.invoice} is also what {others} is about."
    )


async def _waiting(session: AsyncSession, order: Commit) -> list[Commitment]:
    """What others hold of the invoice, or of the payments where it is of none, and Stripe does not show."""
    if order.cap is not None:
        return await _waiting_on_invoice(session, order, order.cap)
    return await _waiting_on_payments(session, order)


async def _waiting_on_payments(session: AsyncSession, order: Commit) -> list[Commitment]:
    in_stripe = {part.payment_intent: part.in_stripe for part in order.parts if part.payment_intent}
    held = await commitments.on_payments(session, list(in_stripe), excluding=order.operation)
    return [row for row in held if row.operation_id not in in_stripe[row.payment_intent or ""]]


async def _waiting_on_invoice(session: AsyncSession, order: Commit, cap: InvoiceCap) -> list[Commitment]:
    counted = {(one.operation, one.payment_intent) for one in cap.counted}
    held = await commitments.on_invoice(session, cap.money.invoice, excluding=order.operation)
    return [row for row in held if (row.operation_id, row.payment_intent) not in counted]


async def _above_cap(session: AsyncSession, order: Commit) -> Problem | None:
    """Why too little is left of the invoice beside what others will give back of it, in whatever way."""
    if order.cap is None:
        return None
    money = order.cap.money
    wanted = _money(sum(part.amount for part in order.parts if part.invoice == money.invoice), order.currency)
    waiting = await _waiting_on_invoice(session, order, order.cap)
    free = _money(max(money.left - sum(row.amount_minor for row in waiting), 0), order.currency)
    if wanted <= free:
        return None
    others = ", ".join(sorted({row.operation_id for row in waiting}))
    return Problem(
        code=Code.AMOUNT_ABOVE_REFUNDABLE if order.kind is Kind.REFUND else Code.AMOUNT_ABOVE_CREDITABLE,
        message=f"{wanted.format()} is more than the {free.format()} that can still be given back of "
        f"{money.named}{f' beside what {others} will give back' if others else ''}.",
    )


def _too_little(part: CommitPart, waiting: list[Commitment], currency: str) -> Problem | None:
    if part.left is None:
        return None
    free = part.left - sum(row.amount_minor for row in waiting)
    if part.amount <= free:
        return None
    wanted, rest = _money(part.amount, currency), _money(max(free, 0), currency)
    others = sorted({row.operation_id for row in waiting})
    beside = f" beside what {', '.join(others)} will refund" if others else ""
    return Problem(
        code=Code.AMOUNT_ABOVE_REFUNDABLE,
        message=f"{wanted.format()} is more than the {rest.format()} that is left of "
        f"{part.payment_intent}{beside}.",
    )


def _rows(order: Commit) -> list[Commitment]:
    return [
        Commitment(
            operation_id=order.operation,
            part=number,
            organization_id=order.organization,
            kind=order.kind.value,
            customer_id=order.customer,
            payment_intent=part.payment_intent,
            invoice_id=part.invoice,
            amount_minor=part.amount,
            currency=order.currency,
            person_id=order.person,
            created_at=order.at,
        )
        for number, part in enumerate(order.parts)
    ]


def _money(amount_minor: int, currency: str) -> Money:
    return Money(amount_minor=amount_minor, currency=currency)
