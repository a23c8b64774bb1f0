"""A quote of a cancellation: the same reads and rules as of the cancellation itself."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter

from billing.cancellations.cancellation import CancellationInput, CancellationSubject, CancellationWanted
from billing.core.errors import BillingError
from billing.core.operations import Kind
from billing.money.notes import Note
from billing.quotes.quote import CancellationQuote
from db.operations import operations

from ..http.auth import BillingAdmin, Caller
from ..http.context import Context, InContext
from ..http.models import ObstacleAnswer
from ..problems.problem import ApiProblem
from ..quotes.routes import Revises, quote_route
from ..quotes.service import QuoteDraft, refusal
from .checks import check
from .schemas import CancellationBody, CancellationQuoteAnswer

router = APIRouter(prefix="/v1/cancellations", tags=["Cancellations"])


@quote_route(
    router,
    summary="Quote a cancellation",
    body="cancellations/cancellation_body",
    quoted="cancellations/quote",
)
async def quote(
    body: CancellationBody, caller: BillingAdmin, context: InContext, revises: Revises = None
) -> CancellationQuoteAnswer:
    """What ends when, what is billed and credited, what stands in the way and who would be asked.

    Nobody is told.
    """
    return await quote_cancellation(context, caller, body.wanted(), revises)


async def quote_cancellation(
    context: Context, caller: Caller, wanted: CancellationWanted, revises: str | None
) -> CancellationQuoteAnswer:
    """Raises ApiProblem `too_many_quotes` and `stripe_unavailable`."""
    draft = await QuoteDraft.of(context, caller, Kind.CANCELLATION, revises)
    refusals: list[ObstacleAnswer] = []
    async with context.database.reading() as session:
        try:
            organization = await check(session, caller, wanted)
        except (ApiProblem, BillingError) as error:
            return await _answer(draft, CancellationQuote(), [refusal(error)])
        changing = await operations.changing_subscription(session, caller.organization)
        under_way = [one for one in changing if one.id != revises]
        if under_way:
            refusals.append(refusal(operations.subscription_taken(under_way[-1], draft.kind)))
    request = CancellationInput(
        operation=draft.operation,
        organization=organization.id,
        subscription=organization.stripe_subscription,
        requested_by=caller.person,
        wanted=wanted,
        note=Note(seq=1, text=wanted.note, author=caller.person, at=draft.at),
        policy=context.policy,
    )
    return await _answer(draft, await draft.find_out(request, CancellationQuote), refusals)


async def _answer(
    draft: QuoteDraft, found: CancellationQuote, refusals: Collection[ObstacleAnswer]
) -> CancellationQuoteAnswer:
    what = _cancellation(found.subject) if found.subject is not None else {}
    return CancellationQuoteAnswer(**await draft.shown(found, refusals), **what)


def _cancellation(subject: CancellationSubject) -> dict[str, Any]:
    ends_at = subject.ends_at
    return {
        "action": subject.action,
        "unused_time": subject.unused_time,
        "terms": subject.terms,
        "ends_at": datetime.fromtimestamp(ends_at, UTC) if ends_at is not None else None,
        "amount": subject.amount,
        "lines": subject.bill.lines if subject.bill else (),
        "amounts": subject.bill.amounts if subject.bill else None,
        "due": subject.due,
        "left_over": subject.left_over,
        "open_invoices": subject.open_invoices,
    }
