"""The customer portal: configurations, sessions and how long a session's address lives."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import stripe

from .billing import APRIL, Business, items_of
from .hosted import browsing, final

MINUTE, HOUR = 60, 3600
RETURN = "https://example.com/account"


@pytest.fixture
def browser() -> Iterator[httpx.Client]:
    with browsing() as client:
        yield client


def refused(call: Any, *args: Any) -> stripe.StripeError:
    with pytest.raises(stripe.StripeError) as caught:
        call(*args)
    return caught.value


def configure(business: Business, *features: str, **more: Any) -> Any:
    """A configuration that offers these features."""
    offered = {feature: {"enabled": True} for feature in features or ("invoice_history",)}
    return business.v1.billing_portal.configurations.create({"features": offered, **more})


def opened(business: Business, customer: str, configuration: Any = None, **more: Any) -> Any:
    """A session of the customer, by a new configuration unless one is given."""
    named = (configuration or configure(business)).id
    return business.v1.billing_portal.sessions.create({"customer": customer, "configuration": named, **more})


def test_a_new_configuration_offers_only_what_it_is_told(business: Business) -> None:
    made = configure(business, "invoice_history", name="Plain", metadata={"a": "1"})

    features = made.features.to_dict()
    assert [name for name, feature in features.items() if feature["enabled"]] == ["invoice_history"]
    assert (made.active, made.is_default, made.livemode) == (True, False, False)
    assert (made.created, made.updated, made.name) == (APRIL, APRIL, "Plain")
    assert (made.login_page.enabled, made.login_page.url) == (False, None)
    assert features["subscription_cancel"]["mode"] == "at_period_end"
    assert features["subscription_pause"]["duration"]["interval_options"] == [
        {"interval": "month", "interval_count": 1}
    ]
    assert business.events("billing_portal.configuration.created") == ["billing_portal.configuration.created"]


def test_an_update_changes_what_it_names_and_leaves_the_rest(business: Business) -> None:
    made = configure(
        business,
        business_profile={"headline": "Hello", "terms_of_service_url": "https://example.com/terms"},
        default_return_url=RETURN,
    )
    business.at(APRIL + HOUR)

    changed = business.v1.billing_portal.configurations.update(
        made.id,
        {
            "active": False,
            "business_profile": {"headline": ""},
            "features": {"customer_update": {"enabled": True, "allowed_updates": ["email"]}},
            "metadata": {"a": "1"},
        },
    )

    profile = changed.business_profile
    assert (profile.headline, profile.terms_of_service_url) == (None, "https://example.com/terms")
    assert changed.features.customer_update.allowed_updates == ["email"]
    assert changed.features.invoice_history.enabled is True
    assert (changed.active, changed.updated, changed.default_return_url) == (False, APRIL + HOUR, RETURN)
    assert business.v1.billing_portal.configurations.retrieve(made.id) == changed
    emptied = business.v1.billing_portal.configurations.update(
        made.id, {"features": {"customer_update": {"allowed_updates": ""}}, "default_return_url": ""}
    )
    assert (emptied.features.customer_update.allowed_updates, emptied.default_return_url) == ([], None)


def test_products_of_a_configuration_are_known_ones_with_their_own_prices(business: Business) -> None:
    silver, gold = (business.v1.prices.retrieve(business.price(1000, name)) for name in ("Silver", "Gold"))

    def configured(product: str, price: str) -> Any:
        update = {
            "enabled": True,
            "default_allowed_updates": ["price"],
            "products": [{"product": product, "prices": [price]}],
        }
        return business.v1.billing_portal.configurations.create({"features": {"subscription_update": update}})

    [product] = configured(silver.product, silver.id).features.subscription_update.products
    assert product.prices == [silver.id]
    assert (product.adjustable_quantity.enabled, product.adjustable_quantity.minimum) == (False, 0)
    assert refused(configured, silver.product, gold.id).http_status == 400
    assert refused(configured, "prod_none", silver.id).http_status == 400


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"default_return_url": "javascript:alert(1)"}, "default_return_url"),
        ({"business_profile": {"privacy_policy_url": "x"}}, "business_profile[privacy_policy_url]"),
        ({"login_page": {"enabled": True}}, "login_page[enabled]"),
        (
            {"features": {"subscription_cancel": {"enabled": True, "proration_behavior": "always_invoice"}}},
            "features[subscription_cancel][proration_behavior]",
        ),
        (
            {
                "features": {
                    "subscription_cancel": {"enabled": True, "proration_behavior": "create_prorations"}
                }
            },
            "features[subscription_cancel][proration_behavior]",
        ),
        (
            {"features": {"customer_update": {"allowed_updates": ["email"]}}},
            "features[customer_update][enabled]",
        ),
    ],
)
def test_wrong_configurations_are_refused(business: Business, more: dict[str, Any], param: str) -> None:
    given = {"features": {"invoice_history": {"enabled": True}}, **more}
    error = refused(business.v1.billing_portal.configurations.create, given)

    assert (error.http_status, error.param) == (400, param)


def test_configurations_are_listed_by_what_they_are(business: Business) -> None:
    first, second = configure(business), configure(business)
    business.v1.billing_portal.configurations.update(first.id, {"active": False})

    def listed(**by: Any) -> list[str]:
        return [one.id for one in business.v1.billing_portal.configurations.list(by).data]

    assert listed() == [second.id, first.id]
    assert listed(active=True) == [second.id]
    assert listed(active=False) == [first.id]
    assert listed(is_default=True) == []


def test_a_session_answers_all_it_was_asked_for(business: Business) -> None:
    customer = business.customer().id
    configuration = configure(business, "payment_method_update")

    session = opened(
        business,
        customer,
        configuration,
        return_url=RETURN,
        locale="de",
        after_expiration={"type": "customer_login", "customer_login": {"expires_at": APRIL + HOUR}},
        flow_data={
            "type": "payment_method_update",
            "after_completion": {"type": "redirect", "redirect": {"return_url": RETURN}},
        },
        expand=["configuration"],
    )

    assert session.id.startswith("bps_")
    assert session.url.startswith(f"{business.stand_in.url}/p/session/test_")
    assert (session.customer, session.created, session.return_url) == (customer, APRIL, RETURN)
    assert (session.locale, session.configuration.id) == ("de", configuration.id)
    assert session.after_expiration.customer_login.expires_at == APRIL + HOUR
    assert session.flow.type == "payment_method_update"
    assert session.flow.after_completion.redirect.return_url == RETURN
    assert business.events("billing_portal.session.created") == ["billing_portal.session.created"]


def test_a_session_goes_back_to_where_its_configuration_says(business: Business) -> None:
    configuration = configure(business, default_return_url=RETURN)

    assert opened(business, business.customer().id, configuration).return_url == RETURN


def test_a_session_needs_a_configuration_until_the_default_one_is_saved(business: Business) -> None:
    customer = {"customer": business.customer().id}
    configure(business)

    error = refused(business.v1.billing_portal.sessions.create, customer)
    assert (error.http_status, error.error.type) == (400, "invalid_request_error")
    assert "default configuration has not been created" in error.user_message

    business.stand_in.control("portal", {"needs_configuration": False})
    sessions = [business.v1.billing_portal.sessions.create(customer) for _ in range(2)]
    [default] = business.v1.billing_portal.configurations.list({"is_default": True}).data
    assert {session.configuration for session in sessions} == {default.id}
    business.stand_in.control("portal", {"needs_configuration": True})
    assert business.v1.billing_portal.sessions.create(customer).configuration == default.id
    update = business.v1.billing_portal.configurations.update
    assert refused(update, default.id, {"active": False}).param == "active"


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"customer": "cus_none"}, "customer"),
        ({"configuration": "bpc_none"}, "configuration"),
        ({"return_url": "somewhere"}, "return_url"),
        ({"locale": "xx"}, "locale"),
        ({"on_behalf_of": "acct_1"}, "on_behalf_of"),
        ({"flow_data": {"type": "subscription_cancel"}}, "flow_data[type]"),
        (
            {"flow_data": {"type": "payment_method_update", "subscription_pause": {"subscription": "s"}}},
            "flow_data[subscription_pause]",
        ),
        ({"flow_data": {"type": "subscription_update"}}, "flow_data[subscription_update]"),
        (
            {
                "flow_data": {
                    "type": "subscription_update",
                    "subscription_update": {"subscription": "sub_none"},
                }
            },
            "flow_data[subscription_update][subscription]",
        ),
        (
            {"flow_data": {"type": "payment_method_update", "after_completion": {"type": "redirect"}}},
            "flow_data[after_completion][redirect]",
        ),
    ],
)
def test_wrong_sessions_are_refused(business: Business, given: dict[str, Any], param: str) -> None:
    configuration = configure(business, "payment_method_update", "subscription_update").id
    params = {"customer": business.customer().id, "configuration": configuration, **given}

    error = refused(business.v1.billing_portal.sessions.create, params)

    assert (error.http_status, error.param) == (400, param)
    assert business.events("billing_portal.session.created") == []


def test_a_session_without_customer_is_refused(business: Business) -> None:
    error = refused(business.v1.billing_portal.sessions.create, {})

    assert (error.http_status, error.code, error.param) == (400, "parameter_missing", "customer")


@pytest.mark.parametrize("type", ["subscription_cancel", "subscription_pause", "subscription_update"])
def test_a_flow_names_a_subscription_of_the_customer(business: Business, type: str) -> None:
    own, other = business.subscribe(1000), business.subscribe(1000)
    configuration = configure(business, type)

    def flow(subscription: Any) -> Any:
        asked = {"type": type, type: {"subscription": subscription.id}}
        return opened(business, own.customer, configuration, flow_data=asked).flow

    assert getattr(flow(own), type).subscription == own.id
    assert flow(own).after_completion.type == "portal_homepage"
    assert refused(flow, other).param == f"flow_data[{type}][subscription]"


def test_a_flow_can_confirm_one_item(business: Business) -> None:
    subscription = business.subscribe(1000)
    item = items_of(subscription)[0].id
    price = business.price(2000, "Gold")
    configuration = configure(business, "subscription_update")

    def confirm(*items: dict[str, Any]) -> Any:
        asked = {"subscription": subscription.id, "items": list(items)}
        flow = {"type": "subscription_update_confirm", "subscription_update_confirm": asked}
        return opened(business, subscription.customer, configuration, flow_data=flow).flow

    [named] = confirm({"id": item, "price": price, "quantity": 3}).subscription_update_confirm.to_dict()[
        "items"
    ]
    assert named == {"id": item, "price": price, "quantity": 3}
    assert refused(confirm, {"id": "si_none"}).http_status == 400
    assert refused(confirm, {"id": item}, {"id": item}).http_status == 400


def test_an_inactive_configuration_opens_no_session(business: Business) -> None:
    configuration = configure(business)
    business.v1.billing_portal.configurations.update(configuration.id, {"active": False})

    assert refused(opened, business, business.customer().id, configuration).param == "configuration"


def test_a_session_that_nobody_opens_expires_after_five_minutes(
    business: Business, browser: httpx.Client
) -> None:
    session = opened(business, business.customer().id)
    business.at(APRIL + 5 * MINUTE)

    answer = browser.get(session.url)

    assert answer.status_code == 410
    assert "This link has expired" in answer.text


def test_a_session_that_was_opened_lives_an_hour_from_the_last_visit(
    business: Business, browser: httpx.Client
) -> None:
    session = opened(business, business.customer().id)
    answers = []
    for second in (5 * MINUTE - 1, HOUR, 2 * HOUR - 1, 3 * HOUR - 1):
        business.at(APRIL + second)
        answers.append(browser.get(session.url).status_code)

    assert answers == [200, 200, 200, 410]


def test_the_portal_shows_the_customers_invoices_and_the_way_back(
    business: Business, browser: httpx.Client
) -> None:
    customer = business.customer(card=None)
    own, other = final(business, 1000, customer=customer.id), final(business, 500)

    page = browser.get(opened(business, customer.id, return_url=RETURN).url).text

    assert "Billing of Acme" in page
    assert f">{own.number}</a>" in page
    assert httpx.URL(own.hosted_invoice_url).path in page
    assert other.number not in page
    assert f'<a href="{RETURN}">' in page


def test_there_is_nothing_to_retrieve_a_session_by(business: Business, browser: httpx.Client) -> None:
    session = opened(business, business.customer().id)
    key = {"Authorization": "Bearer sk_test_contract"}

    for path in (f"/v1/billing_portal/sessions/{session.id}", "/v1/billing_portal/sessions"):
        answer = browser.get(business.stand_in.url + path, headers=key)
        assert answer.status_code == 404
        assert "Unrecognized request URL" in answer.text
    assert browser.get(session.url + "x").status_code == 404
    assert browser.post(session.url).status_code == 405
