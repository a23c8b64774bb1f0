"""The example of a person, as the API answers."""

from ..conftest import ON_ONE_DATABASE
from ..recording import ExampleHouse, first

pytestmark = ON_ONE_DATABASE


async def test_people_are_listed(house: ExampleHouse) -> None:
    await house.get("person", "/v1/people?role=controller", part=first)
