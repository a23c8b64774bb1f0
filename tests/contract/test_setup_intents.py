"""Setup intents: payment methods that are set up for later, authenticated where their bank asks."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import stripe

from .billing import Business
from .conftest import client_of
from .hosted import browsing

ASKS = "pm_card_authenticationRequiredOnSetup"


@pytest.fixture
def browser() -> Iterator[httpx.Client]:
    with browsing() as one:
        yield one


def refused(call: Any, *args: Any, **kwargs: Any) -> stripe.StripeError:
    with pytest.raises(stripe.StripeError) as caught:
        call(*args, **kwargs)
    return caught.value


def setting_up(business: Business, card: str, customer: str | None = None, **more: Any) -> Any:
    owner = customer or business.customer(card=None).id
    given = {"customer": owner, "payment_method": card, "confirm": True, **more}
    return business.v1.setup_intents.create(given)


def attached(business: Business, customer: str) -> list[str]:
    return [one.id for one in business.v1.payment_methods.list({"customer": customer}).data]


def test_a_card_is_set_up_and_attached(business: Business) -> None:
    customer = business.customer(card=None).id
    made = business.v1.setup_intents.create({"customer": customer, "usage": "off_session"})
    assert (made.status, made.payment_method, made.usage) == ("requires_payment_method", None, "off_session")
    assert made.client_secret.startswith(f"{made.id}_secret_")
    chosen = business.v1.setup_intents.update(made.id, {"payment_method": "pm_card_visa"})
    assert (chosen.status, attached(business, customer)) == ("requires_confirmation", [])

    done = business.v1.setup_intents.confirm(made.id)

    assert (done.status, attached(business, customer)) == ("succeeded", [done.payment_method])
    told = ["setup_intent.created", "payment_method.attached", "setup_intent.succeeded"]
    assert business.events(*told) == told
    again = refused(business.v1.setup_intents.confirm, made.id)
    assert (again.http_status, again.code) == (400, "setup_intent_unexpected_state")


def test_a_card_whose_bank_asks_is_set_up_once_the_customer_has_authenticated(
    business: Business, browser: httpx.Client
) -> None:
    customer = business.customer(card=None).id
    made = setting_up(business, ASKS, customer, return_url="https://shop.example/back")
    assert (made.status, made.next_action.type) == ("requires_action", "redirect_to_url")
    page = made.next_action.redirect_to_url.url
    assert "Authenticate this card" in browser.get(page).text
    assert attached(business, customer) == []

    browser.post(page, data={"answer": "passes"})

    done = business.v1.setup_intents.retrieve(made.id)
    assert (done.status, done.next_action) == ("succeeded", None)
    assert f"https://shop.example/back?setup_intent={made.id}" in browser.get(page).text
    paid = business.v1.payment_intents.create(
        {
            "amount": 2900,
            "currency": "usd",
            "customer": customer,
            "payment_method": done.payment_method,
            "off_session": True,
            "confirm": True,
        }
    )
    assert paid.status == "succeeded"


def test_a_card_that_is_set_up_pays_for_a_subscription_off_session(business: Business) -> None:
    customer = business.customer(card=None).id
    made = setting_up(business, ASKS, customer)
    business.authenticate(made.id)
    subscription = business.subscribe(
        1000, customer=customer, default_payment_method=made.payment_method, off_session=True
    )
    assert subscription.status == "active"


def test_who_refuses_is_asked_for_another_card(business: Business) -> None:
    made = setting_up(business, ASKS)
    business.authenticate(made.id, passes=False)
    failed = business.v1.setup_intents.retrieve(made.id)
    assert (failed.status, failed.payment_method) == ("requires_payment_method", None)
    assert failed.last_setup_error.code == "setup_intent_authentication_failure"
    assert business.events("setup_intent.requires_action", "setup_intent.setup_failed") == [
        "setup_intent.requires_action",
        "setup_intent.setup_failed",
    ]
    done = business.v1.setup_intents.confirm(made.id, {"payment_method": "pm_card_visa"})
    assert (done.status, done.last_setup_error) == ("succeeded", None)


def test_a_declined_card_is_not_set_up(business: Business) -> None:
    error: Any = refused(setting_up, business, "pm_card_chargeDeclined")
    assert isinstance(error, stripe.CardError)
    assert (error.http_status, error.code) == (402, "card_declined")
    [kept] = business.v1.setup_intents.list().data
    assert (kept.id, kept.status) == (error.error.setup_intent.id, "requires_payment_method")
    assert kept.last_setup_error.decline_code == "generic_decline"


def test_a_bank_account_is_set_up(business: Business) -> None:
    customer = business.customer(card=None).id
    done = setting_up(business, "pm_usBankAccount_success", customer)
    assert (done.status, attached(business, customer)) == ("succeeded", [done.payment_method])
    error = refused(setting_up, business, "pm_usBankAccount_success", allowed_payment_method_types=["card"])
    assert (error.http_status, error.param) == (400, "payment_method")


def test_the_permission_to_be_debited_is_kept_and_shown_by_what_is_debited(business: Business) -> None:
    customer = business.customer(card=None).id
    online = {"ip_address": "192.0.2.1", "user_agent": "A browser"}
    given = {"customer_acceptance": {"type": "online", "online": online}}
    done = setting_up(business, "pm_usBankAccount_success", customer, mandate_data=given)
    mandate = business.v1.mandates.retrieve(done.mandate)
    assert (mandate.status, mandate.payment_method) == ("active", done.payment_method)
    assert mandate.customer_acceptance.online.ip_address == "192.0.2.1"
    paid = business.v1.payment_intents.create(
        {
            "amount": 2900,
            "currency": "usd",
            "customer": customer,
            "payment_method": done.payment_method,
            "confirm": True,
            "expand": ["latest_charge"],
        }
    )
    assert paid.latest_charge.payment_method_details.us_bank_account.mandate == mandate.id


def test_a_setup_is_given_up_once(business: Business) -> None:
    made = setting_up(business, ASKS)
    gone = business.v1.setup_intents.cancel(made.id, {"cancellation_reason": "abandoned"})
    assert (gone.status, gone.cancellation_reason, gone.next_action) == ("canceled", "abandoned", None)
    assert business.events("setup_intent.canceled") == ["setup_intent.canceled"]
    for call in (business.v1.setup_intents.cancel, business.v1.setup_intents.confirm):
        assert refused(call, made.id).code == "setup_intent_unexpected_state"
    with pytest.raises(ValueError, match="canceled"):
        business.authenticate(made.id)


def test_without_a_method_there_is_nothing_to_confirm(business: Business) -> None:
    made = business.v1.setup_intents.create()
    assert refused(business.v1.setup_intents.confirm, made.id).code == "setup_intent_unexpected_state"


def test_setups_are_found_by_customer_and_method(business: Business) -> None:
    customer = business.customer(card=None).id
    first, second = setting_up(business, "pm_card_visa", customer), setting_up(business, "pm_card_visa")
    assert [one.id for one in business.v1.setup_intents.list().data] == [second.id, first.id]
    assert [one.id for one in business.v1.setup_intents.list({"customer": customer}).data] == [first.id]
    found = business.v1.setup_intents.list({"payment_method": second.payment_method}).data
    assert [one.id for one in found] == [second.id]
    assert refused(business.v1.setup_intents.retrieve, "seti_none").http_status == 404


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"customer": "cus_none"}, "customer"),
        ({"payment_method": "pm_none"}, "payment_method"),
        ({"payment_method_types": ["card"]}, "payment_method_types"),
        ({"mandate_data": {"customer_acceptance": {"type": "offline"}}}, "mandate_data"),
        ({"single_use": {"amount": 100, "currency": "usd"}}, "single_use"),
    ],
)
def test_a_wrong_setup_is_refused(business: Business, given: dict[str, Any], param: str) -> None:
    error = refused(business.v1.setup_intents.create, given)
    assert (error.http_status, error.param) == (400, param)


def test_a_restricted_key_needs_the_permission_of_setup_intents(business: Business) -> None:
    business.stand_in.control("keys", {"key": "rk_test_setups", "permissions": ["setup_intent_read"]})
    reads = client_of(business.stand_in.url, "rk_test_setups").v1
    assert reads.setup_intents.list().data == []
    error = refused(reads.setup_intents.create)
    assert "rak_setup_intent_write" in str(error.user_message)
    business.stand_in.control("keys", {"key": "rk_test_setups", "permissions": None})
