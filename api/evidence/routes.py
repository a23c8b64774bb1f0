"""An operation's evidence: one document for those who check it later, without us."""

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from billing.evidence.document import Evidence, as_json
from db.evidence import reader as evidence
from db.operations import operations

from ..http.auth import AnyCaller
from ..http.context import InContext
from ..http.examples import example
from ..http.ids import Id
from ..http.openapi import answers
from ..problems.common import NOT_FOUND
from ..problems.problem import existing

router = APIRouter(prefix="/v1/operations", tags=["Operations"])


@router.get(
    "/{id}/evidence",
    summary="Read an operation's evidence",
    responses=answers({200: example("evidence/evidence")}, NOT_FOUND),
    response_model=Evidence,
)
async def read_evidence(id: Id, caller: AnyCaller, context: InContext) -> Response:
    """Everything recorded about it: who requested it, under which policy, who approved what and with which
    authority, the requests to Stripe and Stripe's answers, the notes, who was notified, and the timeline,
    which has the hash of every part.

    `python -m billing.evidence FILE` verifies it offline and names every place that was altered. `head`
    stands for the whole document: store it elsewhere and compare.
    """
    async with context.database.snapshot() as session:
        operation = existing(await operations.get(session, caller.organization, id))
        document = as_json(await evidence.read(session, operation))
    return JSONResponse(document)  # as it was hashed: a model in between might write something otherwise
