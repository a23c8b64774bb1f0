"""A review whose operation is reset in Temporal to its first task: it asks anew."""

from collections.abc import AsyncIterator

import pytest
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from db.core.session import Database
from sandbox.stripe.server.inprocess import StandIn
from workflows.core import ids

from ...crash.ended.blows import reset
from ...support import evidence_kept, money
from ...support.house import BIN, House, house

pytestmark = pytest.mark.slow


@pytest.fixture
async def home(request: pytest.FixtureRequest, database: Database, stand_in: StandIn) -> AsyncIterator[House]:
    """Around a server that can reset workflows; the time-skipping one can't."""
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(BIN / "temporal"), data_converter=pydantic_data_converter
    )
    async with environment, house(environment, database, stand_in) as built:
        yield built
        await evidence_kept.check_all(database, request.node.name)


@pytest.mark.parametrize("kind", ["credit", "plan change"])
async def test_a_round_that_a_reset_left_open_is_superseded_by_the_next(home: House, kind: str) -> None:
    acme = await home.shop.tenant(home.database, seats=6)
    if kind == "credit":
        operation = await money.credit(home, acme, await money.customer(home.shop, acme), 60_000)
    else:
        operation = await home.ask(acme)
    first = await home.reviewed(acme, operation)
    assert await reset(home.temporal, ids.operation_workflow(operation), first=True)
    await home.reviewed(acme, operation, 2)

    [still_open] = (await home.get(acme.auditor, f"/v1/approvals?operation={operation}&state=open"))["data"]
    late = await home.post(
        acme.controller,
        f"/v1/approvals/{first['id']}/decision",
        {"decision": "approve", "subject_hash": first["subject_hash"]},
    )
    assert still_open["id"].endswith("-2")
    assert (late.status_code, late.json()["code"]) == (409, "approval_closed")
    assert (await home.get(acme.auditor, f"/v1/approvals/{first['id']}"))["state"] == "superseded"
    page = await home.get(acme.auditor, f"/v1/operations/{operation}/timeline?limit=100")
    [superseded] = [event for event in page["data"] if event["code"] == "review_superseded"]
    assert superseded["detail"]["approval"] == first["id"]

    assert (await home.decide(acme.controller, operation)).status_code == 200
    await home.wait(acme, operation, "completed")
