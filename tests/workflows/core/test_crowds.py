"""What is often started hundreds at once runs on queues of its own."""

from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import WorkflowHandle

from billing.incidents.states import Component
from billing.incidents.words import IncidentSubject
from billing.mail.messages import MailContext, MailRequest
from workflows.client import dispatch
from workflows.core import ids

from ...support import money
from ...support.builders import Tenant
from ...support.house import House


@pytest.fixture
async def acme(home: House) -> Tenant:
    return await home.shop.tenant(home.database, "growth")


async def the_queue_of(handle: WorkflowHandle[object, object]) -> str:
    return (await handle.describe()).task_queue


async def test_an_event_is_followed_on_the_queue_of_events(home: House, acme: Tenant) -> None:
    async with home.told_by_stripe():
        await money.customer(home.shop, acme)
        await home.followed()
        events = await home.shop.client.v1.events.list_async({"type": "customer.created", "limit": 1})
    followed = home.temporal.get_workflow_handle(ids.stripe_event_workflow(events.data[0].id))
    await followed.result()
    assert await the_queue_of(followed) == ids.EVENTS_QUEUE


async def test_a_mail_of_no_workflow_is_sent_on_the_queue_of_mails(home: House, acme: Tenant) -> None:
    opened_at = datetime(2026, 4, 15, 12, tzinfo=UTC)
    told = IncidentSubject(
        incident="inc_1",
        component=Component.MAIL,
        opened_at=opened_at,
        first_fault_at=opened_at,
        recovered_at=None,
        cause="timeout",
    )
    request = MailRequest(
        organization=acme.id,
        operation="",
        key="inc_1:alert-1",
        template="incident_alert",
        roles=("controller",),
        context=MailContext(subject=told),
    )
    delivery = await dispatch.send(
        home.temporal,
        action="start",
        workflow_id="a-mail",
        name=ids.PERSON_MAIL,
        update_id="",
        payload=request.model_dump(mode="json"),
        within=timedelta(seconds=10),
    )
    assert delivery.outcome == "delivered"
    mail = home.temporal.get_workflow_handle("a-mail")
    await mail.result()
    assert await the_queue_of(mail) == ids.MAILS_QUEUE
    assert [sent["to"] for sent in home.mail.mailbox.mails] == [[acme.controller.person.email]]
