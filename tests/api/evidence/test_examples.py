"""The examples of a month's export, as the API answers."""

from datetime import timedelta

from billing.core.events import EventCode
from db.core import timeline
from db.core.timeline import NewEvent
from worker.evidence.daily_roots import DailyRoots

from ...billing.evidence.sealing import SIGNER
from ...support.builders import NOW, an_intent
from ...support.money_rows import a_refund_operation
from ..conftest import ON_ONE_DATABASE
from ..recording import CUSTOMER, PAYMENT, ExampleHouse, first

pytestmark = ON_ONE_DATABASE
REFUND = "op_01JD0V9K2M5P8R1T4W7Z0C3F6H"


async def test_a_month_and_its_lists(house: ExampleHouse) -> None:
    operation = a_refund_operation(
        house.acme,
        id=REFUND,
        state="completed",
        stage="completed",
        customer_id=CUSTOMER,
        amount_minor=1_300,
        currency="usd",
        closed_at=NOW,
    )
    await house.store(operation)
    intent = an_intent(
        operation,
        step="refund",
        effect="refund.create",
        target=PAYMENT,
        state="done",
        stripe_id="re_3SVxkP2eZvKYlo2C1aBcDeFg",
        stripe_request_id="req_8KpLm2QxYz",
        closed_at=NOW,
    )
    await house.store(intent)
    async with house.database.transaction() as session:
        event = NewEvent("requested", EventCode.REFUND_REQUESTED, house.acme.admin.id, NOW, operation.request)
        await timeline.begin(session, operation, event)
    daily = DailyRoots(house.database, SIGNER, clock=lambda: NOW + timedelta(days=1))
    assert await daily.look() == 1
    await house.get("month", "/v1/months/2026-03")
    for name, part in (
        ("month_operation", "operations"),
        ("month_intent", "intents"),
        ("evidence_head", "evidence-heads"),
    ):
        await house.get(name, f"/v1/months/2026-03/{part}", part=first)
    await house.get("root", "/v1/evidence/roots", part=first)
    await house.get("head", "/v1/evidence/heads", part=first)
    await house.get("keys", "/v1/evidence/keys")
    await house.get("seal", f"/v1/operations/{REFUND}/evidence/seal")
