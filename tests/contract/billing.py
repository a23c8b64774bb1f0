"""A small business on a stand-in whose clock stands still, for tests that count seconds and cents."""

from dataclasses import dataclass, field
from typing import Any

import stripe

from sandbox.stripe.server.inprocess import StandIn

APRIL = 1775001600
"""1 April 2026, the start of a month of 2,592,000 seconds."""
MAY = 1777593600
DAY = 86_400


@dataclass
class Business:
    """Products, prices and one customer; every figure in minor units, every time in Unix seconds."""

    stand_in: StandIn
    client: stripe.StripeClient
    currency: str = "usd"
    prices: dict[tuple[str, int, str], str] = field(default_factory=dict)

    @property
    def v1(self) -> Any:
        """The SDK's services."""
        return self.client.v1

    def at(self, second: int) -> None:
        """Move the clock to a second, where it stands still."""
        self.stand_in.control("clock", {"now": second, "frozen": True})

    def price(self, amount: int, name: str = "Silver", interval: str = "month") -> str:
        """A recurring price of a product of that name."""
        key = (name, amount, interval)
        if key not in self.prices:
            product = self.v1.products.create({"name": name})
            self.prices[key] = self.v1.prices.create(
                {
                    "product": product.id,
                    "unit_amount": amount,
                    "currency": self.currency,
                    "recurring": {"interval": interval},
                }
            ).id
        return self.prices[key]

    def customer(self, card: str | None = "pm_card_visa", **more: Any) -> Any:
        """A customer with a card as the default payment method."""
        given: dict[str, Any] = {"name": "Acme", **more}
        if card:
            given |= {"payment_method": card, "invoice_settings": {"default_payment_method": card}}
        return self.v1.customers.create(given)

    def declining_customer(self) -> Any:
        """A customer whose card can be attached but declines every charge."""
        return self.customer("pm_card_chargeCustomerFail")

    def subscribe(self, *amounts: int, customer: str | None = None, **more: Any) -> Any:
        """A subscription to the prices of these amounts, of a new paying customer unless one is given."""
        names = ("Silver", "Extra", "Third")
        items = [{"price": self.price(amount, name)} for amount, name in zip(amounts, names, strict=False)]
        return self.v1.subscriptions.create(
            {"customer": customer or self.customer().id, "items": more.pop("items", items), **more}
        )

    def change(self, subscription: Any, price: str, **more: Any) -> Any:
        """Put another price on the subscription's first item, quantity 1 unless given."""
        items = [{"id": items_of(subscription)[0].id, "price": price, "quantity": more.pop("quantity", 1)}]
        return self.v1.subscriptions.update(subscription.id, {"items": items, **more})

    def preview(self, subscription: Any, price: str | None = None, **details: Any) -> Any:
        """What `change` would bill."""
        if price:
            item = {
                "id": items_of(subscription)[0].id,
                "price": price,
                "quantity": details.pop("quantity", 1),
            }
            details["items"] = [item]
        params: dict[str, Any] = {"subscription": subscription.id}
        if details:
            params["subscription_details"] = details
        return self.v1.invoices.create_preview(params)

    def authenticate(self, intent: str, *, passes: bool = True) -> None:
        """What the customer's bank says of an intent that asks for 3-D Secure."""
        self.stand_in.control("authentications", {"intent": intent, "passes": passes})

    def invoice(self, id: str, *expand: str) -> Any:
        """An invoice as it is now."""
        return self.v1.invoices.retrieve(id, {"expand": list(expand)})

    def subscription(self, id: str) -> Any:
        """A subscription as it is now."""
        return self.v1.subscriptions.retrieve(id)

    def balance(self, customer: str) -> int:
        """A customer's balance; negative is credit."""
        return int(self.v1.customers.retrieve(customer).balance)

    def events(self, *types: str) -> list[str]:
        """The types of what happened, oldest first."""
        found = [event.type for event in self.v1.events.list({"limit": 100}).auto_paging_iter()]
        return [type for type in reversed(found) if not types or type in types]


def items_of(subscription: Any) -> list[Any]:
    """A subscription's items (its `items` attribute is the dict method in some SDK versions)."""
    return list(subscription["items"].data)


def amounts(invoice: Any) -> list[int]:
    """The amounts of an invoice's lines."""
    return [line.amount for line in invoice.lines.data]


def prorations(invoice: Any) -> list[int]:
    """The amounts of an invoice's prorations."""
    return [line.amount for line in invoice.lines.data if is_proration(line)]


def is_proration(line: Any) -> bool:
    """Whether a line is a proration."""
    details = line.parent.subscription_item_details or line.parent.invoice_item_details
    return bool(details.proration)


def shape(line: Any) -> tuple[Any, ...]:
    """What must agree between a previewed line and the line it becomes."""
    return (
        line.amount,
        line.currency,
        line.description,
        line.period.start,
        line.period.end,
        line.quantity,
        line.pricing.price_details.price,
        line.discountable,
        is_proration(line),
    )
