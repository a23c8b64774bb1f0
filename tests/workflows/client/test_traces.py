"""One trace from a request, or from what Stripe told, to what Stripe was asked for it."""

from base64 import b64encode
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

import pytest
from sqlmodel import select
from temporalio.client import Interceptor
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner

from billing.core.keys import Keys
from db.core.session import Database
from db.operations import outbox
from db.tables import Outbox
from sandbox.stripe.server.inprocess import StandIn
from worker import queues
from workflows.client import registration
from workflows.client.codec import converter
from workflows.client.connection import interceptors
from workflows.core import ids

from ...support import money
from ...support.house import BIN, House, house, until
from ...support.logged import logged
from ...support.traced import Traces, trace_of, traced

NAME, MAIL = "Wilhelmina Prendergast", "wilhelmina@prendergast.example"
KEYS = Keys.parse(f"test={b64encode(b'k' * 32).decode()}")


pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize("databases", ["sqlite"], indirect=True),
]


@pytest.fixture
def traces() -> Iterator[Traces]:
    with traced() as found:
        yield found


@asynccontextmanager
async def home_on(
    database: Database, stand_in: StandIn, carried: Sequence[Interceptor], keys: Keys | None = None
) -> AsyncIterator[House]:
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(BIN / "temporal"),
        dev_server_log_level="never",
        data_converter=converter(keys),
        interceptors=list(carried),
    )
    async with environment:
        await registration.register(environment.client)
        async with house(environment, database, stand_in) as built:
            yield built


@pytest.mark.parametrize("encrypted", [False, True], ids=["in the sandbox", "encrypted"])
async def test_a_refund_is_one_trace_from_the_request_to_stripes_id_of_its_own(
    database: Database,
    stand_in: StandIn,
    traces: Traces,
    monkeypatch: pytest.MonkeyPatch,
    encrypted: bool,
) -> None:
    if encrypted:
        monkeypatch.setattr(queues, "RUNNER", UnsandboxedWorkflowRunner())
    async with home_on(database, stand_in, interceptors(), KEYS if encrypted else None) as home:
        acme = await home.shop.tenant(database)
        payment = await money.pay(home.shop, await money.customer(home.shop, acme), 10_000)
        operation = await money.refund(home, acme, payment, 4_000)
        with logged() as lines:
            await home.wait(acme, operation, "completed")
        async with database.reading() as session:
            row = await outbox.start_of(session, ids.operation_workflow(operation))

    [asked] = [span for span in traces.called("POST /v1/refunds") if span.parent is None]
    sent = next(span for span in traces.called("POST /v1/refunds") if span is not asked)
    assert traces.way(sent) == [
        "POST /v1/refunds",
        "StartWorkflow:RefundWorkflow",
        "StartActivity:perform_effect",
        "RunActivity:perform_effect",
        "POST /v1/refunds",
    ]
    assert sent.attributes is not None
    assert asked.attributes is not None
    assert str(sent.attributes["stripe.request_id"]).startswith("req_")
    assert str(sent.attributes["plixo.intent"]).startswith(f"{acme.id}:{operation}:")
    assert (sent.attributes["url.template"], sent.attributes["http.response.status_code"]) == (
        "/v1/refunds",
        200,
    )
    assert (asked.attributes["http.route"], asked.attributes["plixo.operation"]) == ("/v1/refunds", operation)
    assert row is not None
    assert row.traceparent is not None
    assert row.traceparent.split("-")[1] == trace_of(asked) == trace_of(sent)
    assert trace_of(asked) in {line.get("trace_id") for line in lines if "perform_effect" in line["message"]}


async def test_what_stripe_told_goes_on_in_the_workflow_that_it_begins(
    database: Database, stand_in: StandIn, traces: Traces
) -> None:
    async with home_on(database, stand_in, interceptors()) as home:
        acme = await home.shop.tenant(database)
        payment = await money.pay(home.shop, await money.customer(home.shop, acme), 10_000)
        async with home.told_by_stripe():
            await home.shop.client.v1.refunds.create_async({"payment_intent": payment, "amount": 500})
            await home.followed()

            async def noticed() -> bool:
                return bool(traces.called("RunWorkflow:CaseWorkflow"))

            await until(noticed, lambda: str(sorted({span.name for span in traces.spans})))

    way = traces.way(traces.one("RunWorkflow:CaseWorkflow"))
    assert way[0] == "POST /webhooks/stripe"
    assert way[1].startswith("follow ")
    assert way[2:] == ["StartWorkflow:CaseWorkflow", "RunWorkflow:CaseWorkflow"]


async def test_nothing_of_a_person_leaves_in_a_trace(
    database: Database, stand_in: StandIn, traces: Traces
) -> None:
    async with home_on(database, stand_in, interceptors()) as home:
        acme = await home.shop.tenant(database)
        customer = await home.shop.client.v1.customers.create_async(
            {"name": NAME, "email": MAIL, "metadata": {"plixo_organization": acme.id}}
        )
        payment = await money.pay(home.shop, customer.id, 10_000)
        refused = await money.refund(home, acme, payment, 90_000, note=f"{NAME} asked for it.")
        await home.wait(acme, refused, "blocked", "failed")
        operation = await money.refund(home, acme, payment, 4_000, note=f"{NAME} asked for it.")
        await home.wait(acme, operation, "completed")
        await home.http.get("/v1/customers", params={"q": NAME}, headers=acme.admin.headers)
        await home.http.get(f"/portal/{NAME}", headers={"traceparent": NAME})
        await home.swept()

    said = "\n".join(span.to_json() for span in traces.spans)
    for personal in (NAME, NAME.split()[1], MAIL, acme.admin.person.email, acme.admin.api_key, "sk_test"):
        assert personal.lower() not in said.lower()
    assert "plixo.intent" in said


async def test_a_callers_own_trace_is_named_and_decides_nothing(
    database: Database, stand_in: StandIn, traces: Traces
) -> None:
    theirs = f"00-{'a' * 32}-{'b' * 16}-00"
    async with home_on(database, stand_in, interceptors()) as home:
        await home.http.get("/v1/me", headers={"traceparent": theirs, "baggage": "secret=1"})
        await home.http.get("/healthz")
    [asked] = traces.spans
    assert trace_of(asked) != "a" * 32
    assert [f"{link.context.trace_id:032x}" for link in asked.links] == ["a" * 32]


async def test_nothing_is_traced_where_nothing_says_so(database: Database, stand_in: StandIn) -> None:
    async with home_on(database, stand_in, ()) as home:
        acme = await home.shop.tenant(database)
        payment = await money.pay(home.shop, await money.customer(home.shop, acme), 10_000)
        operation = await money.refund(home, acme, payment, 4_000)
        await home.wait(acme, operation, "completed")
        async with database.reading() as session:
            assert set(await session.exec(select(Outbox.traceparent))) == {None}
