"""The first page: what waits for the reader, by deadline, and what is under way."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from fastapi import Response

from billing.cases.case import MAKER_TO_CONFIRM
from billing.core.notices import NoticeKind
from billing.core.operations import SYSTEM, Kind, Role
from billing.operations.payloads import read_notice

from ..approvals import notices
from ..http.models import NoticeAnswer, NoticesQuery, OperationAnswer
from ..operations import routes as operations
from ..operations.schemas import OperationsQuery
from .activity.waiting import WaitsFor, waits_for
from .frame.filters import standing, state_text
from .frame.page import see
from .frame.serving import pages
from .frame.subjects import About
from .frame.visit import InVisit, PageVisit
from .frame.words import SEEN_TO_BY_PEOPLE

router = pages("")

SHOWN, LOOKED_THROUGH, MOST_NEEDS = 10, 100, 25
NEVER = datetime.max.replace(tzinfo=UTC)
NOTE_OWED = "Note owed"
ANSWERS = {"retry", "accept", "revert", "read_again", "confirm"}
"""Actions by which somebody says what is to become of an operation that waits for that."""


@router.get("")
async def start() -> Response:
    return see("/")


class HomeItem(NamedTuple):
    """What waits for the reader: its page, what it is, what is asked of them, who asked, and by when."""

    href: str
    words: str
    what: str
    by: str
    until: datetime | None


@router.get("/")
async def home(visit: InVisit) -> Response:
    open_ = await operations.list_operations(
        OperationsQuery(open=True, limit=LOOKED_THROUGH), visit.request, visit.caller, visit.context
    )
    asked = [row for row in open_.data if _asks(row, visit)]
    shown = open_.data[:SHOWN]
    waits = await waits_for(visit, [*shown, *(row for row in asked if row not in shown)])
    theirs = [row for row in asked if waits[row.id].owner in (None, visit.caller.person)]
    told = await _told(visit)
    documents = [row.subject for row in visit.shell.waiting] + [row.subject for row in told]
    documents += [document for row in (*shown, *theirs) for document in (row.subject, row.request)]
    names = await visit.names(documents)
    needs = sorted(_needs(visit, names, theirs, waits, told), key=lambda need: need.until or NEVER)
    return visit.page("home", title="What waits",
        needs=needs[:MOST_NEEDS], more=max(0, len(needs) - MOST_NEEDS), operations=shown, waits=waits,
        names=names,
    )  # fmt: skip


def _needs(
    visit: PageVisit,
    names: About,
    theirs: Sequence[OperationAnswer],
    waits: Mapping[str, WaitsFor],
    told: Sequence[NoticeAnswer],
) -> Iterator[HomeItem]:
    for review in visit.shell.waiting:
        words = names.headline(review.kind, review.subject, {})
        yield HomeItem(f"/approvals/{review.id}", words, "Approval", review.requested_by, review.deadline)
    for row in theirs:
        words = names.headline(row.kind, row.subject, row.request)
        owes = row.kind == Kind.CASE and row.stage != MAKER_TO_CONFIRM
        what = NOTE_OWED if owes else state_text(standing(row))
        yield HomeItem(f"/operations/{row.id}", words, what, row.requested_by, waits[row.id].until)
    for notice in told:
        figures = read_notice(NoticeKind(notice.kind), notice.subject)
        about = figures.subject
        words = notice.kind.replace("_", " ").capitalize()
        if about is not None:
            words += f": {names.headline(about.about, about.document(), {})}"
        yield HomeItem(f"/finance#{notice.id}", words, "Notice to Finance", SYSTEM, notice.deadline)


def _asks(operation: OperationAnswer, visit: PageVisit) -> bool:
    """Whether it waits for what the reader says to it: a failure, a mismatch, changes that were requested, a
    note that is owed, a customer who can't get in."""
    if operation.stage == "payment_due":
        return visit.shell.may_give
    revises = "revise" in operation.allowed_actions and operation.requested_by == visit.caller.person
    sees_to = operation.kind in SEEN_TO_BY_PEOPLE and "close" in operation.allowed_actions
    return revises or sees_to or not ANSWERS.isdisjoint(operation.allowed_actions)


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
