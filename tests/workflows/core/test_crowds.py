"""What is often started hundreds at once runs on queues of its own."""

import pytest
from temporalio.client import WorkflowHandle

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
