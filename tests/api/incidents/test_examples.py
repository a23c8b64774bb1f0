"""The examples of the banner and of incidents, as the API answers."""

from datetime import timedelta

from billing.mail.messages import MailRequest
from db.incidents.mails import mail_key
from db.tables import Hold, Incident, Outbox, new_id

from ...support.builders import NOW
from ..conftest import ON_ONE_DATABASE
from ..recording import ExampleHouse, first

pytestmark = ON_ONE_DATABASE

INCIDENT = "inc_01JD0VA3K6M9P2R5T8W1Z4C7FH"


def an_incident(**fields: object) -> Incident:
    return Incident(
        **{
            "id": INCIDENT,
            "component": "stripe",
            "cause": "stripe_unreachable",
            "first_fault_at": NOW - timedelta(minutes=20),
            "opened_at": NOW - timedelta(minutes=19, seconds=31),
            "alerted_at": NOW - timedelta(minutes=19, seconds=30),
            "last_check_at": NOW - timedelta(seconds=10),
        }
        | fields
    )


async def test_a_component_is_degraded(house: ExampleHouse) -> None:
    acme = house.acme
    waits = {"state": "held", "stage": "issuing", "result": None, "error": None, "allowed_actions": []}
    held = await house.add_operation(house.evidence("refund_by_two"), **waits)
    hold = Hold(
        id=new_id("hold"),
        operation_id=held.id,
        organization_id=acme.id,
        workflow_id=held.workflow_id,
        component="stripe",
        state="running",
        held_at=NOW,
    )
    told = Outbox(
        id=new_id("out"),
        action="mail",
        workflow_id=MailRequest(
            organization=acme.id, operation="", key=mail_key(INCIDENT, "alert-1"), template="incident_alert"
        ).id,
        name="incident_alert",
        payload={"roles": ["controller"], "template": "incident_alert"},
        created_at=NOW - timedelta(minutes=19, seconds=30),
        next_attempt_at=NOW,
    )
    await house.store(an_incident(), hold, told)
    await house.get("banner", "/v1/banner")
    await house.get("incident", "/v1/incidents", part=first)
    step = f"/v1/incidents/{INCIDENT}/steps/1"
    await house.request("incident_detail", "POST", step, body=house.body("step_body"))


async def test_it_works_again_and_is_cleared(house: ExampleHouse) -> None:
    recovered = an_incident(recovered_at=NOW - timedelta(minutes=5))
    await house.store(recovered)
    await house.get("recovered_incident", "/v1/incidents", part=first)


async def test_it_was_cleared_with_a_note(house: ExampleHouse) -> None:
    by = {"cleared_by": house.acme.admin.id, "cleared_in": house.acme.id, "cleared_at": NOW}
    note = house.body("resolve_body")["note"]
    await house.store(an_incident(recovered_at=NOW - timedelta(minutes=5), note=note, **by))
    await house.get("cleared_incident", "/v1/incidents", part=first)
