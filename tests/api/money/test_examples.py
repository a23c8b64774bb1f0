"""The examples of payments and requests for money, as the API answers."""

from typing import Any

import pytest

from api.quotes.service import QuoteDraft
from billing.money.credit import CreditFound, CreditSubject
from billing.money.credit_report import credit_problem, credit_report
from billing.money.waiver import WaivedInvoice, WaiverSubject
from billing.money.waiver_report import waiver_problem, waiver_report

from ...support.money_rows import a_payment, a_refund
from ..conftest import ON_ONE_DATABASE
from ..quoting import made
from ..recording import CUSTOMER, INVOICE, PAYMENT, ExampleHouse, first

pytestmark = ON_ONE_DATABASE
REVIEW: dict[str, Any] = {
    "state": "awaiting_approval",
    "stage": "review",
    "result": None,
    "error": None,
    "allowed_actions": ["cancel"],
}
CANCELLED = REVIEW | {"state": "cancelled", "stage": "done", "allowed_actions": []}
KEY = {"Idempotency-Key": "key"}
RESOURCES = {"refund": "refunds", "credit": "credits", "void": "voids", "write_off": "write-offs"}


async def test_what_the_mirror_has(house: ExampleHouse) -> None:
    payment = a_payment(
        house.acme.id,
        id=PAYMENT,
        customer_id=CUSTOMER,
        invoice_id=INVOICE,
        amount=150_000,
        amount_refunded=75_000,
    )
    refund = a_refund(
        house.acme.id,
        PAYMENT,
        id="re_3SVxkP2eZvKYlo2C1mWb4uJd",
        customer_id=CUSTOMER,
        operation_id="op_01JD1B2K9F4S7N6V5C3X8Z0RQM",
        amount=75_000,
        status="succeeded",
        reason="duplicate",
    )
    await house.store(payment, refund)
    await house.get("payment", "/v1/payments", part=first)
    await house.get("payment_with_refunds", f"/v1/payments/{PAYMENT}")


async def test_a_refund_is_asked_for_with_its_note(house: ExampleHouse) -> None:
    body = house.body("refund_body")
    asked = await house.request("accepted_refund", "POST", "/v1/refunds", body=body, **KEY)
    await house.get("note_on_refund", f"/v1/refunds/{asked['id']}/notes", part=first)


async def test_a_credit_is_asked_for_with_its_note(house: ExampleHouse) -> None:
    body = house.body("credit_body")
    asked = await house.request("accepted_credit", "POST", "/v1/credits", body=body, **KEY)
    await house.get("note_on_credit", f"/v1/credits/{asked['id']}/notes", part=first)


@pytest.mark.parametrize("kind", ["void", "write_off"])
async def test_an_invoice_is_given_up_with_its_note(house: ExampleHouse, kind: str) -> None:
    path = f"/v1/{RESOURCES[kind]}"
    asked = await house.request(f"accepted_{kind}", "POST", path, body=house.body(f"{kind}_body"), **KEY)
    await house.get(f"note_on_{kind}", f"{path}/{asked['id']}/notes", part=first)


@pytest.mark.parametrize("kind", ["refund", "credit", "void", "write_off"])
async def test_what_is_quoted(house: ExampleHouse, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(QuoteDraft, "find_out", lambda _, request, result: made(house, request))
    path = f"/v1/{RESOURCES[kind]}/quote"
    await house.request(f"{kind}_quote", "POST", path, body=house.body(f"{kind}_body"))


async def test_a_refund_is_reviewed(house: ExampleHouse) -> None:
    refund = await house.add_operation(house.evidence("refund_by_two"), **REVIEW)
    await house.get("refund_in_review", f"/v1/operations/{refund.id}")


async def test_a_refund_was_cancelled(house: ExampleHouse) -> None:
    refund = await house.add_operation(house.evidence("refund_by_two"), **CANCELLED)
    await house.get("cancelled_refund", f"/v1/operations/{refund.id}")


async def test_a_refund_has_failed(house: ExampleHouse) -> None:
    failed = {"stage": "refund_failed", "allowed_actions": ["retry", "close"]}
    refund = await house.add_operation(house.evidence("refund_failed"), **failed)
    await house.get("failed_refund", f"/v1/operations/{refund.id}")


async def test_a_credit_is_reviewed(house: ExampleHouse) -> None:
    credit = await house.add_operation(house.evidence("credit_held"), **REVIEW)
    await house.get("credit_in_review", f"/v1/operations/{credit.id}")


async def test_a_credit_was_cancelled(house: ExampleHouse) -> None:
    credit = await house.add_operation(house.evidence("credit_held"), **CANCELLED)
    await house.get("cancelled_credit", f"/v1/operations/{credit.id}")


async def test_a_credit_came_out_otherwise(house: ExampleHouse) -> None:
    evidence = house.evidence("credit_held")
    subject = CreditSubject.model_validate(evidence["operation"]["subject"])
    found = CreditFound(
        object=evidence["operation"]["result"]["object"],
        amount=6_000,
        currency="usd",
        reduces_due=0,
        to_balance=6_000,
        balance_after=-6_000,
        metadata={},
    )
    problem = credit_problem(subject, found)
    assert problem is not None
    mismatched = {"state": "mismatched", "stage": "mismatched", "allowed_actions": ["accept"]}
    credit = await house.add_operation(
        evidence,
        result=credit_report(subject, found.object, found).document(),
        error=problem.model_dump(),
        **mismatched,
    )
    await house.get("mismatched_credit", f"/v1/operations/{credit.id}", house.acme.controller)


@pytest.mark.parametrize("kind", ["void", "write_off"])
@pytest.mark.parametrize("state", [REVIEW, CANCELLED], ids=["reviewed", "cancelled"])
async def test_an_invoice_is_not_given_up_yet(house: ExampleHouse, kind: str, state: dict[str, Any]) -> None:
    waiver = await house.add_operation(house.evidence(f"{kind}_held"), **state)
    name = f"{kind}_in_review" if state is REVIEW else f"cancelled_{kind}"
    await house.get(name, f"/v1/operations/{waiver.id}")


@pytest.mark.parametrize("kind", ["void", "write_off"])
async def test_an_invoice_came_out_otherwise(house: ExampleHouse, kind: str) -> None:
    evidence = house.evidence(f"{kind}_held")
    subject = WaiverSubject.model_validate(evidence["operation"]["subject"] | {"about": kind})
    found = WaivedInvoice(status="paid", currency="usd", total=60_000, paid=60_000, credited=0, metadata={})
    problem = waiver_problem(subject, found)
    assert problem is not None
    mismatched = {"state": "mismatched", "stage": "mismatched", "allowed_actions": ["accept"]}
    waiver = await house.add_operation(
        evidence,
        result=waiver_report(subject, found).document(),
        error=problem.model_dump(),
        **mismatched,
    )
    await house.get(f"mismatched_{kind}", f"/v1/operations/{waiver.id}", house.acme.controller)
