"""What closed an approval, for whoever comes too late."""

from datetime import timedelta

import pytest

from billing.core.events import EventCode
from db.approvals import approvals
from db.approvals.closing import why_closed
from db.core import timeline
from db.core.session import Database
from db.operations import outbox
from db.tables import Approval

from ...support.builders import NOW, an_approval, an_operation, store, tenant

LATER = NOW + timedelta(minutes=1)
CANCEL = outbox.command_key("cancel", "cmd_1")


async def closed(database: Database, state: str, decided_by: str | None = None) -> Approval:
    acme = await tenant(database)
    operation = an_operation(acme)
    approval = an_approval(operation)
    await store(database, operation, approval)
    async with database.transaction() as session:
        return await approvals.close(session, approval.id, state=state, at=NOW, decided_by=decided_by)


async def told(database: Database, approval: Approval, key: str, event: EventCode, **detail: str) -> None:
    async with database.transaction() as session:
        await timeline.append(
            session,
            approval.operation_id,
            key=key,
            event=event,
            actor=approval.requested_by,
            at=LATER,
            detail=detail,
        )


async def why(database: Database, approval: Approval) -> str | None:
    async with database.reading() as session:
        return await why_closed(session, approval, LATER)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("approved", "per_1 has already approved it."),
        ("rejected", "per_1 has already rejected it."),
        ("changes_requested", "per_1 has already asked for changes."),
    ],
)
async def test_it_says_who_decided_it(database: Database, state: str, said: str) -> None:
    assert await why(database, await closed(database, state, "per_1")) == said


async def test_it_says_who_cancelled_the_request(database: Database) -> None:
    approval = await closed(database, "dismissed")
    await told(database, approval, CANCEL, EventCode.CANCELLATION_REQUESTED)

    assert await why(database, approval) == f"{approval.requested_by} has cancelled the request."


async def test_whoever_could_not_cancel_it_has_not_cancelled_it(database: Database) -> None:
    approval = await closed(database, "dismissed")
    await told(database, approval, CANCEL, EventCode.CANCELLATION_REQUESTED)
    await told(database, approval, f"{CANCEL}:refused", EventCode.COMMAND_REFUSED, command=CANCEL)

    assert await why(database, approval) is None
