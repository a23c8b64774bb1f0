"""The vectors: what to do on a bench, and what must come of it to the cent.

The figures are those of Stripe's pages or follow from the rules that these state; see the contract tests of
taxes, discounts, prorations and schedules, where each has its source.
"""

from dataclasses import dataclass
from typing import Any

from ..billing import APRIL, DAY, MAY
from .bench import Bench, Play, amounts, taxes

MIDDLE = APRIL + 15 * DAY
HOUR = 3600


@dataclass(frozen=True)
class Vector:
    """One case; `expected` has the names of what `play` gives."""

    name: str
    play: Play
    expected: dict[str, Any]


VECTORS: list[Vector] = []


def vector(name: str, **expected: Any) -> Any:
    """Declare a vector."""

    def declare(play: Play) -> Play:
        VECTORS.append(Vector(name, play, expected))
        return play

    return declare


def _billed(invoice: Any) -> dict[str, Any]:
    return {"total": invoice.total, "taxes": taxes(invoice)}


def _changed(preview: Any, invoice: Any) -> dict[str, Any]:
    return {"previewed": amounts(preview), "lines": amounts(invoice), "total": invoice.total}


@vector("an upgrade at half of the month", previewed=[-500, 1000], lines=[-500, 1000], total=500)
def upgrade(b: Bench) -> dict[str, Any]:
    subscription, price = b.subscribe(b.price(1000)), b.price(2000, name="Gold")
    b.at(MIDDLE)
    return _changed(*b.change(subscription, price))


@vector("an exclusive tax of 25% on 500", total=625, taxes=[125])
def exclusive(b: Bench) -> dict[str, Any]:
    return _billed(b.invoice(b.subscribe(b.price(500), default_tax_rates=[b.rate(25, inclusive=False)])))


@vector("an inclusive tax of 25% on 500", total=500, taxes=[100])
def inclusive(b: Bench) -> dict[str, Any]:
    return _billed(b.invoice(b.subscribe(b.price(500), default_tax_rates=[b.rate(25, inclusive=True)])))


@vector("an inclusive tax of 10% on 100000 and 5000, rounded for each line", total=105000, taxes=[9546])
def by_line(b: Bench) -> dict[str, Any]:
    prices = b.price(100_000), b.price(5_000, name="Extra")
    return _billed(b.invoice(b.subscribe(*prices, default_tax_rates=[b.rate(10, inclusive=True)])))


@vector("an exclusive tax of 15% on 43 and 484, rounded for each line", total=606, taxes=[79])
def small(b: Bench) -> dict[str, Any]:
    prices = b.price(43), b.price(484, name="Extra")
    return _billed(b.invoice(b.subscribe(*prices, default_tax_rates=[b.rate(15, inclusive=False)])))


def _taxed_and_discounted(b: Bench, *rates: str) -> dict[str, Any]:
    prices = b.price(500), b.price(1000, name="Extra")
    off = [{"coupon": b.coupon(percent_off=10)}]
    return _billed(b.invoice(b.subscribe(*prices, default_tax_rates=list(rates), discounts=off)))


@vector("10% off, then an exclusive tax of 5%", total=1418, taxes=[68])
def discounted_exclusive(b: Bench) -> dict[str, Any]:
    return _taxed_and_discounted(b, b.rate(5, inclusive=False))


@vector("10% off, with an inclusive tax of 5%", total=1350, taxes=[64])
def discounted_inclusive(b: Bench) -> dict[str, Any]:
    return _taxed_and_discounted(b, b.rate(5, inclusive=True))


@vector("10% off, with an inclusive tax of 5% and an exclusive one of 7%", total=1440, taxes=[64, 90])
def discounted_both(b: Bench) -> dict[str, Any]:
    return _taxed_and_discounted(b, b.rate(5, inclusive=True), b.rate(7, inclusive=False))


@vector("an upgrade at half with a tax of 20%", previewed=[-500, 1000], lines=[-500, 1000], total=600)
def taxed_upgrade(b: Bench) -> dict[str, Any]:
    rate = b.rate(20, inclusive=False)
    subscription, price = b.subscribe(b.price(1000), default_tax_rates=[rate]), b.price(2000, name="Gold")
    b.at(MIDDLE)
    return _changed(*b.change(subscription, price))


@vector("a downgrade at half with a tax of 20% goes on the balance", total=-5400, balance=-5400)
def taxed_downgrade(b: Bench) -> dict[str, Any]:
    rate = b.rate(20, inclusive=False)
    subscription, price = b.subscribe(b.price(10_000), default_tax_rates=[rate]), b.price(1000, name="Bronze")
    b.at(MIDDLE)
    _, invoice = b.change(subscription, price)
    return {"total": invoice.total, "balance": b.balance()}


@vector("10% off for ever", lines=[2500], subtotal=2500, total=2250)
def percent(b: Bench) -> dict[str, Any]:
    invoice = b.invoice(b.subscribe(b.price(2500), discounts=[{"coupon": b.coupon(percent_off=10)}]))
    return {"lines": amounts(invoice), "subtotal": invoice.subtotal, "total": invoice.total}


@vector("500 off over 1000 and 2000: the rest to the last line", taken=[166, 334], total=2500)
def amount_off(b: Bench) -> dict[str, Any]:
    prices = b.price(1000), b.price(2000, name="Extra")
    invoice = b.invoice(b.subscribe(*prices, discounts=[{"coupon": b.coupon(amount_off=500)}]))
    taken = [one.amount for line in invoice.lines.data for one in line.discount_amounts]
    return {"taken": taken, "total": invoice.total}


@vector("20% off, then 500 off", total=7500)
def percent_first(b: Bench) -> dict[str, Any]:
    off = [{"coupon": b.coupon(percent_off=20)}, {"coupon": b.coupon(amount_off=500)}]
    return {"total": b.invoice(b.subscribe(b.price(10_000), discounts=off)).total}


@vector("500 off, then 20% off", total=7600)
def amount_first(b: Bench) -> dict[str, Any]:
    off = [{"coupon": b.coupon(amount_off=500)}, {"coupon": b.coupon(percent_off=20)}]
    return {"total": b.invoice(b.subscribe(b.price(10_000), discounts=off)).total}


@vector("an upgrade at half with 10% off", previewed=[-450, 900], lines=[-450, 900], total=450, renewal=1800)
def discounted_upgrade(b: Bench) -> dict[str, Any]:
    off = [{"coupon": b.coupon(percent_off=10)}]
    subscription, price = b.subscribe(b.price(1000), discounts=off), b.price(2000, name="Gold")
    b.at(MIDDLE)
    found = _changed(*b.change(subscription, price))
    b.at(MAY + HOUR + 60)
    return {**found, "renewal": b.invoice(subscription).total}


@vector("a coupon for once that is added later lowers the renewal", at_once=False, renewal=1745)
def once(b: Bench) -> dict[str, Any]:
    subscription = b.subscribe(b.price(3490))
    off = [{"coupon": b.coupon("once", percent_off=50)}]
    b.v1.subscriptions.update(subscription.id, {"discounts": off})
    billed = b.invoice(subscription).id != subscription.latest_invoice
    b.at(MAY + HOUR + 60)
    return {"at_once": billed, "renewal": b.invoice(subscription).total}


@vector(
    "a year instead of a month at half, the anchor stays",
    previewed=[-500, 9589],
    lines=[-500, 9589],
    total=9089,
)
def interval(b: Bench) -> dict[str, Any]:
    subscription, price = b.subscribe(b.price(1000)), b.price(10_000, "year", name="Yearly")
    b.at(MIDDLE)
    return _changed(*b.change(subscription, price))


TIERS = [
    {"up_to": 5, "unit_amount": 700},
    {"up_to": 10, "unit_amount": 650},
    {"up_to": "inf", "unit_amount": 600},
]


def _tiered(b: Bench, mode: str) -> dict[str, Any]:
    price = b.price(None, billing_scheme="tiered", tiers_mode=mode, tiers=TIERS)
    found = {}
    for quantity in (5, 6, 20, 25):
        details = {"items": [{"price": price, "quantity": quantity}]}
        preview = b.v1.invoices.create_preview({"customer": b.customer, "subscription_details": details})
        found[f"of_{quantity}"] = preview.total
    return found


@vector("graduated tiers", of_5=3500, of_6=4150, of_20=12750, of_25=15750)
def graduated(b: Bench) -> dict[str, Any]:
    return _tiered(b, "graduated")


@vector("volume tiers", of_5=3500, of_6=3900, of_20=12000, of_25=15000)
def volume(b: Bench) -> dict[str, Any]:
    return _tiered(b, "volume")


@vector("a trial of 15 days", status="trialing", total=0, trial_days=15)
def trial(b: Bench) -> dict[str, Any]:
    subscription = b.subscribe(b.price(2500), trial_period_days=15)
    days = (subscription.trial_end - subscription.trial_start) // DAY
    return {"status": subscription.status, "total": b.invoice(subscription).total, "trial_days": days}


def _phases(b: Bench, subscription: Any, current: dict[str, Any], *later: dict[str, Any], **more: Any) -> str:
    made = b.v1.subscription_schedules.create({"from_subscription": subscription.id})
    span = {"start_date": made.phases[0].start_date, "end_date": made.phases[0].end_date}
    b.v1.subscription_schedules.update(made.id, {"phases": [span | current, *later], **more})
    return str(made.id)


def _phase(price: str, quantity: int = 1, **more: Any) -> dict[str, Any]:
    return {"items": [{"price": price, "quantity": quantity}], **more}


@vector("a schedule's next phase renews without prorations", previewed=[1000], lines=[1000])
def next_phase(b: Bench) -> dict[str, Any]:
    before, after = b.price(2000), b.price(1000, name="Bronze")
    subscription = b.subscribe(before)
    later = _phase(after, duration={"interval": "month"}, proration_behavior="none")
    schedule = _phases(b, subscription, _phase(before), later)
    preview = b.v1.invoices.create_preview({"schedule": schedule})
    b.at(MAY + HOUR + 60)
    return {"previewed": amounts(preview), "lines": amounts(b.invoice(subscription))}


@vector("phases that say nothing of discounts take the subscription's away", renewal=1000)
def stripped(b: Bench) -> dict[str, Any]:
    price = b.price(1000)
    subscription = b.subscribe(price, discounts=[{"coupon": b.coupon(percent_off=10)}])
    _phases(b, subscription, _phase(price), _phase(price, duration={"interval": "month"}))
    b.at(MAY + HOUR + 60)
    return {"renewal": b.invoice(subscription).total}


@vector("a phase's metadata is merged", metadata={"channel": "sales", "region": "apac", "churn": "high"})
def metadata(b: Bench) -> dict[str, Any]:
    price = b.price(1000)
    subscription = b.subscribe(price, metadata={"channel": "self-serve", "region": "apac", "upsell": "alpha"})
    given = {"channel": "sales", "churn": "high", "upsell": ""}
    later = _phase(price, duration={"interval": "month"}, metadata=given)
    _phases(b, subscription, _phase(price), later)
    b.at(MAY + HOUR + 60)
    return {"metadata": b.v1.subscriptions.retrieve(subscription.id).metadata.to_dict()}


@vector("a quantity of 3 in the current phase, at half", lines=[-500, 1500])
def current_phase(b: Bench) -> dict[str, Any]:
    price = b.price(1000)
    subscription = b.subscribe(price)
    b.at(MIDDLE)
    _phases(b, subscription, _phase(price, 3), proration_behavior="always_invoice")
    return {"lines": amounts(b.invoice(subscription))}
