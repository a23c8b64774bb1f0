"""Mails to people as a worker sends them from the outbox: each once, tried for days, and beside Temporal."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import pytest
from sqlmodel import col, select, update

from activities.mail.mailer import Mailer
from billing.core.operations import Role
from billing.mail.messages import MailRequest
from db.core import timeline
from db.core.clock import utc_now
from db.core.session import Database
from db.operations import outbox
from db.operations.outbox import MAILS
from db.tables import Mail, Operation, Outbox
from sandbox.stack.mail import LOOPBACK, Fault
from worker import listening as listening_loop
from worker.mails import TRIED_FOR, send_mail
from worker.outbox import OutboxSweep

from ..activities.mail.mailing import ScriptedMailbox, listening
from ..support.builders import Tenant, an_operation, store, tenant
from ..support.house import until


@dataclass
class Post:
    database: Database
    mailbox: ScriptedMailbox
    mailer: Mailer
    acme: Tenant
    operation: Operation

    async def tell(self, key: str = "told", operation: str | None = None) -> None:
        """Both who can answer for Finance are told of the operation."""
        request = MailRequest(
            organization=self.acme.id,
            operation=self.operation.id if operation is None else operation,
            key=key,
            template="operation_held",
            roles=(Role.FINANCE,),
        )
        async with self.database.transaction() as session:
            await outbox.mail(session, request, at=utc_now())

    async def sweep(self, later: timedelta = timedelta()) -> int:
        """By a worker whose clock is so much later."""
        send = partial(send_mail, self.mailer)
        return await OutboxSweep(self.database, send, lambda: utc_now() + later, lane=MAILS).sweep()

    async def row(self) -> Outbox:
        async with self.database.reading() as session:
            return (await session.exec(select(Outbox).where(Outbox.action == "mail"))).one()

    @property
    def ids(self) -> list[str]:
        return [one["headers"]["Message-ID"] for one in self.mailbox.mails]


@pytest.fixture
async def post(database: Database) -> AsyncIterator[Post]:
    mailbox, acme = ScriptedMailbox(), await tenant(database)
    operation = an_operation(acme)
    await store(database, operation)
    async with listening(mailbox) as port:
        mailer = Mailer(database, f"smtp://{LOOPBACK}:{port}", "billing@plixo.example", "http://plixo.test")
        yield Post(database, mailbox, mailer, acme, operation)
        await mailer.close()


async def test_a_mail_is_sent_once_however_often_it_is_noted_and_looked_for(post: Post) -> None:
    for _ in range(2):
        await post.tell()
    assert [await post.sweep(), await post.sweep()] == [1, 0]
    assert (await post.row()).state == outbox.DELIVERED
    assert len(post.ids) == 1


async def test_a_worker_that_died_before_it_settled_the_mail_leaves_it_to_another(post: Post) -> None:
    await post.tell()
    async with post.database.transaction() as session:
        await outbox.due(session, utc_now(), lane=MAILS)
    assert await post.sweep(MAILS.claim - timedelta(seconds=5)) == 0
    assert await post.sweep(MAILS.claim) == 1
    assert len(post.ids) == 1


async def test_a_mail_whose_sending_nobody_has_recorded_comes_again_with_the_same_id(post: Post) -> None:
    await post.tell()
    await post.sweep()
    async with post.database.transaction() as session:
        await session.exec(update(Outbox).values(state=outbox.PENDING, next_attempt_at=utc_now()))
        for mail in await session.exec(select(Mail)):
            await session.delete(mail)
    await post.sweep()
    first, second = post.ids
    assert first == second


async def test_what_the_server_can_not_take_now_is_tried_ever_less_often_and_then_given_up(
    post: Post,
) -> None:
    await post.tell()
    post.mailbox.fault = Fault(code=451)
    begun = utc_now()
    await post.sweep()
    row = await post.row()
    assert (row.state, row.attempts, row.error) == (outbox.PENDING, 1, "mail_server_busy")
    async with post.database.transaction() as session:
        many = update(Outbox).where(col(Outbox.id) == row.id).values(attempts=40, next_attempt_at=begun)
        await session.exec(many)
    post.mailbox.fault = Fault(code=451)
    await post.sweep()
    assert MAILS.longest_wait <= (await post.row()).next_attempt_at - begun < 2 * MAILS.longest_wait

    async with post.database.transaction() as session:
        old = {"created_at": begun - TRIED_FOR - timedelta(minutes=1), "next_attempt_at": begun}
        await session.exec(update(Outbox).where(col(Outbox.id) == row.id).values(**old))
    await post.sweep()
    row = await post.row()
    assert row.state == outbox.REFUSED
    assert row.error is not None
    assert row.error.startswith("given_up")
    async with post.database.reading() as session:
        event = (await timeline.read(session, post.operation.id))[-1]
    assert (event.code, event.actor) == ("mail_given_up", "system")
    assert event.detail == {
        "template": "operation_held",
        "roles": ["finance"],
        "people": [],
        "error": "mail_server_busy",
    }


async def test_a_mail_that_belongs_to_no_operation_is_given_up_as_well(post: Post) -> None:
    await post.tell(operation="")
    async with post.database.transaction() as session:
        old = {"created_at": utc_now() - TRIED_FOR - timedelta(minutes=1), "attempts": 40}
        await session.exec(update(Outbox).values(**old))
    await post.sweep()
    assert (await post.row()).state == outbox.REFUSED


async def test_a_mail_keeps_nothing_from_temporal_and_temporal_no_mail(post: Post) -> None:
    await post.tell()
    async with post.database.transaction() as session:
        await outbox.enqueue(
            session, action=outbox.START, workflow_id="w1", name="X", payload={}, at=utc_now()
        )
        assert [row.action for row in await outbox.due(session, utc_now())] == ["start"]
        assert [row.action for row in await outbox.due(session, utc_now(), lane=MAILS)] == ["mail"]


async def test_a_worker_that_stops_lets_the_mail_end_that_is_under_way_and_takes_no_other(
    post: Post,
) -> None:
    slow = post.mailbox.slow = asyncio.Event()
    await post.tell()
    sweep = OutboxSweep(post.database, partial(send_mail, post.mailer), lane=MAILS)
    running = asyncio.create_task(sweep.run())
    await until(lambda: _is(bool(post.ids)), lambda: "the mail server was not sent the mail")
    running.cancel()
    await post.tell("later")
    await asyncio.sleep(0.2)
    slow.set()
    await asyncio.wait({running}, timeout=listening_loop.LET_END)
    async with post.database.reading() as session:
        rows = {row.workflow_id: row.state for row in await session.exec(select(Outbox))}
    assert sorted(rows.values()) == [outbox.DELIVERED, outbox.PENDING]
    assert await post.sweep() == 1
    assert len(set(post.ids)) == len(post.ids) == 2


async def test_a_mail_server_that_does_not_answer_keeps_no_worker_from_stopping(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening_loop, "LET_END", 0.1)
    post.mailbox.slow = asyncio.Event()
    await post.tell()
    running = asyncio.create_task(
        OutboxSweep(post.database, partial(send_mail, post.mailer), lane=MAILS).run()
    )
    await until(lambda: _is(bool(post.ids)), lambda: "the mail server was not sent the mail")
    running.cancel()
    done, _ = await asyncio.wait({running}, timeout=2)
    assert done
    assert (await post.row()).state == outbox.PENDING


async def _is(found: bool) -> bool:
    return found


async def test_of_two_workers_that_look_at_the_same_moment_one_sends_it(post: Post) -> None:
    await post.tell()
    assert sum(await asyncio.gather(post.sweep(), post.sweep())) == 1
    assert len(post.ids) == 1
