"""The same done to several invoices: one result for each, and none stands in another's way."""

import hashlib
import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from fastapi import APIRouter
from pydantic import Field
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.errors import BillingError
from billing.reminders.rules import status_reason, words
from db.core.clock import utc_now
from db.core.session import concerns_everybody
from db.mirror import lists
from db.tables import Invoice

from ..http.auth import Caller, Giver
from ..http.context import Context, InContext
from ..http.examples import example
from ..http.idempotency import PARAMETER, IdempotencyKey
from ..http.models import Answer, Body, InvoiceId, ProblemBody, Reason
from ..http.openapi import WITH_BODY, answers, body_example
from ..portal_admin import links
from ..problems.common import (
    IDEMPOTENCY_KEY_INVALID,
    IDEMPOTENCY_KEY_MISSING,
    INTERNAL_ERROR,
    ROLE_MISSING,
)
from ..problems.handlers import from_domain
from ..problems.problem import ApiProblem, not_found
from ..reminders import by_hand, invoices
from ..reminders.problems import PAUSE_UNEXPLAINED
from ..reminders.schemas import Day, PauseBody

router = APIRouter(prefix="/v1", tags=["Customers and invoices"])
log = logging.getLogger(__name__)

MOST = 100


class BulkBody(Body):
    """What to do with which invoices. One that is named twice is done once."""

    action: Literal["resend_links", "remind", "pause_reminders"]
    invoices: list[InvoiceId] = Field(min_length=1, max_length=MOST)
    until: Day | None = Field(
        default=None,
        description="Of a pause: the day, in each customer's time zone, on which reminders resume",
    )
    reason: Reason | None = Field(default=None, description="Of a pause, for which it is required: why")
    dry_run: bool = Field(default=False, description="true: only say what would be done, and what can't be")


class BulkResult(Answer):
    """What became of one invoice, or would: `problem` says why not."""

    invoice: str
    number: str | None
    customer: str | None
    customer_name: str | None
    done: bool = Field(description="false in a dry run")
    words: str = Field(description="What was or would be done, or why it can't be, as a sentence")
    held_until: datetime | None = Field(
        description="When a reminder is sent that waits for the customer's hours"
    )
    problem: ProblemBody | None


class BulkAnswer(Answer):
    """One result for each invoice, in the order in which they were named."""

    data: list[BulkResult]


@router.post(
    "/invoices/bulk",
    summary="Act on several invoices",
    responses=answers(
        {200: example("customers/bulk")},
        *WITH_BODY,
        ROLE_MISSING,
        IDEMPOTENCY_KEY_MISSING,
        IDEMPOTENCY_KEY_INVALID,
        PAUSE_UNEXPLAINED,
    ),
    openapi_extra={"parameters": [PARAMETER], **body_example(example("customers/bulk_body"))},
)
async def act_on_several(
    body: BulkBody, caller: Giver, key: IdempotencyKey, context: InContext
) -> BulkAnswer:
    """Each invoice fails or succeeds by itself. The key counts for each of them and each action: what it has
    had mailed once is not mailed again, so a request that broke off can be repeated as it is.
    """
    if body.action == "pause_reminders" and not body.reason and not body.dry_run:
        raise ApiProblem.of(PAUSE_UNEXPLAINED)
    wanted = list(dict.fromkeys(body.invoices))
    async with context.database.reading() as session:
        known = {
            invoice.id: (invoice, name)
            for invoice, name in await lists.named(session, caller.organization, wanted)
        }
    bulk = _Bulk(context, caller, body, hashlib.sha256(key.encode()).hexdigest()[:32])
    return BulkAnswer(data=[await bulk.result(id_, *known.get(id_, (None, None))) for id_ in wanted])


class _Bulk:
    """One request, carried out invoice by invoice."""

    def __init__(self, context: Context, caller: Caller, body: BulkBody, key: str) -> None:
        self._context, self._caller, self._body, self._key = context, caller, body, key

    async def result(self, id_: str, invoice: Invoice | None, customer_name: str | None) -> BulkResult:
        held: datetime | None = None
        problem: ApiProblem | None = None
        try:
            held = await self._one(id_, invoice)
        except ApiProblem as refused:
            problem = refused
        except BillingError as error:
            problem = from_domain(error)
        except Exception as error:
            if concerns_everybody(error):
                raise
            log.exception("%s failed for %s", self._body.action, id_)
            problem = ApiProblem.of(INTERNAL_ERROR)
        return BulkResult(
            invoice=id_,
            number=invoice.number if invoice else None,
            customer=invoice.customer_id if invoice else None,
            customer_name=customer_name,
            done=problem is None and not self._body.dry_run,
            words=problem.detail if problem else self._words(invoice, held),
            held_until=held,
            problem=problem and ProblemBody(code=problem.code or problem.type.code, message=problem.detail),
        )

    async def _one(self, id_: str, invoice: Invoice | None) -> datetime | None:
        """Until when it is held, if it is. Raises ApiProblem and BillingError."""
        if invoice is None:
            raise not_found()
        if self._body.dry_run:
            async with self._context.database.reading() as session:
                return await self._check(session, invoice)
        match self._body.action:
            case "resend_links":
                await links.resend_link(self._context, self._caller, id_, step=f"link:{self._key}")
            case "remind":
                return await by_hand.remind(self._context, self._caller, id_, key=self._key)
            case "pause_reminders":
                until = self._body.until and self._body.until.isoformat()
                pause = PauseBody.model_validate({"until": until, "reason": self._body.reason})
                await invoices.pause_reminders(id_, pause, self._caller, self._context)
        return None

    async def _check(self, session: AsyncSession, invoice: Invoice) -> datetime | None:
        match self._body.action:
            case "resend_links":
                await links.check_resend(session, invoice, utc_now())
            case "remind":
                return await by_hand.check(session, self._context, self._caller, invoice.id, utc_now())
            case "pause_reminders":
                await invoices.check_pause(session, self._caller, invoice.id, self._body.until)
        return None

    def _words(self, invoice: Invoice | None, held: datetime | None) -> str:
        if self._body.action == "pause_reminders":
            over = status_reason(invoice.status) if invoice else None
            return f"Nothing changes: {words(over)}" if over else _PAUSED
        return _HELD if held else _MAILED[self._body.action]


_MAILED: Mapping[str, str] = {
    "resend_links": "A new link is mailed to the customer, and the earlier one stops working.",
    "remind": "A reminder is mailed to the customer.",
}
_HELD = "A reminder is mailed to the customer as soon as their hours begin."
_PAUSED = "The customer is not reminded of it."
