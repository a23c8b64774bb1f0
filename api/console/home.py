"""The first page: what waits for the reader, by deadline, and what is under way."""

from collections.abc import Sequence

from fastapi import Response

from billing.core.notices import NoticeKind
from billing.core.operations import Role
from billing.operations.payloads import read_notice

from ..approvals import notices
from ..http.models import NoticeAnswer, NoticesQuery, OperationAnswer
from ..operations import routes as operations
from ..operations.schemas import OperationsQuery
from .frame.page import see
from .frame.serving import pages
from .frame.visit import InVisit, PageVisit

router = pages("")

SHOWN, LOOKED_THROUGH = 10, 100
ANSWERS = {"retry", "accept", "revert", "read_again", "confirm"}
"""Actions by which somebody says what is to become of an operation that waits for that."""


@router.get("")
async def start() -> Response:
    return see("/")


@router.get("/")
async def home(visit: InVisit) -> Response:
    waiting = sorted(visit.shell.waiting, key=lambda row: row.deadline or row.opened_at)[:SHOWN]
    open_ = await operations.list_operations(
        OperationsQuery(open=True, limit=LOOKED_THROUGH), visit.request, visit.caller, visit.context
    )
    told = await _told(visit)
    documents = [row.subject for row in waiting] + [
        document for row in open_.data for document in (row.subject, row.request)
    ]
    documents += [row.subject for row in told]
    names = await visit.names(documents)
    return visit.page("home", title="What waits",
        approvals=waiting,
        asked=[row for row in open_.data if _asks(row, visit)][:SHOWN],
        operations=open_.data[:SHOWN], names=names,
        notices=[(row, read_notice(NoticeKind(row.kind), row.subject)) for row in told],
    )  # fmt: skip


def _asks(operation: OperationAnswer, visit: PageVisit) -> bool:
    """Whether it waits for what the reader says to it: a failure, a mismatch, changes that were requested."""
    if operation.stage == "payment_due":
        return visit.shell.may_give
    revises = "revise" in operation.allowed_actions and operation.requested_by == visit.caller.person
    return revises or not ANSWERS.isdisjoint(operation.allowed_actions)


async def _told(visit: PageVisit) -> Sequence[NoticeAnswer]:
    """The notices that the reader can acknowledge: controllers, once they are escalated."""
    states = [*(["escalated"] if visit.shell.sees_finance else [])]
    states += ["open"] if visit.shell.has(Role.FINANCE) else []
    found = [
        await notices.list_notices(
            NoticesQuery(state=state, limit=SHOWN), visit.request, visit.caller, visit.context
        )
        for state in states
    ]
    return [row for page in found for row in page.data]
