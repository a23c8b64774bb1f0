"""What the key may do at Stripe is asked for with ids that do not exist, and said in one message."""

import logging
from datetime import timedelta

import pytest
import stripe

from activities.stripe import permissions as stripe_permissions
from activities.stripe.client import stripe_client
from activities.stripe.permissions import KeyPermissions

from ...support.shop import Shop

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


async def test_what_is_missing_is_the_probes_answer_and_logged_once_until_nothing_is(
    shop: Shop, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stripe_permissions, "KEPT_FOR_IN_DOUBT", 0.0)
    caplog.set_level(logging.INFO, "activities.stripe.permissions")
    granted = [name for name in ALL if name not in ("charge_write", "credit_note_write")]
    shop.stand_in.control("keys", {"key": KEY, "permissions": granted})
    permissions, client = KeyPermissions(), stripe_client(KEY, shop.stand_in.url)
    wrong = "stripe_permission_missing: rak_charge_write, rak_credit_note_write"
    assert [await permissions.probe(client) for _ in range(2)] == [wrong, wrong]
    [line] = caplog.records
    assert line.levelno == logging.ERROR
    assert "lacks rak_charge_write, rak_credit_note_write. Grant these" in line.message
    shop.stand_in.fault("bad_gateway", path="/v1/", times=100)
    assert await permissions.probe(client) == wrong, "Stripe can't be asked: it is what it was"
    shop.stand_in.clear_faults()
    shop.stand_in.control("keys", {"key": KEY, "permissions": None})
    assert await permissions.probe(client) is None
    assert caplog.records[-1].message == "the Stripe key has all required permissions"


async def test_an_old_answer_is_renewed_by_whose_turn_it_is(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stripe_permissions, "KEPT_FOR", timedelta())
    turns = iter([False, True])
    asked: list[bool] = []

    async def in_turn() -> bool:
        asked.append(next(turns))
        return asked[-1]

    permissions, client = KeyPermissions(in_turn), stripe_client(KEY, shop.stand_in.url)
    sent = []
    for _ in range(3):
        seen = shop.stand_in.last_request()
        assert await permissions.probe(client) is None
        sent.append(len(shop.stand_in.requests(seen)))
    assert sent == [len(ALL), 0, len(ALL)], "at its start each asks"
    assert asked == [False, True]


async def test_a_good_answer_is_kept_for_hours_unless_something_was_forbidden(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stripe_permissions, "KEPT_FOR_IN_DOUBT", 0.0)
    permissions = KeyPermissions()
    client = stripe_client(KEY, shop.stand_in.url, on_forbidden=permissions.doubt)
    assert await permissions.probe(client) is None
    shop.stand_in.control("keys", {"key": KEY, "permissions": ["event_read"]})
    seen = shop.stand_in.last_request()
    assert await permissions.probe(client) is None
    assert shop.stand_in.requests(seen) == []
    with pytest.raises(stripe.PermissionError):
        await client.v1.customers.list_async()
    assert "rak_charge_write" in (await permissions.probe(client) or "")
    shop.stand_in.control("keys", {"key": KEY, "permissions": None})
