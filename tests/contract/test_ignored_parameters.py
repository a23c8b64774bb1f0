"""Nothing that is given is ignored in silence: it is done, or refused by name, or could not be seen."""

from typing import Any

import pytest
import stripe

from sandbox.stripe import reference
from sandbox.stripe.core import params
from sandbox.stripe.core.forms import Given

from .billing import APRIL, DAY, Business, items_of


def refused(call: Any, *args: Any) -> stripe.StripeError:
    with pytest.raises(stripe.StripeError) as caught:
        call(*args)
    return caught.value


def test_no_parameter_of_any_endpoint_is_left_unread() -> None:
    assert "(ignored)" not in reference.document()


def test_what_nobody_looked_at_is_known_by_its_full_name() -> None:
    inner, taken, copied = Given({"a": 1, "b": 2}), Given({"c": 3}), Given({"d": 4})
    given = Given({"items": [inner], "whole": taken, "copied": copied, "left": 5})
    assert (given["items"][0]["a"], given.get("whole"), {**given["copied"]}) == (1, taken, {"d": 4})
    assert given.unseen() == ["items[0][b]", "left"]
    with pytest.raises(Exception, match=r"does not support the parameter items\[0\]\[b\] here"):
        params.refuse_unseen(given)
    assert "b" in inner
    assert list(given.items())
    assert given.unseen() == []
    params.refuse_unseen({"plain": 1})


@pytest.mark.parametrize(
    ("path", "given", "name"),
    [
        ("/v1/invoices", {"shipping_details[name]": "x", "shipping_details[address][city]": "y"}, None),
        ("/v1/invoices", {"rendering[amount_tax_display]": "exclude_tax"}, None),
        ("/v1/invoices", {"issuer[type]": "account", "issuer[account]": "acct_1"}, "issuer[type]"),
        ("/v1/invoiceitems", {"amount": "5", "currency": "usd", "tax_code": "txcd_1"}, "tax_code"),
        (
            "/v1/payment_methods",
            {"type": "card", "card[token]": "tok_visa", "klarna[dob][day]": "1", "klarna[dob][month]": "1"},
            None,
        ),
    ],
)
def test_what_changes_money_or_state_and_is_not_built_is_refused_by_name(
    business: Business, path: str, given: dict[str, str], name: str | None
) -> None:
    own = {} if path.endswith("methods") else {"customer": business.customer().id}
    if "klarna[dob][day]" in given:
        given = {**given, "klarna[dob][year]": "1990"}
    error = refused(lambda: business.client.raw_request("post", path, **own, **_nested(given)))
    wanted = name or next(key for key in given if key not in ("type", "card[token]")).partition("[")[0]
    assert (error.http_status, error.error and error.error.param) == (400, wanted)


def _nested(flat: dict[str, str]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for key, value in flat.items():
        *way, last = key.replace("]", "").split("[")
        at = tree
        for part in way:
            at = at.setdefault(part, {})
        at[last] = value
    return tree


def test_a_capture_takes_metadata_and_descriptors(business: Business) -> None:
    intent = business.v1.payment_intents.create(
        {
            "amount": 1000,
            "currency": "usd",
            "payment_method": "pm_card_visa",
            "capture_method": "manual",
            "confirm": True,
        }
    )
    taken = business.v1.payment_intents.capture(
        intent.id, {"metadata": {"case": "7"}, "statement_descriptor_suffix": "SPRING"}
    )
    assert (taken.metadata["case"], taken.statement_descriptor_suffix) == ("7", "SPRING")
    assert refused(business.v1.payment_intents.confirm, intent.id, {"amount_to_confirm": 5}).param == (
        "amount_to_confirm"
    )


def test_payment_methods_are_found_by_whether_they_may_be_shown_again(business: Business) -> None:
    customer = business.customer()
    method = customer.invoice_settings.default_payment_method
    business.v1.payment_methods.update(method, {"allow_redisplay": "always"})

    def found(value: str) -> list[str]:
        given = {"customer": customer.id, "allow_redisplay": value}
        return [one.id for one in business.v1.payment_methods.list(given).data]

    assert (found("always"), found("limited")) == ([method], [])


def test_subscriptions_are_found_by_automatic_tax(business: Business) -> None:
    plain = business.subscribe(1000)
    customer = business.customer(address={"country": "DE"}).id
    taxed = business.subscribe(1000, customer=customer, automatic_tax={"enabled": True})

    def found(enabled: bool) -> list[str]:
        return [
            one.id for one in business.v1.subscriptions.list({"automatic_tax": {"enabled": enabled}}).data
        ]

    assert (found(True), found(False)) == ([taxed.id], [plain.id])


def test_a_new_clock_takes_a_customer_who_has_nothing_yet(business: Business) -> None:
    customer = business.customer()
    clock = business.v1.test_helpers.test_clocks.create({"frozen_time": APRIL, "customer": customer.id})
    subscription = business.subscribe(1000, customer=customer.id)
    assert subscription.test_clock == clock.id
    business.v1.test_helpers.test_clocks.advance(clock.id, {"frozen_time": APRIL + 40 * DAY})
    renewed = business.subscription(subscription.id)
    assert items_of(renewed)[0].current_period_start > APRIL
    again = {"frozen_time": APRIL, "customer": customer.id}
    assert refused(business.v1.test_helpers.test_clocks.create, again).param == "customer"
    other = {"frozen_time": APRIL, "customer": business.subscribe(500).customer}
    assert refused(business.v1.test_helpers.test_clocks.create, other).param == "customer"


def test_what_could_not_be_seen_is_accepted(business: Business) -> None:
    subscription = business.subscribe(1000)
    note = {"invoice": subscription.latest_invoice, "amount": 100, "credit_amount": 100, "email_type": "none"}
    assert business.v1.credit_notes.create(note).total == 100


@pytest.mark.parametrize("party", [{"type": "self"}, {"type": "account", "account": "acct_other"}])
def test_who_bills_and_owes_taxes_is_the_own_account_or_refused(
    business: Business, party: dict[str, str]
) -> None:
    subscription = business.subscribe(1000)
    schedule = business.v1.subscription_schedules.create({"from_subscription": subscription.id})
    current = schedule.phases[0]
    phase = {
        "items": [{"price": business.price(1000)}],
        "start_date": current.start_date,
        "end_date": current.end_date,
    }
    for said, where in (
        ({"invoice_settings": {"issuer": party}}, "phases[0][invoice_settings][issuer]"),
        ({"automatic_tax": {"enabled": False, "liability": party}}, "phases[0][automatic_tax][liability]"),
    ):
        given = {"phases": [{**phase, **said}]}
        if party["type"] == "self":
            assert len(business.v1.subscription_schedules.update(schedule.id, given).phases) == 1
        else:
            error = refused(business.v1.subscription_schedules.update, schedule.id, given)
            assert error.param == f"{where}[type]"


def test_how_something_is_billed_may_be_said_where_nothing_is(business: Business) -> None:
    subscription = business.subscribe(1000, off_session=True)
    how = {"proration_behavior": "none", "payment_behavior": "error_if_incomplete", "off_session": True}
    assert business.v1.subscriptions.update(subscription.id, {"metadata": {"a": "b"}, **how}).metadata["a"]
    schedule = business.v1.subscription_schedules.create(
        {
            "customer": subscription.customer,
            "start_date": APRIL + DAY,
            "phases": [{"items": [{"price": business.price(1000)}]}],
        }
    )
    assert business.v1.subscription_schedules.cancel(schedule.id, {"prorate": False}).status == "canceled"


@pytest.mark.parametrize(
    "left",
    [
        "subscription_details[start_date]",
        "subscription_details[billing_mode][type]",
        "subscription_details[items][0][billing_thresholds]",
    ],
)
def test_a_preview_refuses_what_it_would_ignore(business: Business, left: str) -> None:
    price, given = business.price(500), {"start_date": APRIL, "billing_mode": {"type": "classic"}}
    *_, name = [part for part in left.replace("]", "").split("[") if part != "type"]
    details: dict[str, Any] = {name: given.get(name)}
    if "items" in left:
        details = {"items": [{"price": price, name: {"usage_gte": 4}}]}
    asked = {"subscription": business.subscribe(1000).id, "subscription_details": details}
    assert left.startswith(str(refused(business.v1.invoices.create_preview, asked).param))


def test_a_preview_of_a_new_subscription_refuses_what_is_of_one_that_there_is(business: Business) -> None:
    details = {"items": [{"price": business.price(500)}], "proration_date": APRIL + DAY}
    asked = {"customer": business.customer().id, "subscription_details": details}
    error = refused(business.v1.invoices.create_preview, asked)
    assert error.param == "subscription_details[proration_date]"


def test_a_preview_says_whose_it_is_and_in_what(business: Business) -> None:
    asked: dict[str, Any] = {"subscription": business.subscribe(1000).id}
    said = {"issuer": {"type": "self"}, "currency": "usd"}
    behavior = {"subscription_details": {"proration_behavior": "none"}}
    assert business.v1.invoices.create_preview({**asked, **said, **behavior}).total == 1000
    for wrong, name in (
        ({"issuer": {"type": "account", "account": "acct_other"}}, "issuer[type]"),
        ({"currency": "eur"}, "currency"),
    ):
        assert refused(business.v1.invoices.create_preview, {**asked, **wrong}).param == name


def test_a_list_without_rows_has_ignored_nothing(business: Business) -> None:
    customer = business.customer().id
    found = business.v1.subscriptions.list({"customer": customer, "status": "all", "price": "price_none"})
    assert found.data == []


def test_an_item_by_itself_refuses_what_its_subscription_would_ignore(business: Business) -> None:
    item = items_of(business.subscribe(1000))[0].id
    both = {"price": business.price(2000), "plan": business.price(3000)}
    assert refused(business.v1.subscription_items.update, item, both).param == "plan"
    assert business.v1.subscription_items.update(item, {"price": both["price"]}).price.id == both["price"]
