"""The examples of the policy, as the API answers."""

from typing import Any

from ..conftest import ON_ONE_DATABASE
from ..recording import ExampleHouse

pytestmark = ON_ONE_DATABASE


def beginning(policy: Any) -> Any:
    """The whole is long, and grows with each rule."""
    groups = [group | {"sentences": group["sentences"][:3]} for group in policy["groups"][:2]]
    return policy | {"groups": groups, "document": {"currency": policy["document"]["currency"]}}


async def test_the_policy_is_read(house: ExampleHouse) -> None:
    await house.get("policy", "/v1/policy", part=beginning)


async def test_a_request_is_simulated(house: ExampleHouse) -> None:
    query = "kind=refund&amount_minor=60000&currency=usd&reason=requested_by_customer"
    await house.get("simulation", f"/v1/policy/simulation?{query}")
