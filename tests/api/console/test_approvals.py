"""The approval's page: what is said there, whom one asks to decide instead, and what a conflict keeps."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlmodel import select

from billing.mail.messages import MailRequest
from db.core.session import Database
from db.operations import comments
from db.tables import Approval, Delegation, Outbox

from ...support.builders import SUBJECT_HASH, Tenant, an_approval, an_operation, store
from ..conftest import ON_ONE_DATABASE, Api
from .conftest import SignIn

pytestmark = ON_ONE_DATABASE


@pytest.fixture
async def review(database: Database, acme: Tenant) -> Approval:
    """A refund of USD 90.00 that the admin has asked for."""
    operation = an_operation(acme, kind="refund")
    approval = an_approval(operation, amount_minor=9_000, currency="usd")
    await store(database, operation, approval)
    return approval


@pytest.mark.parametrize("place", ["approvals", "operations"])
async def test_what_is_said_on_a_page_is_in_the_thread_and_mailed_to_the_others_once(
    signed_in: SignIn, acme: Tenant, database: Database, review: Approval, place: str
) -> None:
    page = f"/console/{place}/{review.id if place == 'approvals' else review.operation_id}"
    visitor = await signed_in(acme.controller)
    answer = await visitor.post(f"{page}/comments", text="Was it charged twice?\r\n<b>Both</b> times?")
    assert answer.status_code == 303
    shown = await visitor.get(page)
    assert "Was it charged twice?\n&lt;b&gt;Both&lt;/b&gt; times?" in shown.text
    timeline = (await visitor.get(f"/console/operations/{review.operation_id}")).text
    assert "cmt_" not in timeline, "what was said, not its id"
    async with database.reading() as session:
        [said] = await comments.of_operation(session, review.operation_id)
        mails = [MailRequest.model_validate(row.payload) for row in await session.exec(select(Outbox))]
    [mail] = [one for one in mails if one.template == "comment"]
    assert said.author == acme.controller.id
    assert mail.people == (acme.admin.id,)


@pytest.mark.parametrize("place", ["approvals", "operations"])
async def test_an_empty_comment_is_refused_beside_its_field(
    signed_in: SignIn, acme: Tenant, review: Approval, place: str
) -> None:
    page = f"/console/{place}/{review.id if place == 'approvals' else review.operation_id}"
    answer = await (await signed_in(acme.controller)).post(f"{page}/comments", text=" ")
    assert answer.status_code == 422
    assert 'href="#field-text"' in answer.text


async def test_an_auditor_reads_the_thread_and_adds_nothing(
    signed_in: SignIn, acme: Tenant, review: Approval
) -> None:
    visitor = await signed_in(acme.auditor)
    page = f"/console/approvals/{review.id}"
    assert "/comments" not in (await visitor.get(page)).text
    assert (await visitor.post(f"{page}/comments", text="Hm.")).status_code == 403


async def test_an_approval_is_delegated_from_its_page(
    signed_in: SignIn, acme: Tenant, database: Database, review: Approval
) -> None:
    visitor = await signed_in(acme.controller)
    page = f"/console/approvals/{review.id}"
    offered = re.findall(r'<option value="(per_\w+)"', (await visitor.get(page)).text)
    assert set(offered) == {acme.legal.id, acme.finance.id}, "nobody who can't decide, or only reads"

    day = (datetime.now(UTC) + timedelta(days=3)).date()
    refused = await visitor.post(f"{page}/delegation", to=acme.legal.id, until="someday", reason="Away.")
    assert refused.status_code == 422
    assert "Away." in refused.text
    answer = await visitor.post(f"{page}/delegation", to=acme.legal.id, until=f"{day}", reason="Away.")
    assert (answer.status_code, answer.headers["location"]) == (303, page)
    async with database.reading() as session:
        [row] = await session.exec(select(Delegation))
    assert (row.from_person, row.to_person, row.approval_id) == (
        acme.controller.id,
        acme.legal.id,
        review.id,
    )
    assert row.ends_at.date() in (day, day + timedelta(days=1)), "the end of that day in their zone"


async def test_whoever_has_approved_is_asked_no_more_and_has_nothing_left_to_delegate(
    signed_in: SignIn, acme: Tenant, database: Database
) -> None:
    operation = an_operation(acme, kind="refund")
    approval = an_approval(operation, amount_minor=9_000, currency="usd")
    approval.ladder = [approval.ladder[0] | {"roles": ["controller", "legal"], "needs": "all"}]
    yes = {"person": acme.controller.id, "role": "controller", "at": approval.opened_at.isoformat()}
    approval.signatures = [yes]
    await store(database, operation, approval)
    visitor = await signed_in(acme.controller)
    page = (await visitor.get(f"/console/approvals/{approval.id}")).text
    ladder = page.partition('<ol class="ladder">')[2].partition("</ol>")[0]
    assert f"<strong>{acme.legal.person.name}</strong>" in ladder
    assert "you" not in ladder.lower()
    assert f"/approvals/{approval.id}/delegation" not in page
    others = (await visitor.get("/console/approvals?tab=others")).text
    assert f'data-th="Waits for">{acme.legal.person.name}<' in others


async def test_nobody_is_offered_to_delegate_what_is_not_theirs_to_decide(
    signed_in: SignIn, acme: Tenant, review: Approval
) -> None:
    for member in (acme.admin, acme.finance, acme.auditor):
        page = await (await signed_in(member)).get(f"/console/approvals/{review.id}")
        assert f"/approvals/{review.id}/delegation" not in page.text


async def test_a_conflict_says_who_decided_what_and_keeps_what_was_typed(
    signed_in: SignIn, acme: Tenant, database: Database, review: Approval
) -> None:
    visitor = await signed_in(acme.controller)
    async with database.transaction() as session:
        row = await session.get(Approval, review.id)
        assert row is not None
        row.state, row.decided_by, row.closed_at = "rejected", acme.legal.id, datetime.now(UTC)
    typed = "The invoice was right, so half of it would do."
    answer = await visitor.post(
        f"/console/approvals/{review.id}/decision",
        decision="request_changes",
        comment=typed,
        subject_hash=SUBJECT_HASH,
    )
    assert answer.status_code == 409
    text = " ".join(answer.text.split())
    assert "already rejected" in text
    assert f"By {acme.legal.person.name}" in text
    assert f">{typed}</textarea>" in text


async def test_the_list_is_by_deadline_or_by_amount(
    web: Api, signed_in: SignIn, acme: Tenant, database: Database, review: Approval
) -> None:
    larger = an_operation(acme, kind="refund")
    later = review.deadline + timedelta(hours=1) if review.deadline else None
    await store(database, larger, an_approval(larger, amount_minor=12_000, currency="usd", deadline=later))
    visitor = await signed_in(acme.controller)

    async def listed(query: str) -> list[str]:
        page = await visitor.get(f"/console/approvals?tab=mine{query}")
        return re.findall(r'class="money">USD ([\d.]+)<', page.text)

    assert await listed("") == ["90.00", "120.00"]
    assert await listed("&sort=-amount") == ["120.00", "90.00"]
