"""The erasure of a customer's personal data: asked for by a person, done at once and for good."""

from datetime import datetime

from fastapi import APIRouter
from pydantic import Field

from billing.core.text import folded
from db.core.clock import utc_now
from db.customers import erasure
from db.customers.erasure import ErasureOutcome
from db.mirror import mirror
from db.tables import Customer, CustomerErasure

from ..http.auth import AnyCaller, Giver
from ..http.context import InContext
from ..http.examples import example
from ..http.ids import Id
from ..http.models import Answer, Body, Reason
from ..http.openapi import WITH_BODY, answers, body_example
from ..problems.common import NOT_FOUND, ROLE_MISSING
from ..problems.problem import ApiProblem, existing
from .problems import ERASURE_NAMES_CUSTOMER

router = APIRouter(prefix="/v1/customers", tags=["Customers and invoices"])


class ErasureBody(Body):
    reason: Reason = Field(description="Kept; it must not name the customer")


class ErasureAnswer(Answer):
    """It can't be taken back."""

    customer: str
    erased_at: datetime
    erased_by: str
    reason: str
    mentions: list[str] = Field(
        description="Operations in which people wrote the customer's name or mail address, in a reason, "
        "a note or a comment: these stay, because evidence binds them. Only in the answer to the erasure"
    )


@router.post(
    "/{id}/erasure",
    summary="Erase a customer's personal data",
    responses=answers(
        {200: example("customers/erasure")}, *WITH_BODY, ROLE_MISSING, NOT_FOUND, ERASURE_NAMES_CUSTOMER
    ),
    openapi_extra=body_example(example("customers/erasure_body")),
)
async def erase(id: Id, body: ErasureBody, caller: Giver, context: InContext) -> ErasureAnswer:
    """Name, addresses, languages, kept PDFs and what was learned when links were opened; links end, and the
    customer is not reminded any more. Amounts and ids stay. What Stripe has is erased there."""
    async with context.database.transaction() as session:
        customer = existing(await mirror.customer(session, caller.organization, id))
        _check(body.reason, customer)
        wanted = CustomerErasure(
            customer_id=id,
            organization_id=caller.organization,
            erased_at=utc_now(),
            erased_by=caller.person,
            reason=body.reason,
        )
        return _answer(await erasure.erase(session, wanted))


@router.get(
    "/{id}/erasure",
    summary="Read the erasure of a customer",
    responses=answers({200: example("customers/erasure")}, NOT_FOUND),
)
async def read_erasure(id: Id, caller: AnyCaller, context: InContext) -> ErasureAnswer:
    """404 where nothing was erased."""
    async with context.database.reading() as session:
        existing(await mirror.customer(session, caller.organization, id))
        return _answer(ErasureOutcome(existing(await erasure.of(session, id)), ()))


def _check(reason: str, customer: Customer) -> None:
    names = [folded(one) for one in (customer.name, customer.email) if one]
    if erasure.names_one_of(names, reason):
        raise ApiProblem.of(ERASURE_NAMES_CUSTOMER)


def _answer(erased: ErasureOutcome) -> ErasureAnswer:
    row = erased.erasure
    return ErasureAnswer(
        customer=row.customer_id,
        erased_at=row.erased_at,
        erased_by=row.erased_by,
        reason=row.reason,
        mentions=list(erased.mentions),
    )
