"""The notes of an operation: listed, and added to."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from billing.core.operations import Kind

from ..http.auth import AnyCaller, Giver
from ..http.context import InContext
from ..http.csv_lists import answer_list, list_answers
from ..http.examples import example
from ..http.ids import Id
from ..http.models import ListOf, OldestFirst
from ..http.openapi import WITH_BODY, answers, body_example
from ..problems.common import NOT_FOUND, ROLE_MISSING
from . import service
from .problems import NOTE_WRONG, NOTES_FULL
from .schemas import NoteAnswer, NoteBody


def add_note_routes(router: APIRouter, kind: Kind, *, description: str, body: str, note: str) -> None:
    """Register the two routes under one kind's operations; `body` and `note` name examples."""

    @router.get(
        "/{id}/notes",
        summary=f"List {kind.a_noun}'s notes",
        response_model=ListOf[NoteAnswer],
        responses=list_answers(note, NoteAnswer, NOT_FOUND),
    )
    async def list_notes(
        id: Id,
        query: Annotated[OldestFirst, Query()],
        request: Request,
        caller: AnyCaller,
        context: InContext,
    ) -> Any:
        """Oldest first."""
        rows, show = await service.listed(context, caller, kind, id, query.sort)
        return await answer_list(request, context, query, rows, show, NoteAnswer)

    @router.post(
        "/{id}/notes",
        status_code=202,
        summary=f"Add a note to {kind.a_noun}",
        description=description,
        responses=answers({202: example(note)}, *WITH_BODY, ROLE_MISSING, NOT_FOUND, NOTES_FULL, *NOTE_WRONG),
        openapi_extra=body_example(example(body)),
    )
    async def add_note(id: Id, body: NoteBody, caller: Giver, context: InContext) -> NoteAnswer:
        return await service.add(context, caller, kind, id, body.note)
