"""Quotes of requests for money: the same checks, reads and rules as of the request itself."""

from typing import Any

from fastapi import APIRouter

from billing.core.errors import BillingError
from billing.core.money import Money
from billing.core.operations import Kind
from billing.money.credit import CreditInput, CreditSubject, CreditWanted
from billing.money.messages import AuthorityCheck
from billing.money.notes import Note
from billing.money.refund import RefundInput, RefundSubject, RefundWanted, left_to_refund
from billing.money.waiver import WaiverInput, WaiverSubject, WaiverWanted
from billing.quotes.quote import CreditQuote, RefundQuote, WaiverQuote

from ..http.auth import Caller, Giver
from ..http.context import Context, InContext
from ..http.models import ObstacleAnswer
from ..problems.problem import ApiProblem
from ..quotes.routes import Revises, quote_route
from ..quotes.schemas import QuotedAuthorityAnswer
from ..quotes.service import QuoteDraft, refusal
from . import checks
from .schemas import (
    CreditBody,
    CreditQuoteAnswer,
    RefundBody,
    RefundPartAnswer,
    RefundQuoteAnswer,
    VoidBody,
    WaiverQuoteAnswer,
    WriteOffBody,
)

refunds = APIRouter(prefix="/v1/refunds", tags=["Refunds"])
credits = APIRouter(prefix="/v1/credits", tags=["Credits"])
voids = APIRouter(prefix="/v1/voids", tags=["Voids"])
write_offs = APIRouter(prefix="/v1/write-offs", tags=["Write-offs"])


@quote_route(refunds, summary="Quote a refund", body="money/refund_body", quoted="money/refund_quote")
async def quote_of_refund(
    body: RefundBody, caller: Giver, context: InContext, revises: Revises = None
) -> RefundQuoteAnswer:
    """What would be refunded of which payments, with what stands in its way and who would be asked. Nobody is
    told, and nothing is set aside."""
    return await quote_refund(context, caller, body.wanted(), revises)


@quote_route(credits, summary="Quote a credit", body="money/credit_body", quoted="money/credit_quote")
async def quote_of_credit(
    body: CreditBody, caller: Giver, context: InContext, revises: Revises = None
) -> CreditQuoteAnswer:
    """What would be credited and how, with what stands in its way and who would be asked. Nobody is told, and
    nothing is set aside."""
    return await quote_credit(context, caller, body.wanted(), revises)


@quote_route(voids, summary="Quote a void", body="money/void_body", quoted="money/void_quote")
async def quote_of_void(
    body: VoidBody, caller: Giver, context: InContext, revises: Revises = None
) -> WaiverQuoteAnswer:
    """What voiding the invoice would give up, with what stands in its way and who would be asked. Nobody is
    told, and nothing is set aside."""
    return await quote_waiver(context, caller, body.wanted(), revises)


@quote_route(
    write_offs, summary="Quote a write-off", body="money/write_off_body", quoted="money/write_off_quote"
)
async def quote_of_write_off(
    body: WriteOffBody, caller: Giver, context: InContext, revises: Revises = None
) -> WaiverQuoteAnswer:
    """What writing the invoice off would give up, with what stands in its way and who would be asked. Nobody
    is told, and nothing is set aside."""
    return await quote_waiver(context, caller, body.wanted(), revises)


async def quote_refund(
    context: Context, caller: Caller, wanted: RefundWanted, revises: str | None
) -> RefundQuoteAnswer:
    """Raises ApiProblem `too_many_quotes` and `stripe_unavailable`."""
    draft = await QuoteDraft.of(context, caller, Kind.REFUND, revises)
    refused = await _refused(context, caller, wanted)
    if refused is not None:
        return RefundQuoteAnswer(**await draft.shown(RefundQuote(), [refused]))
    found = await draft.find_out(RefundInput(**_input(draft, wanted)), RefundQuote)
    common = await draft.shown(found)
    if found.subject is None or found.authority is None or found.refundable is None:
        return RefundQuoteAnswer(**common)
    return RefundQuoteAnswer(
        **common,
        **_refund(found.subject, found.refundable, found.authority),
        authority=_authority(found.authority),
        retype=context.policy.refund.wants_retyped(found.subject.amount),
    )


async def quote_credit(
    context: Context, caller: Caller, wanted: CreditWanted, revises: str | None
) -> CreditQuoteAnswer:
    """Raises ApiProblem `too_many_quotes` and `stripe_unavailable`."""
    draft = await QuoteDraft.of(context, caller, Kind.CREDIT, revises)
    refused = await _refused(context, caller, wanted)
    if refused is not None:
        return CreditQuoteAnswer(**await draft.shown(CreditQuote(), [refused]))
    found = await draft.find_out(CreditInput(**_input(draft, wanted)), CreditQuote)
    common = await draft.shown(found)
    if found.subject is None or found.authority is None:
        return CreditQuoteAnswer(**common)
    return CreditQuoteAnswer(
        **common,
        **_credit(found.subject),
        authority=_authority(found.authority),
        retype=context.policy.credit.wants_retyped(found.subject.amount),
    )


async def quote_waiver(
    context: Context, caller: Caller, wanted: WaiverWanted, revises: str | None
) -> WaiverQuoteAnswer:
    """Raises ApiProblem `too_many_quotes` and `stripe_unavailable`."""
    kind = Kind(wanted.action)
    draft = await QuoteDraft.of(context, caller, kind, revises)
    refused = await _refused(context, caller, wanted)
    if refused is not None:
        return WaiverQuoteAnswer(**await draft.shown(WaiverQuote(), [refused]))
    found = await draft.find_out(WaiverInput(**_input(draft, wanted)), WaiverQuote)
    common = await draft.shown(found)
    if found.subject is None or found.authority is None:
        return WaiverQuoteAnswer(**common)
    return WaiverQuoteAnswer(
        **common,
        **_waiver(found.subject),
        authority=_authority(found.authority),
        retype=context.policy.money_rules(kind).wants_retyped(found.subject.amount),
    )


async def _refused(
    context: Context, caller: Caller, wanted: RefundWanted | CreditWanted | WaiverWanted
) -> ObstacleAnswer | None:
    """What the request itself would be answered with."""
    try:
        checks.check_in_itself(wanted)
        async with context.database.reading() as session:
            await checks.check_by_mirror(session, caller, wanted)
    except (ApiProblem, BillingError) as error:
        return refusal(error)
    return None


def _input(draft: QuoteDraft, wanted: RefundWanted | CreditWanted | WaiverWanted) -> dict[str, Any]:
    return {
        "operation": draft.operation,
        "organization": draft.caller.organization,
        "requested_by": draft.caller.person,
        "wanted": wanted,
        "note": Note(seq=1, text=wanted.note, author=draft.caller.person, at=draft.at),
        "policy": draft.context.policy,
    }


def _authority(found: AuthorityCheck) -> QuotedAuthorityAnswer:
    return QuotedAuthorityAnswer(within=found.within, why=found.why, limits=list(found.limits))


def _refund(subject: RefundSubject, refundable: Money, authority: AuthorityCheck) -> dict[str, Any]:
    free = left_to_refund(refundable, authority.held)
    return {
        "amount": subject.amount,
        "customer": subject.customer,
        "invoice": subject.invoice,
        "parts": [
            RefundPartAnswer(
                payment_intent=part.payment_intent,
                charge=part.charge,
                amount=Money(amount_minor=part.amount, currency=subject.amount.currency),
            )
            for part in subject.parts
        ],
        "paid": subject.paid,
        "refunded_before": subject.refunded_before,
        "refundable": free,
        "left_after": left_to_refund(free, subject.amount.amount_minor),
    }


def _credit(subject: CreditSubject) -> dict[str, Any]:
    names = ("amount", "customer", "instrument", "invoice", "invoice_number", "reduces_due", "to_balance")
    return {name: getattr(subject, name) for name in (*names, "lines", "taxes", "tell_customer")}


def _waiver(subject: WaiverSubject) -> dict[str, Any]:
    names = ("amount", "customer", "invoice", "invoice_number", "becomes", "total", "paid")
    return {name: getattr(subject, name) for name in (*names, "remaining", "to_balance")}
