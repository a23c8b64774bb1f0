"""The first page: what waits for the reader, by deadline, and what is under way."""

from fastapi import Response

from billing.core.notices import NoticeKind
from billing.operations.payloads import read_notice

from ..approvals import notices
from ..http.models import NoticesQuery
from ..operations import routes as operations
from ..operations.schemas import OperationsQuery
from .frame.page import see
from .frame.serving import pages
from .frame.visit import InVisit

router = pages("")

SHOWN = 10


@router.get("")
async def start() -> Response:
    return see("/")


@router.get("/")
async def home(visit: InVisit) -> Response:
    waiting = sorted(visit.shell.waiting, key=lambda row: row.deadline or row.opened_at)[:SHOWN]
    open_ = await operations.list_operations(
        OperationsQuery(open=True, limit=SHOWN), visit.request, visit.caller, visit.context
    )
    told = await notices.list_notices(
        NoticesQuery(state="open", limit=SHOWN), visit.request, visit.caller, visit.context
    )
    documents = [row.subject for row in waiting] + [
        document for row in open_.data for document in (row.subject, row.request)
    ]
    documents += [row.subject for row in told.data]
    names = await visit.names(documents)
    return visit.page("home", title="What waits",
        approvals=waiting,
        operations=open_.data, names=names,
        notices=[
            (row, read_notice(NoticeKind(row.kind), row.subject))
            for row in told.data if visit.shell.sees_finance
        ],
    )  # fmt: skip
