"""Disputes over HTTP: https://docs.stripe.com/api/disputes."""

from stripe.params import (
    DisputeCloseParams,
    DisputeListParams,
    DisputeRetrieveParams,
    DisputeUpdateParams,
)

from ..core.filters import listed
from ..core.kernel import Ctx, Obj, invalid, merge_metadata, public, route
from ..core.updates import changed, copy_fields
from .dispute_shapes import KIND
from .disputes import ANSWERABLE, decide, respond


@route("GET", "/v1/disputes/{id}", params=DisputeRetrieveParams, kind=KIND)
def retrieve(ctx: Ctx) -> Obj:
    """One dispute."""
    return ctx.store.get(KIND, ctx.path["id"])


@route("POST", "/v1/disputes/{id}", params=DisputeUpdateParams, kind=KIND)
def update(ctx: Ctx) -> Obj:
    """Give evidence, which `submit` (the default) sends to the bank; or change metadata."""
    dispute, params = ctx.store.get(KIND, ctx.path["id"]), ctx.params
    for name in ("enhanced_evidence", "appeal"):
        if name in (params.get("evidence") or {}):
            raise invalid(f"This stand-in takes no {name}.", param=f"evidence[{name}]")
    before = public(dispute)
    copy_fields(ctx, dispute, ("intended_submission_method",))
    dispute["metadata"] = merge_metadata(dispute["metadata"], params.get("metadata"))
    changed(ctx, dispute, before, "charge.dispute.updated")
    if params.get("evidence") or params.get("submit"):
        respond(ctx, dispute, params.get("evidence") or {}, submit=params.get("submit", True))
    return dispute


@route("POST", "/v1/disputes/{id}/close", params=DisputeCloseParams, kind=KIND)
def close(ctx: Ctx) -> Obj:
    """Accept a dispute: a chargeback is lost, an inquiry closed, and neither is opened again."""
    dispute = ctx.store.get(KIND, ctx.path["id"])
    if dispute["status"] not in ANSWERABLE:
        raise invalid(f"This dispute is {dispute['status']}: it can't be closed.")
    decide(ctx, dispute, "lost" if dispute["status"] == "needs_response" else "warning_closed")
    return dispute


@route("GET", "/v1/disputes", params=DisputeListParams, kind=KIND)
def list_all(ctx: Ctx) -> Obj:
    """Disputes by charge or payment intent, newest first."""
    return listed(ctx, KIND, "/v1/disputes", "charge", "payment_intent")
