"""Customers."""

import uuid

import pytest
import stripe
from stripe import StripeClient

from sandbox.stripe.server.inprocess import StandIn


def test_a_new_customer_has_no_balance_no_currency_and_no_payment_method(stripe_client: StripeClient) -> None:
    made = stripe_client.v1.customers.create({"name": "New", "email": "new@example.com"})

    assert made.id.startswith("cus_")
    assert (made.name, made.email, made.balance, made.currency) == ("New", "new@example.com", 0, None)
    assert made.livemode is False
    assert made.metadata is not None
    assert made.metadata.to_dict() == {}
    assert made.invoice_settings is not None
    assert made.invoice_settings.default_payment_method is None


def test_metadata_merges_and_an_empty_value_removes_a_key(
    stripe_client: StripeClient, customer: stripe.Customer
) -> None:
    def metadata_after(change: object) -> dict[str, str]:
        changed = stripe_client.v1.customers.update(customer.id, {"metadata": change})  # type: ignore[arg-type]
        assert changed.metadata is not None
        return dict(changed.metadata.to_dict())

    assert metadata_after({"a": "1", "b": "2"}) == {"a": "1", "b": "2"}
    assert metadata_after({"b": "3", "c": "4"}) == {"a": "1", "b": "3", "c": "4"}
    assert metadata_after({"a": "", "_d": "5"}) == {"b": "3", "c": "4", "_d": "5"}
    assert metadata_after("") == {}


@pytest.mark.parametrize(
    "metadata",
    [{"k" * 41: "v"}, {"k": "v" * 501}, {f"k{n}": "v" for n in range(51)}],
    ids=["long key", "long value", "many keys"],
)
def test_metadata_has_limits(stripe_client: StripeClient, metadata: dict[str, str]) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        stripe_client.v1.customers.create({"metadata": metadata})

    assert refused.value.http_status == 400


def test_an_empty_address_is_unset(stripe_client: StripeClient) -> None:
    made = stripe_client.v1.customers.create({"address": {"city": "Bonn", "country": "DE"}})
    cleared = stripe_client.v1.customers.update(made.id, {"address": ""})

    assert made.address is not None
    assert made.address.city == "Bonn"
    assert cleared.address is None


def test_the_default_payment_method_must_be_attached(
    stripe_client: StripeClient, customer: stripe.Customer
) -> None:
    update = stripe_client.v1.customers.update
    method = stripe_client.v1.payment_methods.create({"type": "card", "card": {"token": "tok_visa"}})
    with pytest.raises(stripe.InvalidRequestError) as refused:
        update(customer.id, {"invoice_settings": {"default_payment_method": method.id}})
    stripe_client.v1.payment_methods.attach(method.id, {"customer": customer.id})
    changed = update(customer.id, {"invoice_settings": {"default_payment_method": method.id}})

    assert refused.value.http_status == 400
    assert changed.invoice_settings is not None
    assert changed.invoice_settings.default_payment_method == method.id


def test_a_customer_can_be_made_with_a_card(stripe_client: StripeClient) -> None:
    made = stripe_client.v1.customers.create(
        {
            "payment_method": "pm_card_visa",
            "invoice_settings": {"default_payment_method": "pm_card_visa"},
        }
    )
    [attached] = stripe_client.v1.payment_methods.list({"customer": made.id}).data

    assert made.invoice_settings is not None
    assert made.invoice_settings.default_payment_method == attached.id
    assert attached.card is not None
    assert (attached.card.brand, attached.card.last4) == ("visa", "4242")


def test_customers_are_found_by_their_exact_email(stripe_client: StripeClient) -> None:
    email = f"{uuid.uuid4().hex}@example.com"
    made = stripe_client.v1.customers.create({"email": email})

    assert [c.id for c in stripe_client.v1.customers.list({"email": email}).data] == [made.id]
    stripe_client.v1.customers.update(made.id, {"email": f"new-{email}"})
    assert stripe_client.v1.customers.list({"email": email}).data == []
    assert [c.id for c in stripe_client.v1.customers.list({"email": f"new-{email}"}).data] == [made.id]


def test_an_email_that_is_none_is_refused(stripe_client: StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        stripe_client.v1.customers.create({"email": "nobody"})

    assert refused.value.code == "email_invalid"


def test_a_deleted_customer_is_shown_as_deleted_and_cannot_be_changed(
    stripe_client: StripeClient, customer: stripe.Customer
) -> None:
    gone = stripe_client.v1.customers.delete(customer.id)
    shown = stripe_client.v1.customers.retrieve(customer.id)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        stripe_client.v1.customers.update(customer.id, {"name": "Back"})

    assert (gone.id, gone.deleted) == (customer.id, True)
    assert shown.to_dict() == {"id": customer.id, "object": "customer", "deleted": True}
    assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")


def test_deleting_a_customer_ends_its_subscriptions(stripe_client: StripeClient) -> None:
    made = stripe_client.v1.customers.create(
        {
            "payment_method": "pm_card_visa",
            "invoice_settings": {"default_payment_method": "pm_card_visa"},
        }
    )
    price = stripe_client.v1.prices.create(
        {
            "currency": "usd",
            "unit_amount": 1000,
            "recurring": {"interval": "month"},
            "product_data": {"name": "Ended"},
        }
    )
    subscription = stripe_client.v1.subscriptions.create(
        {"customer": made.id, "items": [{"price": price.id, "quantity": 1}]}
    )
    stripe_client.v1.customers.delete(made.id)

    assert subscription.status == "active"
    assert stripe_client.v1.subscriptions.retrieve(subscription.id).status == "canceled"


def test_an_update_tells_what_changed(
    stand_in: StandIn, stripe_client: StripeClient, customer: stripe.Customer
) -> None:
    stripe_client.v1.customers.update(customer.id, {"name": "Renamed", "phone": "1"})
    stripe_client.v1.customers.update(customer.id, {"name": "Renamed"})
    [event] = [
        event.to_dict()
        for event in stripe_client.v1.events.list({"type": "customer.updated"}).data
        if event.to_dict()["data"]["object"]["id"] == customer.id
    ]

    assert event["data"]["previous_attributes"] == {"name": "Contract test", "phone": None}


def test_what_the_stand_in_does_not_do_is_refused_not_ignored(
    stand_in: StandIn, stripe_client: StripeClient
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        stripe_client.v1.customers.create({"validate": True})

    assert refused.value.error is not None
    assert refused.value.error.param == "validate"


def test_languages_and_country_are_kept_and_changed(stripe_client: StripeClient) -> None:
    made = stripe_client.v1.customers.create(
        {"preferred_locales": ["de-AT", "en"], "address": {"line1": "Ring 1", "country": "AT"}}
    )
    changed = stripe_client.v1.customers.update(
        made.id, {"preferred_locales": ["ja"], "address": {"country": "JP"}}
    )
    read = stripe_client.v1.customers.retrieve(made.id)

    assert made.address is not None
    assert (made.preferred_locales, made.address.country) == (["de-AT", "en"], "AT")
    assert changed.preferred_locales == read.preferred_locales == ["ja"]
    assert read.address is not None
    assert read.address.country == "JP"
