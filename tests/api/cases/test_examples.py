"""The examples of cases, as the API answers."""

from db.tables import Operation

from ...support.case_rows import a_case
from ...support.money_rows import a_note
from ..conftest import ON_ONE_DATABASE
from ..recording import CUSTOMER, PAYMENT, ExampleHouse, first

pytestmark = ON_ONE_DATABASE


async def test_a_refund_was_made_in_stripe(house: ExampleHouse) -> None:
    refund = {"id": "re_3SVxkP2eZvKYlo2C1mWb4uJd", "customer_id": CUSTOMER, "reason": "duplicate"}
    case = await a_case(
        house.database,
        house.policy,
        house.acme.id,
        payment_intent=PAYMENT,
        amount=30_000,
        status="succeeded",
        **refund,
    )
    async with house.database.transaction() as session:
        row = await session.get_one(Operation, case.id)
        row.state, row.stage = "running", "note_owed"
    await house.get("case", f"/v1/cases/{case.id}")
    await house.get("taken_case", f"/v1/operations/{case.id}")
    await house.store(a_note(case, text=house.body("close_body")["note"], author=house.acme.controller.id))
    await house.get("note", f"/v1/cases/{case.id}/notes", part=first)


async def test_it_was_closed_with_its_note(house: ExampleHouse) -> None:
    case = await house.add_operation(house.evidence("case_1"))
    await house.get("closed_case", f"/v1/operations/{case.id}")
