"""Which quote a request may name, and a quote in Stripe's bad hours."""

from ...support import money, quotes
from ...support.house import House

REFUNDS, CREDITS = "/v1/refunds", "/v1/credits"


async def test_a_quote_is_its_organizations_and_of_its_kind_and_of_what_it_has_shown(home: House) -> None:
    acme, other = [await home.shop.tenant(home.database) for _ in range(2)]
    who, theirs = await money.customer(home.shop, acme), await money.customer(home.shop, other)
    payment = await money.pay(home.shop, who, 9_000)
    refund = {"payment_intent": payment, "reason": "duplicate", "note": money.NOTE}
    quote = (await quotes.quote(home, acme.admin, REFUNDS, refund))["quote"]
    credit = {
        "customer": theirs,
        "amount_minor": 1_000,
        "currency": "usd",
        "instrument": "balance",
        "reason": "goodwill",
        "note": money.NOTE,
    }
    changed = quote[:-1] + ("0" if quote[-1] != "0" else "1")
    for member, path, body, named in (
        (other.admin, REFUNDS, refund, quote),
        (acme.admin, CREDITS, credit | {"customer": who}, quote),
        (acme.admin, REFUNDS, refund, changed),
    ):
        with home.environment.auto_time_skipping_disabled():
            answer = await home.post(member, path, body | {"quote": named}, **{"Idempotency-Key": "key"})
        assert (answer.status_code, answer.json()["code"]) == (422, "quote_unknown"), answer.text
        assert answer.json()["errors"][0]["pointer"] == "/quote"
    hidden = await quotes.quote(home, other.admin, REFUNDS, refund)
    assert [one["code"] for one in hidden["obstacles"]] == ["payment_unknown"]
    operation = await quotes.request(home, acme.controller, REFUNDS, refund | {"quote": quote})
    await home.wait(acme, operation, "completed")


async def test_in_stripes_bad_hours_there_is_no_quote_and_stripe_is_not_asked_again_and_again(
    home: House,
) -> None:
    acme = await home.shop.tenant(home.database)
    who = await money.customer(home.shop, acme)
    payment = await money.pay(home.shop, who, 9_000)
    home.stand_in.fault("bad_gateway", times=1000, path="/v1/")
    since = home.stand_in.last_request()
    body = {"payment_intent": payment, "reason": "duplicate", "note": money.NOTE}
    with home.environment.auto_time_skipping_disabled():
        answer = await home.post(acme.admin, f"{REFUNDS}/quote", body)
    assert (answer.status_code, answer.json()["code"]) == (503, "stripe_unavailable"), answer.text
    assert int(answer.headers["Retry-After"]) > 0
    assert 1 <= len(home.stand_in.requests(since)) <= 3
    home.stand_in.clear_faults()
    quote = await quotes.quote(home, acme.admin, REFUNDS, body)
    assert quote["obstacles"] == []
