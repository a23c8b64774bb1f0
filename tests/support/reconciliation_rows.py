"""Rows of runs that compare with Stripe as tests need them, like those of `tests.support.builders`."""

from typing import Any

from db.tables import DifferenceRow, Reconciliation, new_id

from .builders import NOW


def a_run(**fields: Any) -> Reconciliation:
    """By schedule, and going on."""
    id_ = fields.get("id", new_id("rec"))
    defaults: dict[str, Any] = {
        "id": id_,
        "requested_by": "system",
        "stage": "customers",
        "workflow_id": f"reconcile-{id_}",
        "started_at": NOW,
    }
    return Reconciliation(**defaults | fields)


def a_difference(run: Reconciliation, organization: str, **fields: Any) -> DifferenceRow:
    """Customer `cus_1` had another name here."""
    defaults: dict[str, Any] = {
        "id": new_id("dif"),
        "reconciliation_id": run.id,
        "organization_id": organization,
        "object_kind": "customer",
        "object_id": "cus_1",
        "fields": [{"name": "name", "ours": "A", "stripe": "B"}],
        "since": NOW,
        "found_at": NOW,
        "correction": "overwritten",
    }
    return DifferenceRow(**defaults | fields)
