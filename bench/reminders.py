"""Whether a reminder run stays as quick, and the worker as small, over many links; how fast mails go out."""

import asyncio
import statistics
import time
from datetime import UTC, datetime, timedelta
from datetime import time as wall_clock
from email.message import EmailMessage
from typing import Any
from urllib.parse import urlsplit

from aiosmtplib import SMTP
from sqlalchemy import ColumnElement, Text, case, literal, text
from sqlmodel import col, func, select
from ulid import ULID

from billing.core.operations import SYSTEM
from billing.policy.policy import Policy
from billing.reminders.runs import ReminderRunInput
from db.tables import Customer, CustomerMail, CustomerSettings, Invoice, Operation, Organization, PortalLink
from workflows.core import ids

from .options import Options
from .reports import Report, Target, figure, ratios
from .stage.seeding import Number, seed, text_of
from .stage.stage import Stage, on_stage

WARM_UP, FEW = 1_000, 10_000
SHORT_RUNS = 5
"""Of the run over few links, which is over in a second or two: its median. They also warm the worker up."""
MAILS, ROUNDS = 500, 4
ZONES = ("UTC", "America/New_York", "Europe/Berlin", "Asia/Kolkata")
SAMPLE_EVERY = 0.25
WARM_UP_SHARE = 0.2
"""Of the run over many links, until the worker's caches and its allocator's arenas are full."""
DAY = timedelta(days=1)


def run(options: Options) -> Report:
    """One run over few links and one over many, which all wait for the customers' hours; then mails."""

    async def work(stage: Stage) -> Report:
        async with stage.worker():
            return await _measure(stage, options.links)

    return on_stage(work, options)


async def _measure(stage: Stage, many: int) -> Report:
    await _decide(stage, WARM_UP)
    seconds, held, events = {}, {}, []
    for links, runs in ((FEW, SHORT_RUNS), (many, 1)):
        async with _Memory(stage) as memory:
            told = [await _decide(stage, links) for _ in range(runs)]
        seconds[links], held[links] = statistics.median(took for took, _ in told), memory.samples
        events += [longest for _, longest in told]
    rates = [(await _bare(stage), await _sent(stage)) for _ in range(ROUNDS)]
    return _report(stage, many, seconds, held, max(events), rates)


# --- Deciding -----------------------------------------------------------------------------------------


async def _decide(stage: Stage, links: int) -> tuple[float, int]:
    """Seconds of a run in which every reminder is held, and the events of its longest history."""
    policy = _closed(stage.policy)
    organization = await _owed(stage, links)
    operation = await _run(stage, organization, policy)
    began = time.perf_counter()
    handle = await _started(stage, operation, policy)
    await handle.result()
    took = time.perf_counter() - began
    async with stage.records.reading() as session:
        query = select(CustomerMail.state, func.count()).where(CustomerMail.operation_id == operation.id)
        found = dict((await session.exec(query.group_by(CustomerMail.state))).all())
    if found != {"held": links}:
        raise RuntimeError(f"{links} reminders were to be held, but it is {found}")
    return took, await _longest_history(stage, operation.workflow_id)


def _closed(policy: Policy) -> Policy:
    """Customers are written to in one hour that is far from now, in each of the zones."""
    elsewhere = (datetime.now(UTC).hour + 15) % 24  # two to seven hours ahead of or behind it in all zones
    hours = {"opens": wall_clock(elsewhere), "closes": wall_clock(elsewhere, 59), "days": tuple(range(7))}
    return policy.model_copy(update={"reminders": policy.reminders.model_copy(update=hours)})


async def _longest_history(stage: Stage, workflow_id: str) -> int:
    query = f"WorkflowId = '{workflow_id}'"
    lengths = []
    async for execution in stage.temporal.list_workflows(query):
        described = await stage.temporal.get_workflow_handle(workflow_id, run_id=execution.run_id).describe()
        lengths.append(described.history_length)
    return max(lengths)


# --- Mails --------------------------------------------------------------------------------------------


async def _sent(stage: Stage) -> float:
    """Mails a second of a run, from the first to the last that was recorded."""
    organization = await _owed(stage, MAILS)
    operation = await _run(stage, organization, stage.policy)
    await (await _started(stage, operation, stage.policy)).result()
    async with stage.records.reading() as session:
        query = select(CustomerMail.settled_at).where(
            CustomerMail.operation_id == operation.id, CustomerMail.state == "sent"
        )
        times = sorted(at for at in await session.exec(query) if at is not None)
    if len(times) != MAILS:
        raise RuntimeError(f"{MAILS} mails were to be sent, but {len(times)} were")
    return (len(times) - 1) / (times[-1] - times[0]).total_seconds()


async def _bare(stage: Stage) -> float:
    """Mails a second of a loop that does nothing else: one connection, each mail composed as it goes."""
    parts = urlsplit(stage.settings.smtp_url)
    async with SMTP(hostname=parts.hostname, port=parts.port) as server:
        began = time.perf_counter()
        for number in range(MAILS):
            await server.send_message(_mail(number))
        return MAILS / (time.perf_counter() - began)


def _mail(number: int) -> EmailMessage:
    """About as long as ours."""
    message = EmailMessage()
    message["From"], message["To"] = "Acme <billing@plixo.example>", f"customer-{number}@customers.example"
    message["Subject"], message["Message-ID"] = f"Reminder {number}", f"<bare-{number}@plixo.example>"
    line = "This is a reminder that your invoice is not paid yet; here is how.\n"
    message.set_content(line * 10)
    message.add_alternative(f"<!doctype html><p>{line * 30}</p>", subtype="html")
    return message


# --- What is there ------------------------------------------------------------------------------------


async def _owed(stage: Stage, links: int) -> str:
    """An organization with so many links of unpaid invoices, of each of which a reminder is due."""
    number, now = str(ULID()), datetime.now(UTC)
    home = Organization(
        id=f"org_{number}",
        name="Bench",
        zone="UTC",
        country="HM",  # nobody lives there, so it has no holidays
        stripe_customer=f"cus_{number}",
        stripe_subscription=f"sub_{number}",
        created_at=now,
    )
    async with stage.records.transaction() as session:
        session.add(home)
    customers = max(links // 10, 1)
    customer, invoice = f"cus_{number}_", f"in_{number}_"
    await seed(
        stage.records,
        Customer(
            id="",
            organization_id=home.id,
            email="",
            name="Customer",
            currency="usd",
            created_at=now,
            synced_at=now,
        ),
        customers,
        lambda n: {"id": customer + text_of(n), "email": "customer-" + text_of(n) + "@customers.example"},
    )
    await seed(
        stage.records,
        CustomerSettings(customer_id="", organization_id=home.id, zone="", updated_at=now, updated_by=SYSTEM),
        customers,
        lambda n: {"customer_id": customer + text_of(n), "zone": _zone(n)},
    )
    await seed(
        stage.records,
        Invoice(
            id="",
            organization_id=home.id,
            customer_id="",
            status="open",
            currency="usd",
            total=10_000,
            amount_due=10_000,
            amount_paid=0,
            amount_remaining=10_000,
            due_date=now + 5 * DAY,
            finalized_at=now - 25 * DAY,
            created_at=now - 25 * DAY,
            synced_at=now,
        ),
        links,
        lambda n: {
            "id": invoice + text_of(n),
            "customer_id": customer + text_of(n % customers),
            "number": "B-" + text_of(n),
        },
    )
    await seed(
        stage.records,
        PortalLink(
            id="",
            organization_id=home.id,
            customer_id="",
            invoice_id="",
            issued_by=SYSTEM,
            reason="issued",
            created_at=now - 25 * DAY,
            expires_at=now + 60 * DAY,
        ),
        links,
        lambda n: {
            "id": "plk_" + invoice + text_of(n),
            "customer_id": customer + text_of(n % customers),
            "invoice_id": invoice + text_of(n),
        },
    )
    if stage.postgres is not None:  # as autovacuum would, in the middle of the run
        async with stage.records.statement() as session:
            await (await session.connection()).execute(text("ANALYZE"))
    return home.id


def _zone(number: Number) -> ColumnElement[str]:
    zones = {place: literal(zone, Text) for place, zone in enumerate(ZONES)}
    return case(zones, value=number % len(ZONES))


async def _run(stage: Stage, organization: str, policy: Policy) -> Operation:
    id_ = f"op_{ULID()}"
    now = datetime.now(UTC)
    operation = Operation(
        id=id_,
        organization_id=organization,
        kind="reminder_run",
        state="accepted",
        stage="accepted",
        request={"dry_run": False},
        request_hash="0" * 64,
        idempotency_key=id_,
        policy=policy.model_dump(mode="json"),
        requested_by=SYSTEM,
        workflow_id=ids.operation_workflow(id_),
        created_at=now,
        updated_at=now,
    )
    async with stage.records.transaction() as session:
        session.add(operation)
    async with stage.records.reading() as session:
        return (await session.exec(select(Operation).where(col(Operation.id) == id_))).one()


async def _started(stage: Stage, operation: Operation, policy: Policy) -> Any:
    asked = ReminderRunInput(organization=operation.organization_id, operation=operation.id, policy=policy)
    return await stage.temporal.start_workflow(
        ids.REMINDER_SWEEP, asked, id=operation.workflow_id, task_queue=ids.MAIN_QUEUE
    )


class _Memory:
    """What the worker holds within the block, looked at again and again."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.samples: list[float] = []
        """Mebibytes."""

    async def __aenter__(self) -> "_Memory":
        self._task = asyncio.create_task(self._look())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        self.samples.append(self._stage.resident("worker"))

    async def _look(self) -> None:
        while True:
            self.samples.append(self._stage.resident("worker"))
            await asyncio.sleep(SAMPLE_EVERY)


def _growth(samples: list[float]) -> float:
    """Mebibytes from the warm-up's end to the last sample, on the line of least squares."""
    warm = samples[round(len(samples) * WARM_UP_SHARE) :]
    slope, _ = statistics.linear_regression(range(len(warm)), warm)
    return slope * (len(warm) - 1)


def _report(
    stage: Stage,
    many: int,
    seconds: dict[int, float],
    memory: dict[int, list[float]],
    events: int,
    rates: list[tuple[float, float]],
) -> Report:
    each = {links: took / links for links, took in seconds.items()}
    bare, ours = [rate for rate, _ in rates], [rate for _, rate in rates]
    return Report(
        name="reminders",
        title=f"reminder runs (records on {stage.database})",
        columns=("", f"{FEW:,} links", f"{many:,} links"),
        rows=[
            ("a run that decides them all", *(f"{seconds[links]:.1f} s" for links in (FEW, many))),
            ("a link", *(f"{figure(each[links] * 1e6)} µs" for links in (FEW, many))),
            ("the worker's memory, at most", *(f"{max(memory[links]):.0f} MiB" for links in (FEW, many))),
            ("mails a second: a bare loop, ours", *(figure(statistics.median(one)) for one in (bare, ours))),
        ],
        targets=[
            Target(
                what=f"a link of {many:,} against one of {FEW:,}",
                measured=each[many] / each[FEW],
                sense="≤",
                wanted=1.1,
            ),
            Target(
                what=f"growth of the worker's memory after {WARM_UP_SHARE:.0%} of {many:,}, to the mebibyte",
                measured=round(_growth(memory[many])),
                sense="≤",
                wanted=0,
                unit="MiB",
            ),
            Target(what="events of the longest history", measured=events, sense="≤", wanted=5_000),
            Target(
                what="mails a second against a bare loop", measured=ratios(ours, bare), sense="≥", wanted=0.7
            ),
        ],
        notes=[
            "Each link's reminder is decided and kept, as held for the customer's hours; in four zones.",
            f"Mails: {ROUNDS} rounds of {MAILS}, each after a bare aiosmtplib loop over one connection that "
            "composes a mail of about the same length each time. The sink is a process of its own.",
        ],
        facts={"seconds": seconds, "mebibytes": memory, "rates": rates},
    )
