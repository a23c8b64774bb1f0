"""What happened in an organization in one day of March, a little of everything, for the success checks.

Each expected figure can be counted by hand from what is written here.
"""

from datetime import datetime, timedelta
from typing import Any

from db.core.session import Database
from db.tables import DifferenceRow, Incident, Intent, Operation, PortalTrouble, Reconciliation, new_id

from .builders import NOW, Tenant, a_notice, an_approval, an_intent, an_operation, store
from .money_rows import a_commitment, a_credit_operation, a_note, a_refund, a_refund_operation

DAY = timedelta(days=1)
START, END = NOW, NOW + DAY
AS_OF = NOW + timedelta(hours=10)


def after(**time: float) -> datetime:
    return NOW + timedelta(**time)


def ended(state: str, **closed: float) -> dict[str, Any]:
    return {"state": state, "stage": "done", "closed_at": after(**closed)}


def done(operation: Operation, effect: str, **closed: float) -> Intent:
    return an_intent(operation, step=effect, effect=effect, state="done", closed_at=after(**closed))


async def plan_changes(database: Database, acme: Tenant) -> dict[str, Operation]:
    """Visible after 2 s, after 400 s, not at all (failed); declined, and approved before its lines drifted;
    one blocked before review; and one of the day before."""
    soon = an_operation(acme, **ended("completed", minutes=61), approval_id="apr")
    slow = an_operation(acme, **ended("completed", minutes=70), approval_id="apr")
    failed = an_operation(acme, **ended("failed", minutes=61), approval_id="apr")
    declined = an_operation(acme, **ended("declined", minutes=61), approval_id="apr")
    drifted = an_operation(acme, **ended("rejected", minutes=61), approval_id="apr")
    blocked = an_operation(acme, **ended("blocked", minutes=1))
    earlier = an_operation(acme, **ended("completed", minutes=1), approval_id="apr", created_at=NOW - DAY)
    await store(database, soon, slow, failed, declined, drifted, blocked, earlier)
    yes = {"state": "approved", "closed_at": after(minutes=60)}
    await store(
        database,
        *(an_approval(one, **yes) for one in (soon, slow, failed, declined, drifted)),
        an_approval(drifted, round=2, state="rejected", closed_at=after(minutes=61)),
        an_approval(earlier, state="approved", closed_at=NOW - timedelta(microseconds=1)),
    )
    await store(
        database,
        done(soon, "subscription.update", minutes=60, seconds=2),
        done(slow, "schedule.create", minutes=60, seconds=1),
        done(slow, "schedule.update", minutes=60, seconds=400),
        an_intent(failed, step="apply", state="refused", closed_at=after(minutes=61)),
        an_intent(declined, step="apply", state="refused", closed_at=after(minutes=61)),
        done(earlier, "subscription.update"),
    )
    await store(
        database,
        a_notice(soon, created_at=after(seconds=1), acknowledged_at=after(hours=8), state="acknowledged"),
        a_notice(soon, kind="plan_change_applied", created_at=after(hours=2)),
        a_notice(slow, created_at=after(seconds=3), acknowledged_at=after(hours=9), state="acknowledged"),
        a_notice(failed, created_at=after(seconds=2.5), deadline=after(hours=11)),
        a_notice(declined, created_at=after(seconds=2), deadline=after(hours=9)),
    )
    return {"soon": soon, "slow": slow, "failed": failed, "declined": declined, "drifted": drifted}


async def money_back(database: Database, acme: Tenant) -> dict[str, Operation]:
    """A refund within authority, visible after 300 s; one whose note is missing; a credit that is not visible
    yet; one taken back before; one that nobody has allowed yet; one made in Stripe itself, which nobody was
    to allow."""
    refund = a_refund_operation(acme, **ended("completed", minutes=10))
    unnoted = a_refund_operation(acme, **ended("completed", minutes=20))
    credit = a_credit_operation(acme, state="held")
    cancelled = a_credit_operation(acme, **ended("cancelled", minutes=5))
    waiting = a_refund_operation(acme, state="awaiting_approval")
    case = an_operation(acme, kind="case", state="running")
    await store(database, refund, unnoted, credit, cancelled, waiting, case)
    counted = {"authority_of": acme.admin.id, "decided_at": NOW}
    await store(
        database,
        a_commitment(refund, payment_intent="pi_a", **counted),
        a_commitment(refund, part=1, payment_intent="pi_b", **counted),
        a_commitment(unnoted, authority_of=acme.controller.id, decided_at=after(minutes=1)),
        a_commitment(credit, **counted),
        a_commitment(cancelled, released_at=after(minutes=5), **counted),
        a_commitment(waiting),
        a_commitment(case, kind="refund", person_id=None, decided_at=NOW),
    )
    await store(
        database,
        done(refund, "refund.create", seconds=300),
        an_intent(
            refund,
            step="refund:1",
            effect="refund.create",
            state="done",
            closed_at=after(seconds=301),
        ),
        done(unnoted, "refund.create", minutes=1, seconds=300.001),
        an_intent(credit, step="balance", effect="balance.create", state="open"),
    )
    await store(database, a_note(refund), a_note(refund, seq=2, text="And once more."), a_note(waiting))
    await store(
        database,
        a_refund(acme.id, "pi_b", operation_id=refund.id, status="succeeded"),
        a_refund(acme.id, "pi_a", operation_id=refund.id, status="succeeded"),
        a_refund(acme.id, "pi_a", operation_id=refund.id, status="failed"),
        a_refund(acme.id, "pi_c", operation_id=unnoted.id, status="succeeded"),
    )
    return {"refund": refund, "unnoted": unnoted, "credit": credit}


async def troubles(database: Database, acme: Tenant) -> dict[str, Operation]:
    """In time to the second, late, open and late, open and not due; and one of the next day."""
    until = {"deadline": after(hours=7)}
    cases: dict[str, dict[str, Any]] = {
        "in_time": {"closed_at": after(hours=7), "how": "got_in", **until},
        "late": {"closed_at": after(hours=7, seconds=1), "how": "closed", **until},
        "open_late": until,
        "waiting": {"deadline": after(hours=11)},
        "next_day": {"noticed_at": END, "deadline": END + DAY},
    }
    stuck = {name: an_operation(acme, kind="portal_access") for name in cases}
    rows = [
        PortalTrouble(
            **{
                "operation_id": stuck[name].id,
                "organization_id": acme.id,
                "customer_id": "cus_1",
                "invoice_id": f"in_{name}_{acme.id}",
                "cause": "reported",
                "noticed_at": NOW,
            }
            | fields
        )
        for name, fields in cases.items()
    ]
    await store(database, *stuck.values(), *rows)
    return stuck


async def reconciliations(database: Database, acme: Tenant, other: Tenant) -> Reconciliation:
    """The last completed one of the day compared four invoices, two of which had another balance."""
    counts = {acme.id: {"invoice": 4, "refund": 9}, other.id: {"invoice": 1}}
    last, earlier, recent, running, next_day = (
        Reconciliation(
            id=new_id("rec"),
            requested_by="system",
            scope=scope,
            state=state,
            stage="done",
            workflow_id=new_id("run"),
            counts=counts | {acme.id: {"invoice": invoices}},
            started_at=NOW,
            ended_at=ended_at,
        )
        for scope, state, invoices, ended_at in (
            ("rolling", "completed", 4, after(hours=3)),
            ("all", "completed", 7, after(hours=2)),
            ("recent", "completed", 1, after(hours=4)),
            ("all", "failed", 8, after(hours=4)),
            ("all", "completed", 9, END),
        )
    )
    await store(database, last, earlier, recent, running, next_day)

    def difference(run: Reconciliation, tenant: Tenant, invoice: str, **fields: Any) -> DifferenceRow:
        defaults: dict[str, Any] = {
            "id": new_id("dif"),
            "reconciliation_id": run.id,
            "organization_id": tenant.id,
            "object_kind": "invoice",
            "object_id": invoice,
            "fields": [{"name": "amount_paid", "ours": 0, "stripe": 100}],
            "found_at": after(hours=3),
            "correction": "overwritten",
        }
        return DifferenceRow(**defaults | fields)

    number = [{"name": "number", "ours": None, "stripe": "B-1"}]
    await store(
        database,
        difference(last, acme, "in_paid"),
        difference(last, acme, "in_new", fields=[], correction="added"),
        difference(last, acme, "in_number", fields=number),
        difference(last, acme, "re_1", object_kind="refund"),
        difference(last, other, "in_others"),
        difference(earlier, acme, "in_before"),
    )
    return last


async def incidents(database: Database, acme: Tenant, other: Tenant) -> None:
    """Two cleared, one of them by others; one still open; one of the day before."""

    def outage(component: str, **fields: Any) -> Incident:
        return Incident(**{"id": new_id("inc"), "component": component, "opened_at": NOW} | fields)

    noted = {"note": "Waited until Stripe had recovered.", "cleared_by": acme.controller.id}
    await store(
        database,
        outage(
            "stripe",
            first_fault_at=after(seconds=-20),
            alerted_at=after(seconds=1),
            cleared_at=after(minutes=10),
            cleared_in=acme.id,
            **noted,
        ),
        outage(
            "mail",
            opened_at=after(hours=1),
            first_fault_at=after(hours=1, seconds=-40),
            cleared_at=after(hours=2),
            cleared_in=other.id,
            **noted,
        ),
        outage("portal", opened_at=after(hours=3)),
        outage("database", opened_at=NOW - DAY, cleared_at=NOW - timedelta(hours=1), **noted),
    )
