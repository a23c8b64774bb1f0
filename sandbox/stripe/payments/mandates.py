"""Mandates: a customer's permission to be debited, given when a payment or setup is confirmed.

https://docs.stripe.com/api/mandates
"""

from typing import Any

from stripe.params import MandateRetrieveParams

from ..core.kernel import Ctx, Obj, route

KIND = "mandate"


def grant(ctx: Ctx, method: Obj, given: dict[str, Any]) -> str:
    """Keep the permission for a payment method, as `mandate_data` states it; gives its id."""
    acceptance = given["customer_acceptance"]
    type = method["type"]
    id = ctx.store.new_id("mandate")
    details: Obj = {"reference": id[-12:].upper(), "url": ""} if type == "sepa_debit" else {}
    ctx.store.put(
        {
            "id": id,
            "object": KIND,
            "customer_acceptance": {
                "accepted_at": acceptance.get("accepted_at") or ctx.now,
                "offline": {} if acceptance["type"] == "offline" else None,
                "online": {
                    name: (acceptance.get("online") or {}).get(name) for name in ("ip_address", "user_agent")
                }
                if acceptance["type"] == "online"
                else None,
                "type": acceptance["type"],
            },
            "livemode": False,
            "multi_use": {},
            "payment_method": method["id"],
            "payment_method_details": {"type": type, type: details},
            "status": "active",
            "type": "multi_use",
        }
    )
    method["_mandate"] = id
    ctx.store.put(method)
    return id


@route("GET", "/v1/mandates/{id}", params=MandateRetrieveParams, kind=KIND)
def retrieve(ctx: Ctx) -> Obj:
    """One mandate."""
    return ctx.store.get(KIND, ctx.path["id"])
