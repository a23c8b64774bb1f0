"""A credit from the request to the read-back, through the API: instruments, authority, approval."""

import pytest

from ...support import money
from ...support.builders import Tenant, member
from ...support.house import House
from ..conftest import ON_BOTH_DATABASES


@pytest.fixture
async def acme(home: House) -> Tenant:
    return await home.shop.tenant(home.database)


@pytest.fixture
async def who(home: House, acme: Tenant) -> str:
    return await money.customer(home.shop, acme)


async def balance(home: House, customer: str) -> int:
    return int((await home.shop.client.v1.customers.retrieve_async(customer)).balance or 0)


@ON_BOTH_DATABASES
async def test_a_credit_on_the_balance_is_given_once_and_read_back(
    home: House, acme: Tenant, who: str
) -> None:
    operation = await money.credit(home, acme, who, 5_000)
    done = await home.wait(acme, operation, "completed")
    result = done["result"]
    assert (result["instrument"], result["verified"], result["differences"]) == ("balance", True, [])
    assert result["balance_after"] == {"amount_minor": -5_000, "currency": "usd"}
    assert await balance(home, who) == -5_000
    path = f"/v1/customers/{who}/balance_transactions"
    assert len(money.made(home.shop, path)) == 1
    transaction = await home.shop.client.v1.customers.balance_transactions.retrieve_async(
        who, result["object"]
    )
    assert transaction.metadata["plixo_note"] == money.NOTE
    assert transaction.metadata["plixo_reason"] == "goodwill"


async def test_a_credit_note_takes_from_what_is_due_on_an_open_invoice(
    home: House, acme: Tenant, who: str
) -> None:
    bill = await money.invoice(home.shop, who, 20_000)
    operation = await money.credit(
        home, acme, who, 8_000, instrument="credit_note", invoice=bill, reason="order_change"
    )
    done = await home.wait(acme, operation, "completed")
    assert done["result"]["reduces_due"]["amount_minor"] == 8_000
    assert done["result"]["invoice_remaining"]["amount_minor"] == 12_000
    assert (await home.shop.client.v1.invoices.retrieve_async(bill)).amount_remaining == 12_000
    assert await balance(home, who) == 0


async def test_a_credit_note_on_a_paid_invoice_goes_to_the_balance(
    home: House, acme: Tenant, who: str
) -> None:
    bill = await money.invoice(home.shop, who, 20_000, paid=True)
    operation = await money.credit(
        home, acme, who, 8_000, instrument="credit_note", invoice=bill, reason="duplicate"
    )
    done = await home.wait(acme, operation, "completed")
    assert done["result"]["to_balance"]["amount_minor"] == 8_000
    assert await balance(home, who) == -8_000


async def test_an_invoice_that_is_paid_while_the_credit_waits_leads_to_a_new_round(
    home: House, acme: Tenant, who: str
) -> None:
    bill = await money.invoice(home.shop, who, 90_000)
    operation = await money.credit(
        home, acme, who, 60_000, instrument="credit_note", invoice=bill, reason="duplicate"
    )
    first = await home.reviewed(acme, operation)
    assert first["subject"]["reduces_due"]["amount_minor"] == 60_000
    method = await home.shop.client.v1.payment_methods.attach_async("pm_card_visa", {"customer": who})
    await home.shop.client.v1.invoices.pay_async(bill, {"payment_method": method.id})
    await home.decide(acme.controller, operation)
    second = await home.reviewed(acme, operation, 2)
    assert second["subject"]["to_balance"]["amount_minor"] == 60_000
    await home.decide(acme.controller, operation)
    await home.wait(acme, operation, "completed")
    assert await balance(home, who) == -60_000


@pytest.mark.parametrize(
    ("status", "code"), [("draft", "invoice_not_creditable"), ("void", "invoice_not_creditable")]
)
async def test_a_credit_note_that_can_not_apply_is_explained(
    home: House, acme: Tenant, who: str, status: str, code: str
) -> None:
    bill = await money.invoice(home.shop, who, 20_000, finalized=status != "draft")
    if status == "void":
        await home.shop.client.v1.invoices.void_invoice_async(bill)
    operation = await money.credit(
        home, acme, who, 8_000, instrument="credit_note", invoice=bill, reason="duplicate"
    )
    blocked = await home.wait(acme, operation, "blocked")
    assert blocked["error"]["code"] == code
    assert money.made(home.shop, "/v1/credit_notes") == []


async def test_more_than_an_invoice_comes_to_is_blocked(home: House, acme: Tenant, who: str) -> None:
    bill = await money.invoice(home.shop, who, 20_000)
    operation = await money.credit(
        home, acme, who, 20_001, instrument="credit_note", invoice=bill, reason="duplicate"
    )
    blocked = await home.wait(acme, operation, "blocked")
    assert blocked["error"]["code"] == "amount_above_creditable"


async def test_what_was_refunded_of_an_invoice_is_not_credited_once_more(
    home: House, acme: Tenant, who: str
) -> None:
    bill = await money.invoice(home.shop, who, 120_000, paid=True)
    payment = await money.payment_of(home.shop, bill)
    refund = await money.refund(home, acme, payment, by=acme.controller)
    await home.wait(acme, refund, "completed")
    operation = await money.credit(
        home, acme, who, 20_000, instrument="credit_note", invoice=bill, reason="duplicate"
    )
    blocked = await home.wait(acme, operation, "blocked")
    assert blocked["error"]["code"] == "amount_above_creditable"
    assert money.made(home.shop, "/v1/credit_notes") == []
    assert await balance(home, who) == 0


@ON_BOTH_DATABASES
async def test_a_credit_note_and_a_refund_that_wait_for_approval_share_what_was_paid(
    home: House, acme: Tenant, who: str
) -> None:
    bill = await money.invoice(home.shop, who, 120_000, paid=True)
    payment = await money.payment_of(home.shop, bill)
    credit = await money.credit(
        home, acme, who, 60_000, instrument="credit_note", invoice=bill, reason="duplicate"
    )
    await home.reviewed(acme, credit)
    refund = await money.refund(home, acme, payment, 60_001)
    blocked = await home.wait(acme, refund, "blocked")
    assert blocked["error"]["code"] == "amount_above_refundable"
    refund = await money.refund(home, acme, payment, 60_000)
    await home.reviewed(acme, refund)
    # Meanwhile somebody gives a part of it back in Stripe itself: one of the two has no room any more.
    elsewhere = {"invoice": bill, "amount": 10_000, "credit_amount": 10_000}
    await home.shop.client.v1.credit_notes.create_async(elsewhere)
    await home.decide(acme.controller, credit)
    blocked = await home.wait(acme, credit, "blocked")
    assert blocked["error"]["code"] == "amount_above_creditable"
    await home.decide(acme.controller, refund)
    await home.wait(acme, refund, "completed")
    assert await balance(home, who) == -10_000


async def test_splitting_a_credit_does_not_get_round_the_authority(
    home: House, acme: Tenant, who: str
) -> None:
    """25,000 cents an item, 100,000 in thirty days: four go through, the fifth waits."""
    customers = [who] + [await money.customer(home.shop, acme) for _ in range(4)]
    for customer in customers[:4]:
        await home.wait(acme, await money.credit(home, acme, customer, 25_000), "completed")
    operation = await money.credit(home, acme, customers[4], 25_000)
    await home.reviewed(acme, operation)
    assert await balance(home, customers[4]) == 0
    await home.decide(acme.controller, operation)
    await home.wait(acme, operation, "completed")


@ON_BOTH_DATABASES
async def test_several_requesters_do_not_get_round_the_customers_window(
    home: House, acme: Tenant, who: str
) -> None:
    """150,000 cents to one customer in thirty days by everybody together: six of 25,000 go through."""
    from billing.core.operations import Role

    second = await member(home.database, acme.organization, [Role.BILLING_ADMIN])
    third = await member(home.database, acme.organization, [Role.BILLING_ADMIN])
    for by in (acme.admin, acme.admin, second, second, third, third):
        await home.wait(acme, await money.credit(home, acme, who, 25_000, by=by), "completed")
    operation = await money.credit(home, acme, who, 25_000, by=third)
    await home.reviewed(acme, operation)
    assert await balance(home, who) == -150_000


async def test_refunds_and_credits_share_one_window(home: House, acme: Tenant) -> None:
    """The default policy counts them together: 75,000 refunded leave 25,000 of the credits' 100,000."""
    who = await money.customer(home.shop, acme)
    for amount in (50_000, 25_000):
        payment = await money.pay(home.shop, who, amount)
        await home.wait(acme, await money.refund(home, acme, payment), "completed")
    other = await money.customer(home.shop, acme)
    await home.wait(acme, await money.credit(home, acme, other, 25_000), "completed")
    operation = await money.credit(home, acme, other, 100)
    await home.reviewed(acme, operation)


async def test_a_credit_in_another_currency_than_the_balance_is_blocked(
    home: House, acme: Tenant, who: str
) -> None:
    await home.wait(acme, await money.credit(home, acme, who, 1_000), "completed")
    operation = await money.credit(home, acme, who, 1_000, currency="eur")
    blocked = await home.wait(acme, operation, "blocked")
    assert blocked["error"]["code"] == "wrong_currency"


async def test_a_customer_of_another_organization_is_unknown(home: House, acme: Tenant) -> None:
    other = await home.shop.tenant(home.database)
    theirs = await money.customer(home.shop, other)
    operation = await money.credit(home, acme, theirs, 1_000)
    blocked = await home.wait(acme, operation, "blocked")
    assert blocked["error"]["code"] == "customer_unknown"
    assert await balance(home, theirs) == 0


async def test_a_credit_is_cancelled_while_it_waits(home: House, acme: Tenant, who: str) -> None:
    operation = await money.credit(home, acme, who, 60_000)
    await home.reviewed(acme, operation)
    answer = await home.post(acme.admin, f"/v1/credits/{operation}/cancel", {})
    assert answer.status_code == 200, answer.text
    await home.wait(acme, operation, "cancelled")
    assert await balance(home, who) == 0
