"""What somebody gives away in Stripe itself, past us."""

import asyncio
from typing import Any

from ...support import money
from .adversary_scene import UNIT, Scene
from .adversary_steps import InStripe


async def in_stripe(scene: Scene, step: InStripe) -> None:
    v1, amount, books = scene.shop.client.v1, step.amount * UNIT, scene.books
    match step.kind:
        case "refund":
            made = await v1.refunds.create_async({"payment_intent": scene.paid[-1][1], "amount": amount})
            books.give(scene.customer, made.id, amount)
        case "note" | "note with refund":
            how = "refund_amount" if step.kind == "note with refund" else "credit_amount"
            wanted: Any = {"invoice": scene.paid[-1][0], "amount": amount, how: amount}
            note = await v1.credit_notes.create_async(wanted)
            refunds = [one.refund for one in note.refunds]
            books.give(scene.customer, str(refunds[0]) if refunds else note.id, amount)
        case "balance":
            change = await v1.customers.balance_transactions.create_async(
                scene.customer, {"amount": -amount, "currency": "usd"}
            )
            books.give(scene.customer, change.id, amount)
        case "void" if scene.open:
            id_ = scene.open[-1]
            await void(scene, id_, await scene.left_of(id_, voided=True))
            scene.open.pop()
        case "void what is written off" if scene.written_off:
            id_ = scene.written_off[-1]
            await void(scene, id_, scene.from_balance[id_])  # the rest was given before
            scene.written_off.pop()
        case "customer with credit":
            customer = await scene.new_customer(balance=-amount)
            [change] = (await v1.customers.balance_transactions.list_async(customer)).data
            books.give(customer, change.id, amount)
        case "write off" if scene.open:
            left = await scene.left_of(scene.open[-1], voided=False)
            await v1.invoices.mark_uncollectible_async(scene.open[-1])
            books.give(scene.customer, f"{scene.open[-1]}:write_off", left)
            scene.written_off.append(scene.open.pop())
        case "pay" if scene.written_off:
            await scene.pay(scene.written_off[-1])
            books.take_back(scene.customer, f"{scene.written_off.pop()}:write_off")
        case "pay elsewhere" if scene.written_off:  # or so somebody says: what was given up stays so
            await v1.invoices.pay_async(scene.written_off[-1], {"paid_out_of_band": True})
            scene.written_off.pop()
        case "item":
            items = await scene.draft(scene.customer, 5 * UNIT, -amount)
            await v1.invoices.finalize_invoice_async(items[0])
            books.give(scene.customer, f"{items[-1]}:invoice_item", amount)
        case "dispute":
            payment = await money.pay(scene.shop, scene.customer, amount, "pm_card_createDispute")
            [dispute] = (await v1.disputes.list_async({"payment_intent": payment})).data
            await v1.disputes.close_async(dispute.id)
            books.give(scene.customer, dispute.id, amount)
        case "invoice coupon" | "customer coupon":
            await coupon(scene, step)
        case "subscription coupon":
            await subscription_coupon(scene, step)


async def void(scene: Scene, invoice: str, given: int) -> None:
    await scene.shop.client.v1.invoices.void_invoice_async(invoice)
    scene.books.give(scene.customer, f"{invoice}:void", given)


async def coupon(scene: Scene, step: InStripe) -> None:
    """Ten percent a unit off an invoice over 500.00, given on it or on its customer, who is a new one."""
    v1 = scene.shop.client.v1
    coupon = await v1.coupons.create_async({"percent_off": 10 * step.amount, "duration": "forever"})
    customer = await scene.new_customer()
    if step.kind == "customer coupon":
        given = {"customer": customer, "coupon": coupon.id}
        await asyncio.to_thread(scene.shop.stand_in.control, "discounts", given)
    [invoice, _] = await scene.draft(customer, 5 * UNIT)
    if step.kind == "invoice coupon":
        await v1.invoices.update_async(invoice, {"discounts": [{"coupon": coupon.id}]})
    final = await v1.invoices.finalize_invoice_async(invoice)
    scene.books.give(customer, f"{final.discounts[0]}:{invoice}", 5_000 * step.amount)


async def subscription_coupon(scene: Scene, step: InStripe) -> None:
    """Ten percent a unit for three months, of a new customer's 100.00 a month."""
    v1 = scene.shop.client.v1
    customer = await scene.new_customer()
    method = await v1.payment_methods.attach_async("pm_card_visa", {"customer": customer})
    product = await v1.products.create_async({"name": "Retainer"})
    price = await v1.prices.create_async(
        {
            "product": product.id,
            "currency": "usd",
            "unit_amount": UNIT,
            "recurring": {"interval": "month"},
        }
    )
    coupon = await v1.coupons.create_async(
        {"percent_off": 10 * step.amount, "duration": "repeating", "duration_in_months": 3}
    )
    made = await v1.subscriptions.create_async(
        {
            "customer": customer,
            "default_payment_method": method.id,
            "items": [{"price": price.id}],
            "discounts": [{"coupon": coupon.id}],
        }
    )
    scene.books.give(customer, str(made.discounts[0]), 3 * 1_000 * step.amount)
