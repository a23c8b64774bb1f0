"""Trouble with the portal: diagnosed, fixed where a link fixes it, and followed until the customer is in."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlmodel import select

from api.http.context import Context
from api.portal_admin import troubles
from billing.evidence.verify import verify
from billing.portal.trouble import PortalAccessInput
from db.portal import links as portal_links
from db.tables import CustomerMail, Invoice, Outbox, PortalAccess, PortalTrouble, new_id
from workflows.core import ids

from ...support import money
from ...support.builders import Member, Tenant, a_customer, an_invoice, store
from ...support.house import House, as_json, until
from ...support.restarts import run_again, stopped
from ..conftest import ON_BOTH_DATABASES


class Trouble:
    """A customer's invoice in a house, and what happens about it."""

    def __init__(self, home: House, tenant: Tenant, invoice: Invoice) -> None:
        self.home, self.tenant, self.invoice = home, tenant, invoice
        self.operation = ""

    @property
    def context(self) -> Context:
        assert self.home.app is not None
        context: Context = self.home.app.state.context
        return context

    async def notice(self, cause: troubles.Cause, at: datetime) -> None:
        async with self.home.database.transaction() as session:
            start = await troubles.notice(session, self.context, invoice=self.invoice, cause=cause, at=at)
        assert start is not None
        self.operation = start.workflow_id.removeprefix("operation-")
        self.context.dispatcher.hand_over(start)
        await self.home.wait(self.tenant, self.operation, "running", stage="waiting")

    async def got_in(self, at: datetime) -> None:
        async with self.home.database.transaction() as session:
            row = await troubles.got_in(session, invoice_id=self.invoice.id, at=at)
        assert row is not None
        assert (await self.context.dispatcher.outcome(row)).outcome == "delivered"

    async def ended(self) -> dict[str, Any]:
        return await self.home.wait(self.tenant, self.operation, "completed")

    async def row(self) -> PortalTrouble:
        async with self.home.database.reading() as session:
            found = await session.get(PortalTrouble, self.operation)
        assert found is not None
        return found

    async def events(self) -> list[str]:
        return await self.home.events(self.tenant, self.operation)

    def mails_to(self, who: Member) -> list[str]:
        return self.home.mail.names(who.person)

    async def mailed(self, who: Member) -> None:
        """Waits until somebody has mail."""

        async def there() -> bool:
            return bool(self.mails_to(who))

        await until(there, lambda: f"{who.person.email} has no mail")


@pytest.fixture
async def trouble(home: House) -> Trouble:
    acme = await home.shop.tenant(home.database)
    customer = a_customer(acme.id)
    invoice = an_invoice(customer)
    await store(home.database, customer, invoice)
    return Trouble(home, acme, invoice)


async def now(home: House) -> datetime:
    assert home.environment is not None
    return await home.environment.get_current_time()


async def at_next(home: House, hour: int, minute: int = 0) -> datetime:
    """Moves the clock to a Tuesday at this time in New York, in winter."""
    present = await now(home)
    day = present + timedelta(days=(1 - present.weekday()) % 7 or 7)
    moment = day.replace(hour=hour + 5, minute=minute, second=0, microsecond=0)
    assert home.environment is not None
    await home.environment.sleep(moment - present)
    return await now(home)


async def test_who_asks_for_a_link_and_gets_in_was_in_the_same_day(home: House, trouble: Trouble) -> None:
    at = await now(home)
    await trouble.notice("asked", at)
    async with home.database.transaction() as session:
        again = await troubles.notice(
            session, trouble.context, invoice=trouble.invoice, cause="failures", at=at
        )
    await trouble.got_in(at + timedelta(minutes=7))
    done = await trouble.ended()

    assert again is None
    assert done["requested_by"] == "customer"
    assert done["result"] == {
        "how": "got_in",
        "solved_at": (at + timedelta(minutes=7)).isoformat(),
        "within_same_business_day": True,
        "minutes": 7,
    }
    assert (await trouble.row()).how == "got_in"
    assert "trouble_noticed_again" in await trouble.events()
    evidence = await home.get(trouble.tenant.auditor, f"/v1/operations/{trouble.operation}/evidence")
    assert verify(as_json(evidence)).operation == trouble.operation


@ON_BOTH_DATABASES
async def test_the_admins_hear_at_once_and_the_controller_before_the_day_is_over(
    home: House, trouble: Trouble
) -> None:
    at = await at_next(home, 10)
    await trouble.notice("asked", at)
    row = await trouble.row()
    before = row.escalated_at
    await trouble.mailed(trouble.tenant.admin)
    early = trouble.mails_to(trouble.tenant.controller)
    await home.skip(hours=5, minutes=1)

    async def escalated() -> bool:
        return (await trouble.row()).escalated_at is not None

    await until(escalated, lambda: "nobody escalated")
    assert before is None
    assert (row.deadline - at) > timedelta(hours=6)
    await trouble.mailed(trouble.tenant.controller)
    assert early == []
    assert "escalated_to_controller" in await trouble.events()


async def test_what_is_noticed_shortly_before_closing_is_escalated_at_once(
    home: House, trouble: Trouble
) -> None:
    at = await at_next(home, 16, 50)
    await trouble.notice("asked", at)

    async def escalated() -> bool:
        return (await trouble.row()).escalated_at is not None

    await until(escalated, lambda: "nobody escalated")
    assert (await trouble.row()).deadline - at < timedelta(minutes=11)


async def test_a_missed_day_is_said_again_every_business_day_until_somebody_closes_it(
    home: House, trouble: Trouble
) -> None:
    at = await at_next(home, 10)
    await trouble.notice("asked", at)
    await home.skip(hours=32)

    async def missed() -> bool:
        return (await trouble.events()).count("deadline_missed") == 2

    await until(missed, lambda: "the second day was not missed")
    # One to escalate, one for the end of each day that was missed, and one for the next day's.
    assert (await home.history(trouble.operation))["TIMER_STARTED"] == 4
    note = {"note": "They pay by bank transfer; the PDF was sent."}
    answer = await home.post(trouble.tenant.admin, f"/v1/portal-troubles/{trouble.operation}/close", note)
    done = await trouble.ended()

    assert answer.status_code == 200, answer.text
    assert (done["result"]["how"], done["result"]["within_same_business_day"]) == ("closed", False)
    assert (await trouble.row()).how == "closed"
    timeline = await home.get(
        trouble.tenant.auditor, f"/v1/operations/{trouble.operation}/timeline?limit=100"
    )
    # A mail of the missed day may be on its way still, and stand after it.
    [closed] = [event for event in timeline["data"] if event["code"] == "closed_by_person"]
    assert (closed["actor"], closed["detail"]["note"]) == (trouble.tenant.admin.id, note["note"])


async def test_a_trouble_whose_workflow_runs_again_goes_on_counting_the_days(
    home: House, trouble: Trouble
) -> None:
    await trouble.notice("asked", await at_next(home, 10))
    await home.skip(hours=32)
    await run_again(home, ids.PORTAL_ACCESS, await stopped(home, trouble.operation, PortalAccessInput))
    await home.skip(hours=24)

    async def missed() -> list[int]:
        timeline = await home.get(
            trouble.tenant.auditor, f"/v1/operations/{trouble.operation}/timeline?limit=100"
        )
        return [one["detail"]["times"] for one in timeline["data"] if one["code"] == "deadline_missed"]

    async def three() -> bool:
        return len(await missed()) == 3

    await until(three, lambda: "the third day was not said to be missed")
    assert await missed() == [1, 2, 3]
    assert (await trouble.events()).count("escalated_to_controller") == 1


async def test_an_expired_link_is_mended_by_a_new_one_once(home: House, trouble: Trouble) -> None:
    at = await now(home)
    invoice = trouble.invoice
    async with home.database.transaction() as session:
        link = await portal_links.issue(
            session,
            organization_id=invoice.organization_id,
            customer_id=invoice.customer_id,
            invoice_id=invoice.id,
            by="system",
            reason="issued",
            at=at - timedelta(days=31),
            expires_at=at - timedelta(days=1),
        )
        session.add(
            PortalAccess(
                id=new_id("pac"),
                organization_id=invoice.organization_id,
                customer_id=invoice.customer_id,
                invoice_id=invoice.id,
                link_id=link.id,
                at=at,
                address="192.0.2.7",
                outcome="expired",
            )
        )
    await trouble.notice("failures", at)
    subject = (await home.get(trouble.tenant.auditor, f"/v1/operations/{trouble.operation}"))["subject"]

    async def fixed() -> bool:
        return "new_link_mailed" in await trouble.events()

    await until(fixed, lambda: "no new link was mailed")
    async with home.database.reading() as session:
        mails = list(await session.exec(select(CustomerMail)))
        starts = list(await session.exec(select(Outbox).where(Outbox.name == "CustomerMailWorkflow")))
        fresh = await portal_links.live(session, invoice.id)

    assert (subject["found"][0], subject["new_link"]) == ("expired", True)
    assert [(mail.template, mail.reason, mail.operation_id) for mail in mails] == [
        ("portal_link", "trouble", trouble.operation)
    ]
    assert len(starts) == 1
    assert fresh is not None
    assert fresh.id != link.id
    await trouble.got_in(at + timedelta(minutes=1))
    await trouble.ended()


async def test_it_is_over_when_stripe_tells_that_the_invoice_is_paid(home: House) -> None:
    acme = await home.shop.tenant(home.database)
    async with home.told_by_stripe():
        customer = await money.customer(home.shop, acme)
        id_ = await money.invoice(home.shop, customer, 1000)
        await home.followed()
        async with home.database.reading() as session:
            invoice = await session.get(Invoice, id_)
        assert invoice is not None
        trouble = Trouble(home, acme, invoice)
        await trouble.notice("asked", await now(home))
        await home.shop.client.v1.invoices.pay_async(id_, {"paid_out_of_band": True})
        done = await trouble.ended()

    assert done["result"]["how"] == "paid"
    assert done["allowed_actions"] == []


@ON_BOTH_DATABASES
async def test_an_admin_reports_what_a_customer_said_once(home: House, trouble: Trouble) -> None:
    body = {"invoice": trouble.invoice.id, "description": "Their browser says that it is blocked."}
    key = {"Idempotency-Key": "reported"}
    answer = await home.post(trouble.tenant.admin, "/v1/portal-troubles", body, **key)
    assert answer.status_code == 202, answer.text
    trouble.operation = answer.json()["id"]
    open_ = await home.wait(trouble.tenant, trouble.operation, "running", stage="waiting")
    again = {"Idempotency-Key": "another"}
    second = await home.post(trouble.tenant.admin, "/v1/portal-troubles", body, **again)
    listed = await home.get(trouble.tenant.auditor, "/v1/portal-troubles?open=true")

    assert open_["subject"]["found"] == ["never_opened"]
    assert (second.status_code, second.json()["code"]) == (409, "portal_trouble_open")
    assert [one["id"] for one in listed["data"]] == [trouble.operation]
    await trouble.got_in(await now(home))
    await trouble.ended()
