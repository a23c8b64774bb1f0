"""Quotes of requests for money: within whose authority, who would be asked, and asked for as it was seen."""

from datetime import timedelta
from typing import Any

import pytest

from ...support import money, quotes
from ...support.builders import Member, Tenant, store
from ...support.house import House
from ...support.money_rows import a_delegation

REFUNDS, CREDITS = "/v1/refunds", "/v1/credits"
LATE = {"Idempotency-Key": "late"}


@pytest.fixture
async def acme(home: House) -> Tenant:
    return await home.shop.tenant(home.database)


@pytest.fixture
async def who(home: House, acme: Tenant) -> str:
    return await money.customer(home.shop, acme)


def refund_of(payment: str, amount: int | None = None) -> dict[str, Any]:
    body = {"payment_intent": payment, "reason": "duplicate", "note": money.NOTE}
    return body if amount is None else body | {"amount_minor": amount}


def credit_to(customer: str, amount: int, **more: Any) -> dict[str, Any]:
    return {
        "customer": customer,
        "amount_minor": amount,
        "currency": "usd",
        "instrument": "balance",
        "reason": "goodwill",
        "note": money.NOTE,
    } | more


def minor(amounts: dict[str, Any], *names: str) -> list[int]:
    return [amounts[name]["amount_minor"] for name in names]


async def lent(home: House, giver: Member, delegate: Member) -> None:
    """From yesterday on for ten days, whatever the giver may decide."""
    now = await home.now()
    row = a_delegation(
        giver.person, delegate.person, starts_at=now - timedelta(days=1), ends_at=now + timedelta(days=9)
    )
    await store(home.database, row)


async def test_a_refund_within_authority_says_how_much_of_it_is_left_and_asks_nobody(
    home: House, acme: Tenant, who: str
) -> None:
    payment = await money.pay(home.shop, who, 90_000)
    async with quotes.nothing_is_left_behind(home):
        quote = await quotes.quote(home, acme.admin, REFUNDS, refund_of(payment, 10_000))
    first = refund_of(payment, 10_000) | {"quote": quote["quote"]}
    earlier = await quotes.request(home, acme.admin, REFUNDS, first)
    await home.wait(acme, earlier, "completed")
    quote = await quotes.quote(home, acme.admin, REFUNDS, refund_of(payment, 40_000))

    assert (quote["obstacles"], quote["review"]) == ([], None)
    figures = minor(quote, "amount", "paid", "refunded_before", "refundable", "left_after")
    assert figures == [40_000, 90_000, 10_000, 80_000, 40_000]
    [part] = quote["parts"]
    assert (part["payment_intent"], part["amount"]["amount_minor"]) == (payment, 40_000)
    assert (quote["authority"]["within"], quote["authority"]["why"]) == (True, "")
    [limit] = quote["authority"]["limits"]
    assert minor(limit, "per_item", "window_total", "used", "left") == [50_000, 200_000, 10_000, 190_000]
    assert minor(limit, "customer_total", "customer_used", "customer_left") == [300_000, 10_000, 290_000]

    operation = await quotes.request(
        home, acme.admin, REFUNDS, refund_of(payment, 40_000) | {"quote": quote["quote"]}
    )
    done = await home.wait(acme, operation, "completed")
    assert done["subject"]["amount"] == quote["amount"]


async def test_a_refund_beyond_it_names_the_rule_and_who_could_decide_but_no_delegate_of_the_requester(
    home: House, acme: Tenant, who: str
) -> None:
    payment = await money.pay(home.shop, who, 90_000)
    await lent(home, acme.controller, acme.finance)
    await lent(home, acme.admin, acme.legal)
    async with quotes.nothing_is_left_behind(home):
        quote = await quotes.quote(home, acme.admin, REFUNDS, refund_of(payment, 60_000))
        by_controller = await quotes.quote(home, acme.controller, REFUNDS, refund_of(payment, 60_000))

    assert quote["authority"]["within"] is False
    assert quote["review"]["why"] == quote["authority"]["why"]
    assert all(amount in quote["review"]["why"] for amount in ("USD 600.00", "USD 500.00"))
    assert quote["review"]["rule"] == {"ladder": "money", "reasons": [], "above": []}
    first, second = (
        [(one["name"], one["role"], (one["for_person"] or {}).get("name")) for one in rung["people"]]
        for rung in quote["review"]["ladder"]
    )
    names = {role: member.person.name for role, member in acme.members.items()}
    assert sorted(first) == sorted(
        [
            (names["controller"], "controller", None),
            (names["finance"], "controller", names["controller"]),
        ]
    )
    assert second == [], "Legal acts for the requester"
    assert quote["review"]["ladder"][1]["vacant"]
    assert by_controller["review"] is None, "a controller may give so much alone"

    operation = await quotes.request(
        home, acme.admin, REFUNDS, refund_of(payment, 60_000) | {"quote": quote["quote"]}
    )
    approval = await home.reviewed(acme, operation)
    assert approval["subject_hash"] == quote["subject_hash"]
    assert approval["rule"] == quote["review"]["why"]
    assert [rung["roles"] for rung in approval["ladder"]] == [
        rung["roles"] for rung in quote["review"]["ladder"]
    ]


async def test_a_rung_that_nobody_could_answer_says_why(home: House, acme: Tenant, who: str) -> None:
    payment = await money.pay(home.shop, who, 1_200_000)
    await lent(home, acme.controller, acme.legal)
    quote = await quotes.quote(home, acme.controller, REFUNDS, refund_of(payment))
    [rung] = quote["review"]["ladder"]
    assert quote["review"]["rule"]["ladder"] == "large_money"
    assert (rung["roles"], rung["needs"]) == (["controller", "legal"], "all")
    assert (rung["state"], rung["people"]) == ("vacant", [])
    assert {"controller", "legal"} <= set(rung["vacant"].split())

    by_admin = await quotes.quote(home, acme.admin, REFUNDS, refund_of(payment) | {"reason": "fraudulent"})
    assert [one["code"] for one in by_admin["obstacles"]] == ["fraud_confirmation_missing"]


async def test_what_is_set_aside_by_others_stands_in_the_way_of_a_refund(
    home: House, acme: Tenant, who: str
) -> None:
    payment = await money.pay(home.shop, who, 90_000)
    waiting = await money.refund(home, acme, payment, 60_000)
    await home.reviewed(acme, waiting)
    fits = await quotes.quote(home, acme.admin, REFUNDS, refund_of(payment, 20_000))
    assert minor(fits, "refundable", "left_after") == [30_000, 10_000]
    quote = await quotes.quote(home, acme.admin, REFUNDS, refund_of(payment, 40_000))
    blocked = await home.wait(acme, await money.refund(home, acme, payment, 40_000), "blocked")
    assert [(one["code"], one["message"]) for one in quote["obstacles"]] == [
        (blocked["error"]["code"], blocked["error"]["message"])
    ]
    assert (quote["quote"], quote["review"]) == (None, None)


async def test_a_refund_of_which_others_have_given_a_part_since_is_outdated(
    home: House, acme: Tenant, who: str
) -> None:
    payment = await money.pay(home.shop, who, 90_000)
    quote = await quotes.quote(home, acme.admin, REFUNDS, refund_of(payment))
    await home.shop.client.v1.refunds.create_async({"payment_intent": payment, "amount": 5_000})
    body = refund_of(payment) | {"quote": quote["quote"]}
    blocked = await home.wait(acme, await quotes.request(home, acme.admin, REFUNDS, body), "blocked")
    assert blocked["error"]["code"] == "quote_outdated"
    figures = ("USD 850.00", "USD 900.00", "USD 50.00", "USD 0.00")
    assert all(figure in blocked["error"]["message"] for figure in figures)
    assert blocked["approval"] is None
    assert len(money.refunds(home.shop)) == 1
    again = await quotes.quote(home, acme.admin, REFUNDS, refund_of(payment))
    gone = await quotes.quote(home, acme.admin, REFUNDS, refund_of("pi_unknown"))
    assert minor(again, "amount", "left_after") == [85_000, 0]
    assert [one["code"] for one in gone["obstacles"]] == ["payment_unknown"]


async def test_a_credit_says_how_it_is_given_and_is_given_so(home: House, acme: Tenant, who: str) -> None:
    bill = await money.invoice(home.shop, who, 20_000)
    body = credit_to(who, 8_000, instrument="credit_note", invoice=bill, reason="order_change")
    async with quotes.nothing_is_left_behind(home):
        quote = await quotes.quote(home, acme.admin, CREDITS, body)
    assert (quote["instrument"], quote["invoice"]) == ("credit_note", bill)
    assert minor(quote, "amount", "reduces_due", "to_balance") == [8_000, 8_000, 0]
    assert (quote["authority"]["within"], quote["review"], quote["obstacles"]) == (True, None, [])
    operation = await quotes.request(home, acme.admin, CREDITS, body | {"quote": quote["quote"]})
    assert (await home.wait(acme, operation, "completed"))["result"]["reduces_due"] == quote["reduces_due"]


async def test_a_credit_beyond_authority_on_an_invoice_that_was_paid_meanwhile_is_outdated(
    home: House, acme: Tenant, who: str
) -> None:
    bill = await money.invoice(home.shop, who, 90_000)
    body = credit_to(who, 60_000, instrument="credit_note", invoice=bill, reason="duplicate")
    quote = await quotes.quote(home, acme.admin, CREDITS, body)
    assert [rung["roles"] for rung in quote["review"]["ladder"]] == [["controller"], ["legal"]]
    method = await home.shop.client.v1.payment_methods.attach_async("pm_card_visa", {"customer": who})
    await home.shop.client.v1.invoices.pay_async(bill, {"payment_method": method.id})
    operation = await quotes.request(home, acme.admin, CREDITS, body | {"quote": quote["quote"]})
    blocked = await home.wait(acme, operation, "blocked")
    assert blocked["error"]["code"] == "quote_outdated"
    assert all(figure in blocked["error"]["message"] for figure in ("USD 0.00", "USD 600.00"))
    assert blocked["approval"] is None

    above = await quotes.quote(home, acme.admin, CREDITS, body | {"amount_minor": 90_001})
    unfit = await quotes.quote(home, acme.admin, CREDITS, body | {"reason": "goodwill"})
    assert [one["code"] for one in above["obstacles"]] == ["amount_above_creditable"]
    assert [(one["code"], one["pointer"]) for one in unfit["obstacles"]] == [
        ("instrument_unfit", "/instrument")
    ]


async def test_a_void_says_what_counts_and_who_would_be_asked_and_is_asked_for_as_quoted(
    home: House, acme: Tenant, who: str
) -> None:
    """An invoice of 60,000 of which the balance has paid 40,000: a void gives all of it."""
    credited = {"amount": -40_000, "currency": "usd"}
    await home.shop.client.v1.customers.balance_transactions.create_async(who, credited)
    body = {"invoice": await money.invoice(home.shop, who, 60_000), "reason": "other", "note": money.NOTE}
    async with quotes.nothing_is_left_behind(home):
        quote = await quotes.quote(home, acme.admin, "/v1/voids", body)
    assert quote["obstacles"] == []
    assert minor(quote, "amount", "remaining", "to_balance", "total") == [60_000, 20_000, 40_000, 60_000]
    assert (quote["becomes"], quote["retype"], quote["authority"]["within"]) == ("void", True, False)
    assert quote["review"]["ladder"][0]["roles"] == ["controller"]
    off = await quotes.quote(home, acme.admin, "/v1/write-offs", body)
    assert (minor(off, "amount", "to_balance"), off["authority"]["within"]) == ([20_000, 0], True)

    operation = await quotes.request(home, acme.admin, "/v1/voids", body | {"quote": quote["quote"]})
    await home.reviewed(acme, operation)
    other = await quotes.quote(home, acme.admin, "/v1/write-offs", body)
    assert [one["code"] for one in other["obstacles"]] == ["invoice_claimed"]
    await home.decide(acme.controller, operation)
    await home.wait(acme, operation, "completed")
    late = await home.post(acme.admin, "/v1/write-offs", body | {"quote": off["quote"]}, **LATE)
    assert (late.status_code, late.json()["code"]) == (422, "invoice_ended")
