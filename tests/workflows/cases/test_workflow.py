"""What is made in Stripe itself becomes one case, counts in authority, and is closed only with its note."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from itertools import count
from typing import Any

import pytest
from sqlmodel import select

from activities.mirror import pages as mirror_pages
from billing.core.operations import Role
from billing.evidence.verify import verify
from billing.mirror.reconciliation import ReconcileInput
from billing.money.notes import with_objects
from db.mirror import mirror
from db.tables import Commitment, Notice, Outbox
from workflows.core import ids

from ...support import money
from ...support.builders import Member, Tenant, member
from ...support.house import House, until
from ..conftest import ON_BOTH_DATABASES

DAY = 86_400
WHY = "Refunded in the dashboard while the console was away."

_runs = count(1)


@pytest.fixture
async def acme(home: House) -> AsyncIterator[Tenant]:
    async with home.told_by_stripe():
        yield await home.shop.tenant(home.database)


async def cases(home: House, tenant: Tenant, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await home.get(tenant.auditor, f"/v1/cases?limit=100{query}"))["data"]
    return found


async def kinds(home: House, tenant: Tenant) -> dict[str, tuple[str, int | None]]:
    """By the object in Stripe: what kind it is, and what it gave."""
    found = await cases(home, tenant)
    by_object = {
        one["object"]: (one["object_kind"], (one["amount"] or {}).get("amount_minor")) for one in found
    }
    assert len(by_object) == len(found), "an object has two cases"
    return by_object


async def the_case(home: House, tenant: Tenant) -> dict[str, Any]:
    """The only one, as soon as its workflow has begun."""
    await home.followed()
    await home.swept()
    [case] = await cases(home, tenant)
    await home.wait(tenant, case["id"], "running", stage="note_owed")
    return case


async def reconcile(home: House) -> None:
    assert home.environment is not None
    with home.environment.auto_time_skipping_disabled():
        await home.temporal.execute_workflow(
            ids.RECONCILE, ReconcileInput(), id=f"cases-{next(_runs)}", task_queue=ids.MAIN_QUEUE
        )


async def read_subscription(home: House, tenant: Tenant) -> None:
    """As an event's reading or a reconciliation's does."""
    await mirror_pages.subscription(home.shop.access(home.database), tenant.organization)


async def refunded(home: House, tenant: Tenant, paid: int, amount: int, card: str = "pm_card_visa") -> str:
    """Somebody refunds a customer's payment in the dashboard; gives the refund's id."""
    payment = await money.pay(home.shop, await money.customer(home.shop, tenant), paid, card)
    made = await home.shop.client.v1.refunds.create_async({"payment_intent": payment, "amount": amount})
    return made.id


async def close(home: House, who: Member, case: str, **body: Any) -> None:
    answer = await home.post(who, f"/v1/cases/{case}/close", {"note": WHY} | body)
    assert answer.status_code == 200, answer.text


async def confirm(home: House, who: Member, case: str, *, made: bool) -> None:
    answer = await home.post(who, f"/v1/cases/{case}/confirm", {"made": made})
    assert answer.status_code == 200, answer.text


@ON_BOTH_DATABASES
async def test_money_given_in_stripe_itself_is_one_case_each_however_it_is_learnt_of(
    home: House, acme: Tenant
) -> None:
    home.stand_in.webhooks(mode="hold")
    v1 = home.shop.client.v1
    customer = await money.customer(home.shop, acme)
    payment = await money.pay(home.shop, customer, 1000)
    invoice = await money.invoice(home.shop, customer, 5000, paid=True)
    unpaid = await money.invoice(home.shop, customer, 900)
    refund = await v1.refunds.create_async({"payment_intent": payment, "amount": 100})
    partly = await v1.credit_notes.create_async(
        {"invoice": invoice, "amount": 500, "refund_amount": 300, "credit_amount": 200}
    )
    lowering = await v1.credit_notes.create_async({"invoice": unpaid, "amount": 70})
    service = v1.customers.balance_transactions
    credit = await service.create_async(customer, {"amount": -40, "currency": "usd"})
    await service.create_async(customer, {"amount": 15, "currency": "usd"})
    home.stand_in.webhooks(mode="reorder")
    await asyncio.gather(reconcile(home), home.followed())
    home.stand_in.webhooks(mode="duplicate")
    await v1.refunds.update_async(refund.id, {"metadata": {"seen": "yes"}})
    await asyncio.gather(reconcile(home), home.followed())

    assert await kinds(home, acme) == {
        refund.id: ("refund", 100),
        partly.refunds[0].refund: ("refund", 300),
        partly.id: ("credit_note", 200),
        lowering.id: ("credit_note", 70),
        credit.id: ("balance_transaction", 40),
    }
    async with home.database.reading() as session:
        starts = list(await session.exec(select(Outbox).where(Outbox.name == ids.CASE)))
        counted = list(await session.exec(select(Commitment)))
    assert len(starts) == 5
    assert sorted(row.amount_minor for row in counted) == [40, 70, 100, 200, 300]
    assert {(row.customer_id, row.authority_of, row.decided_at is None) for row in counted} == {
        (customer, None, False)
    }


async def test_money_that_our_operations_give_is_no_case(home: House, acme: Tenant) -> None:
    home.stand_in.webhooks(mode="duplicate")
    customer = await money.customer(home.shop, acme)
    payment = await money.pay(home.shop, customer, 1000)
    invoice = await money.invoice(home.shop, customer, 900)
    note = {"instrument": "credit_note", "invoice": invoice, "reason": "order_change"}
    asked = await asyncio.gather(
        money.refund(home, acme, payment, 100),
        money.credit(home, acme, customer, 50),
        money.credit(home, acme, customer, 70, **note),
    )
    for operation in asked:
        await home.wait(acme, operation, "completed")
    await reconcile(home)
    await home.followed()
    assert await cases(home, acme) == []


async def test_a_plan_change_of_ours_is_no_case_now_or_at_period_end(home: House, acme: Tenant) -> None:
    change = await home.ask(acme)
    await asked(home, acme, change)
    reading = [read_subscription(home, acme) for _ in range(3)]
    await asyncio.gather(home.decide(acme.controller, change), *reading)
    await home.wait(acme, change, "completed")
    await read_subscription(home, acme)

    later = await home.ask(acme, plan="scale", effective="period_end")
    await asked(home, acme, later)
    await home.decide(acme.controller, later)
    await home.wait(acme, later, "running", stage="scheduled")
    home.stand_in.advance(31 * DAY)
    await read_subscription(home, acme)
    async with home.database.reading() as session:
        held = (await mirror.organization(session, acme.id)).subscription
    assert held is not None
    assert (held["plan"], held["plixo_effect"]) == ("scale", f"{acme.id}:{change}:apply:1")
    await home.skip(hours=2)
    await home.wait(acme, later, "completed")
    await read_subscription(home, acme)
    await home.followed()
    assert await cases(home, acme) == []


async def asked(home: House, tenant: Tenant, operation: str) -> None:
    """It is in review, and those who are asked have their mail: nothing is under way any more."""
    before = len(home.mail.names(tenant.controller.person))
    await home.reviewed(tenant, operation)

    async def mailed() -> bool:
        return len(home.mail.names(tenant.controller.person)) >= max(before, 1)

    await until(mailed, lambda: f"the controller was not asked: {home.mail.names()}")


async def test_it_counts_at_once_for_the_customer_and_in_the_end_for_who_made_it(
    home: House, acme: Tenant
) -> None:
    refund = await refunded(home, acme, 400_000, 280_000)
    case = await the_case(home, acme)
    payment = case["payment_intent"]
    held = await money.refund(home, acme, payment, 30_000)
    await home.reviewed(acme, held)
    assert "beyond_requesters_authority" in await home.events(acme, held)
    assert case["deadline"] > case["noticed_at"]

    await close(home, acme.controller, case["id"], done_by=acme.admin.id)
    await confirm(home, acme.admin, case["id"], made=True)
    done = await home.wait(acme, case["id"], "completed")
    assert done["result"]["beyond_authority"] is True
    assert "USD 2,800.00" in done["result"]["why_beyond"]
    assert (done["result"]["note"], done["result"]["in_time"]) == (with_objects(WHY, [payment]), True)
    [shown] = await cases(home, acme, "&open=false")
    assert (shown["done_by"], shown["beyond_authority"]) == (acme.admin.id, True)

    other = await money.pay(home.shop, await money.customer(home.shop, acme), 20_000)
    mine = await money.refund(home, acme, other, 10_000)
    await home.reviewed(acme, mine)
    assert "beyond_requesters_authority" in await home.events(acme, mine)
    by_another = await money.refund(home, acme, other, 5_000, by=acme.controller)
    await home.wait(acme, by_another, "completed")

    noted = await home.shop.client.v1.refunds.retrieve_async(refund)
    metadata = noted.metadata.to_dict() if noted.metadata else {}
    assert metadata["plixo_note"] == with_objects(WHY, [payment])
    assert metadata["plixo_note_by"].startswith(acme.controller.id)
    writes = [line for line in home.shop.changes() if line["path"] == f"/v1/refunds/{refund}"]
    assert len(writes) == 1
    path = f"/v1/operations/{case['id']}/evidence"
    answer = await home.http.get(path, headers=acme.auditor.headers)
    assert verify(answer.content).operation == case["id"]
    assert answer.json()["operation"]["request"]["object"] == refund
    assert answer.json()["commitments"][0]["authority_of"] == acme.admin.id

    async def told() -> bool:
        return "case_closed" in home.mail.names(acme.controller.person)

    await until(told, lambda: f"the controller was not told: {home.mail.names()}")
    async with home.database.reading() as session:
        notices = (await session.exec(select(Notice).where(Notice.operation_id == case["id"]))).all()
    assert [notice.kind for notice in notices] == ["refund_made_in_stripe"]


async def test_nobody_is_said_to_have_made_it_without_their_own_word(home: House, acme: Tenant) -> None:
    """Or whoever made it could have it counted in a colleague's authority."""
    await refunded(home, acme, 1000, 100)
    case = (await the_case(home, acme))["id"]
    await close(home, acme.controller, case, done_by=acme.admin.id)

    waiting = await home.wait(acme, case, "running", stage="maker_to_confirm")
    assert waiting["result"]["named"] == acme.admin.id
    assert await counted_in(home, case) == [None]
    for who in (acme.controller, acme.finance):
        refused = await home.post(who, f"/v1/cases/{case}/confirm", {"made": True})
        assert (refused.status_code, refused.json()["code"]) == (403, "not_named")
    mine = await home.get(acme.admin, f"/v1/cases/{case}")
    assert (mine["named"], mine["allowed_actions"]) == (acme.admin.id, ["take", "close", "confirm"])

    await confirm(home, acme.admin, case, made=False)

    open_again = await home.wait(acme, case, "running", stage="note_owed")
    assert (open_again["result"]["named"], open_again["result"]["denied_by"]) == (None, acme.admin.id)
    late = await home.post(acme.admin, f"/v1/cases/{case}/confirm", {"made": True})
    assert (late.status_code, late.json()["code"]) == (409, "not_confirmable")

    async def told() -> bool:
        asked = "case_named" in home.mail.names(acme.admin.person)
        return asked and "case_denied" in home.mail.names(acme.controller.person)

    await until(told, lambda: f"they were not told: {home.mail.names()}")
    await close(home, acme.controller, case)
    await home.wait(acme, case, "completed")
    assert await counted_in(home, case) == [acme.controller.id]


async def _is_told(home: House, acme: Tenant) -> bool:
    return len((await home.get(acme.finance, "/v1/notices?state=open"))["data"]) == 1


async def test_finance_hears_anew_of_what_only_its_maker_had_acknowledged(home: House, acme: Tenant) -> None:
    both = await member(home.database, acme.organization, [Role.FINANCE, Role.CONTROLLER])
    await refunded(home, acme, 1000, 100)
    case = (await the_case(home, acme))["id"]
    await until(partial(_is_told, home, acme), lambda: "Finance was not told")
    [notice] = (await home.get(acme.finance, "/v1/notices"))["data"]
    seen = await home.post(both, f"/v1/notices/{notice['id']}/acknowledge", {})
    assert seen.status_code == 200, seen.text
    await close(home, both, case)
    await home.wait(acme, case, "completed")

    await until(partial(_is_told, home, acme), lambda: "nobody else was told")
    [second] = (await home.get(acme.finance, "/v1/notices?state=open"))["data"]
    refused = await home.post(both, f"/v1/notices/{second['id']}/acknowledge", {})
    assert (refused.status_code, refused.json()["code"]) == (403, "own_doing")
    assert (await home.post(acme.finance, f"/v1/notices/{second['id']}/acknowledge", {})).status_code == 200


async def counted_in(home: House, case: str) -> list[str | None]:
    async with home.database.reading() as session:
        held = await session.exec(select(Commitment).where(Commitment.operation_id == case))
        return [one.authority_of for one in held]


async def test_silence_reminds_and_escalates_and_closes_nothing(home: House, acme: Tenant) -> None:
    await refunded(home, acme, 1000, 100)
    case = await the_case(home, acme)
    await home.skip_past(case["deadline"])

    async def escalated() -> bool:
        return bool((await home.get(acme.auditor, f"/v1/cases/{case['id']}"))["escalated"])

    await until(escalated, lambda: "nobody escalated it")
    answer = await home.post(acme.controller, f"/v1/cases/{case['id']}/take", {})
    assert answer.status_code == 200, answer.text
    await home.skip(days=7)
    events = await home.events(acme, case["id"])
    assert events[:3] == ["case_noticed", "note_owed", "counted_for_customer"]
    assert events.count("escalated_to_controller") == 1
    assert 5 <= events.count("reminded_of_note") <= 8
    assert (await home.get(acme.auditor, f"/v1/cases/{case['id']}"))["owner"] == acme.controller.id
    await home.swept()
    assert "case_reminder" in home.mail.names(acme.admin.person)
    assert "case_escalated" in home.mail.names(acme.controller.person)
    await close(home, acme.admin, case["id"])
    done = await home.wait(acme, case["id"], "completed")
    assert (done["result"]["in_time"], done["result"]["done_by"]) == (False, acme.admin.id)
    again = await home.post(acme.admin, f"/v1/cases/{case['id']}/close", {"note": WHY})
    assert (again.status_code, again.json()["code"]) == (409, "not_closable")


@ON_BOTH_DATABASES
async def test_a_plan_change_and_a_cancellation_in_stripe_are_a_case_each(home: House, acme: Tenant) -> None:
    v1 = home.shop.client.v1
    subscription = await home.shop.subscription(acme)
    item = subscription["items"].data[0].id
    growth = home.shop.price["growth", "month"]

    async def change(**to: Any) -> None:
        await v1.subscriptions.update_async(subscription.id, {"items": [{"id": item, **to}]})  # type: ignore[list-item]
        await asyncio.gather(*(read_subscription(home, acme) for _ in range(3)))

    await change(price=growth, quantity=6)
    await change(price=home.shop.price["starter", "month"], quantity=6)
    await change(price=growth, quantity=6)
    await v1.subscriptions.cancel_async(subscription.id)
    await asyncio.gather(*(read_subscription(home, acme) for _ in range(3)))
    await home.swept()
    found = [await home.get(acme.auditor, f"/v1/operations/{one['id']}") for one in await cases(home, acme)]
    said = [(one["request"]["from"]["plan"], one["request"]["to"]["plan"]) for one in reversed(found)]
    assert said == [("starter", "growth"), ("growth", "starter"), ("starter", "growth"), ("growth", "growth")]
    assert [one["request"]["status"] for one in found] == ["canceled", "active", "active", "active"]

    last = found[0]
    await home.wait(acme, last["id"], "running", stage="note_owed")
    await close(home, acme.admin, last["id"])
    done = await home.wait(acme, last["id"], "completed")
    assert (done["result"]["noted_in_stripe"], done["result"]["beyond_authority"]) == (True, None)
    ended = await home.shop.subscription(acme)
    assert ended.metadata["plixo_note"] == WHY
    await read_subscription(home, acme)
    assert len(await cases(home, acme)) == 4
    answer = await home.http.get(f"/v1/operations/{last['id']}/evidence", headers=acme.auditor.headers)
    assert verify(answer.content).operation == last["id"]


async def test_a_refund_that_fails_later_counts_no_more_and_owes_its_note_still(
    home: House, acme: Tenant
) -> None:
    await refunded(home, acme, 400_000, 280_000, "pm_card_refundFail")
    case = await the_case(home, acme)
    home.stand_in.advance(120)
    await home.followed()
    assert "came_to_nothing" in await home.events(acme, case["id"])
    payment = await money.pay(home.shop, case["customer"], 40_000)
    await home.wait(acme, await money.refund(home, acme, payment, 30_000), "completed")
    await close(home, acme.admin, case["id"])
    done = await home.wait(acme, case["id"], "completed")
    assert (done["result"]["counted"], done["result"]["beyond_authority"]) == (False, True)
    answer = await home.http.get(f"/v1/operations/{case['id']}/evidence", headers=acme.auditor.headers)
    assert verify(answer.content).operation == case["id"]


async def test_every_kind_of_credit_bears_its_note_in_stripe(home: House, acme: Tenant) -> None:
    v1 = home.shop.client.v1
    customer = await money.customer(home.shop, acme)
    invoice = await money.invoice(home.shop, customer, 900)
    note = await v1.credit_notes.create_async({"invoice": invoice, "amount": 70})
    service = v1.customers.balance_transactions
    credit = await service.create_async(customer, {"amount": -40, "currency": "usd"})
    await home.followed()
    await home.swept()
    found = await cases(home, acme)
    assert {one["object"] for one in found} == {note.id, credit.id}
    for one in found:
        await home.wait(acme, one["id"], "running", stage="note_owed")
        await close(home, acme.admin, one["id"])
        done = await home.wait(acme, one["id"], "completed")
        assert (done["result"]["beyond_authority"], done["result"]["noted_in_stripe"]) == (False, True)
    kept = await v1.credit_notes.retrieve_async(note.id), await service.retrieve_async(customer, credit.id)
    assert [one.metadata["plixo_note"] for one in kept if one.metadata] == [WHY, WHY]
    more = {"note": "The customer asked for it by telephone."}
    answer = await home.post(acme.admin, f"/v1/cases/{found[0]['id']}/notes", more)
    assert answer.status_code == 202, answer.text

    async def there() -> bool:
        objects = (
            await v1.credit_notes.retrieve_async(note.id),
            await service.retrieve_async(customer, credit.id),
        )
        return any("plixo_note_2" in one.metadata.to_dict() for one in objects if one.metadata)

    await until(there, lambda: "the second note did not reach Stripe")
