"""Finance's notices: what it has to know, and saying that it does."""

from typing import Annotated

from fastapi import Query, Request, Response

from billing.core.notices import NoticeKind
from billing.operations.payloads import read_notice

from ..approvals import notices
from ..http.auth import AnyCaller
from ..http.context import InContext
from ..http.ids import Id
from ..http.models import NoticesQuery
from .frame.calls import post
from .frame.forms import Form, form_of
from .frame.page import page, see
from .frame.serving import pages
from .frame.shell import InShell
from .frame.subjects import about

router = pages("/finance")


@router.get("")
async def list_notices(
    query: Annotated[NoticesQuery, Query()],
    request: Request,
    shell: InShell,
    caller: AnyCaller,
    context: InContext,
) -> Response:
    """Those of the newest operations first, each with its figures."""
    return await _listed(query, request, shell, caller, context, Form())


@router.post("/{id}/acknowledge")
async def acknowledge(
    id: Id, request: Request, shell: InShell, caller: AnyCaller, context: InContext
) -> Response:
    form = await form_of(request)
    with form.submitted():
        await post(request, f"/v1/notices/{id}/acknowledge")
    if not form.refused:
        return see("/finance")
    return await _listed(NoticesQuery(), request, shell, caller, context, form)


async def _listed(
    query: NoticesQuery, request: Request, shell: InShell, caller: AnyCaller, context: InContext, form: Form
) -> Response:
    found = await notices.list_notices(query, caller, context)
    async with context.database.reading() as session:
        names = await about(session, caller.organization, shell.plans, [row.subject for row in found.data])
    return page(
        request, shell, "finance", title="Finance", status=form.status if form.refused else 200, form=form,
        rows=[(row, read_notice(NoticeKind(row.kind), row.subject)) for row in found.data],
        names=names, next_cursor=found.next_cursor,
    )  # fmt: skip
