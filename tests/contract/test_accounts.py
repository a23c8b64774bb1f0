"""Tax ids of customers and of the account, a customer's source, and the account of a request."""

import pytest
import stripe
from stripe import StripeClient

from sandbox.stripe.server.inprocess import StandIn

from .billing import Business


def test_tax_ids_have_an_owner(stripe_client: StripeClient, customer: stripe.Customer) -> None:
    tax_ids = stripe_client.v1.tax_ids
    theirs = tax_ids.create(
        {"type": "eu_vat", "value": "DE123456789", "owner": {"type": "customer", "customer": customer.id}}
    )
    own = tax_ids.create({"type": "us_ein", "value": "12-3456789"})
    of_customer = tax_ids.list({"owner": {"type": "customer", "customer": customer.id}}).data
    nested = stripe_client.v1.customers.tax_ids.list(customer.id).data
    assert (theirs.customer, own.customer) == (customer.id, None)
    assert own.owner is not None
    assert own.owner.type == "self"
    assert [one.id for one in of_customer] == [one.id for one in nested] == [theirs.id]
    assert own.id in [one.id for one in tax_ids.list().data]
    assert tax_ids.retrieve(theirs.id).value == "DE123456789"
    assert tax_ids.delete(own.id).deleted
    with pytest.raises(stripe.InvalidRequestError, match="No such tax ID"):
        tax_ids.retrieve(own.id)


def test_a_source_is_charged_where_nothing_else_is_chosen(business: Business) -> None:
    customer = business.v1.customers.create({"name": "Of old", "source": "tok_visa"})
    subscription = business.subscribe(1000, customer=customer.id)
    shown = business.v1.customers.retrieve(customer.id, {"expand": ["default_source"]})
    assert customer.default_source.startswith("card_")
    assert shown.default_source.id == customer.default_source
    assert business.invoice(subscription.latest_invoice).status == "paid"
    business.v1.payment_methods.detach(customer.default_source)
    assert business.v1.customers.retrieve(customer.id).default_source is None
    with pytest.raises(stripe.InvalidRequestError) as refused:
        business.v1.customers.create({"source": "tok_none"})
    assert refused.value.param == "source"


def test_a_request_may_name_its_own_account_and_no_other(
    stand_in: StandIn, stripe_client: StripeClient
) -> None:
    own = stripe_client.v1.accounts.retrieve_current().id
    assert stripe_client.v1.customers.list({}, {"stripe_account": own}).data is not None
    with pytest.raises(stripe.PermissionError) as refused:
        stripe_client.v1.customers.list({}, {"stripe_account": "acct_other"})
    assert (refused.value.http_status, refused.value.error.code) == (403, "account_invalid")
    assert "does not have access to account 'acct_other'" in str(refused.value)
