"""A test clock at Stripe with one customer, and short words for what vectors do on it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import stripe

from ..billing import APRIL

READY_SECONDS = 120.0
"""So long Stripe may take to advance a clock."""


class Bench:
    """One customer with a card, on a clock that stands at 1 April 2026."""

    def __init__(self, client: stripe.StripeClient) -> None:
        self.v1: Any = client.v1
        self._products: dict[str, str] = {}
        self.clock: str = self.v1.test_helpers.test_clocks.create({"frozen_time": APRIL, "name": "vector"}).id
        made = self.v1.customers.create({"name": "Vector", "test_clock": self.clock})
        self.customer: str = made.id
        method = self.v1.payment_methods.attach("pm_card_visa", {"customer": made.id}).id
        self.v1.customers.update(made.id, {"invoice_settings": {"default_payment_method": method}})

    def close(self) -> None:
        """Delete the clock with what lives by it, and archive the products."""
        self.v1.test_helpers.test_clocks.delete(self.clock)
        for product in self._products.values():
            self.v1.products.update(product, {"active": False})

    def at(self, second: int) -> None:
        """Advance the clock, and wait until all that fell due is done; raises TimeoutError."""
        self.v1.test_helpers.test_clocks.advance(self.clock, {"frozen_time": second})
        deadline = time.monotonic() + READY_SECONDS
        while self.v1.test_helpers.test_clocks.retrieve(self.clock).status != "ready":
            if time.monotonic() > deadline:
                raise TimeoutError(f"the test clock isn't ready after {READY_SECONDS:.0f} s")
            time.sleep(1)

    def price(self, amount: int | None, interval: str = "month", *, name: str = "Silver", **more: Any) -> str:
        """A recurring price in US cents; None: its tiers come in `more`."""
        if name not in self._products:
            self._products[name] = self.v1.products.create({"name": name}).id
        given = {"product": self._products[name], "currency": "usd", "recurring": {"interval": interval}}
        if amount is not None:
            given["unit_amount"] = amount
        return str(self.v1.prices.create({**given, **more}).id)

    def rate(self, percentage: float, *, inclusive: bool) -> str:
        """A tax rate."""
        given = {"display_name": "Tax", "percentage": percentage, "inclusive": inclusive}
        return str(self.v1.tax_rates.create(given).id)

    def coupon(self, duration: str = "forever", **worth: Any) -> str:
        """A coupon in US cents or percent."""
        if "amount_off" in worth:
            worth["currency"] = "usd"
        return str(self.v1.coupons.create({"duration": duration, **worth}).id)

    def subscribe(self, *prices: str, **more: Any) -> Any:
        """A subscription of the customer to these prices, one of each."""
        items = [{"price": price} for price in prices]
        return self.v1.subscriptions.create({"customer": self.customer, "items": items, **more})

    def change(self, subscription: Any, price: str, quantity: int = 1, **more: Any) -> tuple[Any, Any]:
        """Put another price on the first item: the preview of that, and the invoice that it makes at once."""
        item = {"id": subscription["items"].data[0].id, "price": price, "quantity": quantity}
        terms = {"items": [item], "proration_behavior": "always_invoice", **more}
        preview = self.v1.invoices.create_preview(
            {"subscription": subscription.id, "subscription_details": terms}
        )
        self.v1.subscriptions.update(subscription.id, terms)
        return preview, self.invoice(subscription)

    def invoice(self, subscription: Any) -> Any:
        """The subscription's newest invoice."""
        found = self.v1.subscriptions.retrieve(subscription.id, {"expand": ["latest_invoice"]})
        return found.latest_invoice

    def balance(self) -> int:
        """The customer's balance; negative is credit."""
        return int(self.v1.customers.retrieve(self.customer).balance)


@contextmanager
def bench(client: stripe.StripeClient) -> Iterator[Bench]:
    """A bench of a vector's own."""
    made = Bench(client)
    try:
        yield made
    finally:
        made.close()


def amounts(invoice: Any) -> list[int]:
    """The amounts of the lines, in their order."""
    return [line.amount for line in invoice.lines.data]


def taxes(invoice: Any) -> list[int]:
    """The taxes of the invoice, smallest first."""
    return sorted(tax.amount for tax in invoice.total_taxes)


Play = Callable[[Bench], dict[str, Any]]
