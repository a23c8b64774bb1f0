"""The gate before Stripe: who goes first, what Stripe's refusals mean for whom, and what is never sent."""

import asyncio
import re
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import stripe
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlmodel import select
from temporalio.common import Priority
from temporalio.testing import ActivityEnvironment

from activities.stripe import last_second
from activities.stripe.client import stripe_client
from activities.stripe.failures import translate
from activities.stripe.gate import StripeBusy, StripeGate, StripeHeld
from activities.stripe.requests import StripeRequest, stripe_request
from billing.incidents.holds import HELD
from db.core.session import Database
from db.incidents.health_meter import HealthMeter
from db.stripe import budget as stripe_budgets
from db.stripe import endpoints
from db.tables import HealthCount, StripeBudget
from sandbox.stripe.core.kernel import ROUTES
from sandbox.stripe.server import resources  # noqa: F401  (declares the routes)

from ...support.databases import SqliteDatabases
from ...support.shop import Shop

FAST = 500.0
CUSTOMERS = {"method": "POST", "path": "^/v1/customers$"}


async def budget(database: Database) -> StripeBudget:
    async with database.reading() as session:
        return await stripe_budgets.read(session)


async def sent(gate: StripeGate, requests: Iterable[StripeRequest]) -> list[StripeRequest]:
    """All at once; in the order in which they left."""
    left: list[StripeRequest] = []

    async def one(request: StripeRequest) -> None:
        async with gate.turn(request):
            left.append(request)

    await asyncio.gather(*map(one, requests))
    return left


def client(shop: Shop, gate: StripeGate, meter: HealthMeter | None = None) -> stripe.StripeClient:
    return stripe_client("sk_test_plixo", shop.stand_in.url, gate, meter)


async def refused(api: stripe.StripeClient) -> stripe.StripeError:
    with pytest.raises(stripe.StripeError) as error:
        await api.v1.customers.create_async({"name": "Acme"})
    return error.value


async def closed(database: Database, trial: str | None = None) -> None:
    async with database.transaction() as session:
        await stripe_budgets.close_gate(session, datetime.now(UTC))
        if trial is not None:
            await stripe_budgets.try_with(session, trial)


# --- What a request is ------------------------------------------------------------------------------------


def test_a_write_names_its_objects_and_its_endpoint() -> None:
    request = stripe_request(
        "post", "https://api.stripe.com/v1/customers/cus_1A/balance_transactions", "amount=5&invoice=in_2B"
    )
    assert request.endpoint == "POST /v1/customers/{id}/balance_transactions"
    assert request.writes == {"cus_1A", "in_2B"}


def test_reads_and_previews_write_nothing() -> None:
    assert (
        stripe_request("get", "https://api.stripe.com/v1/invoices?customer=cus_1A", None).writes
        == frozenset()
    )
    preview = stripe_request(
        "post", "https://api.stripe.com/v1/invoices/create_preview", "subscription=sub_1A"
    )
    assert (preview.endpoint, preview.writes) == ("POST /v1/invoices/create_preview", frozenset())


@pytest.mark.parametrize("id_", ["SUMMER", "wilhelmina-prendergast", "25_off", "co_1A", "a%20b", "Refunds"])
def test_an_id_that_somebody_chose_stays_out_of_the_endpoint(id_: str) -> None:
    request = stripe_request("get", f"https://api.stripe.com/v1/coupons/{id_}?expand[0]=applies_to", None)
    assert request.endpoint == "GET /v1/coupons/{id}"
    customers = stripe_request(
        "post", f"https://api.stripe.com/v1/customers/{id_}/balance_transactions", None
    )
    assert customers.endpoint == "POST /v1/customers/{id}/balance_transactions"
    assert customers.writes == {id_}


@pytest.mark.parametrize("path", sorted({route.path for route in ROUTES}))
def test_every_word_of_stripes_paths_stays_in_the_endpoint(path: str) -> None:
    request = stripe_request("get", re.sub(r"\{\w+\}", "in_1A", path), None)
    assert request.endpoint == f"GET {re.sub(r'{[a-z_]+}', '{id}', path)}"


async def test_a_request_of_an_activity_has_its_priority_and_workflow() -> None:
    environment = ActivityEnvironment()
    environment.info = ActivityEnvironment.default_info()
    environment.info = replace(environment.info, priority=Priority(priority_key=2), workflow_id="operation-7")

    async def ask() -> StripeRequest:
        return stripe_request("get", "https://api.stripe.com/v1/prices/price_1A", None)

    request = await environment.run(ask)
    assert request == StripeRequest("GET /v1/prices/{id}", frozenset(), 2, "operation-7")


# --- Turns ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_whom_somebody_waits_for_goes_first_then_who_came_first(database: Database) -> None:
    requests = [
        StripeRequest(f"GET /{number}", priority=key) for number, key in enumerate((4, 3, 1, 4, 2, 1, 3))
    ]
    left = await sent(StripeGate(database, FAST), requests)
    assert [request.endpoint for request in left] == [f"GET /{number}" for number in (2, 5, 4, 1, 6, 0, 3)]


async def test_two_processes_share_one_pace(database: Database, database_url: str) -> None:
    other = Database(database_url)
    pace, each = 50.0, 10
    began = time.monotonic()
    try:
        await asyncio.gather(
            *(
                sent(StripeGate(records, pace), [StripeRequest("GET /")] * each)
                for records in (database, other)
            )
        )
    finally:
        await other.dispose()
    assert time.monotonic() - began >= (2 * each - 1) / pace - 0.03


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_one_process_uses_the_whole_limit_and_never_more_of_it_though_it_stalls(
    shop: Shop, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(last_second, "IN_DOUBT", 5.0)  # however busy the machine is
    limit, seconds = 25, 4
    gate = StripeGate(database, float(limit))
    api = client(shop, gate)
    shop.stand_in.control("limits", {"per_second": limit})

    async def stall() -> None:
        while True:
            await asyncio.sleep(0.3)
            time.sleep(0.09)  # noqa: ASYNC251 - as the work of workflows does

    stalling = asyncio.create_task(stall())
    began = time.monotonic()
    try:
        await asyncio.gather(*(api.v1.customers.list_async({"limit": 1}) for _ in range(limit * seconds)))
    finally:
        stalling.cancel()
        shop.stand_in.control("limits", {"per_second": None})
    assert time.monotonic() - began < seconds * 1.25


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_one_request_alone_takes_one_slot_however_fast_the_pace(database: Database) -> None:
    gate = StripeGate(database, 20_000.0)
    async with asyncio.timeout(5):
        for _ in range(3):
            await sent(gate, [StripeRequest("GET /")])
    assert (await budget(database)).taken == 3


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(st.frozensets(st.sampled_from("abc"), max_size=2), st.sampled_from((1, 2, 4))), max_size=12
    )
)
def test_writes_to_one_object_never_overlap_and_all_are_sent(
    sqlite_databases: SqliteDatabases, wanted: list[tuple[frozenset[str], int]]
) -> None:
    async def play() -> None:
        async with sqlite_databases.fresh() as url:
            database = Database(url)
            gate, writing, left = StripeGate(database, 2000.0), set[str](), 0

            async def one(objects: frozenset[str], priority: int) -> None:
                nonlocal left
                async with gate.turn(StripeRequest("POST /", objects, priority)):
                    assert writing.isdisjoint(objects)
                    writing.update(objects)
                    await asyncio.sleep(0.001)
                    writing.difference_update(objects)
                left += 1

            await asyncio.gather(*(one(*request) for request in wanted))
            assert left == len(wanted)
            await database.dispose()

    asyncio.run(play())


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_who_gives_up_waiting_leaves_the_object_to_the_next(database: Database) -> None:
    gate = StripeGate(database, FAST)
    first = StripeRequest("POST /v1/customers/{id}", frozenset({"cus_1"}))
    async with gate.turn(first):
        waiting = asyncio.create_task(sent(gate, [first]))
        await sent(gate, [StripeRequest("GET /")])  # the other one had its chance
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await waiting
    assert await sent(gate, [first]) == [first]


async def test_concurrent_writes_to_one_object_do_not_run_into_stripes_lock(
    shop: Shop, database: Database
) -> None:
    api = client(shop, StripeGate(database, FAST))
    customer = (await shop.client.v1.customers.create_async({"name": "Acme"})).id
    shop.stand_in.fault("delay", method="POST", path=f"/v1/customers/{customer}", delay_ms=150, times=3)
    await asyncio.gather(
        *(api.v1.customers.update_async(customer, {"name": f"Acme {number}"}) for number in range(3))
    )


# --- Stripe's refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["global-rate", "global-concurrency"])
async def test_a_refusal_of_the_account_pauses_and_slows_everybody(
    shop: Shop, database: Database, reason: str
) -> None:
    api = client(shop, StripeGate(database, FAST))
    shop.stand_in.fault("rate_limit", reason=reason, **CUSTOMERS)
    failure = translate(await refused(api))
    row = await budget(database)
    assert (failure.verdict, row.pause_reason, row.slowed_to) == ("later", reason, FAST * 0.75)
    paused = row.paused_until
    await client(shop, StripeGate(database, FAST)).v1.customers.create_async({"name": "Of another process"})
    assert time.time() >= paused


async def test_retry_after_is_obeyed_by_all(shop: Shop, database: Database) -> None:
    gate = StripeGate(database, FAST)
    shop.stand_in.fault("rate_limit", retry_after=60, **CUSTOMERS)
    await refused(client(shop, gate))
    seen = shop.stand_in.last_request()
    for other in (gate, StripeGate(database, FAST)):
        error = await refused(client(shop, other))
        assert isinstance(error, StripeBusy)
        wait = translate(error).retry_after
        assert wait is not None
        assert wait.total_seconds() > 40
    assert shop.stand_in.requests(seen) == []


async def test_a_server_error_that_names_a_time_pauses_without_slowing(
    shop: Shop, database: Database
) -> None:
    shop.stand_in.fault("error_before", status=503, retry_after=30, **CUSTOMERS)
    await refused(client(shop, StripeGate(database, FAST)))
    row = await budget(database)
    assert (row.pause_reason, row.slowed_to) == (stripe_budgets.RETRY_AFTER, None)
    assert row.paused_until > time.time() + 20


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
@pytest.mark.parametrize("pace", [20.0, FAST])
@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize("reason", ["endpoint-rate", "endpoint-concurrency"])
async def test_a_refusal_of_an_endpoint_pauses_that_endpoint_alone_in_every_process(
    shop: Shop, database: Database, reason: str, elsewhere: bool, pace: float
) -> None:
    api = client(shop, StripeGate(database, pace))
    shop.stand_in.fault("rate_limit", reason=reason, **CUSTOMERS)
    await refused(api)
    row = await budget(database)
    assert (row.paused_until, row.slowed_to) == (0.0, None)
    if elsewhere:  # another process has no refusal of its own
        api = client(shop, StripeGate(database, pace))
    left: list[str] = []

    async def one(name: str, call: Any) -> None:
        await call
        left.append(name)

    await asyncio.gather(
        one("paused", api.v1.customers.create_async({"name": "Acme"})),
        one("other", api.v1.customers.list_async({"limit": 1})),
    )
    assert left == ["other", "paused"]


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_the_end_of_an_endpoints_pause_is_noticed_while_others_wait_for_an_object(
    database: Database,
) -> None:
    async with database.transaction() as session:
        await endpoints.pause(session, "GET /a", seconds=0.3, back_off=0.3, sent_ago=0)
    gate, began, at = StripeGate(database, 20.0), time.monotonic(), dict[str, float]()

    async def one(name: str, request: StripeRequest, takes: float = 0.0) -> None:
        async with gate.turn(request):
            at[name] = time.monotonic() - began
            await asyncio.sleep(takes)

    write = StripeRequest("POST /b", frozenset({"cus_1"}))
    await asyncio.gather(
        one("first write", write, 3.0), one("second write", write), one("paused", StripeRequest("GET /a"))
    )
    assert at["paused"] < 2.0 < at["second write"]


async def test_an_account_that_is_fast_keeps_to_what_stripe_takes_at_an_endpoint(database: Database) -> None:
    pace, each = 90.0, 12
    one, other = StripeGate(database, pace), StripeGate(database, pace)
    began = time.monotonic()
    previews = [StripeRequest("POST /v1/invoices/create_preview")] * each
    reads = [StripeRequest(f"GET /v1/{number}") for number in range(each)]

    async def took(gate: StripeGate, requests: list[StripeRequest]) -> float:
        await sent(gate, requests)
        return time.monotonic() - began

    first, second, others = await asyncio.gather(took(one, previews), took(other, previews), took(one, reads))
    assert max(first, second) >= (2 * each - 1) / endpoints.rate(pace)
    assert others < max(first, second)


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "fault", [{"fault": "lock_timeout"}, {"fault": "rate_limit", "reason": "resource-specific"}]
)
async def test_what_concerns_one_object_slows_nobody_else(
    shop: Shop, database: Database, fault: dict[str, Any]
) -> None:
    api = client(shop, StripeGate(database, FAST))
    shop.stand_in.fault(**fault, **CUSTOMERS)
    failure = translate(await refused(api))
    row = await budget(database)
    assert (failure.verdict, row.paused_until, row.slowed_to) == ("later", 0.0, None)
    await api.v1.customers.create_async({"name": "Acme"})


# --- Held -------------------------------------------------------------------------------------------------


def workflow_of(name: str) -> ActivityEnvironment:
    environment = ActivityEnvironment()
    environment.info = replace(ActivityEnvironment.default_info(), workflow_id=name)
    return environment


async def test_while_it_is_held_only_who_tries_and_what_is_no_activity_gets_through(
    shop: Shop, database: Database
) -> None:
    api = client(shop, StripeGate(database, FAST))
    await closed(database, trial="operation-1")

    async def read() -> None:
        await api.v1.customers.list_async({"limit": 1})

    seen = shop.stand_in.last_request()
    with pytest.raises(StripeHeld) as held:
        await workflow_of("operation-2").run(read)
    failure = translate(held.value)
    assert (failure.verdict, failure.problem.code) == ("later", HELD)
    assert failure.retry_after is not None
    assert 25 <= failure.retry_after.total_seconds() <= 35
    assert shop.stand_in.requests(seen) == []

    await workflow_of("operation-1").run(read)
    await read()
    async with database.transaction() as session:
        await stripe_budgets.open_gate(session)
    await workflow_of("operation-2").run(read)
    assert len(shop.stand_in.requests(seen)) == 3


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_nobody_slips_through_a_closed_gate_beside_who_tries(database: Database) -> None:
    gate = StripeGate(database, 20.0)
    await closed(database, trial="operation-1")
    trial, other = (
        StripeRequest("GET /", priority=4, workflow="operation-1"),
        StripeRequest("GET /", workflow="operation-2"),
    )

    async def slip() -> None:
        await asyncio.sleep(0.02)  # while the trial waits for its slot
        with pytest.raises(StripeHeld):
            await sent(gate, [other])

    left, _ = await asyncio.gather(sent(gate, [trial] * 4), slip())
    assert left == [trial] * 4


# --- The meter --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_the_meter_tells_stripes_faults_from_what_is_none(shop: Shop, database: Database) -> None:
    meter = HealthMeter()
    api = client(shop, StripeGate(database, FAST), meter)
    for fault, more in (
        ("rate_limit", {"reason": "global-rate"}),
        ("rate_limit", {"reason": "endpoint-rate"}),
        ("error_before", {"status": 503}),
        ("bad_gateway", {}),
        ("drop_before", {}),
        ("lock_timeout", {}),
        ("decline", {}),
    ):
        shop.stand_in.fault(fault, **CUSTOMERS, **more)
        await refused(api)
    await refused(stripe_client("pk_wrong", shop.stand_in.url, meter=meter))
    await api.v1.customers.create_async({"name": "Acme"})
    await meter.flush(database)
    async with database.reading() as session:
        rows = (await session.exec(select(HealthCount))).all()
    codes: dict[str, int] = {}
    for row in rows:
        for code, number in row.codes.items():
            codes[code] = codes.get(code, 0) + number
    assert codes == {"rate_limit": 1, "stripe_unreachable": 3, "stripe_credentials": 1}
    assert sum(row.ok for row in rows) == 4
