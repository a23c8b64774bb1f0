"""Customers who have paid, and what an admin asks for them, in a running house."""

from itertools import count
from typing import Any

from .builders import Member, Tenant
from .house import House
from .shop import Shop

NOTE = "Charged twice for the same month."

_keys = count(1)


async def customer(shop: Shop, tenant: Tenant, name: str = "Customer") -> str:
    """Somebody whom the organization bills."""
    made = await shop.client.v1.customers.create_async(
        {"name": name, "metadata": {"plixo_organization": tenant.id}}
    )
    return made.id


async def pay(
    shop: Shop, customer_id: str, amount: int, card: str = "pm_card_visa", currency: str = "usd"
) -> str:
    """A payment of so many minor units that succeeded; gives its payment intent."""
    intent = await shop.client.v1.payment_intents.create_async(
        {
            "amount": amount,
            "currency": currency,
            "customer": customer_id,
            "payment_method": card,
            "confirm": True,
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        }
    )
    assert intent.status == "succeeded", intent.status
    return intent.id


async def invoice(
    shop: Shop, customer_id: str, amount: int, *, finalized: bool = True, paid: bool = False
) -> str:
    """An invoice over so many cents: open, draft or paid out of band of our cards (by a Visa)."""
    v1 = shop.client.v1
    draft = await v1.invoices.create_async(
        {"customer": customer_id, "collection_method": "send_invoice", "days_until_due": 30}
    )
    assert draft.id is not None
    await v1.invoice_items.create_async(
        {"customer": customer_id, "invoice": draft.id, "amount": amount, "currency": "usd"}
    )
    if finalized or paid:
        await v1.invoices.finalize_invoice_async(draft.id)
    if paid:
        method = await v1.payment_methods.attach_async("pm_card_visa", {"customer": customer_id})
        await v1.invoices.pay_async(draft.id, {"payment_method": method.id})
    return draft.id


async def payment_of(shop: Shop, invoice_id: str) -> str:
    """The payment intent that paid an invoice."""
    found = await shop.client.v1.invoice_payments.list_async({"invoice": invoice_id, "status": "paid"})
    return str(found.data[0].payment.payment_intent)


async def refund(
    home: House, tenant: Tenant, payment: str | None, amount: int | None = None, **more: Any
) -> str:
    """An admin asks for a refund; gives its operation."""
    by: Member = more.pop("by", tenant.admin)
    body = {"reason": "duplicate", "note": NOTE} | more
    body |= {"payment_intent": payment} if payment else {}
    body |= {"amount_minor": amount} if amount is not None else {}
    return await _asked(home, by, "/v1/refunds", body)


async def credit(home: House, tenant: Tenant, customer_id: str, amount: int | None, **more: Any) -> str:
    """An admin asks for a credit, on the balance unless told otherwise; gives its operation."""
    by: Member = more.pop("by", tenant.admin)
    body = {
        "customer": customer_id,
        "amount_minor": amount,
        "currency": "usd",
        "instrument": "balance",
        "reason": "goodwill",
        "note": NOTE,
    }
    return await _asked(home, by, "/v1/credits", body | more)


async def void(home: House, tenant: Tenant, invoice_id: str, **more: Any) -> str:
    """An admin asks for an open invoice to be voided; gives its operation."""
    by: Member = more.pop("by", tenant.admin)
    body = {"invoice": invoice_id, "reason": "billed_twice", "note": NOTE}
    return await _asked(home, by, "/v1/voids", body | more)


async def write_off(home: House, tenant: Tenant, invoice_id: str, **more: Any) -> str:
    """An admin asks for an open invoice to be written off; gives its operation."""
    by: Member = more.pop("by", tenant.admin)
    body = {"invoice": invoice_id, "reason": "insolvent", "note": NOTE}
    return await _asked(home, by, "/v1/write-offs", body | more)


async def _asked(home: House, by: Member, path: str, body: dict[str, Any]) -> str:
    answer = await home.post(by, path, body, **{"Idempotency-Key": f"money-{next(_keys)}"})
    assert answer.status_code == 202, answer.text
    operation: str = answer.json()["id"]
    return operation


def refunds(shop: Shop, since: int = 0) -> list[dict[str, Any]]:
    """The creations of refunds that the stand-in executed itself."""
    return made(shop, "/v1/refunds", since)


def made(shop: Shop, path: str, since: int = 0) -> list[dict[str, Any]]:
    """The writes to exactly this path that the stand-in executed itself, not replayed."""
    return [
        line
        for line in shop.changes(since)
        if line["path"] == path and line["status"] < 300 and not line["replayed"]
    ]


async def authenticate(shop: Shop, invoice: str, *, passes: bool = True) -> None:
    """Whoever pays an invoice answers their bank, by the stand-in's page."""
    found = await shop.client.v1.invoices.retrieve_async(
        invoice, {"expand": ["payments.data.payment.payment_intent"]}
    )
    [link] = found.to_dict()["payments"]["data"]
    intent = link["payment"]["payment_intent"]["id"]
    shop.stand_in.control("authentications", {"intent": intent, "passes": passes})
