"""What the mirror takes over from Stripe, a page at a time."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
import stripe
from sqlalchemy import inspect
from sqlmodel import select, update

from activities.mirror import pages as mirror_pages
from activities.mirror.objects.subscription import SubscriptionSnapshot
from activities.mirror.pages import BEGINNING, MirroredPage, Place
from billing.core.errors import InvalidRequest
from billing.plan_changes.plans import plan_on_sale
from db.core.session import Database
from db.mirror import mirror, subscription_usage
from db.tables import Customer, Invoice, InvoiceLines, Organization

from ...support.case_rules import case_rules
from ...support.shop import APRIL, Shop


async def stored(database: Database, table: type[Any]) -> list[Any]:
    async with database.reading() as session:
        return list(await session.exec(select(table).order_by(*inspect(table).primary_key)))


async def customer(shop: Shop, organization: str | None, name: str = "Customer") -> str:
    metadata = {"plixo_organization": organization} if organization else {}
    made = await shop.client.v1.customers.create_async(
        {"name": name, "email": "who@customers.example", "metadata": metadata}
    )
    return made.id


async def an_invoice(shop: Shop, customer_id: str, amount: int) -> str:
    draft = await shop.client.v1.invoices.create_async(
        {"customer": customer_id, "collection_method": "send_invoice", "days_until_due": 30}
    )
    await shop.client.v1.invoice_items.create_async(
        {"customer": customer_id, "invoice": draft.id, "amount": amount, "currency": "usd"}
    )
    await shop.client.v1.invoices.finalize_invoice_async(draft.id)
    return draft.id


async def test_the_catalog_holds_every_plan_with_its_prices_and_limits(
    shop: Shop, database: Database
) -> None:
    await mirror_pages.catalog(shop.access(database))

    async with database.reading() as session:
        plans = {plan.plan: plan for plan in await mirror.plans(session)}
    assert set(plans) == {"starter", "growth", "scale"}
    assert {(p.interval, p.unit_amount, p.currency) for p in plans["growth"].prices} == {
        ("month", 2000, "usd"),
        ("year", 20_000, "usd"),
    }
    assert plans["growth"].limits.model_dump() == {"seats": 50, "customers": 500, "ar_balance": 10_000_000}
    assert plans["scale"].limits.model_dump() == {"seats": 250, "customers": None, "ar_balance": None}


async def test_products_that_are_no_plan_are_left_out(shop: Shop, database: Database) -> None:
    product = await shop.client.v1.products.create_async({"name": "Onboarding"})
    await shop.client.v1.prices.create_async(
        {"product": product.id, "currency": "usd", "unit_amount": 50_000}
    )
    plans = await mirror_pages.catalog(shop.access(database))
    assert {plan.plan for plan in plans} == {"starter", "growth", "scale"}


async def test_of_two_products_that_claim_the_same_plan_neither_can_be_chosen(
    shop: Shop, database: Database
) -> None:
    twin = await shop.client.v1.products.create_async(
        {"name": "Growth again", "metadata": {"plixo_plan": "growth", "seats_included": "5"}}
    )
    await shop.client.v1.prices.create_async(
        {"product": twin.id, "currency": "usd", "unit_amount": 1, "recurring": {"interval": "month"}}
    )

    assert await unavailable(shop, database) == {"growth": "plixo_plan is 'growth', as is prod_"}
    await shop.client.v1.products.update_async(twin.id, {"active": False})
    assert await unavailable(shop, database) == {}


async def unavailable(shop: Shop, database: Database) -> dict[str, str]:
    """What is mirrored as unavailable and why, without the ids; that nothing else is, is checked."""
    await mirror_pages.catalog(shop.access(database))
    async with database.reading() as session:
        plans = {plan.plan: plan for plan in await mirror.plans(session)}
    others = {"starter", "growth", "scale"} - {name for name, plan in plans.items() if plan.unavailable}
    for name in others:
        assert plan_on_sale(list(plans.values()), name).prices
    found = {}
    for name, plan in plans.items():
        if plan.unavailable:
            with pytest.raises(InvalidRequest) as refused:
                plan_on_sale(list(plans.values()), name)
            assert refused.value.code == "plan_unavailable"
            assert plan.unavailable in refused.value.message
            found[name] = re.sub(r"^(prod|price)_\w+: ", "", plan.unavailable)
    return {name: re.sub(r"(?<=prod_).*", "", why).split(". ")[0] for name, why in found.items()}


NONE_SOLD = "prices has no active monthly or yearly one"


@pytest.mark.parametrize(
    ("price", "why"),
    [
        ({"recurring": {"interval": "week"}}, NONE_SOLD),
        (
            {"recurring": {"interval": "month", "interval_count": 3}},
            NONE_SOLD,
        ),
        (
            {"unit_amount": None, "unit_amount_decimal": "10.5", "recurring": {"interval": "month"}},
            "unit_amount is not a whole number of minor units a seat",
        ),
    ],
    ids=["weekly", "quarterly", "decimal"],
)
async def test_a_price_that_no_plan_can_have_makes_that_plan_unavailable_and_no_other(
    shop: Shop, database: Database, price: dict[str, Any], why: str
) -> None:
    v1 = shop.client.v1
    odd = await v1.products.create_async(
        {"name": "Odd", "metadata": {"plixo_plan": "odd", "seats_included": "5"}}
    )
    asked = {"product": odd.id, "currency": "usd", "unit_amount": 700} | price
    given: Any = {name: value for name, value in asked.items() if value is not None}
    await v1.prices.create_async(given)
    assert await unavailable(shop, database) == {"odd": why}
    await v1.products.update_async(odd.id, {"active": False})
    assert await unavailable(shop, database) == {"odd": "Stripe no longer has an active price for it."}


@pytest.mark.both_databases
@pytest.mark.parametrize("known", [True, False])
async def test_a_subscription_at_a_price_that_no_plan_can_have_says_why_and_what_it_was(
    shop: Shop, database: Database, known: bool
) -> None:
    tenant = await shop.tenant(database, "growth", seats=7)
    snapshot = await SubscriptionSnapshot.read(shop.client, tenant.organization.stripe_subscription)
    snapshot.subscription["items"]["data"][0]["price"]["recurring"] |= {"interval": "week"}
    if not known:
        async with database.transaction() as session:
            await session.exec(update(Organization).values(subscription=None, synced_at=None))
    async with database.transaction() as session:
        owner = await snapshot.owner(session)
        assert owner is not None
        await snapshot.store(session, case_rules(), owner, datetime.now(UTC))
    async with database.reading() as session:
        stands = await subscription_usage.read(session, tenant.id)
        held = stands.organization.subscription
    assert held is not None
    assert (held["unreadable"]["code"], "week" in held["unreadable"]["message"]) == ("price_interval", True)
    assert held.get("plan") == ("growth" if known else None)
    assert stands.usage is not None
    await mirror_pages.subscription(shop.access(database), tenant.organization)
    async with database.reading() as session:
        held = (await mirror.organization(session, tenant.id)).subscription
    assert held is not None
    assert ("unreadable" in held, held["plan"], held["seats"]) == (False, "growth", 7)


async def test_the_subscription_is_mirrored_with_the_period_of_its_item(
    shop: Shop, database: Database
) -> None:
    tenant = await shop.tenant(database, "growth", seats=7)

    async with database.reading() as session:
        organization = await session.get_one(Organization, tenant.id)
    assert organization.synced_at is not None
    mirrored = dict(organization.subscription or {})
    assert mirrored.pop("item").startswith("si_")
    assert mirrored == {
        "plan": "growth",
        "price": shop.price["growth", "month"],
        "seats": 7,
        "interval": "month",
        "others": [],
        "currency": "usd",
        "period_start": APRIL,
        "period_end": APRIL + 30 * 86_400,
        "status": "active",
        "schedule": None,
        "cancel_at": None,
        "canceled_at": None,
        "ended_at": None,
        "pause_collection": None,
        "resumes_at": None,
        "pending_update": None,
        "billing_thresholds": False,
        "plixo_operation": None,
        "plixo_effect": None,
    }


async def test_a_subscription_of_somebody_else_is_not_taken_over(shop: Shop, database: Database) -> None:
    tenant, other = await shop.tenant(database), await shop.tenant(database)
    wrong = tenant.organization.model_copy(
        update={"stripe_subscription": other.organization.stripe_subscription}
    )
    await mirror_pages.subscription(shop.access(database), wrong)
    async with database.reading() as session:
        held = (await mirror.organization(session, tenant.id)).subscription
    assert held is not None
    assert re.search(r"is customer cus_\w+'s, not cus_\w+'s", held["unreadable"]["message"])


async def test_customers_are_those_whose_metadata_names_one_of_our_organizations(
    shop: Shop, database: Database
) -> None:
    ours = await shop.tenant(database)
    mine = await customer(shop, ours.id, "Mine")
    await customer(shop, "org_unknown")
    await customer(shop, None)

    done = await mirror_pages.customers_page(shop.access(database))

    assert done[:2] == (1, None)
    [row] = await stored(database, Customer)
    assert (row.id, row.organization_id, row.name, row.email) == (
        mine,
        ours.id,
        "Mine",
        "who@customers.example",
    )
    assert row.created_at.timestamp() == APRIL


async def test_a_second_page_continues_where_the_first_ended(
    shop: Shop, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror_pages, "PAGE", 2)
    tenant = await shop.tenant(database)
    made = {await customer(shop, tenant.id) for _ in range(5)}

    async def page(place: Place = BEGINNING) -> MirroredPage:
        return await mirror_pages.customers_page(shop.access(database), place)

    first = await page()
    second = await page(Place(first.after))
    third = await page(Place(second.after))

    assert (first.stored, second.stored, third.stored) == (2, 2, 1)
    assert {row.id for row in await stored(database, Customer)} == made


async def test_a_list_goes_on_with_what_is_as_old_where_the_object_that_it_stood_at_is_gone(
    shop: Shop, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror_pages, "PAGE", 2)
    tenant = await shop.tenant(database)
    made = []
    for _ in range(5):
        shop.stand_in.advance(60)
        made.append(await customer(shop, tenant.id))

    async def page(place: Place = BEGINNING) -> MirroredPage:
        return await mirror_pages.customers_page(shop.access(database), place)

    first = await page()
    assert first.after == made[3]
    await shop.client.v1.customers.delete_async(made[3])
    with pytest.raises(stripe.InvalidRequestError):
        await page(Place(first.after))
    second = await page(Place(first.after, until=first.until))
    assert (second.stored, second.after) == (2, made[1])
    recent = await page(Place(since=first.newest))
    assert (recent.stored, recent.after, recent.newest) == (1, None, first.newest)


async def test_invoices_are_those_of_known_customers(shop: Shop, database: Database) -> None:
    tenant = await shop.tenant(database)
    known = await customer(shop, tenant.id)
    await an_invoice(shop, await customer(shop, None), 700)
    invoice = await an_invoice(shop, known, 12_345)
    await mirror_pages.customers_page(shop.access(database))

    done = await mirror_pages.invoices_page(shop.access(database))

    assert done[:2] == (2, None), "the customer's, and that of the organization's own subscription"
    [row] = await stored(database, Invoice)
    assert (row.id, row.organization_id, row.customer_id, row.status) == (invoice, tenant.id, known, "open")
    assert (row.total, row.amount_due, row.amount_paid, row.amount_remaining) == (12_345, 12_345, 0, 12_345)
    assert row.number
    assert row.due_date is not None
    assert (row.due_date - row.created_at).days == 30
    assert (row.finalized_at, row.collection_method) == (row.created_at, "send_invoice")
    [lines] = await stored(database, InvoiceLines)
    assert (lines.invoice_id, lines.organization_id, lines.complete) == (invoice, tenant.id, True)
    assert [(line["amount"], line["quantity"]) for line in lines.lines] == [(12_345, 1)]


async def test_a_customer_brings_its_language_and_country(shop: Shop, database: Database) -> None:
    tenant = await shop.tenant(database)
    params = {"preferred_locales": ["de", "en"], "address": {"country": "AT"}}
    id_ = await customer(shop, tenant.id)
    await shop.client.v1.customers.update_async(id_, params)  # type: ignore[arg-type]

    await mirror_pages.customers_page(shop.access(database))

    [row] = await stored(database, Customer)
    assert (row.language, row.country) == ("de", "AT")


async def test_a_reading_never_overwrites_a_newer_one(shop: Shop, database: Database) -> None:
    tenant = await shop.tenant(database)
    id_ = await customer(shop, tenant.id, "As Stripe had it a while ago")
    future = datetime(2100, 1, 1, tzinfo=UTC)
    newer = Customer(id=id_, organization_id=tenant.id, name="Newer", created_at=future, synced_at=future)
    async with database.transaction() as session:
        await mirror.store_customer(session, newer)

    await mirror_pages.customers_page(shop.access(database))

    [row] = await stored(database, Customer)
    assert row.name == "Newer"


@pytest.mark.parametrize(
    ("preferred", "language"),
    [(["fr", "de-AT", "en"], "de-AT"), (["fr", "nl"], "fr"), (["de"], "de"), ([], None), (None, None)],
)
def test_of_the_languages_a_customer_prefers_the_first_that_we_write_in_is_kept(
    preferred: list[str] | None, language: str | None
) -> None:
    stripe_customer = {
        "id": "cus_1",
        "created": 1_700_000_000,
        "metadata": {"plixo_organization": "org_1"},
        "preferred_locales": preferred,
    }
    assert mirror_pages.customer_row(stripe_customer, datetime.now(UTC)).language == language
