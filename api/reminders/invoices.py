"""Reminders of one invoice: what was decided, what comes next, and a pause."""

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.business_time import local_day
from billing.reminders.rules import InvoiceFacts, Rules, next_step, why_not, words
from db.core.clock import utc_now
from db.reminders import facts as reminder_rows
from db.reminders import pauses
from db.reminders import runs as reminder_runs
from db.tables import ReminderPause

from ..http.auth import AnyCaller, Caller, Giver
from ..http.context import Context, InContext
from ..http.csv_lists import answer_list, list_answers
from ..http.examples import example
from ..http.ids import Id
from ..http.models import ListOf
from ..http.openapi import WITH_BODY, answers, body_example
from ..operations.views import each
from ..problems.common import (
    BODY_TOO_LARGE,
    NOT_FOUND,
    ROLE_MISSING,
    UNSUPPORTED_MEDIA_TYPE,
)
from ..problems.problem import ApiProblem, existing
from .problems import PAUSE_OVER
from .runs import decision
from .schemas import (
    DecisionAnswer,
    InvoiceRemindersAnswer,
    NextAnswer,
    PauseAnswer,
    PauseBody,
    RemindersQuery,
    WhyAnswer,
)

router = APIRouter(prefix="/v1/invoices", tags=["Reminders"])

_NONE_LEFT = WhyAnswer(
    reason="none_left", words="Every reminder was decided, or the invoice has no date that one goes by."
)


@router.get(
    "/{id}/reminders",
    summary="List an invoice's reminders",
    response_model=InvoiceRemindersAnswer,
    responses=list_answers(
        "reminders/decision", DecisionAnswer, NOT_FOUND, page=example("reminders/invoice_reminders")
    ),
)
async def read_reminders(
    id: Id, query: Annotated[RemindersQuery, Query()], request: Request, caller: AnyCaller, context: InContext
) -> Any:
    """Decisions, newest first, and the next reminder or the reason why there is none. As `text/csv` the
    decisions."""
    async with context.database.reading() as session:
        facts, down = await _facts(session, caller, id)
        paused = await pauses.get(session, id)
    listing = reminder_runs.of_invoice(caller.organization, id, sort=query.sort)
    answer = await answer_list(request, context, query, listing, each(decision), DecisionAnswer)
    if not isinstance(answer, ListOf):
        return answer
    coming, why = next_reminder(context, facts, portal_down=down)
    return InvoiceRemindersAnswer(
        data=answer.data,
        next_cursor=answer.next_cursor,
        next=coming,
        why_none=why,
        pause=pause_answer(id, paused),
    )


@router.put(
    "/{id}/reminder-pause",
    summary="Pause an invoice's reminders",
    responses=answers(
        {200: example("reminders/paused_invoice")}, *WITH_BODY, ROLE_MISSING, NOT_FOUND, PAUSE_OVER
    ),
    openapi_extra=body_example(example("reminders/pause_body")),
)
async def pause_reminders(id: Id, body: PauseBody, caller: Giver, context: InContext) -> PauseAnswer:
    """Stops reminders for this invoice, except one that is already being sent. Replaces an earlier pause;
    repeating the request changes nothing."""
    at = utc_now()
    async with context.database.transaction() as session:
        await check_pause(session, caller, id, body.until)
        wanted = ReminderPause(
            invoice_id=id,
            organization_id=caller.organization,
            until=body.until,
            reason=body.reason,
            paused_by=caller.person,
            paused_at=at,
        )
        kept = await pauses.put(session, wanted)
    return pause_answer(id, kept)


@router.delete(
    "/{id}/reminder-pause",
    summary="Resume an invoice's reminders",
    responses=answers(
        {200: example("reminders/invoice_not_paused")},
        ROLE_MISSING,
        NOT_FOUND,
        BODY_TOO_LARGE,
        UNSUPPORTED_MEDIA_TYPE,
    ),
)
async def let_go_on(id: Id, caller: Giver, context: InContext) -> PauseAnswer:
    """Reminders that were skipped during the pause are not sent later. Without a pause, nothing changes."""
    async with context.database.transaction() as session:
        await _facts(session, caller, id)
        await pauses.take_away(session, id)
    return pause_answer(id, None)


async def check_pause(session: AsyncSession, caller: Caller, invoice: str, until: date | None) -> None:
    """Raises ApiProblem `not_found` and `pause_over`."""
    facts, _ = await _facts(session, caller, invoice)
    today = local_day(utc_now(), facts.to.zone)
    if until is not None and until <= today:
        message = f"It is {today} already where the customer is: choose a later day, or leave until out."
        raise ApiProblem.at(PAUSE_OVER, message, "/until")


async def _facts(session: AsyncSession, caller: Caller, invoice: str) -> tuple[InvoiceFacts, bool]:
    """With whether the portal is degraded. Raises ApiProblem `not_found` unless the invoice is the caller's
    organization's."""
    return existing(await reminder_rows.of_invoice(session, caller.organization, invoice, at=utc_now()))


def next_reminder(
    context: Context, facts: InvoiceFacts, *, portal_down: bool
) -> tuple[NextAnswer | None, WhyAnswer | None]:
    """What comes next, or why nothing does."""
    rules = Rules(context.policy.reminders, utc_now(), portal_incident=portal_down)
    if reason := why_not(facts, rules):
        return None, WhyAnswer(reason=reason, words=words(reason))
    coming = next_step(facts, rules)
    return (NextAnswer(**coming._asdict()), None) if coming else (None, _NONE_LEFT)


def pause_answer(invoice: str, row: ReminderPause | None) -> PauseAnswer:
    if row is None:
        return PauseAnswer(
            invoice=invoice, paused=False, until=None, reason=None, paused_by=None, paused_at=None
        )
    said = row.model_dump(include={"until", "reason", "paused_by", "paused_at"})
    return PauseAnswer(invoice=invoice, paused=True, **said)
