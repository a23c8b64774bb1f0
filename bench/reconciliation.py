"""Whether what an hour's reconciliation asks of Stripe follows what has changed, and not what there is."""

import asyncio
import json
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from sqlalchemy import insert
from sqlmodel import col, delete, func, select

from activities.mirror.objects.customer import customer_row
from activities.mirror.pages import PAGE
from billing.core.operations import SYSTEM
from billing.mirror.reconciliation import ROLLING, RollingPage
from db.core.clock import utc_now
from db.mirror import reconciliations
from db.stripe import events as stripe_events
from db.tables import Customer, Reconciliation, StripeEvent
from sandbox.stack.places import LOOPBACK, reserve_ports
from worker import composition
from worker.outbox import OutboxSweep
from workflows.core import ids
from workflows.mirror.reconcile import PHASES

from .options import Options
from .reports import Report, Target
from .stage.organizations import provision
from .stage.stage import Stage, on_stage

CHANGED = 100
CHUNK = 2_000
CUSTOMERS = [phase.stage for phase in PHASES].index("customers")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)

Counted = dict[str, int]


def run(options: Options) -> Report:
    """With a tenth of the objects, and then with all of them."""

    async def work(stage: Stage) -> Report:
        return await _measure(stage, options.objects)

    return on_stage(work, options)


async def _measure(stage: Stage, most: int) -> Report:
    [organization] = await provision(stage, 1)
    journal = stage.stack.places.file("many.jsonl")
    shutil.copy(stage.stack.places.file("stripe.jsonl"), journal)
    await _never_mind_the_first(stage)
    found = []
    customers: list[str] = []
    for objects in (most // 10, most):
        made = _written(journal, organization.id, objects - len(customers))
        await _mirrored(stage, made)
        customers += [one["id"] for one in made]
        async with _account(stage, journal) as account:
            found.append(await _hour(account, organization.id, customers))
    return _report(stage, most, found)


# --- Stripe --------------------------------------------------------------------------------------------


@dataclass
class Account:
    """A stand-in of its own, and the product with that for its Stripe."""

    stage: Stage
    http: httpx.AsyncClient
    outbox: OutboxSweep

    async def control(self, path: str, body: Any = None) -> Any:
        address = f"/_sandbox/{path}"
        answer = await (self.http.get(address) if body is None else self.http.post(address, json=body))
        return answer.raise_for_status().json()

    async def passes(self, time: timedelta) -> None:
        await self.control("clock", {"advance_seconds": int(time.total_seconds())})

    async def post(self, path: str, body: dict[str, str]) -> None:
        (await self.http.post(path, data=body)).raise_for_status()

    async def requests(self) -> int:
        """How many it has had, of the product's and ours."""
        lines = await self.control("requests")
        return int(lines[-1]["seq"]) if lines else 0

    async def run(self, workflow: str) -> None:
        """One as its schedule starts it."""
        name = f"{workflow}-bench-{uuid4().hex}"
        await self.stage.temporal.execute_workflow(workflow, id=name, task_queue=ids.MAIN_QUEUE)


@asynccontextmanager
async def _account(stage: Stage, journal: Path) -> AsyncIterator[Account]:
    port = reserve_ports({})["stripe"]
    url = f"http://{LOOPBACK}:{port}"
    argv = [sys.executable, "-m", "sandbox.stripe", "--port", str(port), "--data", str(journal)]
    settings = stage.settings.model_copy(update={"stripe_api_base": url})
    key = {"Authorization": f"Bearer {settings.stripe_api_key.get_secret_value()}"}
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(stage.process("many", argv, f"{url}/_sandbox/healthz"))
        http = httpx.AsyncClient(base_url=url, headers=key, timeout=60, trust_env=False)
        await stack.enter_async_context(http)
        hosted = await composition.hosted(stack, settings, stage.policy, stage.temporal)
        account = Account(stage, http, hosted.outbox)
        await account.control("webhooks", {"mode": "drop"})
        yield account


def _written(journal: Path, organization: str, count: int) -> list[dict[str, Any]]:
    """So many customers of the organization, of whom Stripe has no events any more: written to the journal of
    a stand-in that is started later. To make each by a request would take an hour."""
    records = (
        record for line in journal.read_text(encoding="utf-8").splitlines() for record in json.loads(line)
    )
    section, _, like = next(record for record in records if record[0] == "object:customer")
    ours = like | {"metadata": {"plixo_organization": organization}}
    made = [ours | {"id": f"cus_{uuid4().hex[:14]}"} for _ in range(count)]
    with journal.open("a", encoding="utf-8") as lines:
        lines.writelines(json.dumps([[section, one["id"], one]]) + "\n" for one in made)
    return made


async def _mirrored(stage: Stage, customers: list[dict[str, Any]]) -> None:
    """As a run of everything would leave them."""
    at = utc_now()
    for number in range(0, len(customers), CHUNK):
        rows = [customer_row(one, at).model_dump() for one in customers[number : number + CHUNK]]
        async with stage.records.transaction() as session:
            await session.exec(insert(Customer).values(rows))


async def _never_mind_the_first(stage: Stage) -> None:
    """Everything was compared before."""
    at = utc_now()
    run = Reconciliation(
        id="rec_first",
        requested_by=SYSTEM,
        state="completed",
        stage="renewals",
        workflow_id="reconcile-first",
        started_at=at,
        ended_at=at,
    )
    async with stage.records.transaction() as session:
        session.add(run)


# --- What is compared ----------------------------------------------------------------------------------


async def _hour(account: Account, organization: str, customers: list[str]) -> Counted:
    """What is asked in the middle of the week by an hour's run, when 100 objects have changed: by the run,
    and until the events that it has found are followed."""
    await account.passes(DAY)
    await account.post("/v1/customers", {"metadata[plixo_organization]": organization})
    await account.passes(DAY)
    await _all_is_known(account)
    async with account.stage.records.transaction() as session:
        await session.exec(delete(Reconciliation).where(col(Reconciliation.scope) == "rolling"))
    await account.run(ids.RECONCILE)
    await _half_is_compared(account, customers[len(customers) // 2])
    await account.passes(DAY)
    name = f"One of {len(customers)}"
    for customer in customers[:: len(customers) // CHANGED][:CHANGED]:
        await account.post(f"/v1/customers/{customer}", {"name": name})
    began = await account.requests()
    await account.run(ids.RECONCILE)
    compared = await account.requests()
    await _followed(account, name)
    return {"reconciliation": compared - began, "events": await account.requests() - compared}


async def _half_is_compared(account: Account, until: str) -> None:
    """The rolling comparison stands at this customer, and an hour has passed since."""
    async with account.stage.records.transaction() as session:
        rolling = await reconciliations.rolling(session)
        if rolling is None:
            raise RuntimeError("no rolling comparison has begun")
        rolling.started_at = utc_now() - ROLLING / 2 - HOUR
        rolling.pages = await reconciliations.expected_pages(session, PAGE) // 2
        place = RollingPage(reconciliation=rolling.id, phase=CUSTOMERS, after=until)
        rolling.place = place.model_dump(mode="json")


async def _all_is_known(account: Account) -> None:
    """Every event until now."""
    now = datetime.fromtimestamp((await account.control("clock"))["now"], UTC)
    async with account.stage.records.transaction() as session:
        await stripe_events.checked(session, complete_until=now, at=utc_now(), missed=0)


async def _followed(account: Account, name: str) -> None:
    """Until every event that was found is followed to its end. Raises RuntimeError where one is missing of
    the customers that were given the name."""
    pending = select(func.count()).select_from(StripeEvent).where(StripeEvent.state == "pending")
    renamed = select(func.count()).select_from(Customer).where(Customer.name == name)
    while True:
        await account.outbox.sweep()
        async with account.stage.records.reading() as session:
            if (await session.exec(pending)).one() == 0:
                if (await session.exec(renamed)).one() < CHANGED:
                    raise RuntimeError("not every change was found")
                return
        await asyncio.sleep(0.2)


def _report(stage: Stage, most: int, found: list[Counted]) -> Report:
    few, many = (sum(one.values()) for one in found)
    return Report(
        name="reconciliation",
        title=f"requests to Stripe of an hour's reconciliation (records on {stage.database})",
        columns=("unchanged objects", f"{most // 10:,}", f"{most:,}"),
        rows=[
            ("of the run", *(str(one["reconciliation"]) for one in found)),
            (f"of the events of {CHANGED} changes that it found", *(str(one["events"]) for one in found)),
            ("together", str(few), str(many)),
        ],
        targets=[
            Target(
                what=f"requests with {most:,} unchanged objects, × those with {most // 10:,}",
                measured=many / few,
                sense="≤",
                wanted=1.2,
                unit="×",
            )
        ],
        notes=[
            f"{CHANGED} customers were renamed, and no webhook came. The run is one in the middle of the "
            "week: its part of the rolling comparison is an hour's.",
        ],
        facts={"found": found},
    )
