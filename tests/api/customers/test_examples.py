"""The examples of customers and invoices, as the API answers."""

from ..conftest import ON_ONE_DATABASE
from ..recording import INVOICE, ExampleHouse, first

pytestmark = ON_ONE_DATABASE


async def test_what_the_mirror_has(house: ExampleHouse) -> None:
    await house.get("customer", "/v1/customers", part=first)
    await house.get("invoice", f"/v1/invoices/{INVOICE}")
