"""The mail with a sign-in link: its token is made when it is sent, and kept nowhere."""

import re
from datetime import datetime, timedelta

import pytest
from sqlmodel import select

from activities.mail.smtp import MailLater
from billing.core.keys import UNPEPPERED
from billing.mail.messages import MailContext, MailsSent
from db.sign_in import links
from db.tables import PersonLink, PersonLinkToken

from ...support.builders import NOW
from .test_mailer import PUBLIC, Post, post

__all__ = ["post"]

LINK = re.compile(rf"^{PUBLIC}console/sign-in/link/([A-Za-z0-9_-]{{43}})$", re.M)


async def asked(post: Post, expires_at: datetime = NOW + timedelta(minutes=15)) -> PersonLink:
    person = post.tenant.controller.person
    async with post.database.transaction() as session:
        return await links.issue(
            session, person, how="mail", by=person.id, at=NOW - timedelta(minutes=1), expires_at=expires_at
        )


async def send(post: Post, link: PersonLink) -> MailsSent:
    return await post.send(
        operation="",
        key=link.id,
        template="sign_in",
        roles=(),
        person=link.person_id,
        context=MailContext(sign_in=link.id, until=link.expires_at),
    )


async def test_the_mail_has_a_link_that_signs_its_reader_in(post: Post) -> None:
    link = await asked(post)
    assert await send(post, link) == MailsSent(sent=1, skipped=0)
    (mail,) = post.mailbox.mails
    assert mail["subject"] == f"Sign in to Plixo Billing: {post.tenant.organization.name}"
    (token,) = LINK.findall(mail["text"])
    async with post.database.reading() as session:
        holder = await links.find(session, UNPEPPERED, token)
        kept = (await session.exec(select(PersonLinkToken))).all()
    assert holder is not None
    assert (holder.link.id, holder.person.id) == (link.id, post.controller.id)
    assert token not in "".join(row.model_dump_json() for row in kept)


async def test_each_attempt_at_the_mail_has_a_link_that_works(post: Post) -> None:
    post.mailbox.drops = ["after"]
    link = await asked(post)
    with pytest.raises(MailLater):
        await send(post, link)
    await send(post, link)
    tokens = {token for mail in post.mailbox.mails for token in LINK.findall(mail["text"])}
    assert len(tokens) == 2
    async with post.database.reading() as session:
        found = [await links.find(session, UNPEPPERED, token) for token in tokens]
    assert {holder.link.id for holder in found if holder} == {link.id}


async def test_a_link_that_is_over_is_not_mailed(post: Post) -> None:
    assert await send(post, await asked(post, expires_at=NOW)) == MailsSent(sent=0, skipped=0)
    used = await asked(post)
    async with post.database.transaction() as session:
        assert await links.use_up(session, used.id, at=NOW)
    assert await send(post, used) == MailsSent(sent=0, skipped=0)
    assert post.mailbox.mails == []
