"""A quote of a plan change: the same checks, reads and rules as of the change itself."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter

from billing.core.errors import BillingError
from billing.core.money import Money
from billing.core.operations import Kind
from billing.plan_changes.proration import sides
from billing.plan_changes.subject import PlanChangeInput, PlanChangeRequest, PlanChangeSubject
from billing.quotes.quote import PlanChangeQuote
from db.operations import operations

from ..http.auth import BillingAdmin, Caller
from ..http.context import Context, InContext
from ..http.models import ObstacleAnswer
from ..problems.problem import ApiProblem
from ..quotes.routes import Revises, quote_route
from ..quotes.service import QuoteDraft, refusal
from .checks import check_by_mirror, replaceable
from .schemas import MonthlyCostAnswer, NextInvoiceAnswer, PlanChangeBody, PlanChangeQuoteAnswer

router = APIRouter(prefix="/v1/plan-changes", tags=["Plan changes"])


@quote_route(
    router,
    summary="Quote a plan change",
    body="plan_changes/plan_change_body",
    quoted="plan_changes/quote",
)
async def quote(
    body: PlanChangeBody, caller: BillingAdmin, context: InContext, revises: Revises = None
) -> PlanChangeQuoteAnswer:
    """Previews the change to the second, with what stands in its way and who would be asked.

    Nobody is told.
    """
    return await quote_plan_change(context, caller, PlanChangeRequest(**body.model_dump()), revises)


async def quote_plan_change(
    context: Context, caller: Caller, wanted: PlanChangeRequest, revises: str | None
) -> PlanChangeQuoteAnswer:
    """Raises ApiProblem `too_many_quotes` and `stripe_unavailable`."""
    draft = await QuoteDraft.of(context, caller, Kind.PLAN_CHANGE, revises)
    refusals: list[ObstacleAnswer] = []
    async with context.database.reading() as session:
        try:
            organization = await check_by_mirror(session, caller, wanted, context.policy.plan_change.add_ons)
        except (ApiProblem, BillingError) as error:
            return await _answer(draft, PlanChangeQuote(), [refusal(error)])
        changing = await operations.changing_subscription(session, caller.organization)
        in_progress = [one for one in changing if one.id != revises]
        if in_progress and not replaceable(wanted, in_progress):
            refusals.append(refusal(operations.subscription_taken(in_progress[-1], draft.kind)))
    request = PlanChangeInput(
        operation=draft.operation,
        organization=organization.id,
        subscription=organization.stripe_subscription,
        requested_by=caller.person,
        wanted=wanted,
        policy=context.policy,
    )
    return await _answer(draft, await draft.find_out(request, PlanChangeQuote), refusals)


async def _answer(
    draft: QuoteDraft, found: PlanChangeQuote, refusals: Collection[ObstacleAnswer]
) -> PlanChangeQuoteAnswer:
    cost = MonthlyCostAnswer.model_validate(found.cost) if found.cost else None
    change = _change(found.subject) if found.subject is not None else {}
    return PlanChangeQuoteAnswer(**await draft.shown(found, refusals), **change, per_month=cost)


def _change(subject: PlanChangeSubject) -> dict[str, Any]:
    preview = subject.preview
    credit, debit = sides(preview.lines, preview.currency)
    following = preview.next_invoice
    return {
        "from_": subject.from_,
        "to": subject.to,
        "effective": subject.effective,
        "invoicing": subject.invoicing,
        "proration_date": _time(subject.proration_date),
        "credits": credit.lines,
        "debits": debit.lines,
        "credit_total": credit.total,
        "debit_total": debit.total,
        "amounts": preview.amounts,
        "total": Money(amount_minor=preview.total, currency=preview.currency),
        "due_now": preview.due_now,
        "credit": subject.credit,
        "next_invoice": NextInvoiceAnswer(
            amount=subject.next_invoice,
            total=Money(amount_minor=following.total, currency=following.currency),
            date=_time(following.date),
        ),
        "limits": subject.limits,
        "replaces": subject.replaces,
        "takes_back": _time(subject.takes_back.at if subject.takes_back else None),
    }


def _time(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
