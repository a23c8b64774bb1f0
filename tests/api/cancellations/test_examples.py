"""The examples of cancellations, as the API answers."""

import pytest

from api.quotes.service import QuoteDraft

from ..conftest import ON_ONE_DATABASE
from ..quoting import made
from ..recording import ExampleHouse

pytestmark = ON_ONE_DATABASE
OPEN = {"result": None, "error": None}


async def test_a_cancellation_is_asked_for(house: ExampleHouse) -> None:
    body, key = house.body("cancellation_body"), {"Idempotency-Key": "key"}
    await house.request("accepted", "POST", "/v1/cancellations", body=body, **key)


async def test_one_is_quoted(house: ExampleHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QuoteDraft, "find_out", lambda _, request, result: made(house, request))
    await house.request("quote", "POST", "/v1/cancellations/quote", body=house.body("cancellation_body"))


async def test_one_is_reviewed(house: ExampleHouse) -> None:
    review = {"state": "awaiting_approval", "stage": "review", "allowed_actions": ["cancel"]}
    operation = await house.add_operation(house.evidence("cancellation_now"), **OPEN, **review)
    await house.get("in_review", f"/v1/operations/{operation.id}")


async def test_one_was_withdrawn(house: ExampleHouse) -> None:
    over = {"state": "cancelled", "stage": "done", "allowed_actions": []}
    operation = await house.add_operation(house.evidence("cancellation_now"), **OPEN, **over)
    await house.get("withdrawn", f"/v1/operations/{operation.id}")


async def test_a_plan_ended_otherwise(house: ExampleHouse) -> None:
    evidence = house.evidence("cancellation_now")
    difference = "Total: USD 10.00 approved, USD 12.00 in Stripe"
    result = evidence["operation"]["result"] | {"verified": False, "differences": [difference]}
    problem = {"code": "cancellation_differs", "message": f"In Stripe, {difference}."}
    mismatched = {"state": "mismatched", "stage": "mismatched", "allowed_actions": ["accept"]}
    operation = await house.add_operation(evidence, result=result, error=problem, **mismatched)
    await house.get("mismatched", f"/v1/operations/{operation.id}", house.acme.controller)
