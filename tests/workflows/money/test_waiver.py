"""Voids and write-offs from the request to the read-back, through the API: authority, approval, obstacles."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlmodel import select

from billing.money.notes import with_objects
from billing.money.waiver import WaiverInput
from db.tables import Intent
from workflows.core import ids

from ...support import money
from ...support.builders import Tenant
from ...support.house import House, until
from ...support.restarts import run_again, stopped
from ..conftest import ON_BOTH_DATABASES
from ..mail.test_ends_are_told import has_mail

Ask = Callable[..., Awaitable[str]]

BOTH = pytest.mark.parametrize(
    ("ask", "path", "status"),
    [(money.void, "void", "void"), (money.write_off, "mark_uncollectible", "uncollectible")],
    ids=["void", "write-off"],
)


@pytest.fixture
async def acme(home: House) -> Tenant:
    return await home.shop.tenant(home.database)


@pytest.fixture
async def who(home: House, acme: Tenant) -> str:
    return await money.customer(home.shop, acme)


async def in_stripe(home: House, invoice: str) -> Any:
    return await home.shop.client.v1.invoices.retrieve_async(invoice)


async def pay(home: House, customer: str, invoice: str) -> None:
    v1 = home.shop.client.v1
    method = await v1.payment_methods.attach_async("pm_card_visa", {"customer": customer})
    await v1.invoices.pay_async(invoice, {"payment_method": method.id})


def ended(home: House, invoice: str, path: str) -> int:
    """How often the stand-in has carried the end of the invoice out."""
    return len(money.made(home.shop, f"/v1/invoices/{invoice}/{path}"))


@BOTH
@ON_BOTH_DATABASES
async def test_an_open_invoice_is_given_up_once_and_read_back_with_its_note(
    home: House, acme: Tenant, who: str, ask: Ask, path: str, status: str
) -> None:
    bill = await money.invoice(home.shop, who, 20_000)
    operation = await ask(home, acme, bill)
    done = await home.wait(acme, operation, "completed")
    assert (done["result"]["status"], done["result"]["verified"]) == (status, True)
    assert done["result"]["amount"] == {"amount_minor": 20_000, "currency": "usd"}
    found = await in_stripe(home, bill)
    assert found.status == status
    note = with_objects(money.NOTE, [bill])
    assert (found.metadata["plixo_note"], done["result"]["note"]) == (note, note)
    assert ended(home, bill, path) == 1


@ON_BOTH_DATABASES
async def test_a_void_beyond_authority_is_approved_and_done_once(home: House, acme: Tenant, who: str) -> None:
    await approved(home, acme, who, money.void, "void", "void")


@ON_BOTH_DATABASES
async def test_a_write_off_beyond_authority_is_approved_and_done_once(
    home: House, acme: Tenant, who: str
) -> None:
    await approved(home, acme, who, money.write_off, "mark_uncollectible", "uncollectible")


async def approved(home: House, acme: Tenant, who: str, ask: Ask, path: str, status: str) -> None:
    bill = await money.invoice(home.shop, who, 60_000)
    operation = await ask(home, acme, bill)
    approval = await home.reviewed(acme, operation)
    assert approval["subject"]["amount"] == {"amount_minor": 60_000, "currency": "usd"}
    assert approval["subject"]["becomes"] == status
    assert (await in_stripe(home, bill)).status == "open"
    await home.decide(acme.controller, operation)
    await home.wait(acme, operation, "completed")
    assert ended(home, bill, path) == 1


@BOTH
async def test_what_is_rejected_changes_nothing(
    home: House, acme: Tenant, who: str, ask: Ask, path: str, status: str
) -> None:
    bill = await money.invoice(home.shop, who, 60_000)
    operation = await ask(home, acme, bill)
    await home.reviewed(acme, operation)
    await home.decide(acme.controller, operation, "reject", comment="They promised to pay in May.")
    await home.wait(acme, operation, "rejected")
    assert (await in_stripe(home, bill)).status == "open"
    assert ended(home, bill, path) == 0


@BOTH
async def test_it_is_cancelled_while_it_waits(
    home: House, acme: Tenant, who: str, ask: Ask, path: str, status: str
) -> None:
    bill = await money.invoice(home.shop, who, 60_000)
    operation = await ask(home, acme, bill)
    await home.reviewed(acme, operation)
    resource = "voids" if status == "void" else "write-offs"
    answer = await home.post(acme.admin, f"/v1/{resource}/{operation}/cancel", {})
    assert answer.status_code == 200, answer.text
    await home.wait(acme, operation, "cancelled")
    assert ended(home, bill, path) == 0


@BOTH
@ON_BOTH_DATABASES
async def test_no_instrument_gets_round_the_window_of_the_others(
    home: House, acme: Tenant, ask: Ask, path: str, status: str
) -> None:
    """100,000 cents in thirty days, whatever they are given as: 25,000 refunded and three times 25,000 given
    up or credited leave nothing."""
    customers = [await money.customer(home.shop, acme) for _ in range(5)]
    payment = await money.pay(home.shop, customers[0], 25_000)
    await home.wait(acme, await money.refund(home, acme, payment), "completed")
    await home.wait(acme, await money.credit(home, acme, customers[1], 25_000), "completed")
    for customer in customers[2:4]:
        bill = await money.invoice(home.shop, customer, 25_000)
        await home.wait(acme, await ask(home, acme, bill), "completed")
    bill = await money.invoice(home.shop, customers[4], 25_000)
    await home.reviewed(acme, await ask(home, acme, bill))
    assert (await in_stripe(home, bill)).status == "open"
    credit = await money.credit(home, acme, customers[4], 100)
    await home.reviewed(acme, credit)


async def test_what_the_balance_paid_counts_with_a_void_and_goes_back(
    home: House, acme: Tenant, who: str
) -> None:
    """An invoice of 30,000 of which the balance has paid 29,000: a void gives all of it."""
    await home.shop.client.v1.customers.balance_transactions.create_async(
        who, {"amount": -29_000, "currency": "usd"}
    )
    bill = await money.invoice(home.shop, who, 30_000)
    operation = await money.void(home, acme, bill)
    approval = await home.reviewed(acme, operation)
    said = approval["subject"]
    assert (said["amount"]["amount_minor"], said["remaining"]["amount_minor"]) == (30_000, 1_000)
    assert said["to_balance"]["amount_minor"] == 29_000
    await home.decide(acme.controller, operation)
    await home.wait(acme, operation, "completed")
    assert (await home.shop.client.v1.customers.retrieve_async(who)).balance == -29_000


async def test_a_write_off_leaves_what_the_balance_paid(home: House, acme: Tenant, who: str) -> None:
    await home.shop.client.v1.customers.balance_transactions.create_async(
        who, {"amount": -29_000, "currency": "usd"}
    )
    bill = await money.invoice(home.shop, who, 30_000)
    done = await home.wait(acme, await money.write_off(home, acme, bill), "completed")
    assert done["result"]["amount"]["amount_minor"] == 1_000
    assert (await home.shop.client.v1.customers.retrieve_async(who)).balance == 0


@BOTH
async def test_a_credit_note_meanwhile_leads_to_a_new_round(
    home: House, acme: Tenant, who: str, ask: Ask, path: str, status: str
) -> None:
    bill = await money.invoice(home.shop, who, 90_000)
    operation = await ask(home, acme, bill)
    await home.reviewed(acme, operation)
    await home.shop.client.v1.credit_notes.create_async({"invoice": bill, "amount": 10_000})
    await home.decide(acme.controller, operation)
    second = await home.reviewed(acme, operation, 2)
    assert second["subject"]["amount"]["amount_minor"] == 80_000
    await home.decide(acme.controller, operation)
    done = await home.wait(acme, operation, "completed")
    assert (done["result"]["amount"]["amount_minor"], ended(home, bill, path)) == (80_000, 1)


@BOTH
async def test_an_invoice_that_is_paid_meanwhile_ends_the_request(
    home: House, acme: Tenant, who: str, ask: Ask, path: str, status: str
) -> None:
    bill = await money.invoice(home.shop, who, 90_000)
    async with home.told_by_stripe():
        operation = await ask(home, acme, bill)
        await home.reviewed(acme, operation)
        await pay(home, who, bill)
        await home.followed()
        blocked = await home.wait(acme, operation, "blocked")
    assert blocked["error"]["code"] == "invoice_paid"


@BOTH
@pytest.mark.parametrize(
    ("before", "code"),
    [
        ("draft", "invoice_draft"),
        ("paid", "invoice_paid"),
        ("void", "invoice_ended"),
        ("uncollectible", "invoice_ended"),
    ],
)
async def test_only_an_open_invoice_can_be_given_up(
    home: House, acme: Tenant, who: str, ask: Ask, path: str, status: str, before: str, code: str
) -> None:
    bill = await money.invoice(home.shop, who, 20_000, finalized=before != "draft", paid=before == "paid")
    invoices = home.shop.client.v1.invoices
    if before == "void":
        await invoices.void_invoice_async(bill)
    elif before == "uncollectible":
        await invoices.mark_uncollectible_async(bill)
    since = home.stand_in.last_request()
    blocked = await home.wait(acme, await ask(home, acme, bill), "blocked")
    assert blocked["error"]["code"] == code
    assert money.made(home.shop, f"/v1/invoices/{bill}/{path}", since) == []


@BOTH
async def test_another_organizations_invoice_is_unknown(
    home: House, acme: Tenant, ask: Ask, path: str, status: str
) -> None:
    other = await home.shop.tenant(home.database)
    bill = await money.invoice(home.shop, await money.customer(home.shop, other), 20_000)
    blocked = await home.wait(acme, await ask(home, acme, bill), "blocked")
    assert blocked["error"]["code"] == "invoice_unknown"
    assert (await in_stripe(home, bill)).status == "open"


@ON_BOTH_DATABASES
async def test_a_credit_note_and_a_void_do_not_wait_beside_each_other(
    home: House, acme: Tenant, who: str
) -> None:
    bill, other = [await money.invoice(home.shop, who, 90_000) for _ in range(2)]
    void = await money.void(home, acme, bill)
    await home.reviewed(acme, void)
    note = {"instrument": "credit_note", "reason": "duplicate"}
    credit = await money.credit(home, acme, who, 5_000, invoice=bill, **note)
    blocked = await home.wait(acme, credit, "blocked")
    assert blocked["error"]["code"] == "invoice_claimed"
    credit = await money.credit(home, acme, who, 60_000, invoice=other, **note)
    await home.reviewed(acme, credit)
    blocked = await home.wait(acme, await money.write_off(home, acme, other), "blocked")
    assert blocked["error"]["code"] == "invoice_claimed"
    await home.decide(acme.controller, void)
    await home.wait(acme, void, "completed")


@BOTH
async def test_what_stripe_refuses_has_failed_and_sets_nothing_aside(
    home: House, acme: Tenant, who: str, ask: Ask, path: str, status: str
) -> None:
    bill = await money.invoice(home.shop, who, 20_000)
    home.stand_in.fault("refuse", method="POST", path=f"/v1/invoices/{bill}/{path}", status=400)
    failed = await home.wait(acme, await ask(home, acme, bill), "failed")
    assert failed["error"]["code"] == "stripe_refused"
    assert (await in_stripe(home, bill)).status == "open"
    await home.wait(acme, await ask(home, acme, bill), "completed")


@BOTH
async def test_an_invoice_without_its_note_waits_until_somebody_accepts_it(
    home: House, acme: Tenant, who: str, ask: Ask, path: str, status: str
) -> None:
    bill = await money.invoice(home.shop, who, 20_000)
    home.stand_in.fault("refuse", method="POST", path=f"/v1/invoices/{bill}$", status=400)
    operation = await ask(home, acme, bill)
    waits = await home.wait(acme, operation, "mismatched")
    assert (waits["error"]["code"], waits["allowed_actions"]) == ("stripe_refused", [])
    kind = "void_differs" if status == "void" else "write_off_differs"
    await has_mail(home, acme.finance, f"notice {kind}")
    [notice] = (await home.get(acme.finance, "/v1/notices"))["data"]
    assert (notice["kind"], notice["operation"]) == (kind, operation)
    body = {"action": "accept", "comment": "The note is in our records."}
    path = f"/v1/{'voids' if status == 'void' else 'write-offs'}/{operation}/resolution"
    assert (await home.post(acme.admin, path, body)).json()["code"] == "role_missing"
    assert (await home.post(acme.controller, path, body)).status_code in (200, 202)
    done = await home.wait(acme, operation, "completed")
    assert (done["result"]["accepted_by"], done["result"]["status"]) == (acme.controller.id, status)
    assert done["result"]["note_problem"]["code"] == "stripe_refused"


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_who_only_names_an_invoice_in_a_note_keeps_nobody_from_giving_it_up(
    home: House, acme: Tenant, who: str
) -> None:
    bill = await money.invoice(home.shop, who, 20_000)
    other = await home.shop.tenant(home.database)
    theirs = await money.customer(home.shop, other)
    for tenant, customer in ((other, theirs), (acme, who)):
        await home.reviewed(tenant, await money.credit(home, tenant, customer, 60_000, note=bill))
    await home.wait(acme, await money.void(home, acme, bill), "completed")


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_what_was_begun_and_then_refused_in_a_later_run_is_not_called_done(
    home: House, acme: Tenant, who: str
) -> None:
    bill = await money.invoice(home.shop, who, 20_000)
    home.stand_in.fault("drop_before", times=1_000, path=f"/v1/invoices/{bill}/void")
    operation = await money.void(home, acme, bill)

    async def begun() -> bool:
        async with home.database.reading() as session:
            found = await session.exec(select(Intent.state).where(Intent.operation_id == operation))
            return found.all() == ["open"]

    await until(begun, lambda: "the void was not begun")
    lost = await stopped(home, operation, WaiverInput)
    await pay(home, who, bill)
    home.stand_in.clear_faults()
    await run_again(home, ids.WAIVER, lost)
    ended_ = await home.wait(acme, operation, "failed", "mismatched", "completed")
    assert (ended_["state"], ended_["result"]) == ("failed", None)
    assert "plixo_note" not in (await in_stripe(home, bill)).metadata
    used = (await home.get(acme.admin, "/v1/me"))["authority"][0]["used"]
    assert used["amount_minor"] == 0
