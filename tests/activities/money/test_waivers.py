"""What Stripe says of an invoice that is to be given up, and of one that was."""

from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from activities.money.waivers import WaiverReads
from billing.money.waiver import (
    WaivableFacts,
    WaivableInvoice,
    WaivableQuery,
    WaiverRead,
    WaiverWanted,
    plan_waiver,
)
from db.tables import Invoice

from ...support import money
from ...support.case_rules import case_rules
from ..counter import Counter

pytestmark = pytest.mark.parametrize("databases", ["sqlite"], indirect=True)


def reads(counter: Counter) -> WaiverReads:
    return WaiverReads(counter.shop.client, counter.database, case_rules())


async def waivable(counter: Counter, invoice: str, **more: Any) -> WaivableFacts:
    query = WaivableQuery(organization=counter.tenant.id, invoice=invoice, **more)
    return await ActivityEnvironment().run(reads(counter).read_waivable, query)


def codes(facts: WaivableFacts) -> list[str | None]:
    """Why it can't be voided, and why it can't be written off."""
    void = WaiverWanted(action="void", invoice="in_1", reason="billed_twice", note=money.NOTE)
    off = WaiverWanted(action="write_off", invoice="in_1", reason="insolvent", note=money.NOTE)
    return [getattr(plan_waiver(wanted, facts), "code", None) for wanted in (void, off)]


async def test_an_open_invoice_is_read_and_mirrored(counter: Counter) -> None:
    invoice = await money.invoice(counter.shop, counter.customer, 5000)
    await counter.shop.client.v1.credit_notes.create_async({"invoice": invoice, "amount": 500})
    number = (await counter.shop.client.v1.invoices.retrieve_async(invoice)).number

    facts = await waivable(counter, invoice)

    assert facts.invoice == WaivableInvoice(
        invoice=invoice,
        number=number,
        customer=counter.customer,
        status="open",
        currency="usd",
        total=5000,
        paid=0,
        credited=500,
        remaining=4500,
    )
    assert codes(facts) == [None, None]
    [row] = await counter.rows(Invoice)
    assert (row.id, row.status, row.amount_remaining) == (invoice, "open", 4500)


async def test_what_is_read_for_a_quote_is_not_mirrored(counter: Counter) -> None:
    invoice = await money.invoice(counter.shop, counter.customer, 5000)
    assert (await waivable(counter, invoice, mirror=False)).invoice is not None
    assert await counter.rows(Invoice) == []


@pytest.mark.parametrize(("balance", "from_balance"), [(-4000, 4000), (700, -700)])
async def test_what_the_balance_did_to_it_is_told(counter: Counter, balance: int, from_balance: int) -> None:
    await counter.shop.client.v1.customers.balance_transactions.create_async(
        counter.customer, {"amount": balance, "currency": "usd"}
    )
    facts = await waivable(counter, await money.invoice(counter.shop, counter.customer, 5000))
    assert facts.invoice is not None
    assert (facts.invoice.remaining, facts.invoice.from_balance) == (5000 + balance, from_balance)


async def test_what_is_part_paid_is_written_off_and_not_voided(counter: Counter) -> None:
    invoice = await money.invoice(counter.shop, counter.customer, 5000)
    await counter.pay_part(invoice, 1000)
    facts = await waivable(counter, invoice)
    assert facts.invoice is not None
    assert (facts.invoice.paid, facts.invoice.remaining, facts.invoice.processing) == (1000, 4000, None)
    assert codes(facts) == ["invoice_part_paid", None]
    await counter.shop.client.v1.invoices.mark_uncollectible_async(invoice)


async def test_a_debit_that_the_bank_has_not_settled_is_in_the_way(counter: Counter) -> None:
    v1 = counter.shop.client.v1
    invoice = await money.invoice(counter.shop, counter.customer, 5000)
    [link] = (await v1.invoice_payments.list_async({"invoice": invoice})).data
    debited = await v1.payment_intents.confirm_async(
        str(link.payment.payment_intent),
        {
            "payment_method": "pm_usBankAccount_processing",
            "mandate_data": {"customer_acceptance": {"type": "offline"}},
        },
    )
    assert debited.status == "processing"
    assert codes(await waivable(counter, invoice)) == ["payment_in_flight", "payment_in_flight"]


async def test_a_part_that_is_still_to_be_paid_is_in_the_way(counter: Counter) -> None:
    v1 = counter.shop.client.v1
    invoice = await money.invoice(counter.shop, counter.customer, 5000)
    begun = await v1.payment_intents.create_async(
        {"amount": 1000, "currency": "usd", "customer": counter.customer}
    )
    await v1.invoices.attach_payment_async(invoice, {"payment_intent": begun.id})
    facts = await waivable(counter, invoice)
    assert facts.invoice is not None
    assert facts.invoice.processing == begun.id
    assert codes(facts) == ["payment_in_flight", "payment_in_flight"]


async def test_the_first_invoice_of_a_subscription_would_end_it(counter: Counter) -> None:
    v1 = counter.shop.client.v1
    subscription = await v1.subscriptions.create_async(
        {
            "customer": counter.customer,
            "items": [{"price": counter.shop.price["growth", "month"]}],
            "payment_behavior": "default_incomplete",
        }
    )
    facts = await waivable(counter, str(subscription.latest_invoice))
    assert facts.invoice is not None
    assert facts.invoice.starts == subscription.id
    assert codes(facts) == ["first_invoice", "first_invoice"]


@pytest.mark.parametrize("whose", ["nobody's", "another's", "Plixo's own", "marked"])
async def test_only_an_invoice_of_a_customer_is_known(counter: Counter, whose: str) -> None:
    invoice = "in_nothing"
    if whose == "another's":
        other = await counter.shop.tenant(counter.database)
        invoice = await money.invoice(counter.shop, await money.customer(counter.shop, other), 5000)
    elif whose == "Plixo's own":
        invoice = str((await counter.shop.subscription(counter.tenant)).latest_invoice)
    elif whose == "marked":
        marked = await counter.an_organization_marked_as_ours()
        invoice = await money.invoice(counter.shop, marked, 5000)
    facts = await waivable(counter, invoice)
    assert facts.problem is not None
    assert (facts.problem.code, facts.invoice) == ("invoice_unknown", None)
    assert await counter.rows(Invoice) == []


@pytest.mark.parametrize("status", ["void", "uncollectible"])
async def test_an_invoice_that_was_given_up_is_read_with_its_notes(counter: Counter, status: str) -> None:
    v1 = counter.shop.client.v1.invoices
    invoice = await money.invoice(counter.shop, counter.customer, 5000)
    await v1.update_async(invoice, {"metadata": {"plixo_note": money.NOTE}})
    await (v1.void_invoice_async if status == "void" else v1.mark_uncollectible_async)(invoice)
    query = WaiverRead(organization=counter.tenant.id, invoice=invoice)
    found = await ActivityEnvironment().run(reads(counter).read_waived, query)
    assert (found.status, found.total, found.paid, found.credited) == (status, 5000, 0, 0)
    assert found.metadata == {"plixo_note": money.NOTE}
    [row] = await counter.rows(Invoice)
    assert row.status == status


@pytest.mark.parametrize(("balance", "back"), [(-4000, 4000), (700, -700)])
async def test_what_a_void_gave_back_to_the_balance_is_read(
    counter: Counter, balance: int, back: int
) -> None:
    v1 = counter.shop.client.v1
    change: Any = {"amount": balance, "currency": "usd"}
    await v1.customers.balance_transactions.create_async(counter.customer, change)
    invoice = await money.invoice(counter.shop, counter.customer, 5000)
    await v1.customers.balance_transactions.create_async(counter.customer, change)
    await v1.invoices.void_invoice_async(invoice)
    query = WaiverRead(organization=counter.tenant.id, invoice=invoice)
    found = await ActivityEnvironment().run(reads(counter).read_waived, query)
    assert (found.status, found.to_balance) == ("void", back)
