"""Restricted keys: what they may not do is refused before the object is looked for."""

import httpx
import pytest

from sandbox.stripe.server.inprocess import StandIn

KEY = "rk_test_restricted_wxyz"


def ask(stand_in: StandIn, method: str, path: str, key: str = KEY) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.request(method, f"{stand_in.url}/v1/{path}", headers=headers, trust_env=False)


def test_a_key_without_a_permission_is_told_which_would_do(stand_in: StandIn) -> None:
    stand_in.control("keys", {"key": KEY, "permissions": ["customer_read", "charge_write"]})
    refused = ask(stand_in, "POST", "customers/cus_none")
    assert refused.status_code == 403
    error = refused.json()["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "more_permissions_required")
    assert error["message"] == (
        "The provided key 'rk_test_*********wxyz' does not have the required permissions for this endpoint "
        "on account 'acct_1PlixoSandbox0001'. Having the 'rak_customer_write' permission would allow "
        "this request to continue."
    )
    statuses = [
        ask(stand_in, method, path).status_code
        for method, path in [
            ("GET", "customers/cus_none"),
            ("GET", "refunds/re_none"),
            ("POST", "refunds/re_none"),
            ("GET", "prices/price_none"),
            ("GET", "customers/cus_none/balance_transactions"),
        ]
    ]
    assert statuses == [404, 404, 404, 403, 404]
    assert ask(stand_in, "GET", "prices/price_none", "sk_test_other").status_code == 404
    stand_in.control("keys", {"key": KEY, "permissions": None})
    assert ask(stand_in, "GET", "prices/price_none").status_code == 404


def test_a_permission_that_there_is_not_can_not_be_set(stand_in: StandIn) -> None:
    with pytest.raises(ValueError, match="no such permissions: customers_write; there are billing"):
        stand_in.control("keys", {"key": KEY, "permissions": ["customers_write"]})
