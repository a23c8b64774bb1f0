"""The links in mails that ask for a decision: one for each mail and person, made when it is sent."""

import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlmodel import select

from activities.mail.mailer import Mailer
from activities.mail.smtp import MailLater
from billing.core.keys import UNPEPPERED
from billing.core.operations import Role
from db.core.session import Database
from db.sign_in import links
from db.tables import Approval, Mail, PersonLink, PersonLinkToken, TimelineEvent
from sandbox.stack.mail import LOOPBACK

from ...support.builders import NOW, SUBJECT_HASH, a_person, an_approval, an_operation, store, tenant
from .mailing import ScriptedMailbox, listening
from .test_mailer import PUBLIC, SENDER, Post, post

__all__ = ["post"]

VALID = timedelta(hours=72)
LINK = re.compile(rf"^{PUBLIC}console/decide/([A-Za-z0-9_-]{{43}})$", re.M)


@pytest.fixture
async def asking(database: Database) -> AsyncIterator[Post]:
    """One whose mails have such links, and a request that waits for the controller."""
    mailbox, organization = ScriptedMailbox(), await tenant(database)
    operation = an_operation(organization)
    await store(database, operation, an_approval(operation, id="apr_1"))
    async with listening(mailbox) as port:
        url = f"smtp://{LOOPBACK}:{port}"
        mailer = Mailer(database, url, SENDER, PUBLIC, clock=lambda: NOW, decision_links=VALID)
        yield Post(mailbox, mailer, organization, operation, database)
        await mailer.close()


async def ask(post: Post, key: str = "apr_1:rung:0", **fields: Any) -> None:
    given = post.request().context.model_copy(update={"subject_hash": SUBJECT_HASH})
    await post.send(key=key, about="apr_1", context=given, **fields)


async def test_each_approver_gets_a_link_of_their_own(asking: Post) -> None:
    second = a_person(asking.tenant.id, roles=[Role.CONTROLLER])
    await store(asking.database, second)
    await ask(asking)
    found = {mail["to"][0]: LINK.findall(mail["text"]) for mail in asking.mailbox.mails}
    assert len(found) == 2
    async with asking.database.reading() as session:
        holders = [await links.find_deciding(session, UNPEPPERED, token) for [token] in found.values()]
        kept = (await session.exec(select(PersonLinkToken))).all()
        mails = (await session.exec(select(Mail))).all()
        events = (await session.exec(select(TimelineEvent))).all()
    assert {one.person.id for one in holders if one} == {asking.controller.id, second.id}
    assert {(one.link.approval_id, one.link.subject_hash) for one in holders if one} == {
        ("apr_1", SUBJECT_HASH)
    }
    assert {one.link.expires_at for one in holders if one} == {NOW + VALID}
    everything = "".join(row.model_dump_json() for row in (*kept, *mails, *events))
    assert not [token for tokens in found.values() for token in tokens if token in everything]


async def test_the_mail_says_what_the_link_is_and_where_a_colleague_looks(asking: Post) -> None:
    await ask(asking)
    [mail] = asking.mailbox.mails
    text = " ".join(mail["text"].split())
    assert "don't forward this mail" in text
    assert re.search(r"works once, until [^.]*2026", text), text
    assert f"{PUBLIC}console/approvals/apr_1" in text


@pytest.mark.parametrize(
    ("asked_next", "until"), [((), NOW + timedelta(hours=5)), ((Role.LEGAL,), NOW + VALID)]
)
async def test_the_link_ends_with_the_request_where_nobody_is_asked_next(
    asking: Post, asked_next: tuple[Role, ...], until: datetime
) -> None:
    given = {"subject_hash": SUBJECT_HASH, "deadline": NOW + timedelta(hours=5), "next_roles": asked_next}
    context = asking.request().context.model_copy(update=given)
    await asking.send(key="apr_1:rung:0", about="apr_1", context=context)
    async with asking.database.reading() as session:
        ends = {row.expires_at for row in await session.exec(select(PersonLink))}
    assert ends == {until}


async def test_reminders_and_escalations_have_links_of_their_own(asking: Post) -> None:
    await ask(asking)
    await ask(asking, key="apr_1:reminder:0:0", template="review_reminder")
    await ask(asking, key="apr_1:rung:1", template="review_escalated", roles=(Role.LEGAL,))
    async with asking.database.reading() as session:
        people = [row.person_id for row in await session.exec(select(PersonLink))]
    assert sorted(people) == sorted([asking.controller.id] * 2 + [asking.tenant.legal.id])
    tokens = {token for mail in asking.mailbox.mails for token in LINK.findall(mail["text"])}
    assert len(tokens) == 3


async def test_who_acts_for_an_approver_gets_one_too(asking: Post) -> None:
    await ask(asking, people=(asking.tenant.finance.id,))
    async with asking.database.reading() as session:
        people = {row.person_id for row in await session.exec(select(PersonLink))}
    assert people == {asking.controller.id, asking.tenant.finance.id}


async def test_each_attempt_at_the_mail_has_a_token_of_the_same_link(asking: Post) -> None:
    asking.mailbox.drops = ["after"]
    with pytest.raises(MailLater):
        await ask(asking)
    await ask(asking)
    tokens = {token for mail in asking.mailbox.mails for token in LINK.findall(mail["text"])}
    async with asking.database.reading() as session:
        assert len((await session.exec(select(PersonLink))).all()) == 1
    assert len(tokens) == 2


async def test_a_request_that_is_decided_meanwhile_is_not_mailed(asking: Post) -> None:
    async with asking.database.transaction() as session:
        row = await session.get(Approval, "apr_1")
        assert row is not None
        row.state, row.closed_at = "rejected", NOW
    await ask(asking)
    async with asking.database.reading() as session:
        assert not (await session.exec(select(PersonLink))).all()
    assert asking.mailbox.mails == []


async def test_other_mails_about_it_have_none(asking: Post) -> None:
    await asking.send(key="apr_1:over", template="review_over", about=None, context=_over(asking))
    assert not LINK.findall(asking.mailbox.mails[0]["text"])


async def test_where_people_sign_in_to_decide_the_mail_leads_there(post: Post) -> None:
    await store(post.database, an_approval(post.operation, id="apr_1"))
    await ask(post)
    [mail] = post.mailbox.mails
    assert not LINK.findall(mail["text"])
    assert f"{PUBLIC}console/approvals/apr_1" in mail["text"]


def _over(post: Post) -> dict[str, Any]:
    return post.request().context.model_copy(update={"decision": "rejected"}).model_dump(mode="json")
