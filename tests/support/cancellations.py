"""Cancellations as tests ask for them."""

from itertools import count
from typing import Any

from .builders import Member, Tenant
from .house import House

NOTE = "We move to the group's own system; agreed with the board."
REQUEST: dict[str, Any] = {
    "action": "at_period_end",
    "unused_time": None,
    "reason": "switched_service",
    "note": NOTE,
}
"""One, as an operation keeps it."""
_keys = count(1)


def body(action: str, **more: Any) -> dict[str, Any]:
    """A request for it; a plan that ends now credits what is unused unless `more` says otherwise."""
    unused = {"unused_time": "credit"} if action == "now" else {}
    return {"action": action, "reason": "switched_service", "note": NOTE} | unused | more


async def cancel(home: House, tenant: Tenant, action: str, **more: Any) -> str:
    """An admin asks for it; gives its operation."""
    by: Member = more.pop("by", tenant.admin)
    key = {"Idempotency-Key": f"cancellation-{next(_keys)}"}
    answer = await home.post(by, "/v1/cancellations", body(action, **more), **key)
    assert answer.status_code == 202, answer.text
    operation: str = answer.json()["id"]
    return operation


async def planned(home: House, tenant: Tenant) -> str:
    """A plan that is set to end with its period, approved and done."""
    operation = await cancel(home, tenant, "at_period_end")
    await approved(home, tenant, operation)
    await home.wait(tenant, operation, "running", stage="ending")
    return operation


async def approved(home: House, tenant: Tenant, operation: str) -> dict[str, Any]:
    """What the controller approves of it."""
    approval = await home.reviewed(tenant, operation)
    await home.decide(tenant.controller, operation)
    return approval
