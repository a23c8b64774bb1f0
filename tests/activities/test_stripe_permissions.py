"""What the key may do at Stripe is asked for with ids that do not exist, and said in one message."""

import asyncio
import logging

import pytest

from activities import stripe_permissions
from activities.stripe_client import stripe_client

from ..house import until
from ..shop import Shop

KEY = "rk_test_permissions"
ALL = [name.removeprefix("rak_") for name in stripe_permissions.NEEDED]


async def test_every_permission_that_is_missing_is_named_and_nothing_is_changed(shop: Shop) -> None:
    client = stripe_client(KEY, shop.stand_in.url)
    for lacking in ([], [ALL[0]], ["charge_write", "event_read"], ALL):
        granted = [name for name in ALL if name not in lacking]
        shop.stand_in.control("keys", {"key": KEY, "permissions": granted})
        seen = shop.stand_in.last_request()
        assert await stripe_permissions.missing(client) == sorted(f"rak_{name}" for name in lacking)
        statuses = {line["status"] for line in shop.stand_in.requests(seen)}
        assert statuses <= {400, 403, 404}
        assert (403 in statuses) is bool(lacking)
    shop.stand_in.control("keys", {"key": KEY, "permissions": None})
    assert await stripe_permissions.missing(client) == []


async def test_they_are_told_in_one_message_until_nothing_is_missing(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "activities.stripe_permissions")
    granted = [name for name in ALL if name not in ("charge_write", "credit_note_write")]
    shop.stand_in.control("keys", {"key": KEY, "permissions": granted})
    telling = asyncio.create_task(
        stripe_permissions.tell_missing(stripe_client(KEY, shop.stand_in.url), wait=0.1)
    )

    async def told() -> bool:
        return bool(caplog.records)

    await until(told, lambda: "nothing is said")
    assert caplog.records[0].levelno == logging.ERROR
    assert "lacks rak_charge_write, rak_credit_note_write. Give it these" in caplog.records[0].message
    shop.stand_in.control("keys", {"key": KEY, "permissions": None})
    await asyncio.wait_for(telling, 10)
    assert caplog.records[-1].message == "the Stripe key has every permission that is needed"
