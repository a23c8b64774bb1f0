"""What really happens in the house shows in the success checks."""

from ...support import money
from ...support.house import House
from ..conftest import ON_BOTH_DATABASES


@ON_BOTH_DATABASES
async def test_a_refund_and_a_plan_change_are_seen_to_be_soon_in_stripe_noted_and_flagged(
    home: House,
) -> None:
    acme = await home.shop.tenant(home.database)
    payment = await money.pay(home.shop, await money.customer(home.shop, acme), 10_000)
    refund = await money.refund(home, acme, payment, 4_000)
    await home.wait(acme, refund, "completed")
    change = await home.ask(acme)
    await home.reviewed(acme, change)
    await home.decide(acme.controller, change)
    await home.wait(acme, change, "completed")

    figures = (await home.get(acme.auditor, "/v1/success-checks"))["checks"]
    soon = figures["approved_to_visible"]
    assert (soon["count"], soon["within_five_minutes"], soon["share"]) == (2, 2, 1.0)
    assert 0 <= soon["p50_seconds"] <= soon["p95_seconds"] < home.patience
    assert figures["refunds_with_notes"] == {"count": 1, "with_note": 1, "share": 1.0}
    flagged = figures["plan_changes_flagged"]
    assert (flagged["flagged"], flagged["share"], flagged["acknowledgement_waiting"]) == (1, 1.0, 1)
    assert 0 <= flagged["p50_seconds"] < home.patience

    page = await home.get(acme.auditor, "/v1/success-checks/approved_to_visible/rows")
    assert {row["operation"] for row in page["data"]} == {refund, change}
    assert all(row["visible_at"] for row in page["data"])
    [noted] = (await home.get(acme.auditor, "/v1/success-checks/refunds_with_notes/rows"))["data"]
    assert (noted["operation"], noted["payments"]) == (refund, [payment])
