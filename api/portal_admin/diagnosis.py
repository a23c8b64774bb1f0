"""Why a customer can't open an invoice, from what is recorded of it."""

from datetime import datetime
from typing import Literal

from fastapi import APIRouter
from pydantic import Field

from billing.portal.diagnosis import Code, Finding, diagnose
from db.core.clock import utc_now
from db.mirror import mirror
from db.portal import diagnosis_facts

from ..http.auth import AnyCaller
from ..http.context import InContext
from ..http.examples import example
from ..http.ids import Id
from ..http.models import Answer
from ..http.openapi import answers
from ..problems.common import NOT_FOUND
from ..problems.problem import existing

router = APIRouter(prefix="/v1/invoices", tags=["Portal"])


class EvidenceAnswer(Answer):
    """A row of the access log, a mail or a link that a finding rests on."""

    kind: Literal["visit", "mail", "link"]
    id: str
    at: datetime
    what: str


class ActionAnswer(Answer):
    """What fixes it: a request to this API, or to Stripe's."""

    where: Literal["plixo", "stripe"]
    method: Literal["GET", "POST", "DELETE"]
    path: str
    does: str


class FindingAnswer(Answer):
    code: Code
    since: datetime | None
    words: str = Field(description="The finding, for the admin")
    evidence: list[EvidenceAnswer]
    action: ActionAnswer | None = Field(description="The recommended action; null if there is nothing to do")


class DiagnosisAnswer(Answer):
    """Findings in the order in which to fix them: the first is the cause."""

    invoice: str
    customer: str
    at: datetime
    findings: list[FindingAnswer]


@router.post(
    "/{id}/access-diagnosis",
    summary="Diagnose access to an invoice",
    responses=answers({200: example("portal_admin/diagnosis")}, NOT_FOUND),
)
async def diagnose_access(id: Id, caller: AnyCaller, context: InContext) -> DiagnosisAnswer:
    """Checks the invoice's links, the access log, the mails sent and the networks allowed.

    Changes nothing and does not contact Stripe: the invoice is read from the mirror.
    """
    async with context.database.reading() as session:
        invoice = existing(await mirror.invoice(session, caller.organization, id))
        facts = await diagnosis_facts.read(session, invoice, utc_now())
    diagnosis = diagnose(facts)
    return DiagnosisAnswer(
        invoice=diagnosis.invoice,
        customer=invoice.customer_id,
        at=diagnosis.at,
        findings=[_finding(one) for one in diagnosis.findings],
    )


def _finding(finding: Finding) -> FindingAnswer:
    return FindingAnswer.model_validate(finding.model_dump())
