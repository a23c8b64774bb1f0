"""The first page: what waits for the reader, by deadline, and what is under way."""

from fastapi import Request, Response

from ..approvals import notices
from ..approvals import routes as approvals
from ..http.auth import AnyCaller
from ..http.context import InContext
from ..http.models import ApprovalsQuery, NoticesQuery, OperationsQuery
from ..operations import routes as operations
from .frame.page import page
from .frame.serving import pages
from .frame.shell import InShell
from .frame.subjects import about

router = pages("")

SHOWN = 10


@router.get("/")
async def home(request: Request, shell: InShell, caller: AnyCaller, context: InContext) -> Response:
    waiting = await approvals.list_approvals(ApprovalsQuery(needs_me=True, limit=SHOWN), caller, context)
    open_ = await operations.list_operations(OperationsQuery(open=True, limit=SHOWN), caller, context)
    told = await notices.list_notices(NoticesQuery(state="open", limit=SHOWN), caller, context)
    documents = [row.subject for row in waiting.data] + [
        document for row in open_.data for document in (row.subject, row.request)
    ]
    async with context.database.reading() as session:
        names = await about(session, caller.organization, shell.plans, documents)
    return page(
        request, shell, "home", title="What waits",
        approvals=sorted(waiting.data, key=lambda row: (row.deadline is None, row.deadline)),
        operations=open_.data, notices=told.data if shell.sees_finance else [], names=names,
    )  # fmt: skip
