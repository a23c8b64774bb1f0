"""Deciding by the link in a mail: it shows one person one round, takes one answer, and does nothing else."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from billing.core.keys import UNPEPPERED
from billing.core.operations import Role
from db.approvals import approvals
from db.core import timeline
from db.core.clock import utc_now
from db.core.session import Database
from db.sign_in import links
from db.tables import (
    Approval,
    ConsoleSession,
    Decision,
    Operation,
    Outbox,
    Person,
    PersonLink,
    PersonLinkToken,
)

from ...support.builders import NOW, SUBJECT_HASH, Member, Tenant, an_approval, store
from ...support.money_rows import a_delegation
from ..approvals.test_authority import asked
from ..conftest import ON_ONE_DATABASE, Api, counted
from ..console.test_approvals import review
from ..console.test_pages import MOST_QUERIES
from ..counting import queries
from .visitors import Visitor, sign_in, title

__all__ = ["review"]

DEAD = "This link doesn’t work"
OVER = {
    "roles": ["controller"],
    "opens_at": NOW.isoformat(),
    "remind_at": [],
    "deadline": NOW.isoformat(),
    "state": "active",
}
"""A rung whose time is over."""
CONSOLE_PAGES = ("/console/", "/console/approvals", "/console/operations", "/console/invoices")


async def link_for(
    database: Database,
    member: Member,
    approval: Approval,
    *,
    subject_hash: str = SUBJECT_HASH,
    valid: timedelta = timedelta(hours=72),
    number: int = 1,
) -> str:
    """The page that a mail to somebody leads to."""
    id_ = f"lnk_{approval.id}_{member.id}_{number}"
    at = utc_now()
    async with database.transaction() as session:
        await links.issue_for_decision(
            session,
            member.person,
            id_,
            approval=approval.id,
            subject_hash=subject_hash,
            at=at - timedelta(hours=1),
            expires_at=at + valid,
        )
        token = await links.add_token(session, UNPEPPERED, id_, at=at - timedelta(hours=1))
    assert token is not None
    return f"/console/decide/{token}"


async def change(database: Database, table: Any, id_: str, **fields: Any) -> None:
    async with database.transaction() as session:
        row = await session.get(table, id_)
        for name, value in fields.items():
            setattr(row, name, value)


async def is_dead(visitor: Visitor, path: str, database: Database) -> None:
    """It shows nothing of the request, and decides nothing."""
    for answer in (await visitor.get(path), await visitor.post(path, decision="approve")):
        assert answer.status_code in (404, 409), answer.text
        assert "USD 90.00" not in answer.text
    assert await counted(database, Decision, Outbox) == [0, 0]


async def test_the_link_shows_all_of_it_and_takes_one_answer(
    visitor: Visitor, acme: Tenant, database: Database, review: Approval
) -> None:
    path = await link_for(database, acme.controller, review)
    page = await visitor.get(path)
    assert page.status_code == 200
    for shown in ("USD 90.00", acme.admin.person.name, "You decide as", "What was asked for"):
        assert shown in page.text
    assert "sign-out" not in page.text, "nobody is signed in"

    answer = await visitor.post(path, decision="approve", comment="Checked.")
    assert (answer.status_code, title(answer)) == (200, "You approved it")
    async with database.reading() as session:
        [decision] = await approvals.decisions(session, review.id)
        told = (await timeline.read(session, review.operation_id))[-1]
    assert (decision.person_id, decision.decision, decision.comment) == (
        acme.controller.id,
        "approve",
        "Checked.",
    )
    assert told.detail["by_link"] is True, "the timeline says how"
    assert title(await visitor.get(path)) == DEAD
    assert title(await visitor.post(path, decision="approve")) == DEAD
    assert await counted(database, Decision, Outbox) == [1, 1]


@ON_ONE_DATABASE
async def test_the_page_takes_few_queries(
    web: Api, visitor: Visitor, acme: Tenant, database: Database
) -> None:
    """Of money beyond authority, which has most to say: so has the console's own."""
    approval = await asked(database, acme, subject={"customer": "cus_1", "invoice": "in_1"})
    path = await link_for(database, acme.controller, approval)
    signed_in = Visitor(web.app)
    await sign_in(signed_in, database, acme.controller.person)
    for browser, page in ((visitor, path), (signed_in, f"/console/approvals/{approval.id}")):
        await browser.get(page)
        with queries(web) as sent:
            shown = await browser.get(page)
        assert "Authority left" in shown.text
        assert len(sent) <= MOST_QUERIES, "\n".join(sent)


async def test_it_is_no_session(visitor: Visitor, acme: Tenant, database: Database, review: Approval) -> None:
    path = await link_for(database, acme.controller, review)
    await visitor.get(path)
    await visitor.post(path, decision="approve")
    assert visitor.http.cookies == {}
    assert await counted(database, ConsoleSession) == [0]
    for page in (
        *CONSOLE_PAGES,
        f"/console/approvals/{review.id}",
        f"/console/operations/{review.operation_id}",
    ):
        assert (await visitor.get(page)).status_code == 303, page
    token = path.rpartition("/")[2]
    for attempt in (f"/console/sign-in/link/{token}", "/console/decide/" + token.swapcase()):
        assert (await visitor.get(attempt)).status_code == 404
        assert (await visitor.post(attempt, decision="approve")).status_code == 404
    api = await visitor.get(f"/v1/approvals/{review.id}", Authorization=f"Bearer {token}")
    assert api.status_code == 401


async def test_a_sign_in_link_decides_nothing(
    visitor: Visitor, acme: Tenant, database: Database, review: Approval
) -> None:
    at = utc_now()
    async with database.transaction() as session:
        link = await links.issue(
            session, acme.controller.person, how="mail", by="x", at=at, expires_at=at + timedelta(minutes=15)
        )
        token = await links.add_token(session, UNPEPPERED, link.id, at=at)
    await is_dead(visitor, f"/console/decide/{token}", database)


async def test_scanners_use_up_and_decide_nothing(
    visitor: Visitor, acme: Tenant, database: Database, review: Approval
) -> None:
    path = await link_for(database, acme.controller, review)
    before = await counted(database, PersonLink, PersonLinkToken, Decision, Outbox)
    for _ in range(3):
        assert (await visitor.get(path, **{"Sec-Purpose": "prefetch"})).status_code == 200
        assert (await visitor.http.head(path)).status_code == 200
        assert (await visitor.http.options(path)).status_code == 405
    assert await counted(database, PersonLink, PersonLinkToken, Decision, Outbox) == before
    assert (await visitor.post(path, decision="approve")).status_code == 200


async def test_another_site_can_have_nobody_decide_and_learns_no_token(
    visitor: Visitor, acme: Tenant, database: Database, review: Approval
) -> None:
    path = await link_for(database, acme.controller, review)
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {}):
        answer = await visitor.post(path, headers, decision="approve")
        assert answer.status_code == 403
    page = await visitor.get(path)
    assert page.headers["referrer-policy"] == "same-origin"
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert not [url for url in page.text.split('href="')[1:] if url.startswith("http")]
    assert await counted(database, Decision) == [0]


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    "fields",
    [
        {"state": "approved"},
        {"state": "changes_requested"},
        {"state": "dismissed"},
        {"state": "expired"},
        {"subject_hash": "6" * 64},
        {"ladder": [OVER]},
    ],
)
async def test_it_dies_with_the_round(
    visitor: Visitor, acme: Tenant, database: Database, review: Approval, fields: dict[str, Any]
) -> None:
    path = await link_for(database, acme.controller, review)
    await change(database, Approval, review.id, **fields)
    await is_dead(visitor, path, database)


@ON_ONE_DATABASE
async def test_another_round_takes_a_link_of_its_own(
    visitor: Visitor, acme: Tenant, database: Database, review: Approval
) -> None:
    first = await link_for(database, acme.controller, review)
    await change(database, Approval, review.id, state="changes_requested", closed_at=utc_now())
    async with database.reading() as session:
        operation = await session.get(Operation, review.operation_id)
    assert operation is not None
    second = an_approval(operation, round=2, subject_hash="6" * 64, amount_minor=9_000, currency="usd")
    await store(database, second)
    await is_dead(visitor, first, database)
    await is_dead(visitor, await link_for(database, acme.controller, second), database)
    path = await link_for(database, acme.controller, second, subject_hash="6" * 64, number=2)
    assert (await visitor.post(path, decision="approve")).status_code == 200


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    "fields", [{"active": False}, {"roles": []}, {"roles": ["finance"]}, {"roles": ["controller", "auditor"]}]
)
async def test_it_dies_with_its_persons_say(
    visitor: Visitor, acme: Tenant, database: Database, review: Approval, fields: dict[str, Any]
) -> None:
    path = await link_for(database, acme.controller, review)
    assert (await visitor.get(path)).status_code == 200
    await change(database, Person, acme.controller.id, **fields)
    await is_dead(visitor, path, database)


@ON_ONE_DATABASE
async def test_it_is_over_after_its_time(
    visitor: Visitor, acme: Tenant, database: Database, review: Approval
) -> None:
    await is_dead(
        visitor, await link_for(database, acme.controller, review, valid=-timedelta(seconds=1)), database
    )


@ON_ONE_DATABASE
async def test_who_asked_for_it_can_decide_by_no_link(
    visitor: Visitor, acme: Tenant, database: Database, review: Approval
) -> None:
    await change(database, Person, acme.admin.id, roles=[Role.BILLING_ADMIN, Role.CONTROLLER])
    await is_dead(visitor, await link_for(database, acme.admin, review), database)


@ON_ONE_DATABASE
async def test_it_opens_nothing_of_another_organization(
    visitor: Visitor, acme: Tenant, other: Tenant, database: Database, review: Approval
) -> None:
    await is_dead(visitor, await link_for(database, other.controller, review), database)


@ON_ONE_DATABASE
async def test_a_delegate_decides_by_their_own_until_the_delegation_ends(
    visitor: Visitor, acme: Tenant, database: Database, review: Approval
) -> None:
    at = utc_now()
    period = {"starts_at": at - timedelta(days=1), "ends_at": at + timedelta(days=1)}
    lent = a_delegation(acme.controller.person, acme.finance.person, **period)
    await store(database, lent)
    path = await link_for(database, acme.finance, review)
    assert (await visitor.get(path)).status_code == 200
    await change(database, type(lent), lent.id, revoked_at=at, revoked_by=acme.controller.id)
    await is_dead(visitor, path, database)


@ON_ONE_DATABASE
async def test_who_is_signed_in_as_somebody_else_gets_nothing_by_a_forwarded_mail(
    browsers: Callable[..., Visitor], acme: Tenant, database: Database, review: Approval
) -> None:
    path = await link_for(database, acme.controller, review)
    stranger = browsers()
    await sign_in(stranger, database, acme.legal.person)
    before = await counted(database, Decision)
    for answer in (await stranger.get(path), await stranger.post(path, decision="approve")):
        assert (answer.status_code, title(answer)) == (403, "This link is for somebody else")
        assert "USD 90.00" not in answer.text
    assert await counted(database, Decision) == before
    mine = browsers()
    await sign_in(mine, database, acme.controller.person)
    answer = await mine.get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/console/approvals/{review.id}")


@ON_ONE_DATABASE
@pytest.mark.parametrize("switched_off", ["policy", "single sign-on"])
async def test_where_people_have_to_sign_in_the_link_leads_there(
    web: Api, visitor: Visitor, acme: Tenant, database: Database, review: Approval, switched_off: str
) -> None:
    """A link that was mailed before the setting was changed, too."""
    path = await link_for(database, acme.controller, review)
    policy = web.context.policy
    if switched_off == "policy":
        no_links = policy.sign_in.model_copy(update={"decide_by_mail": False})
        changed = replace(web.context, policy=policy.model_copy(update={"sign_in": no_links}))
    else:
        changed = replace(web.context, by_mail=False)
    web.app.state.context = changed
    answer = await visitor.get(path)
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        f"/console/sign-in?next=/console/approvals/{review.id}",
    )
    assert (await visitor.post(path, decision="approve")).status_code == 404
    assert await counted(database, Decision) == [0]


async def test_what_is_refused_uses_up_nothing_and_keeps_what_was_typed(
    visitor: Visitor, acme: Tenant, database: Database, review: Approval
) -> None:
    path = await link_for(database, acme.controller, review)
    forms: list[dict[str, str]] = [
        {"decision": "reject"},
        {"decision": "delete", "comment": "Half of it."},
        {},
    ]
    for form in forms:
        answer = await visitor.post(path, None, **form)
        assert answer.status_code == 422
        assert form.get("comment", "") in answer.text
    assert (await visitor.post(path, decision="reject", comment="Too much.")).status_code == 200


@ON_ONE_DATABASE
async def test_a_conflict_says_who_decided_what_and_keeps_what_was_typed(
    visitor: Visitor, acme: Tenant, database: Database, review: Approval
) -> None:
    path = await link_for(database, acme.controller, review)
    assert (await visitor.get(path)).status_code == 200
    closed = {"state": "rejected", "decided_by": acme.legal.id, "closed_at": utc_now()}
    await change(database, Approval, review.id, **closed)
    answer = await visitor.post(path, decision="request_changes", comment="Half of it, please.")
    assert answer.status_code == 409
    assert "Rejected" in answer.text
    assert f"by {acme.legal.person.name}" in answer.text
    assert "Half of it, please." in answer.text
    assert await counted(database, Decision) == [0]


async def test_of_two_at_the_same_moment_one_decides(
    browsers: Callable[..., Visitor], acme: Tenant, database: Database, review: Approval
) -> None:
    paths = [await link_for(database, acme.controller, review, number=n) for n in (1, 2)] * 2
    said = ["approve", "reject"] * 2
    answers = await asyncio.gather(
        *(
            browsers().post(path, decision=verdict, comment="So.")
            for path, verdict in zip(paths, said, strict=True)
        )
    )
    assert 200 in [answer.status_code for answer in answers]
    assert await counted(database, Decision, Outbox) == [1, 1]


@ON_ONE_DATABASE
async def test_guesses_are_counted_and_slowed_down(
    visitor: Visitor, acme: Tenant, database: Database
) -> None:
    answers = [await visitor.get(f"/console/decide/{n:043}") for n in range(22)]
    assert answers[0].status_code == 404
    assert answers[-1].status_code == 429
    assert "<h1" in answers[-1].text
