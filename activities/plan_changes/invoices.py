"""Stripe's invoices and previews, whole: all lines, and the amounts by the names of coupons and taxes."""

from typing import Any

import stripe

from billing.stripe.invoice_amounts import InvoiceAmounts
from billing.stripe.invoice_json import (
    EXPAND_AMOUNTS,
    Rates,
    amounts_from_invoice,
    known_rates,
    tax_rates_of,
)

Document = dict[str, Any]


class StripeInvoices:
    """Reads them. Raises StripeError."""

    def __init__(self, client: stripe.StripeClient) -> None:
        self._client = client
        self._rates: dict[str, Document] = {}  # percentage, place and kind of a tax rate never change

    async def preview(self, params: Document) -> Document:
        """The invoice that these parameters lead to; Stripe has no second page of its lines."""
        asked: Any = params | {"expand": EXPAND_AMOUNTS}
        return (await self._client.v1.invoices.create_preview_async(asked)).to_dict()

    async def invoice(self, id: str) -> Document:
        found = await self._client.v1.invoices.retrieve_async(id, {"expand": EXPAND_AMOUNTS})
        return await self.whole(found.to_dict())

    async def newest(self, subscription: str, reason: str, most: int) -> list[Document]:
        """A subscription's newest invoices, as far as they were made for this reason; not whole."""
        page = await self._client.v1.invoices.list_async({"subscription": subscription, "limit": most})
        return [one.to_dict() for one in page.data if one.billing_reason == reason]

    async def made_since(self, subscription: str, reason: str, at: int) -> list[Document]:
        """Those since then (UTC seconds) that were made for this reason, the oldest first; not whole."""
        asked: Any = {"subscription": subscription, "created": {"gte": at}, "limit": 100}
        page = await self._client.v1.invoices.list_async(asked)
        made = [one.to_dict() async for one in page.auto_paging_iter() if one.billing_reason == reason]
        return made[::-1]

    async def amounts(self, invoice: Document) -> InvoiceAmounts:
        """What it asks for. Raises PreviewDoesNotAddUp."""
        return amounts_from_invoice(invoice, await self.rates(invoice))

    async def rates(self, invoice: Document) -> Rates:
        """The rates of an invoice or a credit note, as far as they can be read."""
        known = known_rates(invoice)
        for id in set(tax_rates_of(invoice)) - set(known) - set(self._rates):
            await self._learn(id)
        return known | self._rates

    async def _learn(self, id: str) -> None:
        """What a rate is called; one that can't be read goes by its id: what is compared is not its name."""
        try:
            self._rates[id] = (await self._client.v1.tax_rates.retrieve_async(id)).to_dict()
        except (stripe.InvalidRequestError, stripe.PermissionError):
            return

    async def whole(self, invoice: Document) -> Document:
        """With all its lines: an invoice embeds its first ten only."""
        if not invoice["lines"]["has_more"]:
            return invoice
        lines = await self._client.v1.invoices.line_items.list_async(invoice["id"], {"limit": 100})
        data = [line.to_dict() async for line in lines.auto_paging_iter()]
        return invoice | {"lines": {"data": data}}
