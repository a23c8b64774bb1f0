"""The first page: what waits for the reader, by deadline, and what is under way."""

from fastapi import Response

from ..approvals import notices
from ..approvals import routes as approvals
from ..http.models import ApprovalsQuery, NoticesQuery, OperationsQuery
from ..operations import routes as operations
from .frame.serving import pages
from .frame.visit import InVisit

router = pages("")

SHOWN = 10


@router.get("/")
async def home(visit: InVisit) -> Response:
    waiting = await approvals.list_approvals(
        ApprovalsQuery(needs_me=True, limit=SHOWN), visit.caller, visit.context
    )
    open_ = await operations.list_operations(
        OperationsQuery(open=True, limit=SHOWN), visit.caller, visit.context
    )
    told = await notices.list_notices(NoticesQuery(state="open", limit=SHOWN), visit.caller, visit.context)
    documents = [row.subject for row in waiting.data] + [
        document for row in open_.data for document in (row.subject, row.request)
    ]
    names = await visit.names(documents)
    return visit.page("home", title="What waits",
        approvals=sorted(waiting.data, key=lambda row: (row.deadline is None, row.deadline)),
        operations=open_.data, notices=told.data if visit.shell.sees_finance else [], names=names,
    )  # fmt: skip
