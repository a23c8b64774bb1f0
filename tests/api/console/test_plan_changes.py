"""A plan change's pages: discounts, taxes and balance before it is decided, and what differs afterwards."""

import re
from typing import Any, NamedTuple

import pytest

from api.quotes.service import QuoteDraft
from billing.core.events import EventCode
from billing.core.money import Money
from billing.core.operations import Problem, State
from billing.plan_changes.obstacles import PlannedEnd
from billing.plan_changes.payment import AwaitedPayment, Needs
from billing.plan_changes.report import ScheduledPlanChange, applied_report, mismatch_problem
from billing.plan_changes.subject import PlanChangeSubject, WaitingChange
from billing.plan_changes.verification import ResultLines, verify
from db.core import timeline
from db.core.clock import utc_now
from db.core.session import Database
from db.mirror import mirror

from ...activities.mail.contexts import an_upgrade
from ...billing.builders import some_amounts, taxed_amounts
from ...support.bill_rows import an_organization_invoice
from ...support.builders import NOW, Tenant, an_approval, an_operation, store
from ...support.case_rules import case_rules
from ..conftest import HELD, ON_ONE_DATABASE, sold
from ..quoting import made
from ..sign_in.visitors import Visitor
from .conftest import SignIn

pytestmark = ON_ONE_DATABASE

ROWS = [
    ("Subtotal", "USD 100.00"),
    ("Discount Launch (10% off)", "USD −10.00"),
    ("Tax 19% (DE VAT)", "USD 17.10"),
    ("Total", "USD 107.10"),
    ("Balance before", "USD −5.00"),
    ("Balance afterwards", "USD 0.00"),
    ("Due now", "USD 102.10"),
]


class House(NamedTuple):
    """Where a quote looks up people."""

    database: Database


def a_taxed_change() -> PlanChangeSubject:
    subject, amounts = an_upgrade(), taxed_amounts()
    preview = subject.preview.model_copy(update={"amounts": amounts, "due_now": amounts.due})
    return subject.model_copy(update={"preview": preview})


def rows(page: str) -> list[tuple[str, str]]:
    """Every row of two figures or words."""
    found = re.findall(r"<tr[^>]*>(.*?)</tr>", page, re.S)
    cells = [[_words(cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row, re.S)] for row in found]
    return [(row[0], row[-1]) for row in cells if len(row) > 1]


def _words(cell: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", cell)).strip()


@pytest.mark.parametrize("page", ["approvals", "operations"])
async def test_what_stands_between_the_lines_and_what_is_due_is_shown(
    signed_in: SignIn, acme: Tenant, database: Database, page: str
) -> None:
    document = a_taxed_change().document()
    operation = an_operation(acme, subject=document)
    approval = an_approval(operation, subject=document)
    await store(database, operation, approval)
    id = approval.id if page == "approvals" else operation.id
    shown = rows((await (await signed_in(acme.controller)).get(f"/console/{page}/{id}")).text)
    at = shown.index(ROWS[0])
    assert shown[at : at + len(ROWS)] == ROWS


async def test_both_sides_say_what_they_cost_a_month_and_the_difference(
    signed_in: SignIn, acme: Tenant, database: Database
) -> None:
    await sold(database)
    document = a_taxed_change().document()
    for side in ("from", "to"):
        document[side] |= {"price": f"price_{document[side]['plan']}_month", "interval": "month"}
    operation = an_operation(acme, subject=document)
    approval = an_approval(operation, subject=document)
    await store(database, operation, approval)
    page = (await (await signed_in(acme.controller)).get(f"/console/approvals/{approval.id}")).text
    before, after = 20 * document["from"]["seats"], 40 * document["to"]["seats"]
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert f"USD {before}.00 a month" in text
    assert f"+ USD {after - before}.00 a month" in text
    assert f"USD {after}.00 a month" in text


async def test_an_amount_that_differs_is_named_with_both(
    signed_in: SignIn, acme: Tenant, database: Database
) -> None:
    subject = a_taxed_change()
    found = ResultLines(lines=subject.preview.lines[1:], amounts=some_amounts(), invoice="in_1")
    found = found.model_copy(update={"invoice_status": "void"})
    checked = verify(subject, found)
    fields: dict[str, Any] = {
        "subject": subject.document(),
        "state": State.MISMATCHED,
        "stage": "mismatched",
        "result": applied_report(subject, found, checked).document(),
        "error": mismatch_problem(checked).model_dump(),
    }
    operation = an_operation(acme, **fields)
    bill = an_organization_invoice(acme.id, id="in_1", number="PLX-0012")
    await store(database, operation, bill)
    page = (await (await signed_in(acme.controller)).get(f"/console/operations/{operation.id}")).text
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "What Approved In Stripe" in text
    assert "Tax 19% (DE VAT) USD 17.10 USD 0.00" in text
    assert "Discount Launch (10% off) USD 10.00 USD 0.00" in text
    assert re.search(r"Unused time on Growth after 11 Apr 2026 USD \S+ –", text)
    assert "Invoice PLX-0012 void in Stripe" in text
    assert page.count('<a href="/console/plans/invoices/in_1">PLX-0012</a>') == 2, "there and under In Stripe"
    assert "USD 17.10 approved" not in page, "the table says it"
    assert "have it read again. What a revert would bill" in text


async def test_a_quote_says_who_would_be_asked(
    signed_in: SignIn, acme: Tenant, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(database)
    monkeypatch.setattr(QuoteDraft, "find_out", lambda _, request, result: made(house, request, utc_now()))
    visitor = await signed_in(acme.admin)
    typed = {"plan": "growth", "effective": "now", "invoicing": "immediately", "reason": "We have grown."}
    page = (await visitor.post("/console/plans/quote", seats="12", **typed)).text
    [asked] = re.findall(r'<ol class="ladder">(.*?)</ol>', page, re.S)
    assert acme.controller.person.name in asked
    assert "Who will be asked" in page


async def test_a_rejection_is_told_once_and_a_title_goes_with_what_is_followed(
    signed_in: SignIn, acme: Tenant, database: Database
) -> None:
    operation = an_operation(acme, subject=a_taxed_change().document(), state=State.REJECTED, stage="done")
    await store(database, operation)
    async with database.transaction() as session:
        for key, detail in (("decided:1", {"role": "controller"}), ("ended", {})):
            await timeline.append(
                session,
                operation.id,
                key=key,
                event=EventCode.REJECTED,
                actor=acme.controller.id,
                at=utc_now(),
                detail={"comment": "Not this year.", **detail},
            )
    visitor = await signed_in(acme.controller)
    page = (await visitor.get(f"/console/operations/{operation.id}")).text
    assert page.count("Not this year.") == 1
    [title] = re.findall(r"<h1>(.*?)</h1>", page)
    assert f'data-title="{title}"' in page


@pytest.mark.parametrize(
    ("needs", "until", "words"),
    [
        ("authentication", 1_776_000_000, "The bank asks whoever pays to confirm the payment."),
        ("payment_method", 1_776_000_000, "The last try failed: Your card was declined."),
        ("time", None, "The bank takes its days."),
    ],
)
async def test_a_change_that_waits_for_its_payment_leads_to_where_it_is_paid(
    signed_in: SignIn, acme: Tenant, database: Database, needs: Needs, until: int | None, words: str
) -> None:
    declined = Problem(code="generic_decline", message="Your card was declined.")
    due = AwaitedPayment(
        subscription="sub_1",
        invoice="in_1",
        number="PLX-0007",
        amount=Money(amount_minor=6_000, currency="usd"),
        needs=needs,
        until=until,
        problem=declined if needs == "payment_method" else None,
    )
    fields: dict[str, Any] = {
        "subject": an_upgrade().document(),
        "request": {"plan": "scale", "reason": "We grow."},
        "state": State.RUNNING,
        "stage": "payment_due" if until else "payment_under_way",
        "result": due.document(),
    }
    operation = an_operation(acme, **fields)
    await store(database, operation)
    browser = await signed_in(acme.admin)
    page = (await browser.get(f"/console/operations/{operation.id}")).text
    assert words in page
    assert "USD 60.00" in page
    assert ("Stripe drops the change" in page) == (until is not None)
    plans = (await browser.get("/console/plans")).text
    for shown in (page, plans):
        assert ("/console/plans/invoices/in_1" in shown) == (until is not None or shown is page)
        assert "Awaiting payment" in shown or "Payment in progress" in shown


async def test_two_plan_changes_of_which_one_takes_the_others_place_link_to_each_other(
    signed_in: SignIn, acme: Tenant, database: Database
) -> None:
    first = an_operation(acme, state="cancelled", stage="done", closed_at=NOW)
    waiting = WaitingChange(
        operation=first.id, schedule="sub_sched_1", to=a_taxed_change().to, effective_at=1_769_904_000
    )
    subject = a_taxed_change().model_copy(update={"replaces": waiting, "effective": "period_end"})
    second = an_operation(acme, subject=subject.document())
    approval = an_approval(second, subject=subject.document())
    result = ScheduledPlanChange(schedule="sub_sched_1", effective_at=1, replaced_by=second.id)
    first.subject, first.result = a_taxed_change().document(), result.document()
    await store(database, first, second, approval)
    visitor = await signed_in(acme.controller)

    assert f'href="/console/operations/{second.id}"' in await shown_at(visitor, f"operations/{first.id}")
    for path in (f"operations/{second.id}", f"approvals/{approval.id}"):
        assert f'href="/console/operations/{first.id}"' in await shown_at(visitor, path)


@pytest.mark.parametrize(("stage", "may_ask"), [("scheduled", True), ("review", False)])
async def test_another_change_can_be_asked_for_while_one_waits_for_the_renewal(
    signed_in: SignIn, acme: Tenant, database: Database, stage: str, may_ask: bool
) -> None:
    await store(database, an_operation(acme, state="running", stage=stage))
    shown = await shown_at(await signed_in(acme.admin), "plans")
    assert ("/console/plans/quote" in shown) == may_ask


async def test_a_planned_end_can_be_taken_back_with_the_change(
    signed_in: SignIn, acme: Tenant, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(database)
    monkeypatch.setattr(QuoteDraft, "find_out", lambda _, request, result: made(house, request, utc_now()))
    visitor = await signed_in(acme.admin)
    assert 'name="take_back_end"' not in await shown_at(visitor, "plans")
    async with database.transaction() as session:
        ends = HELD | {"cancel_at": HELD["period_end"]}
        await mirror.store_subscription(session, case_rules(), acme.id, ends, synced_at=NOW)
    assert 'name="take_back_end"' in await shown_at(visitor, "plans")
    typed = {"plan": "growth", "seats": "12", "effective": "now", "invoicing": "immediately"}
    typed |= {"reason": "We stay.", "take_back_end": "true"}
    quoted = (await visitor.post("/console/plans/quote", **typed)).text
    assert 'name="take_back_end" value="true"' in quoted
    answer = await visitor.post("/console/plans", key="typed", **typed)
    revised = await shown_at(visitor, f"{answer.headers['location'].removeprefix('/console/')}/revise")
    [box] = re.findall(r'<input[^>]*name="take_back_end"[^>]*>', revised)
    assert "checked" in box


@pytest.mark.parametrize("page", ["approvals", "operations"])
async def test_whoever_decides_sees_which_end_is_taken_back(
    signed_in: SignIn, acme: Tenant, database: Database, page: str
) -> None:
    end = PlannedEnd(at=1_776_000_000, at_period_end=True)
    document = a_taxed_change().model_copy(update={"takes_back": end}).document()
    operation = an_operation(acme, subject=document)
    approval = an_approval(operation, subject=document)
    await store(database, operation, approval)
    id = approval.id if page == "approvals" else operation.id
    assert "Takes back the end" in await shown_at(await signed_in(acme.controller), f"{page}/{id}")


async def shown_at(visitor: Visitor, path: str) -> str:
    text: str = (await visitor.get(f"/console/{path}")).text
    return text
