"""Mails to people against a real SMTP server: who gets one, once, and what if the server won't."""

import hashlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from jinja2 import DictLoader
from sqlmodel import select

from activities.mail.mailer import Mailer
from activities.mail.render import MailTexts
from activities.mail.smtp import MailLater
from billing.core.operations import Role
from billing.mail.messages import MailRequest, MailsSent
from billing.plan_changes.subject import subject_hash
from db.core import timeline
from db.core.session import Database
from db.tables import Mail, Operation, Person, ToldPerson
from sandbox.stack.mail import LOOPBACK, Fault

from ...support.builders import (
    NOW,
    Tenant,
    a_customer,
    a_notice,
    a_person,
    an_approval,
    an_operation,
    member,
    store,
    tenant,
)
from .contexts import an_upgrade, shown
from .mailing import ScriptedMailbox, listening
from .money_contexts import a_refund

SENDER = "Plixo Billing <billing@plixo.example>"
PUBLIC = "https://billing.acme.example/"


@dataclass
class Post:
    """A mailer, the server that it sends to, and the organization that it writes to."""

    mailbox: ScriptedMailbox
    mailer: Mailer
    tenant: Tenant
    operation: Operation
    database: Database

    async def send(self, **fields: Any) -> MailsSent:
        return await self.mailer.send_mail(self.request(**fields))

    def request(self, **fields: Any) -> MailRequest:
        """A controller is asked for a review."""
        subject = an_upgrade()
        given: dict[str, Any] = {
            "organization": self.tenant.id,
            "operation": self.operation.id,
            "key": "apr_1:rung:0",
            "template": "review_requested",
            "roles": (Role.CONTROLLER,),
            "context": {
                "approval": "apr_1",
                "subject": shown(subject),
                "subject_hash": subject_hash(subject),
                "requested_by": self.tenant.admin.id,
                "deadline": "2026-04-13T21:00:00Z",
            },
        }
        return MailRequest.model_validate(given | fields)

    def message_id(self, person: Person, key: str = "apr_1:rung:0") -> str:
        named = f"{self.operation.id}|{key}|{person.id}"
        return f"<{hashlib.sha256(named.encode()).hexdigest()[:32]}@billing.acme.example>"

    async def kept(self) -> list[Mail]:
        async with self.database.reading() as session:
            return list(await session.exec(select(Mail).order_by(Mail.recipient)))

    async def events(self) -> list[dict[str, Any]]:
        async with self.database.reading() as session:
            return [event.model_dump() for event in await timeline.read(session, self.operation.id)]

    @property
    def controller(self) -> Person:
        return self.tenant.controller.person


@pytest.fixture
async def post(database: Database) -> AsyncIterator[Post]:
    mailbox = ScriptedMailbox()
    organization = await tenant(database)
    operation = an_operation(organization)
    await store(database, operation)
    async with listening(mailbox) as port:
        mailer = Mailer(database, f"smtp://{LOOPBACK}:{port}", SENDER, PUBLIC, clock=lambda: NOW)
        yield Post(mailbox, mailer, organization, operation, database)
        await mailer.close()


# --- What it asks for ---------------------------------------------------------------------------------


async def _told(post: Post) -> list[tuple[str, str]]:
    async with post.database.reading() as session:
        rows = await session.exec(select(ToldPerson))
        return [(row.about, row.person_id) for row in rows]


async def test_whoever_is_asked_is_on_record_before_the_mail_is_gone(post: Post) -> None:
    approval = an_approval(post.operation)
    await store(post.database, approval)
    post.mailbox.drops = ["before"]
    with pytest.raises(MailLater):
        await post.send(about=approval.id)
    assert await _told(post) == [(approval.id, post.controller.id)]
    assert (await post.send(about=approval.id)).sent == 1
    assert await _told(post) == [(approval.id, post.controller.id)]


async def test_a_mail_that_asks_for_what_is_closed_by_now_is_not_sent(post: Post) -> None:
    approval = an_approval(post.operation, state="approved")
    notice = a_notice(post.operation, state="superseded")
    await store(post.database, approval, notice)
    for about in (approval.id, notice.id):
        assert await post.send(about=about) == MailsSent(sent=0, skipped=0)
    assert (post.mailbox.mails, await _told(post)) == ([], [])


async def test_whoever_hears_of_an_operation_by_their_role_is_on_record(post: Post) -> None:
    await post.send()
    await post.send(key="ended", roles=(), person=post.tenant.admin.id)
    assert await _told(post) == [(post.operation.id, post.controller.id)]


# --- Who gets it --------------------------------------------------------------------------------------


async def test_a_mail_to_a_role_says_who_it_is_from_to_whom_and_about_what(post: Post) -> None:
    assert await post.send() == MailsSent(sent=1, skipped=0, refused=())

    [mail] = post.mailbox.mails
    assert mail["to"] == [post.controller.email]
    assert mail["subject"] == (
        f"Approve the plan change for {post.tenant.organization.name}, Growth to Scale (USD 13.16 due now)?"
    )
    assert f"{post.tenant.admin.person.name} requests a plan change" in mail["text"]
    headers = mail["headers"]
    assert headers["From"] == SENDER
    assert headers["To"] == f"{post.controller.name} <{post.controller.email}>"
    assert headers["Date"] == "Mon, 02 Mar 2026 15:00:00 +0000"
    assert headers["Message-ID"] == post.message_id(post.controller)
    assert headers["Auto-Submitted"] == "auto-generated"
    assert headers["X-Plixo-Operation"] == post.operation.id


@pytest.mark.parametrize(
    ("template", "context", "labels"),
    [
        ("review_requested", {"approval": "apr_1"}, {"Template": "review_requested"}),
        (
            "plan_change_ended",
            {"state": "completed"},
            {"Template": "plan_change_ended", "State": "completed"},
        ),
        ("review_over", {"decision": "approved"}, {"Template": "review_over", "State": "approved"}),
        (
            "notice",
            {"notice": "ntc_1", "kind": "refund_failed"},
            {"Template": "notice", "Notice": "refund_failed"},
        ),
        (
            "notice_over",
            {"state": "cancelled", "notice_kind": "plan_change_applied"},
            {"Template": "notice_over", "State": "cancelled", "Notice": "plan_change_applied"},
        ),
        (
            "operation_held",
            {"kind": "refund", "held_by": "stripe"},
            {"Template": "operation_held", "Component": "stripe"},
        ),
    ],
)
async def test_what_it_is_can_be_told_without_its_words(
    post: Post, template: str, context: dict[str, Any], labels: dict[str, str]
) -> None:
    await post.send(template=template, context=context)

    [mail] = post.mailbox.mails
    prefix = "X-Plixo-"
    told = {name.removeprefix(prefix): value for name, value in mail["headers"].items() if prefix in name}
    assert told == {"Operation": post.operation.id} | labels


async def test_what_was_sent_is_kept_without_the_address(post: Post) -> None:
    await post.send()

    [kept] = await post.kept()
    assert kept.model_dump() == {
        "message_id": post.message_id(post.controller),
        "operation_id": post.operation.id,
        "template": "review_requested",
        "recipient": post.controller.id,
        "sent_at": NOW,
    }


async def test_everybody_active_with_one_of_the_roles_gets_one_mail_each(post: Post) -> None:
    organization = post.tenant.organization
    both = await member(post.database, organization, [Role.CONTROLLER, Role.LEGAL])
    gone = a_person(organization.id, roles=[Role.CONTROLLER], active=False)
    await store(post.database, gone)
    await tenant(post.database)  # another organization's controller

    sent = await post.send(roles=(Role.CONTROLLER, Role.LEGAL))

    assert sent == MailsSent(sent=3, skipped=0)
    wanted = {post.controller.email, post.tenant.legal.person.email, both.person.email}
    assert sorted(post.mailbox.addresses) == sorted(wanted)
    assert len(set(post.mailbox.ids)) == 3


async def test_a_mail_to_one_person_goes_to_nobody_else(post: Post) -> None:
    admin = post.tenant.admin.person
    context = {"state": "completed", "subject": shown(an_upgrade()), "result": None, "problem": None}

    sent = await post.send(template="plan_change_ended", roles=(), person=admin.id, context=context)

    assert sent == MailsSent(sent=1, skipped=0)
    assert post.mailbox.addresses == [admin.email]


async def test_who_acts_for_somebody_gets_it_too_and_who_may_not_decide_does_not(post: Post) -> None:
    acme = post.tenant
    other = await member(post.database, acme.organization, [Role.CONTROLLER])
    gone = await member(post.database, acme.organization, [Role.AUDITOR], active=False)
    stranger = await tenant(post.database)

    sent = await post.send(
        people=(acme.finance.id, gone.id, stranger.finance.id, acme.legal.id),
        excluding=(other.id, acme.legal.id),
    )

    assert sent == MailsSent(sent=2, skipped=0)
    assert set(post.mailbox.addresses) == {post.controller.email, acme.finance.person.email}


async def test_a_mail_about_money_names_the_customer_as_the_organization_knows_them(post: Post) -> None:
    stranger = await tenant(post.database)
    theirs = a_customer(stranger.id, name="Somebody else's")
    ours = a_customer(post.tenant.id, name="Größe\r\nBcc: eve@evil.example")
    await store(post.database, theirs, ours)

    for customer in (theirs, ours):
        subject = shown(a_refund()) | {"customer": customer.id}
        await post.send(key=customer.id, context={"approval": "apr_1", "subject": subject})

    first, second = post.mailbox.mails
    assert first["subject"] == "Approve a refund of USD 120.00?"
    assert "Somebody else's" not in first["text"]
    assert second["subject"] == "Approve a refund of USD 120.00 to Größe Bcc: eve@evil.example?"
    assert "Bcc" not in second["headers"]
    assert second["to"] == [post.controller.email]


async def test_whoever_acts_for_somebody_is_told_that_this_is_why_they_are_asked(post: Post) -> None:
    auditor = post.tenant.auditor.person

    assert await post.send(people=(auditor.id,)) == MailsSent(sent=2, skipped=0)

    why = "You are asked because you act for somebody who may decide on it."
    told = {mail["to"][0]: why in mail["text"] for mail in post.mailbox.mails}
    assert told == {post.controller.email: False, auditor.email: True}


async def test_nobody_with_the_role_is_no_error(post: Post) -> None:
    async with post.database.transaction() as session:
        controller = await session.get_one(Person, post.controller.id)
        controller.active = False

    assert await post.send() == MailsSent(sent=0, skipped=0)
    assert post.mailbox.connections == []


async def test_somebody_who_has_left_gets_no_mail_about_their_own_request(post: Post) -> None:
    gone = a_person(post.tenant.id, roles=[Role.BILLING_ADMIN], active=False)
    await store(post.database, gone)

    sent = await post.send(template="plan_change_ended", roles=(), person=gone.id, context={})

    assert sent == MailsSent(sent=0, skipped=0)


async def test_a_person_of_another_organization_is_not_written_to(post: Post) -> None:
    stranger = (await tenant(post.database)).admin

    sent = await post.send(template="plan_change_ended", roles=(), person=stranger.id, context={})

    assert sent == MailsSent(sent=0, skipped=0)


# --- Once ---------------------------------------------------------------------------------------------


async def test_a_repeated_activity_sends_nothing_again(post: Post) -> None:
    await post.send()
    assert await post.send() == MailsSent(sent=0, skipped=1)
    assert len(post.mailbox.mails) == 1


async def test_another_mail_of_the_same_operation_is_another_mail(post: Post) -> None:
    await post.send()
    assert await post.send(key="apr_1:reminder:0:0", template="review_reminder") == MailsSent(
        sent=1, skipped=0
    )
    assert post.mailbox.ids == [
        post.message_id(post.controller),
        post.message_id(post.controller, "apr_1:reminder:0:0"),
    ]


async def test_a_mail_taken_just_before_the_connection_dropped_comes_again_with_its_message_id(
    post: Post,
) -> None:
    post.mailbox.drops = ["after"]

    with pytest.raises(MailLater) as later:
        await post.send()
    assert later.value.kind == "mail_server_unreachable"
    assert await post.kept() == []

    assert await post.send() == MailsSent(sent=1, skipped=0)
    assert post.mailbox.ids == [post.message_id(post.controller)] * 2


# --- A server that won't ------------------------------------------------------------------------------


async def test_a_server_that_asks_to_try_later_gets_the_mail_later(post: Post) -> None:
    post.mailbox.fault = Fault(code=451)

    with pytest.raises(MailLater) as later:
        await post.send()
    assert later.value.kind == "mail_server_busy"
    assert later.value.message == "The mail server asks to try later (SMTP 451)."
    assert await post.kept() == []

    assert await post.send() == MailsSent(sent=1, skipped=0)
    assert post.mailbox.ids == [post.message_id(post.controller)]
    [event] = await post.events()
    assert (event["code"], event["detail"]["to"]) == ("mail_sent", [post.controller.id])


@pytest.mark.parametrize("where", ["recipient", "data"])
async def test_a_final_refusal_is_told_on_the_timeline_once_and_without_the_address(
    post: Post, where: str
) -> None:
    if where == "recipient":
        post.mailbox.answers[post.controller.email] = f"550 no {post.controller.email} here"
    else:
        post.mailbox.fault = Fault(code=550, times=2)

    assert await post.send() == MailsSent(sent=0, skipped=0, refused=(post.controller.id,))
    assert await post.send() == MailsSent(sent=0, skipped=0, refused=(post.controller.id,))

    [event] = await post.events()
    assert (event["code"], event["actor"], event["at"]) == ("mail_refused", "system", NOW)
    assert event["detail"] == {
        "person": post.controller.id,
        "template": "review_requested",
        "smtp_code": 550,
    }
    assert await post.kept() == []


async def test_one_refused_or_delayed_recipient_does_not_keep_the_others_waiting(post: Post) -> None:
    organization = post.tenant.organization
    unknown = await member(post.database, organization, [Role.CONTROLLER])
    busy = await member(post.database, organization, [Role.CONTROLLER])
    post.mailbox.answers = {unknown.person.email: "550 unknown", busy.person.email: "450 greylisted"}

    with pytest.raises(MailLater) as later:
        await post.send()
    assert later.value.kind == "mail_server_busy"
    assert [mail["to"] for mail in post.mailbox.mails] == [[post.controller.email]]

    del post.mailbox.answers[busy.person.email]
    assert await post.send() == MailsSent(sent=1, skipped=1, refused=(unknown.id,))
    assert {row.recipient for row in await post.kept()} == {post.controller.id, busy.id}


async def test_what_cannot_be_an_address_is_refused_and_not_tried_for_ever(post: Post) -> None:
    organization = post.tenant.organization
    odd = [
        await member(post.database, organization, [Role.AUDITOR], email=address)
        for address in (
            "",
            "nobody",
            "two@plixo.example, more@plixo.example",
            "é@plixo.example",
            "a b@x",
            "@x",
        )
    ]

    sent = await post.send(roles=(Role.AUDITOR,))

    assert sent.sent == 1
    assert set(sent.refused) == {person.id for person in odd}
    assert post.mailbox.addresses == [post.tenant.auditor.person.email]


async def test_a_name_cannot_add_a_header_or_a_recipient(post: Post) -> None:
    name = 'Eve"\r\nBcc: eve@evil.example\r\n, Ünal <eve@evil.example>'
    eve = await member(post.database, post.tenant.organization, [Role.AUDITOR], name=name)

    await post.send(roles=(), person=eve.id)

    [mail] = post.mailbox.mails
    assert mail["to"] == [eve.person.email]
    assert "Bcc" not in mail["headers"]
    assert mail["headers"]["To"].endswith(f"<{eve.person.email}>")


async def test_an_unreachable_server_is_tried_again(database: Database) -> None:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port = probe.getsockname()[1]
    organization = await tenant(database)
    operation = an_operation(organization)
    await store(database, operation)
    mailer = Mailer(database, f"smtp://{LOOPBACK}:{port}", SENDER, PUBLIC)
    nobody_listens = Post(ScriptedMailbox(), mailer, organization, operation, database)

    with pytest.raises(MailLater) as later:
        await nobody_listens.send()
    assert later.value.kind == "mail_server_unreachable"


async def test_a_mail_with_an_html_template_is_readable_as_text_too(post: Post) -> None:
    words = {"hello.txt.j2": "Subject: Größe → 5\n\nPlain × text\n", "hello.html.j2": "<p>Rich × text</p>"}
    async with listening(post.mailbox) as port:
        url = f"smtp://{LOOPBACK}:{port}"
        mailer = Mailer(post.database, url, SENDER, PUBLIC, texts=MailTexts(PUBLIC, DictLoader(words)))
        await mailer.send_mail(post.request(template="hello"))
        await mailer.close()

    [mail] = post.mailbox.mails
    assert (mail["subject"], mail["text"]) == ("Größe → 5", "Plain × text\n")
    assert mail["headers"]["Content-Type"].startswith("multipart/alternative")
