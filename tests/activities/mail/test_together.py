"""Mails of one operation at the same moment: one look for all of them, one transaction that notes them."""

import asyncio
from collections.abc import Sequence

from activities.mail.records import Mailing
from activities.mail.together import LONGEST, LooksTogether, NotesTogether, SentMail

from ...db.core.test_pending import on_postgres, sent, tell
from .test_mailer import Post, post

__all__ = ["post"]


def both(post: Post) -> list[asyncio.Task[object]]:
    asked = [post.request(key="one"), post.request(key="two", roles=(), people=[post.tenant.admin.id])]
    return [asyncio.create_task(post.mailer.send_mail(request)) for request in asked]


async def test_two_mails_at_the_same_moment_are_noted_with_an_event_each(post: Post) -> None:
    await asyncio.gather(*both(post))

    assert {mail.recipient for mail in await post.kept()} == {post.controller.id, post.tenant.admin.id}
    assert [event["code"] for event in await post.events()] == ["mail_sent", "mail_sent"]


@on_postgres
async def test_two_mails_are_looked_up_by_a_statement_and_noted_by_another(post: Post) -> None:
    async with post.database.transaction() as session:
        await tell(session, post.operation, "requested")
    with sent() as statements:
        await asyncio.gather(*both(post))

    assert statements == ["SELECT people.id,", "INSERT INTO", "WITH write_0"]


async def test_a_mail_is_noted_although_another_one_of_its_operation_takes_long(post: Post) -> None:
    noted: list[Sequence[SentMail]] = []

    async def note(sent: Sequence[SentMail]) -> None:
        noted.append(sent)

    notes, of = NotesTogether(note), post.operation.id
    mail = SentMail(post.request(), Mailing("Acme", "UTC", {}, (), frozenset()), {}, None)
    with notes.under_way(of):
        with notes.under_way(of):
            await asyncio.wait_for(notes.note(mail), 10 * LONGEST)
        assert noted == [[mail]]
        await notes.note(mail)
    assert noted == [[mail], [mail]]


async def test_what_one_has_had_before_is_not_noted_again_beside_what_is_new(post: Post) -> None:
    await post.send(key="one")
    await asyncio.gather(*both(post))
    assert len(await post.kept()) == 2


async def test_a_look_that_fails_fails_for_all_who_asked_and_the_next_one_looks_anew() -> None:
    looked: list[Sequence[int]] = []

    async def look(asked: Sequence[int]) -> Sequence[int]:
        looked.append(list(asked))
        if len(looked) == 1:
            raise ZeroDivisionError
        return [10 * one for one in asked]

    looks = LooksTogether(look)
    failed = await asyncio.gather(looks.find("a", 1), looks.find("a", 2), return_exceptions=True)
    assert [type(one) for one in failed] == [ZeroDivisionError, ZeroDivisionError]
    assert await asyncio.gather(looks.find("a", 1), looks.find("b", 2), looks.find("a", 3)) == [10, 20, 30]
    assert looked == [[1, 2], [1, 3], [2]]
