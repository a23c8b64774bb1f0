"""The examples of the organization, its plans, an operation and its timeline, as the API answers."""

from ..conftest import ON_ONE_DATABASE
from ..recording import ExampleHouse, first

pytestmark = ON_ONE_DATABASE


async def test_the_organization_and_its_plans(house: ExampleHouse) -> None:
    await house.get("organization", "/v1/organization")
    await house.get("plan", "/v1/plans", part=first)
    await house.get("add_on", "/v1/add-ons", part=first)


async def test_an_operation_is_reviewed(house: ExampleHouse) -> None:
    review = {"state": "awaiting_approval", "stage": "review", "result": None, "allowed_actions": ["cancel"]}
    operation = await house.add_operation(house.evidence("plan_change_now"), **review)
    await house.get("operation", f"/v1/operations/{operation.id}")


async def test_an_operation_is_commented_on(house: ExampleHouse) -> None:
    operation = await house.add_operation(house.evidence("plan_change_now"), policy={})
    path = f"/v1/operations/{operation.id}/comments"
    await house.request("comment", "POST", path, house.acme.controller, house.body("comment_body"))


async def test_a_timeline_begins(house: ExampleHouse) -> None:
    body = {"plan": "growth", "seats": 12, "reason": "Two teams join in May."}
    answer = await house.http.post(
        "/v1/plan-changes", json=body, headers=house.acme.admin.headers | {"Idempotency-Key": "key"}
    )
    await house.get("event", f"/v1/operations/{answer.json()['id']}/timeline", part=first)
