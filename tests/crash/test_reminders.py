"""A reminder run that is killed again and again: every step is decided once, and every mail goes out."""

import asyncio
import random
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from sqlmodel import select

from billing.evidence.timeline import Event, verify_chain
from billing.policy.policy import policy_from_toml
from billing.reminders.runs import ReminderRunInput
from db.core import timeline
from db.tables import Customer, CustomerMail, Invoice, PortalLink
from sandbox.stack.mail import Mailbox
from workflows.core import ids

from ..support.builders import Tenant, a_customer, an_invoice, an_operation, store, tenant
from ..support.house import House, until
from .stage import Lane, Stage
from .worker import HASTE

pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.timeout(600)]

LINKS = 2000
KILLS = 50
SLACK = 200  # mails after the last kill at the earliest: the run must not be over before it
SEED = 20_261_123
PATIENCE = 240.0
ANY_HOUR = """
days = [0, 1, 2, 3, 4, 5, 6]
opens = 00:00:00
closes = 23:59:59.999999
"""


class SlowMailbox(Mailbox):
    """Takes its time, so that there is a run to be killed."""

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        answer = await super().handle_DATA(server, session, envelope)
        await asyncio.sleep(0.006)  # taken, and not answered yet: the moment at which a kill repeats a mail
        return answer


def at_any_hour(lane: Lane, folder: Path) -> None:
    """A worker under a policy without nights and weekends, that makes haste: from its next life on."""
    text = Path(lane.victim.settings["PLIXO_POLICY_FILE"]).read_text(encoding="utf-8")
    hours = r"days = \[0, 1, 2, 3, 4\]\nopens = 09:00:00\ncloses = 17:00:00\ncatch_up"
    changed, found = re.subn(hours, f"{ANY_HOUR.strip()}\ncatch_up", text)
    assert found == 1
    policy = folder / "any-hour.toml"
    policy.write_text(changed, encoding="utf-8")
    lane.victim.settings |= {"PLIXO_POLICY_FILE": str(policy), HASTE: "1"}
    lane.victim.kill()


@asynccontextmanager
async def hasty(theatre: Stage) -> AsyncIterator[Lane]:
    """A lane whose worker makes haste."""
    async with theatre.lane() as lane:
        before = dict(lane.victim.settings)
        await lane.victim.plan([])
        at_any_hour(lane, theatre.folder)
        lane.home.mail.mailbox.__class__ = SlowMailbox
        try:
            yield lane
        finally:
            lane.home.mail.mailbox.__class__ = Mailbox
            lane.victim.settings = before
            lane.victim.kill()


async def owed(home: House, invoices: int) -> Tenant:
    """An organization with invoices of which a reminder is due, on an island without people or holidays."""
    acme = await tenant(home.database, country="HM", zone="UTC")
    now = datetime.now(UTC)
    customers: list[Customer] = [a_customer(acme.id) for _ in range(invoices)]
    bills: list[Invoice] = [an_invoice(one, due_date=now + timedelta(days=6)) for one in customers]
    await store(home.database, *customers, *bills)
    return acme


async def a_run(lane: Lane, acme: Tenant) -> str:
    """As the API begins one, but under the policy of any hour."""
    home = lane.home
    text = Path(lane.victim.settings["PLIXO_POLICY_FILE"]).read_text(encoding="utf-8")
    policy = policy_from_toml(text)
    operation = an_operation(
        acme, kind="reminder_run", request={"dry_run": False}, policy=policy.model_dump(mode="json")
    )
    await store(home.database, operation)
    asked = ReminderRunInput(organization=acme.id, operation=operation.id, policy=policy)
    await home.temporal.start_workflow(
        ids.REMINDER_SWEEP, asked, id=operation.workflow_id, task_queue=ids.MAIN_QUEUE
    )
    return operation.id


async def killing(lane: Lane, times: int, mails: int, chance: random.Random) -> int:
    """Kills so many times, each when a random number of the `mails` has come, so that the run lasts until the
    last kill however fast the machine is. Gives how often it was."""
    for come in sorted(chance.sample(range(mails - SLACK), times)):
        before = lane.victim.deaths

        async def came(come: int = come) -> bool:
            return len(lane.home.mail.mailbox.mails) >= come

        async def killed(before: int = before) -> bool:
            return lane.victim.deaths > before

        await until(came, lambda: "no more mails come")
        lane.victim.kill()
        await until(killed, lambda: "it lives on", PATIENCE)
    return times


async def ended(home: House, acme: Tenant, operation: str) -> None:
    async def over() -> bool:
        found = await home.get(acme.auditor, f"/v1/operations/{operation}")
        return bool(found["state"] in ("completed", "failed"))

    await until(over, lambda: f"{operation} goes on", PATIENCE)


async def rows(home: House, acme: Tenant) -> list[CustomerMail]:
    async with home.database.reading() as session:
        return list(await session.exec(select(CustomerMail).where(CustomerMail.organization_id == acme.id)))


def check_mails(home: House, found: list[CustomerMail], kills: int) -> None:
    """Every row is sent and has its mail, no mail is without one, and none is repeated without a kill."""
    assert Counter((row.state, row.reason) for row in found) == {("sent", "sent"): len(found)}
    assert len({(row.invoice_id, row.step) for row in found}) == len(found)
    # People of the product may have mail besides: a worker that is killed all the time can open an incident.
    mails = [mail for mail in home.mail.mailbox.mails if "X-Plixo-Mail" in mail["headers"]]
    taken = Counter(mail["message_id"] for mail in mails)
    named = {mail["headers"]["X-Plixo-Mail"] for mail in mails}
    assert named == {row.id for row in found}
    assert len(taken) == len(found)
    assert sum(taken.values()) - len(taken) <= kills
    by_id = {mail["message_id"]: (mail["to"], mail["subject"]) for mail in mails}
    assert all((mail["to"], mail["subject"]) == by_id[mail["message_id"]] for mail in mails)


async def test_a_run_over_two_thousand_links_survives_fifty_kills(theatre: Stage) -> None:
    async with hasty(theatre) as lane:
        home = lane.home
        home.mail.mailbox.clear()
        acme = await owed(home, LINKS)
        operation = await a_run(lane, acme)
        kills = asyncio.create_task(killing(lane, KILLS, LINKS, random.Random(SEED)))
        await ended(home, acme, operation)
        assert kills.done(), "the run was over before the kills were"
        found = await rows(home, acme)

        check_mails(home, found, await kills)
        assert len(found) == LINKS
        done = await home.get(acme.auditor, f"/v1/operations/{operation}")
        assert done["state"] == "completed", done["error"]
        assert done["result"]["seen"] == LINKS
        [count] = done["result"]["counts"]
        assert (count["state"], count["mails"]) == ("sent", LINKS)
        assert count["amounts"] == {"usd": LINKS * 10_000}
        async with home.database.reading() as session:
            links = list(await session.exec(select(PortalLink).where(PortalLink.organization_id == acme.id)))
            events = await timeline.read(session, operation)
        assert len([link for link in links if link.ended_at is None]) == LINKS
        verify_chain(
            operation,
            [Event.model_validate(event.model_dump(exclude={"operation_id", "key"})) for event in events],
        )
        assert lane.victim.unplanned == []


async def test_two_runs_at_once_under_kills_double_nothing(theatre: Stage) -> None:
    async with hasty(theatre) as lane:
        home = lane.home
        home.mail.mailbox.clear()
        acme = await owed(home, 300)
        runs = [await a_run(lane, acme) for _ in range(2)]
        kills = asyncio.create_task(killing(lane, 6, 300, random.Random(SEED)))
        for operation in runs:
            await ended(home, acme, operation)
        assert kills.done(), "the runs were over before the kills were"
        found = await rows(home, acme)

        check_mails(home, found, await kills)
        assert len(found) == 300
