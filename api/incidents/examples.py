"""The examples of the banner and of incidents, made of the runbook and the words that they show."""

from billing.incidents.runbooks import runbook
from billing.incidents.states import Component, IncidentState
from billing.incidents.words import capabilities, headline

from ..http.examples import OPERATION, Example

_ID = "inc_01JD0VA3K6M9P2R5T8W1Z4C7FH"
_ADMIN = "per_01JD0V5N3C8Q7W2E4R6T9Y1XKA"
_STRIPE, _DEGRADED = Component.STRIPE, IncidentState.DEGRADED
_BOOK = runbook(_STRIPE)
_MEANING = [
    {"capability": one.value, "words": words}
    for one, words in capabilities(_STRIPE, _DEGRADED, "stripe_unreachable").items()
]

STEP: Example = {"done": True, "comment": "Stripe reports elevated error rates since 14:02 UTC."}
RESOLVE: Example = {"note": "Stripe had an outage from 14:02 to 14:41 UTC; all held refunds went through."}
BANNER: Example = {
    "degraded": True,
    "incidents": [
        {
            "id": _ID,
            "component": "stripe",
            "severity": "down",
            "state": "degraded",
            "words": headline(_STRIPE, _DEGRADED, "stripe_unreachable"),
            "since": "2026-04-16T14:02:40Z",
            "last_check": "2026-04-16T14:20:10Z",
            "held": 3,
            "capabilities": _MEANING,
            "runbook": f"/v1/incidents/{_ID}",
        }
    ],
}
INCIDENT: Example = {
    "id": _ID,
    "component": "stripe",
    "state": "degraded",
    "severity": "down",
    "words": headline(_STRIPE, _DEGRADED, "stripe_unreachable"),
    "cause": "stripe_unreachable",
    "opened_at": "2026-04-16T14:02:40Z",
    "first_fault_at": "2026-04-16T14:02:11Z",
    "alerted_at": "2026-04-16T14:02:41Z",
    "recovered_at": None,
    "cleared_at": None,
    "last_check_at": "2026-04-16T14:20:10Z",
    "seconds_to_detect": 29.0,
    "seconds_to_alert": 1.0,
    "seconds_to_clear": None,
    "note": None,
    "cleared_by": None,
    "pending": False,
}
DETAIL: Example = INCIDENT | {
    "symptom": _BOOK.symptom,
    "meaning": _BOOK.meaning,
    "steps": [
        {
            "number": number,
            "text": text,
            "done": number == 1,
            "done_at": "2026-04-16T14:06:00Z" if number == 1 else None,
            "done_by": _ADMIN if number == 1 else None,
            "comment": STEP["comment"] if number == 1 else None,
        }
        for number, text in enumerate(_BOOK.steps, 1)
    ],
    "capabilities": _MEANING,
    "held": 1,
    "held_operations": [OPERATION["id"]],
    "told": [{"role": "controller", "what": "incident_alert", "at": "2026-04-16T14:02:41Z"}],
}
_RECOVERED: Example = INCIDENT | {
    "state": "recovered",
    "severity": "recovered",
    "words": headline(_STRIPE, IncidentState.RECOVERED, None),
    "recovered_at": "2026-04-16T14:41:30Z",
    "last_check_at": "2026-04-16T14:50:20Z",
}
PENDING: Example = _RECOVERED | {"pending": True}
CLEARED: Example = _RECOVERED | {
    "state": "cleared",
    "words": headline(_STRIPE, IncidentState.CLEARED, None),
    "cleared_at": "2026-04-16T14:50:25Z",
    "seconds_to_clear": 2865.0,
    "note": RESOLVE["note"],
    "cleared_by": _ADMIN,
}
