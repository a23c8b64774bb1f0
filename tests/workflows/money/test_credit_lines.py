"""Credit notes by lines, with discounts and taxes: quoted to the cent, given as quoted, and verified."""

from typing import Any

import pytest
from sqlmodel import select

from activities.money import reads
from activities.plan_changes.invoices import StripeInvoices
from db.tables import Intent

from ...support import money
from ...support.builders import Tenant
from ...support.house import House
from ..conftest import ON_BOTH_DATABASES

NOTES = "/v1/credit_notes"


@pytest.fixture
async def acme(home: House) -> Tenant:
    return await home.shop.tenant(home.database)


@pytest.fixture
async def who(home: House, acme: Tenant) -> str:
    return await money.customer(home.shop, acme)


async def a_bill(
    home: House, who: str, *amounts: int, inclusive: bool = False, percent_off: int = 0, paid: bool = False
) -> Any:
    """An invoice with a line for each amount, a tax of 19 % and perhaps a discount; as Stripe has it."""
    v1 = home.shop.client.v1
    rate = await v1.tax_rates.create_async(
        {"display_name": "VAT", "percentage": 19, "inclusive": inclusive, "country": "DE"}
    )
    draft: Any = {
        "customer": who,
        "collection_method": "send_invoice",
        "days_until_due": 30,
        "default_tax_rates": [rate.id],
    }
    if percent_off:
        coupon = await v1.coupons.create_async({"percent_off": percent_off, "duration": "once"})
        draft["discounts"] = [{"coupon": coupon.id}]
    invoice = await v1.invoices.create_async(draft)
    for amount in amounts:
        await v1.invoice_items.create_async(
            {"customer": who, "invoice": str(invoice.id), "amount": amount, "currency": "usd"}
        )
    await v1.invoices.finalize_invoice_async(str(invoice.id))
    if paid:
        method = await v1.payment_methods.attach_async("pm_card_visa", {"customer": who})
        await v1.invoices.pay_async(str(invoice.id), {"payment_method": method.id})
    return await v1.invoices.retrieve_async(str(invoice.id))


def body(who: str, bill: Any, *lines: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "customer": who,
        "lines": list(lines),
        "currency": "usd",
        "instrument": "credit_note",
        "invoice": bill.id,
        "reason": "order_change",
        "note": money.NOTE,
    } | more


async def quoted(home: House, acme: Tenant, asked: dict[str, Any]) -> dict[str, Any]:
    answer = await home.post(acme.admin, "/v1/credits/quote", asked)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def asked_for(home: House, acme: Tenant, asked: dict[str, Any], key: str = "lines-1") -> str:
    answer = await home.post(acme.admin, "/v1/credits", asked, **{"Idempotency-Key": key})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


@ON_BOTH_DATABASES
@pytest.mark.parametrize("paid", [False, True], ids=["open", "paid"])
@pytest.mark.parametrize("percent_off", [0, 10], ids=["no discount", "10 % off"])
@pytest.mark.parametrize("inclusive", [False, True], ids=["tax on top", "tax included"])
async def test_a_note_by_lines_is_given_as_quoted_and_verified_to_the_cent(
    home: House, acme: Tenant, who: str, inclusive: bool, percent_off: int, paid: bool
) -> None:
    bill = await a_bill(home, who, 9_999, 5_000, inclusive=inclusive, percent_off=percent_off, paid=paid)
    first, second = bill.lines.data
    asked = body(
        who, bill, {"line": first.id, "amount_minor": 3_333}, {"line": second.id, "amount_minor": 777}
    )

    quote = await quoted(home, acme, asked)
    done = await home.wait(acme, await asked_for(home, acme, asked | {"quote": quote["quote"]}), "completed")

    assert quote["obstacles"] == []
    [note] = (await home.shop.client.v1.credit_notes.list_async({"invoice": bill.id})).data
    assert quote["amount"]["amount_minor"] == note.total == done["result"]["amount"]["amount_minor"]
    assert quote["to_balance"]["amount_minor"] == note.post_payment_amount == (note.total if paid else 0)
    found = [(line.invoice_line_item, line.amount, line.discount_amount) for line in note.lines.data]
    said = [
        (one["line"], *(one[name]["amount_minor"] for name in ("amount", "discount")))
        for one in quote["lines"]
    ]
    assert said == found
    [tax], [total] = quote["taxes"], note.to_dict()["total_taxes"]
    assert (tax["name"], tax["percentage"], tax["inclusive"]) == ("DE VAT", "19", inclusive)
    assert tax["amount_minor"] == total["amount"] > 0
    assert done["result"]["verified"]
    assert done["subject"]["lines"] == quote["lines"]


@ON_BOTH_DATABASES
async def test_approvers_bind_to_the_lines_and_taxes(home: House, acme: Tenant, who: str) -> None:
    bill = await a_bill(home, who, 90_000)
    [line] = bill.lines.data
    operation = await asked_for(home, acme, body(who, bill, {"line": line.id, "amount_minor": 80_000}))
    approval = await home.reviewed(acme, operation)
    assert approval["subject"]["amount"]["amount_minor"] == 95_200
    assert [one["tax"]["amount_minor"] for one in approval["subject"]["lines"]] == [15_200]
    await home.decide(acme.controller, operation)
    done = await home.wait(acme, operation, "completed")
    assert done["result"]["verified"]


@pytest.mark.parametrize("tells", [False, True])
async def test_stripe_mails_the_customer_only_where_that_was_asked_for(
    home: House, acme: Tenant, who: str, tells: bool
) -> None:
    bill = await a_bill(home, who, 10_000)
    [line] = bill.lines.data
    asked = body(who, bill, {"line": line.id, "amount_minor": 1_000}, tell_customer=tells)
    assert (await quoted(home, acme, asked))["tell_customer"] is tells
    operation = await asked_for(home, acme, asked)
    await home.wait(acme, operation, "completed")
    async with home.database.reading() as session:
        [intent] = await session.exec(select(Intent).where(Intent.operation_id == operation))
    assert intent.params["email_type"] == ("credit_note" if tells else "none")


@pytest.mark.parametrize("fault", ["drop_after", "drop_before", "error_after"])
async def test_a_note_whose_answer_was_lost_is_given_once(
    home: House, acme: Tenant, who: str, fault: str
) -> None:
    bill = await a_bill(home, who, 10_000, paid=True)
    [line] = bill.lines.data
    home.stand_in.fault(fault, method="POST", path=f"{NOTES}$")
    operation = await asked_for(home, acme, body(who, bill, {"line": line.id, "amount_minor": 1_000}))
    done = await home.wait(acme, operation, "completed")
    assert done["result"]["verified"]
    assert len((await home.shop.client.v1.credit_notes.list_async({"invoice": bill.id})).data) == 1


async def test_what_cannot_be_credited_is_refused_by_name(home: House, acme: Tenant, who: str) -> None:
    bill = await a_bill(home, who, 10_000, 2_000)
    first, second = (line.id for line in bill.lines.data)
    for lines, code in (
        ([{"line": "il_none", "amount_minor": 1}], "credit_line_unknown"),
        ([{"line": first, "amount_minor": 10_001}], "credit_line_too_large"),
        ([{"line": first, "quantity": 2}], "credit_line_too_large"),
    ):
        [obstacle] = (await quoted(home, acme, body(who, bill, *lines)))["obstacles"]
        assert obstacle["code"] == code
    whole = body(who, bill, {"line": first, "quantity": 1}, {"line": second, "quantity": 1})
    await home.wait(acme, await asked_for(home, acme, whole), "completed")
    [obstacle] = (await quoted(home, acme, whole))["obstacles"]
    assert obstacle["code"] == "amount_above_creditable"


async def test_stripe_rounding_elsewhere_is_followed(
    home: House, acme: Tenant, who: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reckon = reads.reckoned

    def beside(*given: Any) -> Any:
        found = reckon(*given)
        return found._replace(total=found.total + 1)

    monkeypatch.setattr(reads, "reckoned", beside)
    bill = await a_bill(home, who, 10_000, paid=True)
    [line] = bill.lines.data
    quote = await quoted(home, acme, body(who, bill, {"line": line.id, "amount_minor": 1_000}))
    assert (quote["amount"]["amount_minor"], quote["to_balance"]["amount_minor"]) == (1_190, 1_190)


async def refused_for(home: House, acme: Tenant, asked: dict[str, Any]) -> list[str]:
    return [one["code"] for one in (await quoted(home, acme, asked))["obstacles"]]


@ON_BOTH_DATABASES
@pytest.mark.parametrize("paid", [False, True], ids=["open", "paid"])
async def test_no_more_of_a_line_is_credited_over_several_notes_than_was_billed(
    home: House, acme: Tenant, who: str, paid: bool
) -> None:
    bill = await a_bill(home, who, 10_000, 30_000, paid=paid)
    first, second = (line.id for line in bill.lines.data)
    most = body(who, bill, {"line": first, "amount_minor": 8_000})
    await home.wait(acme, await asked_for(home, acme, most, "first"), "completed")

    assert await refused_for(home, acme, most) == ["credit_line_too_large"]
    blocked = await home.wait(acme, await asked_for(home, acme, most, "again"), "blocked")
    assert blocked["error"]["code"] == "credit_line_too_large"
    assert "USD 20.00" in blocked["error"]["message"]
    rest = body(who, bill, {"line": first, "amount_minor": 2_000}, {"line": second, "amount_minor": 8_000})
    done = await home.wait(acme, await asked_for(home, acme, rest, "rest"), "completed")
    assert done["result"]["verified"]


async def test_what_others_will_credit_of_a_line_is_not_credited_beside_it(
    home: House, acme: Tenant, who: str
) -> None:
    bill = await a_bill(home, who, 90_000, 90_000)
    first, second = (line.id for line in bill.lines.data)
    waiting = await asked_for(home, acme, body(who, bill, {"line": first, "amount_minor": 80_000}), "first")
    await home.reviewed(acme, waiting)

    beside = body(who, bill, {"line": first, "amount_minor": 10_001})
    blocked = await home.wait(acme, await asked_for(home, acme, beside, "beside"), "blocked")
    assert blocked["error"]["code"] == "credit_line_too_large"
    assert waiting in blocked["error"]["message"]
    for line, key in ((first, "of the first"), (second, "of the second")):
        fits = body(who, bill, {"line": line, "amount_minor": 10_000})
        await home.wait(acme, await asked_for(home, acme, fits, key), "completed")
    await home.decide(acme.controller, waiting)
    await home.wait(acme, waiting, "completed")


async def test_a_line_that_is_credited_in_stripe_while_its_credit_waits_is_not_credited_again(
    home: House, acme: Tenant, who: str
) -> None:
    bill = await a_bill(home, who, 90_000, 90_000)
    [line, _] = bill.lines.data
    operation = await asked_for(home, acme, body(who, bill, {"line": line.id, "amount_minor": 80_000}))
    await home.reviewed(acme, operation)
    elsewhere: Any = {"type": "invoice_line_item", "invoice_line_item": line.id, "amount": 10_001}
    await home.shop.client.v1.credit_notes.create_async({"invoice": bill.id, "lines": [elsewhere]})

    await home.decide(acme.controller, operation)

    blocked = await home.wait(acme, operation, "blocked")
    assert blocked["error"]["code"] == "credit_line_too_large"
    assert len((await home.shop.client.v1.credit_notes.list_async({"invoice": bill.id})).data) == 1


async def test_a_note_of_more_lines_than_it_embeds_has_taken_of_each_of_them(
    home: House, acme: Tenant, who: str
) -> None:
    bill = await a_bill(home, who, *[1_000] * 12)
    listed = await home.shop.client.v1.invoices.line_items.list_async(bill.id, {"limit": 12})
    elsewhere: Any = [
        {"type": "invoice_line_item", "invoice_line_item": line.id, "amount": 600} for line in listed.data
    ]
    await home.shop.client.v1.credit_notes.create_async({"invoice": bill.id, "lines": elsewhere})
    for line in (listed.data[0], listed.data[-1]):
        asked = body(who, bill, {"line": line.id, "amount_minor": 401})
        assert await refused_for(home, acme, asked) == ["credit_line_too_large"]


async def test_a_line_that_stripe_credits_by_amounts_is_refused_by_quantity(
    home: House, acme: Tenant, who: str
) -> None:
    bill = await a_bill(home, who, 10_000, 30_000)
    [line, _] = bill.lines.data
    part = body(who, bill, {"line": line.id, "amount_minor": 1_000})
    await home.wait(acme, await asked_for(home, acme, part), "completed")
    whole = body(who, bill, {"line": line.id, "quantity": 1})
    assert await refused_for(home, acme, whole) == ["credit_lines_refused"]


async def test_what_a_voided_note_had_taken_of_a_line_can_be_credited_again(
    home: House, acme: Tenant, who: str
) -> None:
    bill = await a_bill(home, who, 10_000, 30_000)
    whole = body(who, bill, {"line": bill.lines.data[0].id, "amount_minor": 10_000})
    await home.wait(acme, await asked_for(home, acme, whole, "first"), "completed")
    [note] = (await home.shop.client.v1.credit_notes.list_async({"invoice": bill.id})).data
    await home.shop.client.v1.credit_notes.void_credit_note_async(note.id)

    assert await refused_for(home, acme, whole) == []
    await home.wait(acme, await asked_for(home, acme, whole, "again"), "completed")


async def test_stripe_is_asked_once_for_each_way_in_which_it_could_come_to_another_cent(
    home: House, acme: Tenant, who: str
) -> None:
    """Of an open invoice nothing goes to the balance, whatever the note comes to."""
    bill = await a_bill(home, who, 10_000)
    [line] = bill.lines.data
    asked = body(who, bill, {"line": line.id, "amount_minor": 1_000})
    home.stand_in.fault("refuse", method="GET", path=f"{NOTES}/preview$", times=5, status=400)

    assert await refused_for(home, acme, asked) == ["credit_lines_refused"]
    previews = [one for one in home.stand_in.requests() if one["path"] == f"{NOTES}/preview"]
    assert len(previews) == 1


async def test_a_tax_rate_that_is_renamed_while_a_credit_waits_changes_nothing_of_it(
    home: House, acme: Tenant, who: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = StripeInvoices.rates

    async def rates_anew(invoices: StripeInvoices, invoice: dict[str, Any]) -> Any:
        """As a worker that was started meanwhile: it has read none yet."""
        invoices._rates.clear()
        return await rates(invoices, invoice)

    monkeypatch.setattr(StripeInvoices, "rates", rates_anew)
    bill = await a_bill(home, who, 90_000)
    asked = body(who, bill, {"line": bill.lines.data[0].id, "amount_minor": 80_000})
    quote = await quoted(home, acme, asked)
    [rate] = (await home.shop.client.v1.tax_rates.list_async()).data
    await home.shop.client.v1.tax_rates.update_async(rate.id, {"display_name": "Value added tax"})
    operation = await asked_for(home, acme, asked | {"quote": quote["quote"]})
    approval = await home.reviewed(acme, operation)
    assert [tax["name"] for tax in approval["subject"]["taxes"]] == ["DE Value added tax"]
    await home.shop.client.v1.tax_rates.update_async(rate.id, {"display_name": "USt"})

    await home.decide(acme.controller, operation)

    assert (await home.wait(acme, operation, "completed"))["result"]["verified"]
