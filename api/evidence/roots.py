"""Daily roots, for whoever keeps them where nobody who writes to our database can change them."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from billing.evidence.seals.archive import ListedHead
from billing.evidence.seals.roots import Seal, SignedRoot, seal_of
from billing.evidence.seals.signing import PublicKeys
from db.evidence import roots
from db.operations import operations

from ..http.auth import AnyCaller
from ..http.context import InContext
from ..http.csv_lists import answer_list, list_answers
from ..http.examples import example
from ..http.ids import Id
from ..http.models import ListOf
from ..http.openapi import answers
from ..operations.views import each
from ..problems.common import NOT_FOUND
from ..problems.problem import existing
from .schemas import HeadsQuery, RootsQuery

router = APIRouter(prefix="/v1", tags=["Evidence"])


@router.get(
    "/evidence/keys",
    summary="List signing keys",
    responses=answers({200: example("evidence/keys")}),
)
async def list_signing_keys(caller: AnyCaller, context: InContext) -> PublicKeys:
    """Every public key that roots were ever signed with, as a JSON Web Key Set (RFC 7517). Keep a copy
    elsewhere: whoever writes to our database can put another one here, but not in your copy."""
    async with context.database.reading() as session:
        return await roots.keys(session)


@router.get(
    "/evidence/roots",
    summary="List daily roots",
    response_model=ListOf[SignedRoot],
    responses=list_answers("evidence/root", SignedRoot),
)
async def list_roots(
    query: Annotated[RootsQuery, Query()], request: Request, caller: AnyCaller, context: InContext
) -> Any:
    """Each stands for everything that was recorded for your organization until it was made, soon after the
    UTC day that it closes. Keep the last one elsewhere: what is altered or removed later no longer fits."""
    rows = roots.listed(
        caller.organization, first=query.from_, last=query.to, newest_first=query.newest_first
    )
    return await answer_list(request, context, query, rows, each(roots.root_of), SignedRoot)


@router.get(
    "/evidence/heads",
    summary="List sealed heads",
    response_model=ListOf[ListedHead],
    responses=list_answers("evidence/head", ListedHead),
)
async def list_heads(
    query: Annotated[HeadsQuery, Query()], request: Request, caller: AnyCaller, context: InContext
) -> Any:
    """How far operations had come at a root, or at all of them: what the root's tree was made of."""
    numbers = (query.root, query.root) if query.root is not None else None
    rows = roots.heads(caller.organization, numbers=numbers, newest_first=query.newest_first)
    return await answer_list(request, context, query, rows, each(roots.listed_head), ListedHead)


@router.get(
    "/operations/{id}/evidence/seal",
    summary="Read an operation's seal",
    responses=answers({200: example("evidence/seal")}, NOT_FOUND),
)
async def read_seal(id: Id, caller: AnyCaller, context: InContext) -> Seal:
    """The last root that stands for the operation, and what shows that: give it to
    `python -m billing.evidence` beside the evidence. An operation of today has none before tomorrow."""
    async with context.database.reading() as session:
        existing(await operations.get(session, caller.organization, id))
        head = existing(await roots.last_seal(session, id))
        root = existing(await roots.root(session, caller.organization, head.number))
        heads = await roots.heads_of(session, caller.organization, head.number)
    return seal_of(id, root, heads)
