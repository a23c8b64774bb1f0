"""The examples of plan changes, as the API answers."""

import pytest

from api.quotes.service import QuoteDraft

from ..conftest import ON_ONE_DATABASE
from ..quoting import made
from ..recording import ExampleHouse

pytestmark = ON_ONE_DATABASE


async def test_a_plan_change_is_asked_for(house: ExampleHouse) -> None:
    body, key = house.body("plan_change_body"), {"Idempotency-Key": "key"}
    await house.request("accepted", "POST", "/v1/plan-changes", body=body, **key)


async def test_one_is_quoted(house: ExampleHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QuoteDraft, "find_out", lambda _, request, result: made(house, request))
    await house.request("quote", "POST", "/v1/plan-changes/quote", body=house.body("plan_change_body"))


async def test_one_was_cancelled(house: ExampleHouse) -> None:
    operation = await house.add_operation(house.evidence("plan_change_cancelled"))
    await house.get("cancelled", f"/v1/operations/{operation.id}")


async def test_other_lines_than_approved_were_accepted(house: ExampleHouse) -> None:
    operation = await house.add_operation(house.evidence("plan_change_mismatched"))
    await house.get("accepted_mismatch", f"/v1/operations/{operation.id}")
