"""Messages to an organization's chat: what they say, where they lead, and what ends them."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from sqlmodel import col, select
from temporalio.testing import ActivityEnvironment

from activities.incidents.mails import ControllersKnown, IncidentMails
from activities.mail.chat import ChatLater, ChatPosts
from billing.incidents.messages import IncidentMail
from billing.incidents.states import Component
from billing.incidents.words import IncidentSubject
from billing.mail.chat import ChatKind, ChatMessage, ChatPost, payload
from db.core.session import Database
from db.tables import Approval, ChatWebhook, Operation, Outbox, new_id

from ...support.builders import NOW, Tenant, a_customer, an_approval, an_operation, store, tenant
from ...support.house import served
from .contexts import review
from .money_contexts import a_credit
from .test_mailer import PUBLIC, Post, post

__all__ = ["post"]

SECRET = "T0123-very-secret"
OTHERS = ("<!channel> <https://evil.example|Approve here>", "[Approve](https://evil.example) **now**")


@dataclass
class Chat:
    """A webhook that keeps what it gets and answers as told."""

    posts: ChatPosts
    tenant: Tenant
    operation: Operation
    database: Database
    address: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    got: list[Any] = field(default_factory=list)

    async def post(self, webhook: ChatWebhook, **fields: Any) -> bool:
        maker = Post(None, None, self.tenant, self.operation, self.database)  # type: ignore[arg-type]
        mail = maker.request(**{"about": "apr_1"} | fields)
        return await self.posts.post_to_chat(ChatPost(webhook=webhook.id, mail=mail))


@pytest.fixture
async def chat(database: Database) -> AsyncIterator[Chat]:
    acme = await tenant(database)
    operation = an_operation(acme)
    await store(database, operation, an_approval(operation, id="apr_1"))
    app = FastAPI()
    async with httpx.AsyncClient() as web:
        found = Chat(ChatPosts(database, PUBLIC, web, clock=lambda: NOW), acme, operation, database)

        @app.post("/services/{secret}")
        async def take(secret: str, request: Request) -> Response:
            assert secret == SECRET
            found.got.append(await request.json())
            return Response(status_code=found.status, headers=found.headers)

        async with served(app) as address:
            found.address = address
            yield found


async def webhook(chat: Chat, kind: str = "slack", url: str | None = None) -> ChatWebhook:
    row = ChatWebhook(
        id=new_id("chw"),
        organization_id=chat.tenant.id,
        kind=kind,
        url=url or f"{chat.address}/services/{SECRET}",
        created_at=NOW,
    )
    await store(chat.database, row)
    return row


async def outbox(database: Database, name: str) -> list[Outbox]:
    async with database.reading() as session:
        rows = await session.exec(select(Outbox).where(Outbox.name == name).order_by(col(Outbox.id)))
        return list(rows)


async def test_slack_gets_blocks_and_a_text_for_notifications(chat: Chat) -> None:
    assert await chat.post(await webhook(chat))
    [got] = chat.got
    assert got["text"].startswith("Approve the plan change for Acme")
    assert [block["type"] for block in got["blocks"]] == ["header", "section", "section"]
    facts = [one["text"] for one in got["blocks"][1]["fields"]]
    assert any(one.startswith("Due now\nUSD ") for one in facts)
    assert f"Requested by\n{chat.tenant.admin.person.name}" in facts
    assert "Deadline\nMon, Apr 13, 2026, 5:00 PM EDT" in facts
    assert got["blocks"][-1]["text"] == {
        "type": "mrkdwn",
        "text": f"<{PUBLIC}console/approvals/apr_1|Sign in to decide>",
    }


async def test_teams_gets_an_adaptive_card(chat: Chat) -> None:
    subject = a_credit()
    await store(chat.database, a_customer(chat.tenant.id, id=subject.customer, name="Hazel Ltd"))
    context = review(subject, requested_by=chat.tenant.admin.id, reason=subject.reason, rule="Beyond it.")
    assert await chat.post(await webhook(chat, "teams"), context=context)
    [got] = chat.got
    [card] = got["attachments"]
    assert (got["type"], card["contentType"]) == ("message", "application/vnd.microsoft.card.adaptive")
    assert card["content"]["type"] == "AdaptiveCard"
    rows = ["".join(run["text"] for run in block["inlines"]) for block in card["content"]["body"]]
    assert "Customer: Hazel Ltd" in rows
    assert f"Amount: {subject.amount.format()}" in rows
    assert "Why it is asked: Beyond it." in rows
    assert subject.note in rows
    assert card["content"]["actions"] == [
        {
            "type": "Action.OpenUrl",
            "title": "Sign in to decide",
            "url": f"{PUBLIC}console/approvals/apr_1",
        }
    ]


async def test_no_message_has_a_link_by_which_its_readers_could_decide(chat: Chat) -> None:
    for kind in ChatKind:
        await chat.post(await webhook(chat, kind, f"{chat.address}/services/{SECRET}?{kind}"))
    assert len(chat.got) == 2
    assert "/decide/" not in json.dumps(chat.got)


@pytest.mark.parametrize("words", OTHERS)
def test_what_people_wrote_is_no_link_and_calls_nobody(words: str) -> None:
    message = ChatMessage(
        title=words, facts=(("Customer", words),), text=words, link="https://a.example/x", link_words="Open"
    )
    slack = payload(ChatKind.SLACK, message)
    assert "<" not in slack["text"]
    marked = [block["text"] for block in slack["blocks"] if block.get("text", {}).get("type") == "mrkdwn"]
    assert marked == [{"type": "mrkdwn", "text": "<https://a.example/x|Open>"}]
    card = payload(ChatKind.TEAMS, message)["attachments"][0]["content"]
    assert {block["type"] for block in card["body"]} == {"RichTextBlock"}, "they know no Markdown"


def test_what_is_too_long_for_a_chat_is_cut() -> None:
    long = "x" * 5_000
    message = ChatMessage(
        title=long, facts=(("A", long),), text=long, link="https://a.example", link_words="O"
    )
    blocks = payload(ChatKind.SLACK, message)["blocks"]
    assert len(blocks[0]["text"]["text"]) == 150
    assert len(blocks[1]["fields"][0]["text"]) <= 2_000
    assert len(blocks[2]["text"]["text"]) <= 3_000


@pytest.mark.parametrize("status", [429, 500, 503, 408])
async def test_a_webhook_in_trouble_is_tried_again(chat: Chat, status: int) -> None:
    chat.status, chat.headers = status, {"Retry-After": "7"}
    row = await webhook(chat)
    with pytest.raises(ChatLater) as error:
        await chat.post(row)
    assert error.value.retry_after == timedelta(seconds=7)
    assert SECRET not in str(error.value)
    chat.status = 200
    assert await chat.post(row)


async def test_one_that_is_away_is_tried_again_and_its_address_stays_secret(chat: Chat) -> None:
    row = await webhook(chat, url=f"http://127.0.0.1:9/services/{SECRET}")
    with pytest.raises(ChatLater) as error:
        await chat.post(row)
    assert error.value.kind == "chat_unreachable"
    assert SECRET not in f"{error.value!r} {error.value.__cause__!r}"


@pytest.mark.parametrize("status", [302, 400, 403, 404, 410])
async def test_one_that_refuses_for_good_is_disabled_and_the_admins_are_told_once(
    chat: Chat, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    chat.status = status
    row = await webhook(chat)
    assert not await chat.post(row)
    assert not await chat.post(row), "nothing is posted to it any more"
    assert len(chat.got) == 1
    [mail] = await outbox(chat.database, "chat_disabled")
    assert (mail.payload["template"], mail.payload["roles"]) == ("chat_disabled", ["billing_admin"])
    async with chat.database.reading() as session:
        kept = await session.get(ChatWebhook, row.id)
    assert kept is not None
    assert (kept.disabled_at, kept.refused_with) == (NOW, status)
    assert SECRET not in caplog.text + json.dumps(mail.payload)


async def test_what_is_decided_meanwhile_is_not_posted(chat: Chat) -> None:
    row = await webhook(chat)
    async with chat.database.transaction() as session:
        approval = await session.get(Approval, "apr_1")
        assert approval is not None
        approval.state, approval.closed_at = "approved", NOW
    assert not await chat.post(row)
    assert chat.got == []


async def test_a_request_and_its_escalation_are_posted_once_and_reminders_are_not(post: Post) -> None:
    await store(
        post.database,
        an_approval(post.operation, id="apr_1"),
        *(
            ChatWebhook(
                id=f"chw_{n}",
                organization_id=post.tenant.id,
                kind="slack",
                url=f"https://{n}.example",
                created_at=NOW,
                disabled_at=NOW if n == 2 else None,
            )
            for n in (1, 2)
        ),
    )
    for template, key in (
        ("review_requested", "apr_1:rung:0"),
        ("review_requested", "apr_1:rung:0"),
        ("review_reminder", "apr_1:reminder:0:0"),
        ("review_escalated", "apr_1:rung:1"),
    ):
        await post.send(template=template, key=key, about="apr_1")
    async with post.database.reading() as session:
        posted = select(Outbox).where(Outbox.action == "post").order_by(Outbox.workflow_id)
        rows = (await session.exec(posted)).all()
    assert [row.workflow_id for row in rows] == ["chat-chw_1-apr_1:rung:0", "chat-chw_1-apr_1:rung:1"]
    assert "example" not in json.dumps([row.payload["webhook"] for row in rows])


async def test_incidents_are_posted_to_every_organizations_chat(chat: Chat) -> None:
    row = await webhook(chat)
    subject = IncidentSubject(
        incident="inc_1",
        component=Component.STRIPE,
        opened_at=NOW,
        first_fault_at=NOW,
        recovered_at=None,
        cause="rate_limit",
    )
    mail = IncidentMail.model_validate(
        {
            "incident": "inc_1",
            "key": "opened",
            "template": "incident_alert",
            "roles": ["controller", "finance"],
            "subject": subject,
            "at": NOW,
        }
    )
    mails = IncidentMails(chat.database, None, ControllersKnown())  # type: ignore[arg-type]
    for _ in range(2):
        await ActivityEnvironment().run(mails.mail_organizations, mail)
    async with chat.database.reading() as session:
        [told] = await session.exec(select(Outbox).where(Outbox.action == "post"))
    order = ChatPost.model_validate(told.payload)
    assert order.webhook == row.id
    assert await chat.posts.post_to_chat(order)
    [got] = chat.got
    assert f"<{PUBLIC}console/incidents/inc_1|What to do>" in json.dumps(got)
