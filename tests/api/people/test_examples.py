"""The examples of people and of who calls, as the API answers."""

from ...support.money_rows import a_delegation
from ..conftest import ON_ONE_DATABASE
from ..recording import ExampleHouse, first

pytestmark = ON_ONE_DATABASE


async def test_people_are_listed(house: ExampleHouse) -> None:
    await house.get("person", "/v1/people?role=controller", part=first)


async def test_somebody_reads_who_they_are(house: ExampleHouse) -> None:
    cleo, liv = house.acme.controller.person, house.acme.legal.person
    await house.store(
        a_delegation(cleo, liv, id="dlg_01JD1B2K9F4S7N6V5C3X8Z0RQA", reason="On leave in March")
    )
    await house.get("me", "/v1/me", house.acme.controller)
