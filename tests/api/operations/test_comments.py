"""The thread on an operation: who may say something, who hears of it, and that it is on record."""

from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select, text

from api.operations import comments
from billing.evidence.binding import check_records
from billing.mail.messages import MailRequest
from db.core.session import Database
from db.evidence import reader
from db.operations import operations
from db.tables import CommentRow, Operation, Outbox

from ...support.builders import Member, Tenant, a_decision, an_approval, an_operation, store
from ..conftest import ON_ONE_DATABASE, Api, counted


@pytest.fixture
async def change(api: Api, acme: Tenant, database: Database) -> Operation:
    """A plan change that the billing admin has asked for."""
    id_ = (await api.ask(acme.admin)).json()["id"]
    async with database.reading() as session:
        operation = await operations.get(session, acme.id, id_)
    assert operation is not None
    return operation


async def say(api: Api, operation: Operation, who: Member, text: str) -> dict[str, Any]:
    answer = await api.post(f"/v1/operations/{operation.id}/comments", who, {"text": text})
    assert answer.status_code == 201, answer.text
    said: dict[str, Any] = answer.json()
    return said


async def mails(database: Database) -> list[MailRequest]:
    async with database.reading() as session:
        told = select(Outbox).where(Outbox.action == "mail").order_by(col(Outbox.id))
        rows = await session.exec(told)
        return [MailRequest.model_validate(row.payload) for row in rows]


async def test_a_thread_is_read_in_order_and_is_on_the_timeline(
    api: Api, acme: Tenant, change: Operation
) -> None:
    first = await say(api, change, acme.controller, " Can this wait? ")
    await say(api, change, acme.admin, "Not beyond May.")
    path = f"/v1/operations/{change.id}"
    thread = (await api.get(f"{path}/comments", acme.auditor)).json()["data"]
    events = (await api.get(f"{path}/timeline", acme.auditor)).json()["data"]

    assert thread[0] == first
    assert [(one["seq"], one["text"], one["author"]) for one in thread] == [
        (1, "Can this wait?", acme.controller.id),
        (2, "Not beyond May.", acme.admin.id),
    ]
    told = [one for one in events if one["code"] == "comment_added"]
    assert [one["detail"]["text"] for one in told] == ["Can this wait?", "Not beyond May."]
    assert f"comments/{first['id']}" in told[0]["records"]


async def test_it_is_mailed_to_those_involved_and_not_to_who_says_it(
    api: Api, acme: Tenant, change: Operation, database: Database
) -> None:
    approval = an_approval(change)
    decision = a_decision(approval, acme.legal.person)
    await store(database, approval, decision)
    await say(api, change, acme.finance, "Who pays?")
    await say(api, change, acme.controller, "Plixo does.")
    await say(api, change, acme.admin, "Thanks.")

    sent = await mails(database)
    assert [set(one.people) for one in sent] == [
        {acme.admin.id, acme.legal.id},
        {acme.admin.id, acme.legal.id, acme.finance.id},
        {acme.legal.id, acme.finance.id, acme.controller.id},
    ]
    first = sent[0]
    assert (first.template, first.context.person, first.context.comment) == (
        "comment",
        acme.finance.id,
        "Who pays?",
    )
    assert first.context.requested_by == acme.admin.id


async def test_evidence_has_the_comments_and_holds(
    api: Api, acme: Tenant, change: Operation, database: Database
) -> None:
    said = await say(api, change, acme.controller, "Can this wait?")
    async with database.snapshot() as session:
        operation = await operations.get(session, acme.id, change.id)
        assert operation is not None
        evidence = await reader.read(session, operation)
    assert [(one.id, one.text) for one in evidence.comments] == [(said["id"], "Can this wait?")]
    assert list(check_records(evidence)) == []
    altered = evidence.comments[0].model_copy(update={"text": "Go ahead."})
    forged = evidence.model_copy(update={"comments": [altered]})
    assert [one.pointer for one in check_records(forged)] == ["/comments/0"]


async def test_the_same_said_twice_at_once_is_one_comment(
    api: Api, acme: Tenant, change: Operation, database: Database
) -> None:
    first, again = [await say(api, change, acme.controller, "Hello?") for _ in range(2)]
    await say(api, change, acme.admin, "Yes?")
    later = await say(api, change, acme.controller, "Hello?")
    assert (first, later["seq"]) == (again, 3)
    assert await counted(database, CommentRow) == [3]
    assert len(await mails(database)) == 3


async def test_who_is_alone_with_it_is_not_mailed(
    api: Api, acme: Tenant, change: Operation, database: Database
) -> None:
    await say(api, change, acme.admin, "Note to self.")
    assert await mails(database) == []


async def test_it_is_for_the_organizations_people_who_may_act(
    api: Api, acme: Tenant, other: Tenant, change: Operation, database: Database
) -> None:
    path, body = f"/v1/operations/{change.id}/comments", {"text": "Hello?"}
    theirs = await api.post(path, other.admin, body)
    auditor = await api.post(path, acme.auditor, body)
    assert (theirs.status_code, (await api.get(path, other.admin)).status_code) == (404, 404)
    assert (auditor.status_code, auditor.json()["code"]) == (403, "role_missing")
    assert await counted(database, CommentRow) == [0]


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    "body", [{}, {"text": " "}, {"text": "x" * 2001}, {"text": "a\u0000"}, {"note": "x"}]
)
async def test_what_is_no_comment_is_refused(
    api: Api, acme: Tenant, change: Operation, body: dict[str, str]
) -> None:
    answer = await api.post(f"/v1/operations/{change.id}/comments", acme.admin, body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


@ON_ONE_DATABASE
async def test_a_thread_ends_somewhere(
    api: Api, acme: Tenant, change: Operation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comments, "MAX_COMMENTS", 1)
    await say(api, change, acme.admin, "First.")
    full = await api.post(f"/v1/operations/{change.id}/comments", acme.admin, {"text": "Second."})
    assert (full.status_code, full.json()["code"]) == (409, "comments_full")


@pytest.mark.both_databases
@pytest.mark.parametrize("statement", ["UPDATE comments SET text = 'x'", "DELETE FROM comments"])
async def test_what_was_said_stays(
    api: Api, acme: Tenant, change: Operation, database: Database, statement: str
) -> None:
    await say(api, change, acme.admin, "First.")
    with pytest.raises(IntegrityError, match="comments are append-only"):
        async with database.transaction() as session:
            await session.exec(text(statement))  # type: ignore[call-overload]


async def test_an_operation_that_nobody_asked_for_can_be_talked_about(
    api: Api, acme: Tenant, database: Database
) -> None:
    sweep = an_operation(acme, kind="reminder_run", requested_by="system", authors=[], request={})
    await store(database, sweep)
    await say(api, sweep, acme.admin, "Who wrote to Blue Bottle?")
    await say(api, sweep, acme.finance, "The sweep did.")
    assert [one.people for one in await mails(database)] == [(acme.admin.id,)]
