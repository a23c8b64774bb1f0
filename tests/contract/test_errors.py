"""Refusals: HTTP status, type, code, param and the exception that the SDK makes of them."""

import httpx
import pytest
import stripe
from stripe import StripeClient

from sandbox.stripe.server.inprocess import StandIn

from .conftest import client_of


def test_an_unknown_customer_is_resource_missing(stripe_client: StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        stripe_client.v1.customers.retrieve("cus_nobody")

    assert refused.value.http_status == 404
    assert refused.value.code == "resource_missing"
    assert refused.value.error is not None
    assert refused.value.error.type == "invalid_request_error"
    assert refused.value.error.param == "id"
    assert refused.value.error.message == "No such customer: 'cus_nobody'"


def test_an_unknown_id_in_the_body_is_a_400(stripe_client: StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        stripe_client.v1.prices.create({"currency": "usd", "unit_amount": 100, "product": "prod_nothing"})

    assert (refused.value.http_status, refused.value.code) == (400, "resource_missing")
    assert refused.value.error is not None
    assert refused.value.error.param == "product"
    assert refused.value.error.message == "No such product: 'prod_nothing'"


def test_an_unknown_parameter_is_named(stripe_client: StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        stripe_client.v1.customers.create({"emale": "a@example.com"})  # type: ignore[arg-type]

    assert (refused.value.http_status, refused.value.code) == (400, "parameter_unknown")
    assert refused.value.error is not None
    assert refused.value.error.param == "emale"
    assert refused.value.error.message == "Received unknown parameter: emale"


def test_an_unknown_nested_parameter_is_named_with_its_path(raw: httpx.Client) -> None:
    answer = raw.post("/v1/prices", data={"currency": "usd", "recurring[colour]": "red"})

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "parameter_unknown"
    assert answer.json()["error"]["param"] == "recurring[colour]"


def test_a_missing_parameter_is_named(raw: httpx.Client) -> None:
    answer = raw.post("/v1/prices", data={"unit_amount": "100"})

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "parameter_missing"
    assert answer.json()["error"]["param"] == "currency"
    assert answer.json()["error"]["message"] == "Missing required param: currency."


def test_a_value_outside_an_enum_is_told_what_it_must_be(raw: httpx.Client) -> None:
    answer = raw.post("/v1/customers", data={"tax_exempt": "sometimes"})

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "tax_exempt"
    expected = "Invalid tax_exempt: must be one of exempt, none, or reverse"
    assert answer.json()["error"]["message"] == expected


def test_text_for_an_integer_is_refused(raw: httpx.Client) -> None:
    answer = raw.get("/v1/customers", params={"limit": "many"})

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "parameter_invalid_integer"
    assert answer.json()["error"]["param"] == "limit"
    assert answer.json()["error"]["message"] == "Invalid integer: many"


def test_text_for_a_boolean_is_refused(raw: httpx.Client) -> None:
    answer = raw.get("/v1/products", params={"active": "perhaps"})

    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "Invalid boolean: perhaps"


def test_an_empty_value_is_refused_where_nothing_can_be_unset(raw: httpx.Client) -> None:
    answer = raw.post("/v1/prices", data={"currency": "usd", "unit_amount": "1", "product": ""})

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "parameter_invalid_empty"
    assert answer.json()["error"]["param"] == "product"


def test_a_request_without_a_key_is_a_401_without_a_code(raw: httpx.Client) -> None:
    answer = httpx.get(raw.base_url.join("/v1/customers"))

    assert answer.status_code == 401
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert "code" not in answer.json()["error"]
    assert answer.json()["error"]["message"].startswith("You did not provide an API key.")


def test_a_wrong_key_is_an_authentication_error_and_is_not_echoed(stand_in: StandIn) -> None:
    with pytest.raises(stripe.AuthenticationError) as refused:
        client_of(stand_in.url, key="sk_live_0123456789abcdef").v1.customers.list()

    assert refused.value.http_status == 401
    assert refused.value.code is None
    assert "0123456789" not in str(refused.value)


def test_a_key_may_come_as_the_user_of_basic_authentication(stand_in: StandIn) -> None:
    answer = httpx.get(f"{stand_in.url}/v1/customers", auth=("sk_test_basic", ""))

    assert answer.status_code == 200


def test_the_version_is_echoed_and_an_unknown_one_refused(raw: httpx.Client) -> None:
    good = raw.get("/v1/customers", params={"limit": 1})
    bad = raw.get("/v1/customers", headers={"Stripe-Version": "1999-01-01.before"})

    assert good.headers["stripe-version"] == "2026-10-28.endive"
    assert bad.status_code == 400
    assert bad.json()["error"]["type"] == "invalid_request_error"
    assert "1999-01-01.before" in bad.json()["error"]["message"]


def test_an_unknown_url_is_a_404_without_a_code(raw: httpx.Client) -> None:
    answer = raw.post("/v1/nothing_like_this", data={"a": "b"})

    assert answer.status_code == 404
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert answer.json()["error"]["message"].startswith(
        "Unrecognized request URL (POST: /v1/nothing_like_this)."
    )


def test_every_answer_carries_a_request_id(raw: httpx.Client) -> None:
    good = raw.get("/v1/customers", params={"limit": 1})
    bad = raw.get("/v1/customers/cus_nobody")

    assert good.headers["request-id"].startswith("req_")
    assert bad.headers["request-id"].startswith("req_")
    assert good.headers["request-id"] != bad.headers["request-id"]


def test_a_card_that_cannot_be_attached_is_a_card_error(
    stripe_client: StripeClient, customer: stripe.Customer
) -> None:
    with pytest.raises(stripe.CardError) as refused:
        stripe_client.v1.payment_methods.attach("pm_card_chargeDeclined", {"customer": customer.id})

    assert refused.value.http_status == 402
    assert refused.value.code == "card_declined"
    assert refused.value.error is not None
    assert refused.value.error.decline_code == "generic_decline"
    assert refused.value.error.message == "Your card was declined."


def test_a_body_that_is_no_form_is_refused(stand_in: StandIn, raw: httpx.Client) -> None:
    answer = raw.post("/v1/customers", content=b"\xff\xfe=1")

    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_a_body_over_a_mebibyte_is_refused(stand_in: StandIn, raw: httpx.Client) -> None:
    answer = raw.post("/v1/customers", content=b"name=" + b"x" * (1 << 20))

    assert answer.status_code == 413
