"""Operations: everything that was asked for, how far it is, what happened to it, and what one can do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import Depends, Path, Response

from billing.core.events import EventCode
from billing.core.operations import Kind, State
from billing.operations.kinds import ON_REQUEST
from db.mirror import bills
from db.tables import OrganizationInvoice

from ..evidence import routes as evidence
from ..http.ids import Id
from ..http.models import EventAnswer, OldestFirst, OperationAnswer
from ..operations import routes as operations
from ..operations.schemas import OperationsQuery
from ..problems.problem import not_found
from . import comments
from .activity.next_steps import next_step
from .frame.calls import wanting_csv
from .frame.forms import Form, form_of
from .frame.page import see
from .frame.queries import asked
from .frame.serving import pages
from .frame.subjects import payments_of
from .frame.visit import InVisit, PageVisit

router = pages("/operations")

MOST_EVENTS = 100


@dataclass(frozen=True)
class OperationAction:
    """What somebody can do with an operation: the words on its button, the path under the operation that it
    is sent to, and the one text it takes, if any. `resolves`: the path is told which action is meant."""

    words: str
    path: str
    text: str | None = "comment"
    required: bool = False
    resolves: bool = False
    names_maker: bool = False
    """It says who made the change in Stripe."""
    made: bool | None = None
    """What it answers to whether they made the change in Stripe."""

    def body(self, name: str, form: Form) -> dict[str, Any] | None:
        """What the API is sent for the button of this name."""
        if self.text is None:
            return None
        body: dict[str, Any] = dict(form.body(self.text, *(["done_by"] if self.names_maker else [])))
        if self.resolves:
            body["action"] = name
        return body if self.made is None else body | {"made": self.made}


ACTIONS: Mapping[str, OperationAction] = {
    "cancel": OperationAction("Cancel it", "cancel"),
    "pause": OperationAction("Pause", "pause"),
    "resume": OperationAction("Resume", "resume"),
    "accept": OperationAction("Accept as it is in Stripe", "resolution", required=True, resolves=True),
    "revert": OperationAction("Revert to the previous plan", "resolution", required=True, resolves=True),
    "read_again": OperationAction("Read it from Stripe again", "resolution", required=True, resolves=True),
    "retry": OperationAction("Try again", "resolution", required=True, resolves=True),
    "close": OperationAction("Close it as it is", "resolution", required=True, resolves=True),
    "take": OperationAction("Assign to me", "take", text=None),
}
CLOSE = OperationAction("Close it", "close", text="note", required=True)
OF_KIND: Mapping[Kind, Mapping[str, OperationAction]] = {
    Kind.PORTAL_ACCESS: {"close": CLOSE},
    Kind.CANCELLATION: {"cancel": OperationAction("Withdraw the request", "cancel")},
    Kind.CASE: {
        "close": replace(CLOSE, names_maker=True),
        "confirm": OperationAction("I made it", "confirm", made=True),
        "deny": OperationAction("I didn’t make it", "confirm", made=False),
    },
}
"""What is different for one kind."""


def action_of(kind: Kind, name: str) -> OperationAction | None:
    """What a button of this kind of operation does; None for what has a page of its own."""
    return OF_KIND.get(kind, {}).get(name) or ACTIONS.get(name)


SORTS = {
    "-created_at": "Newest first",
    "-updated_at": "Latest change first",
    "-amount": "Largest first",
    "created_at": "Oldest first",
}


class ActivityQuery(OperationsQuery):
    """With days of the reader's calendar, both included."""

    from_day: date | None = None
    to_day: date | None = None

    def of_api(self, zone: ZoneInfo) -> OperationsQuery:
        """As the API takes it."""
        asked_for = self.model_dump(exclude={"from_day", "to_day"})
        if self.from_day:
            asked_for["created_after"] = _midnight(self.from_day, zone)
        if self.to_day and self.to_day < date.max:
            asked_for["created_before"] = _midnight(self.to_day + timedelta(days=1), zone)
        return OperationsQuery.model_construct(**asked_for)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(0), zone).astimezone(UTC)


InQuery = Annotated[ActivityQuery, Depends(asked(ActivityQuery))]


@router.get("")
async def list_operations(query: InQuery, visit: InVisit) -> Response:
    """What the address asks for, the newest first unless it says otherwise."""
    wanted = query.of_api(visit.shell.zone)
    found = await operations.list_operations(wanted, visit.request, visit.caller, visit.context)
    documents = [document for row in found.data for document in (row.subject, row.request)]
    names = await visit.names(documents)
    return visit.page("operations", title="Activity",
        rows=found.data, names=names, next_cursor=found.next_cursor, sorts=SORTS, states=list(State),
        kinds=list(Kind),
    )  # fmt: skip


@router.get("/csv")
async def download(query: InQuery, visit: InVisit) -> Any:
    """All that the filters find, as a file."""
    wanted = query.of_api(visit.shell.zone)
    return await operations.list_operations(wanted, wanting_csv(visit.request), visit.caller, visit.context)


@router.get("/{id}")
async def read_operation(id: Id, visit: InVisit) -> Response:
    """Where it stands, what it is about and what has happened; the page follows it."""
    return await _detail(id, visit, Form())


@router.get("/{id}/evidence")
async def download_evidence(id: Id, visit: InVisit) -> Response:
    """Everything recorded about it, as a file that can be checked without us."""
    answer = await evidence.read_evidence(id, visit.caller, visit.context)
    answer.headers["Content-Disposition"] = f'attachment; filename="{id}.json"'
    return answer


@router.post("/{id}/comments")
async def comment(id: Id, visit: InVisit) -> Response:
    form = await comments.say(visit, id)
    return await _detail(id, visit, form) if form.refused else see(f"/operations/{id}#comments")


@router.post("/{id}/{action}")
async def act(
    id: Id,
    action: Annotated[str, Path(pattern="^[a-z_]{1,20}$")],
    visit: InVisit,
) -> Response:
    """Sends what a button says to the API."""
    operation = await operations.read_operation(id, visit.caller, visit.context)
    meant = action_of(operation.kind, action)
    if meant is None:
        raise not_found()
    form = await form_of(visit.request)
    with form.submitted():
        path = f"/v1/{operation.kind.resource}/{id}/{meant.path}"
        await visit.send(path, meant.body(action, form))
    if not form.refused:
        return see(f"/operations/{id}")
    return await _detail(id, visit, form)


def told_once(events: Sequence[EventAnswer]) -> list[EventAnswer]:
    """Without the end of what a rejection has ended: the review's own event says it."""
    told: list[EventAnswer] = []
    for event in events:
        same = (event.code, event.actor, event.detail.get("comment"))
        rejected = event.code == EventCode.REJECTED
        if not (rejected and same in [(one.code, one.actor, one.detail.get("comment")) for one in told]):
            told.append(event)
    return told


async def _own_bill(operation: OperationAnswer, visit: PageVisit) -> OrganizationInvoice | None:
    """What Plixo bills for it, as far as the mirror has it."""
    billed = (operation.result or {}).get("invoice")
    if billed is None or operation.kind not in (Kind.PLAN_CHANGE, Kind.CANCELLATION):
        return None
    async with visit.context.database.reading() as session:
        return await bills.invoice(session, visit.caller.organization, billed)


async def _detail(id_: str, visit: InVisit, form: Form) -> Response:
    operation = await operations.read_operation(id_, visit.caller, visit.context)
    first = OldestFirst(limit=MOST_EVENTS)
    timeline = await operations.read_timeline(id_, first, visit.request, visit.caller, visit.context)
    documents = [operation.subject, operation.request]
    names = await visit.names(documents, set().union(*map(payments_of, documents)))
    allowed = [*operation.allowed_actions, *(["deny"] if "confirm" in operation.allowed_actions else [])]
    offered = {name: action_of(operation.kind, name) for name in allowed}
    return visit.page("operation",
        title=names.headline(operation.kind, operation.subject, operation.request),
        next=next_step(operation, timeline.data, names),
        operation=operation, events=timeline.data, told=told_once(timeline.data), form=form,
        subject=names.subject(operation.kind, operation.subject), names=names,
        bill=await _own_bill(operation, visit), on_request=operation.kind in ON_REQUEST,
        actions={name: action for name, action in offered.items() if action is not None},
        may_revise="revise" in offered, thread=await comments.thread(visit, operation.id),
    )  # fmt: skip
