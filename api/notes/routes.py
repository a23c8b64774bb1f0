"""The notes of an operation: listed, and added to."""

from typing import Annotated

from fastapi import APIRouter, Query

from billing.core.operations import Kind

from ..http.auth import AnyCaller, Giver
from ..http.context import InContext
from ..http.examples import example, listed
from ..http.ids import Id
from ..http.models import ListOf
from ..http.models import Query as ListQuery
from ..http.openapi import WITH_BODY, answers, body_example
from ..problems.common import INVALID_CURSOR, INVALID_REQUEST, NOT_FOUND, ROLE_MISSING
from . import service
from .problems import NOTE_WRONG, NOTES_FULL
from .schemas import NoteAnswer, NoteBody


def add_note_routes(
    router: APIRouter, kind: Kind, *, noun: str, description: str, body: str, note: str
) -> None:
    """Register the two routes under one kind's operations; `body` and `note` name examples."""

    @router.get(
        "/{id}/notes",
        summary=f"List a {noun}'s notes",
        responses=answers({200: listed(example(note))}, NOT_FOUND, INVALID_REQUEST, INVALID_CURSOR),
    )
    async def list_notes(
        id: Id, query: Annotated[ListQuery, Query()], caller: AnyCaller, context: InContext
    ) -> ListOf[NoteAnswer]:
        """Oldest first."""
        return await service.listed(context, caller, kind, id, query.limit, query.cursor)

    @router.post(
        "/{id}/notes",
        status_code=202,
        summary=f"Add a note to a {noun}",
        description=description,
        responses=answers({202: example(note)}, *WITH_BODY, ROLE_MISSING, NOT_FOUND, NOTES_FULL, *NOTE_WRONG),
        openapi_extra=body_example(example(body)),
    )
    async def add_note(id: Id, body: NoteBody, caller: Giver, context: InContext) -> NoteAnswer:
        return await service.add(context, caller, kind, id, body.note)
