"""Finance's notices: what it has to know, and saying that it does."""

from typing import Annotated

from fastapi import Depends, Response

from billing.core.notices import NoticeKind
from billing.operations.payloads import read_notice

from ..approvals import notices
from ..http.ids import Id
from ..http.models import NoticesQuery
from .frame.forms import Form, form_of
from .frame.page import see
from .frame.queries import asked
from .frame.serving import pages
from .frame.visit import InVisit

router = pages("/finance")


@router.get("")
async def list_notices(
    query: Annotated[NoticesQuery, Depends(asked(NoticesQuery))],
    visit: InVisit,
) -> Response:
    """Those of the newest operations first, each with its figures."""
    return await _listed(query, visit, Form())


@router.get("/{id}")
async def read_notice_of_mail(id: Id) -> Response:
    """Where mails link to: the list, at this one."""
    return see(f"/finance#{id}")


@router.post("/{id}/acknowledge")
async def acknowledge(id: Id, visit: InVisit) -> Response:
    form = await form_of(visit.request)
    with form.submitted():
        await visit.send(f"/v1/notices/{id}/acknowledge")
    if not form.refused:
        return see("/finance")
    return await _listed(NoticesQuery(), visit, form)


async def _listed(query: NoticesQuery, visit: InVisit, form: Form) -> Response:
    found = await notices.list_notices(query, visit.request, visit.caller, visit.context)
    names = await visit.names([row.subject for row in found.data])
    return visit.page("finance", title="Finance", form=form,
        rows=[(row, read_notice(NoticeKind(row.kind), row.subject)) for row in found.data],
        names=names, next_cursor=found.next_cursor,
    )  # fmt: skip
