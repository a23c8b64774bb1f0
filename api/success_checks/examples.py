"""The examples of the success checks."""

from ..http.examples import Example

FIGURES: Example = {
    "from": "2026-03-17T00:00:00Z",
    "to": "2026-04-16T00:00:00Z",
    "as_of": "2026-04-16T00:00:00Z",
    "checks": {
        "approved_to_visible": {
            "count": 48,
            "visible": 48,
            "within_five_minutes": 47,
            "share": 0.9791666666666666,
            "p50_seconds": 1.204,
            "p95_seconds": 6.871,
        },
        "balances_equal_stripe": {
            "reconciliation": "rec_01JD0V9K2M5P8R1T4W7Z0C3F6H",
            "compared_at": "2026-04-15T23:00:12Z",
            "compared": 1250,
            "equal": 1249,
            "share": 0.9992,
        },
        "portal_troubles_same_day": {
            "count": 9,
            "solved_same_day": 7,
            "late": 1,
            "waiting": 1,
            "share": 0.875,
        },
        "incidents_with_note": {
            "cleared": 2,
            "with_note": 2,
            "share": 1.0,
            "to_detect": {"count": 2, "p50_seconds": 21.0, "p95_seconds": 38.5},
            "to_alert": {"count": 2, "p50_seconds": 0.4, "p95_seconds": 1.1},
            "to_clear": {"count": 2, "p50_seconds": 840.0, "p95_seconds": 2400.0},
            "open": 0,
        },
        "refunds_with_notes": {"count": 31, "with_note": 31, "share": 1.0},
        "plan_changes_flagged": {
            "count": 6,
            "flagged": 5,
            "ended_before": 1,
            "share": 1.0,
            "p50_seconds": 0.82,
            "p95_seconds": 1.93,
            "acknowledged_in_time": 3,
            "acknowledged_late": 1,
            "acknowledgement_waiting": 1,
            "acknowledged_share": 0.75,
        },
    },
}

ROW: Example = {
    "check": "approved_to_visible",
    "operation": "op_01JD0V7G8M3Q2Z6W5T4R9YXKBN",
    "kind": "plan_change",
    "state": "completed",
    "allowed_at": "2026-04-16T00:00:00Z",
    "visible_at": "2026-04-16T00:00:01.204000Z",
    "seconds": 1.204,
    "within": True,
}
