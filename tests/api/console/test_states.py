"""What an operation's page says in each state: what is, was or was to be done, and what is next."""

import re
from datetime import timedelta
from typing import Any

import pytest

from billing.core.events import EventCode
from billing.core.money import Money
from billing.core.operations import SYSTEM, Kind, State
from billing.money.refund import RefundPart, RefundSubject
from billing.money.waiver import WaiverSubject
from billing.policy.policy import Policy
from db.core import timeline
from db.core.session import Database
from db.tables import Decision, Operation, new_id

from ...support.builders import (
    NOW,
    SUBJECT_HASH,
    Tenant,
    a_customer,
    a_notice,
    an_approval,
    an_invoice,
    an_operation,
    store,
)
from ...support.case_rows import a_case
from ...support.money_rows import a_payment
from ..conftest import ON_ONE_DATABASE
from .conftest import SignIn

pytestmark = ON_ONE_DATABASE

USD = Money(amount_minor=10_000, currency="usd")
NOTHING = Money(amount_minor=0, currency="usd")
NOTE = "Charged twice for the same month."
REFUND = RefundSubject(
    payment_intent="pi_1", invoice=None, customer="cus_1", amount=USD, paid=USD, refunded_before=NOTHING,
    parts=(RefundPart(payment_intent="pi_1", charge="ch_1", amount=10_000),), reason="duplicate", note=NOTE,
)  # fmt: skip
VOID = WaiverSubject(
    about="void", becomes="void", invoice="in_1", invoice_number="ACME-7", customer="cus_1", amount=USD,
    total=USD, paid=NOTHING, credited=NOTHING, remaining=USD, to_balance=NOTHING, reason="billed_twice",
    note=NOTE,
)  # fmt: skip


async def shown(signed_in: SignIn, acme: Tenant, database: Database, *rows: Any, **fields: Any) -> str:
    """The page of a refund, or of what `fields` make of it, as text on one line."""
    refund = {"kind": Kind.REFUND.value, "subject": REFUND.document(), "stage": "done"}
    operation = an_operation(acme, **refund | fields)
    await store(database, operation, *rows)
    page = (await (await signed_in(acme.admin)).get(f"/console/operations/{operation.id}")).text
    return " ".join(page.split())


@pytest.mark.parametrize(
    ("state", "stage", "heading", "said"),
    [
        (State.ACCEPTED, "accepted", "What is refunded", "Nothing has been changed."),
        (State.RUNNING, "issuing", "What is refunded", "Plixo is carrying it out in Stripe."),
        (State.RUNNING, "pending", "What is refunded", "bank has yet to take it"),
        (State.RUNNING, "requires_action", "What is refunded", "Stripe asks the customer by mail"),
        (State.HELD, "issuing", "What is refunded", "It goes on by itself."),
        (State.FAILED, "refund_failed", "What is refunded", "try it again, or close it"),
        (State.MISMATCHED, "refund_failed", "What is refunded", "try the rest again"),
        (State.COMPLETED, "done", "What was refunded", ""),
        (State.FAILED, "done", "What was to be refunded", ""),
        (State.REJECTED, "done", "What was to be refunded", "Nothing was refunded."),
        (State.CANCELLED, "done", "What was to be refunded", "Nothing was refunded."),
        (State.EXPIRED, "done", "What was to be refunded", "Its time ran out: nothing was refunded."),
        (State.BLOCKED, "done", "What was to be refunded", "Nothing was refunded."),
    ],
)
async def test_a_page_says_what_comes_of_it_and_what_is_next(
    signed_in: SignIn, acme: Tenant, database: Database, state: State, stage: str, heading: str, said: str
) -> None:
    page = await shown(signed_in, acme, database, state=state.value, stage=stage)
    assert f"<h2>{heading}</h2>" in page
    assert said in page


async def test_what_waits_for_a_decision_says_until_when_and_what_comes_then(
    signed_in: SignIn, acme: Tenant, database: Database
) -> None:
    operation = an_operation(acme, kind="refund", subject=REFUND.document())
    operation.state, operation.stage = State.AWAITING_APPROVAL, "review"
    approval = an_approval(operation, subject=REFUND.document())
    operation.approval_id = approval.id
    assert approval.deadline is not None
    await store(database, operation, approval)
    async with database.transaction() as session:
        asked = [["controller"], ["legal"]]
        detail = {"asked": asked, "deadline": approval.deadline.isoformat()}
        await timeline.append(
            session, operation.id, key="opened", event=EventCode.REVIEW_REQUESTED, actor=SYSTEM, at=NOW,
            detail=detail,
        )  # fmt: skip
    visitor = await signed_in(acme.admin)
    page = " ".join((await visitor.get(f"/console/operations/{operation.id}")).text.split())
    assert "without one, it goes on to the next reviewers." in page
    assert "Decide by</span> <strong><time" in page
    assert f'datetime="{(approval.deadline).isoformat()[:16]}' in page


async def sent_back(database: Database, acme: Tenant, verdict: str, state: str) -> tuple[Operation, str]:
    """A refund that the controller answered so."""
    operation = an_operation(acme, kind="refund", subject=REFUND.document())
    operation.state, operation.stage = State.AWAITING_APPROVAL, "changes_requested"
    operation.allowed_actions = ["revise", "cancel"]
    fields = {"state": state, "decided_by": acme.controller.id, "closed_at": NOW}
    approval = an_approval(operation, subject=REFUND.document(), **fields)
    operation.approval_id = approval.id
    decision = Decision(
        id=new_id("dec"), organization_id=acme.id, approval_id=approval.id, person_id=acme.controller.id,
        decision=verdict, comment="Half of it, please.", subject_hash=SUBJECT_HASH, decided_at=NOW,
    )  # fmt: skip
    await store(database, operation, approval, decision)
    return operation, approval.id


@pytest.mark.parametrize(
    ("verdict", "state"), [("reject", "rejected"), ("request_changes", "changes_requested")]
)
async def test_an_approvals_page_says_what_was_said_to_the_decision(
    signed_in: SignIn, acme: Tenant, database: Database, verdict: str, state: str
) -> None:
    _, approval = await sent_back(database, acme, verdict, state)
    page = (await (await signed_in(acme.admin)).get(f"/console/approvals/{approval}")).text
    assert "Half of it, please." in page
    assert f"By {acme.controller.person.name}" in page


async def test_whoever_revises_a_request_reads_what_was_asked_for(
    signed_in: SignIn, acme: Tenant, database: Database
) -> None:
    operation, _ = await sent_back(database, acme, "request_changes", "changes_requested")
    page = (await (await signed_in(acme.admin)).get(f"/console/operations/{operation.id}/revise")).text
    assert "Half of it, please." in page
    assert acme.controller.person.name in page


async def test_a_change_that_was_reverted_says_so(
    signed_in: SignIn, acme: Tenant, database: Database
) -> None:
    reverted = {"state": "cancelled", "result": {"revert": {}, "differences": []}, "subject": None}
    page = await shown(signed_in, acme, database, kind=Kind.PLAN_CHANGE.value, **reverted)
    assert "</span> Reverted</span>" in page
    assert "The plan is what it was before." in page


async def test_a_difference_has_what_was_approved_beside_what_stripe_has(
    signed_in: SignIn, acme: Tenant, database: Database
) -> None:
    amount = {"what": "amount", "name": "Total", "approved": {"amount_minor": 3_000, "currency": "usd"},
              "actual": {"amount_minor": 1_500, "currency": "usd"}}  # fmt: skip
    result = {"differences": [amount, "The note is missing."]}
    page = await shown(signed_in, acme, database, state="mismatched", stage="mismatched", result=result)
    assert re.search(r"<td>Total</td><td[^/]*>USD 30\.00<.*?>USD 15\.00<", page)
    assert '<tr><td colspan="3">The note is missing.</td></tr>' in page


async def test_a_case_says_until_when_it_owes_its_note_and_no_more_once_it_has_it(
    signed_in: SignIn, acme: Tenant, database: Database, policy: Policy
) -> None:
    case = await a_case(database, policy, acme.id)
    visitor = await signed_in(acme.controller)
    page = (await visitor.get(f"/console/operations/{case.id}")).text
    assert "Note due</span> <strong>" in " ".join(page.split())
    assert "somebody owes a note" in page
    async with database.transaction() as session:
        row = await session.get_one(Operation, case.id)
        row.state, row.stage, row.closed_at = State.COMPLETED, "done", NOW + timedelta(hours=1)
    page = (await visitor.get(f"/console/operations/{case.id}")).text
    assert "Note due" not in page
    assert "owes" not in page


async def test_a_voids_customer_leads_to_their_page(
    signed_in: SignIn, acme: Tenant, database: Database
) -> None:
    customer = a_customer(acme.id, id="cus_1", name="Hazel Ltd")
    fields = {"kind": Kind.VOID.value, "subject": VOID.document(), "state": "completed"}
    page = await shown(signed_in, acme, database, customer, **fields)
    assert '<a href="/console/customers/cus_1">Hazel Ltd</a>' in page
    assert '<a href="/console/invoices/in_1">ACME-7</a>' in page


async def test_home_asks_the_requester_for_the_changes_that_were_requested(
    signed_in: SignIn, acme: Tenant, database: Database
) -> None:
    operation, _ = await sent_back(database, acme, "request_changes", "changes_requested")
    asked = re.compile(rf'Needs you</h2>.*href="/console/operations/{operation.id}".*In progress', re.S)
    assert asked.search((await (await signed_in(acme.admin)).get("/console/")).text)
    assert not asked.search((await (await signed_in(acme.finance)).get("/console/")).text)


async def test_home_has_what_waits_for_the_reader_by_its_deadline(
    signed_in: SignIn, acme: Tenant, database: Database, policy: Policy
) -> None:
    review = an_operation(acme, kind=Kind.REFUND.value, state="awaiting_approval", subject=REFUND.document())
    soon, late = NOW + timedelta(hours=1), NOW + timedelta(days=300)
    await store(database, review, an_approval(review, id="apr_late", deadline=late))
    case = await a_case(database, policy, acme.id)
    notice = a_notice(review, id="ntc_1", state="escalated", deadline=soon)
    await store(database, notice)
    page = (await (await signed_in(acme.controller)).get("/console/")).text
    needs = page.partition("In progress</h2>")[0]
    places = [needs.index(href) for href in ("finance#ntc_1", f"operations/{case.id}", "approvals/apr_late")]
    assert places == sorted(places)
    assert "Note owed" in needs


async def test_home_says_whom_what_is_in_progress_waits_for(
    signed_in: SignIn, acme: Tenant, database: Database
) -> None:
    review = an_operation(acme, kind=Kind.REFUND.value, state="awaiting_approval", subject=REFUND.document())
    await store(database, review)
    await store(database, an_approval(review, id="apr_1"))
    review.approval_id = "apr_1"
    async with database.transaction() as session:
        await session.merge(review)
    name = acme.controller.person.name
    waits = re.compile(rf'In progress</h2>.*operations/{review.id}".*data-th="Waits for">{name}<', re.S)
    assert waits.search((await (await signed_in(acme.admin)).get("/console/")).text)
    assert (
        f'data-th="Waits for">{name}<'
        in (await (await signed_in(acme.admin)).get("/console/approvals?tab=others")).text
    )
    assert 'data-th="Waits for">You<' in (await (await signed_in(acme.controller)).get("/console/")).text


async def test_a_change_that_could_not_be_read_does_not_claim_to_differ(
    signed_in: SignIn, acme: Tenant, database: Database
) -> None:
    problem = {"code": "stripe_unreachable", "message": "Stripe did not say whether the plan was changed."}
    result = {"about": "plan_change", "verified": False, "subscription": "sub_1", "problem": problem}
    change = an_operation(acme, state="mismatched", stage="mismatched", result=result, error=problem)
    await store(database, change)
    for place in (f"operations/{change.id}", "operations", ""):
        page = (await (await signed_in(acme.admin)).get(f"/console/{place}")).text
        assert "Outcome unknown" in page, place
        assert "Differs from the approval</span>" not in page, place


async def test_a_case_that_somebody_has_taken_is_theirs(
    signed_in: SignIn, acme: Tenant, database: Database, policy: Policy
) -> None:
    case = await a_case(database, policy, acme.id)
    async with database.transaction() as session:
        await timeline.append(
            session, case.id, key="owned", event=EventCode.ASSIGNED, actor=acme.admin.id, at=NOW,
            detail={"owner": acme.admin.id},
        )  # fmt: skip
    for member, theirs in ((acme.admin, True), (acme.controller, False)):
        page = (await (await signed_in(member)).get("/console/")).text
        assert (f"operations/{case.id}" in page.partition("In progress</h2>")[0]) is theirs


@pytest.mark.parametrize(
    ("state", "controller", "finance"), [("open", False, True), ("escalated", True, True)]
)
async def test_home_has_the_notices_that_one_can_acknowledge(
    signed_in: SignIn, acme: Tenant, database: Database, state: str, controller: bool, finance: bool
) -> None:
    operation = an_operation(acme)
    await store(database, operation, a_notice(operation, id="ntc_1", state=state))
    for member, there in ((acme.controller, controller), (acme.finance, finance), (acme.admin, False)):
        page = (await (await signed_in(member)).get("/console/")).text
        assert ("/console/finance#ntc_1" in page) is there


async def test_a_request_to_end_the_plan_that_was_withdrawn_says_that_nothing_changed(
    signed_in: SignIn, acme: Tenant, database: Database
) -> None:
    withdrawn = {"kind": Kind.CANCELLATION.value, "state": "cancelled", "subject": None}
    request = {"action": "at_period_end", "reason": "other", "note": NOTE}
    page = await shown(signed_in, acme, database, request=request, **withdrawn)
    assert "Nothing was changed." in page


async def test_a_mail_that_never_came_says_to_whom(
    signed_in: SignIn, acme: Tenant, database: Database
) -> None:
    operation = an_operation(acme, kind="refund", subject=REFUND.document())
    await store(database, operation)
    person = acme.controller.id
    told = ((EventCode.MAIL_REFUSED, {"person": person}), (EventCode.MAIL_GIVEN_UP, {"people": [person]}))
    async with database.transaction() as session:
        for code, detail in told:
            await timeline.append(
                session, operation.id, key=code, event=code, actor=SYSTEM, at=NOW, detail=detail
            )
    page = (await (await signed_in(acme.admin)).get(f"/console/operations/{operation.id}")).text
    assert f"Mail refused: {acme.controller.person.name}" in page
    assert f"did not take it for days: {acme.controller.person.name}" in page


async def test_a_request_that_was_sent_back_says_until_when_it_can_be_revised(
    signed_in: SignIn, acme: Tenant, database: Database
) -> None:
    operation, _ = await sent_back(database, acme, "request_changes", "changes_requested")
    detail = {"revise_by": (NOW + timedelta(days=2)).isoformat()}
    async with database.transaction() as session:
        await timeline.append(
            session, operation.id, key="question", event=EventCode.AWAITING_REVISION,
            actor=SYSTEM, at=NOW, detail=detail,
        )  # fmt: skip
    visitor = await signed_in(acme.admin)
    page = (await visitor.get(f"/console/operations/{operation.id}")).text
    assert "Revise it by</span> <strong><time" in " ".join(page.split())
    home = " ".join((await visitor.get("/console/")).text.partition("In progress</h2>")[0].split())
    assert re.search(rf"operations/{operation.id}.*data-th=\"By\"><time", home)


@pytest.mark.parametrize(("member", "offered"), [("finance", True), ("controller", False), ("admin", False)])
async def test_only_who_can_acknowledge_a_notice_is_offered_to(
    signed_in: SignIn, acme: Tenant, database: Database, member: str, offered: bool
) -> None:
    operation = an_operation(acme)
    await store(database, operation, a_notice(operation, id="ntc_1", state="open"))
    page = (await (await signed_in(getattr(acme, member))).get("/console/finance")).text
    assert ("/console/finance/ntc_1/acknowledge" in page) is offered


async def test_a_refunded_payment_is_named_by_its_invoice(
    signed_in: SignIn, acme: Tenant, database: Database
) -> None:
    customer = a_customer(acme.id, id="cus_1")
    await store(database, customer)
    invoice = an_invoice(customer, number="ACME-42", status="paid")
    await store(database, invoice)
    page = await shown(
        signed_in, acme, database, a_payment(acme.id, id="pi_1", invoice_id=invoice.id), state="completed"
    )
    assert f'<a href="/console/invoices/{invoice.id}">ACME-42</a>' in page


@pytest.mark.parametrize(
    ("differences", "columns"),
    [
        (["The invoice is paid instead of void."], False),
        (
            [{"what": "amount", "name": "Total", "approved": USD.model_dump(), "actual": USD.model_dump()}],
            True,
        ),
    ],
)
async def test_what_differs_has_columns_only_where_there_are_figures_for_them(
    signed_in: SignIn, acme: Tenant, database: Database, differences: list[Any], columns: bool
) -> None:
    page = await shown(
        signed_in, acme, database, kind="void", subject=VOID.document(), state="mismatched",
        stage="mismatched", result={"about": "void", "differences": differences},
    )  # fmt: skip
    assert ("In Stripe</th>" in page) is columns
