"""What Stripe has of the operations after their end: everything once, and nothing that was taken back."""

from collections import Counter
from typing import Any

from billing.money.refund import GONE

from .crowd import Crowd


async def once_each(crowd: Crowd) -> None:
    v1 = crowd.stripe.v1
    refunds = await _all(v1.refunds.list_async({"limit": 100}))
    of_operation = Counter(_operation(one) for one in refunds if _operation(one))
    asked = [*crowd.failed, *crowd.failing, *crowd.watched, *crowd.pending, *crowd.held]
    elsewhere = set(crowd.elsewhere)
    assert {one: number for one, number in of_operation.items() if one not in elsewhere} == dict.fromkeys(
        asked, 1
    )
    live = {_operation(one) for one in refunds if one["status"] not in GONE}
    assert {*crowd.watched, *crowd.pending, *crowd.held} <= live, live
    assert not live & {*crowd.failed, *crowd.failing}

    given: Counter[str] = Counter()
    for customer in crowd.customers:
        changes = await _all(v1.customers.balance_transactions.list_async(customer, {"limit": 100}))
        given.update(_operation(one) for one in changes)
    assert given == dict.fromkeys([*crowd.reviewed[: crowd.size.reviewed // 2], *crowd.approved], 1), given

    schedules = await _all(v1.subscription_schedules.list_async({"limit": 100}))
    assert [one["status"] for one in schedules] == ["released"], schedules


def _operation(one: dict[str, Any]) -> str:
    return str((one["metadata"] or {}).get("plixo_operation", ""))


async def _all(listing: Any) -> list[dict[str, Any]]:
    page = await listing
    return [one.to_dict() async for one in page.auto_paging_iter()]
