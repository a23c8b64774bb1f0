"""What else waits for people in every state it can be in: cases, notices, delegations, runs, links."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from billing.cases.case import CaseFound, CaseObject
from billing.core.money import Money
from billing.policy.policy import policy_from_toml
from db.cases import cases
from db.cases.cases import CaseRules
from db.tables import Case, Invoice, Operation, PortalLink, ReminderPause
from settings.settings import DEFAULT_POLICY

from ...support.builders import a_notice, an_invoice, store
from ...support.money_rows import a_delegation
from ...support.portal_rows import a_link
from ...support.reconciliation_rows import a_run
from .states import CONTROLLER, FINANCE

if TYPE_CHECKING:
    from .seeds import Seeds

DAY = timedelta(days=1)
USD = Money(amount_minor=7_200, currency="usd")


def found_in_stripe(customer: str, invoice: str, payment: str, at: datetime) -> Iterable[CaseFound]:
    """One of each kind that is of a customer."""
    of = {"customer": customer, "amount": USD, "made_at": at}
    yield CaseFound(object_kind=CaseObject.CREDIT_NOTE, object="cn_1", invoice=invoice, **of)
    yield CaseFound(object_kind=CaseObject.BALANCE_TRANSACTION, object="cbtxn_1", **of)
    yield CaseFound(object_kind=CaseObject.VOID, object=f"{invoice}_1", invoice=invoice, **of)
    yield CaseFound(object_kind=CaseObject.WRITE_OFF, object=f"{invoice}_2", invoice=invoice, **of)
    yield CaseFound(object_kind=CaseObject.INVOICE_ITEM, object="ii_1", invoice=invoice, **of)
    yield CaseFound(
        object_kind=CaseObject.DISCOUNT,
        object="di_1",
        coupon="20% off for 3 months",
        given_on="customer",
        **of,
    )
    yield CaseFound(
        object_kind=CaseObject.DISPUTE, object="du_1", payment_intent=payment, reason="fraudulent", **of
    )
    yield CaseFound(
        object_kind=CaseObject.CANCELLATION, object="sub_1", customer=None, ends_at=at + 20 * DAY, made_at=at
    )


async def all_cases(seeds: "Seeds") -> None:
    rules = CaseRules.of(policy_from_toml(DEFAULT_POLICY.read_text(encoding="utf-8")))
    at = seeds.at
    for found in found_in_stripe(seeds.customer.id, "in_open", "pi_blue", at):
        async with seeds.built.database.transaction() as session:
            opened = await cases.open_case(session, rules, seeds.acme.id, found, at)
        assert opened is not None
        name = found.object_kind.value.replace("_", " ")
        seeds.show(f"operation: case, {name}", f"/console/operations/{opened.id}", CONTROLLER)


def a_case_row(operation: Operation, at: datetime, **fields: Any) -> Case:
    """Of an operation that was kept."""
    made = operation.request
    amount = made["amount"]
    return Case(
        operation_id=operation.id, organization_id=operation.organization_id, object_kind=made["object_kind"],
        object_id=f"{made['object']}-{operation.id}", customer_id=made["customer"], noticed_at=at,
        amount_minor=amount["amount_minor"], currency=amount["currency"], deadline=at + DAY,
        closed_at=operation.closed_at, **fields,
    )  # fmt: skip


async def all_notices(seeds: "Seeds", operation: Operation) -> None:
    at, subject = seeds.at, operation.subject or {}
    states: dict[str, dict[str, Any]] = {
        "plan_change_requested": {"state": "acknowledged", "acknowledged_at": at,
            "acknowledged_by": seeds.acme.finance.id},
        "plan_change_applied": {"state": "escalated"},
        "plan_change_reverted": {"state": "superseded", "superseded_at": at,
            "superseded_because": "The plan change was accepted as it is in Stripe."},
    }  # fmt: skip
    for what, fields in states.items():
        notice = a_notice(
            operation, id=f"ntc_{what}", kind=what, subject=subject, created_at=at - DAY,
            deadline=at - DAY / 4, **fields,
        )  # fmt: skip
        await store(seeds.built.database, notice)
        seeds.show(f"notice: {fields['state']}", f"/console/finance?state={fields['state']}", FINANCE)


async def all_delegations(seeds: "Seeds") -> None:
    acme, at = seeds.acme, seeds.at
    states: dict[str, dict[str, Any]] = {
        "offered": {"accepted_at": None},
        "declined": {"accepted_at": None, "declined_at": at},
        "revoked": {"revoked_at": at, "revoked_by": acme.controller.id},
        "upcoming": {"starts_at": at + DAY},
        "over": {"starts_at": at - 5 * DAY, "ends_at": at - DAY},
    }
    for name, fields in states.items():
        times = {"starts_at": at, "ends_at": at + 5 * DAY, "created_at": at - 6 * DAY}
        given = a_delegation(acme.controller.person, acme.legal.person, **times | fields)
        await store(seeds.built.database, given)
        seeds.show(f"delegation: {name}", f"/console/delegations/{given.id}", CONTROLLER)
    seeds.show("delegations: one's own", "/console/delegations", CONTROLLER)


async def all_runs(seeds: "Seeds") -> None:
    at = seeds.at
    ended = {"started_at": at - DAY, "ended_at": at}
    for name, fields in {
        "running": {"scope": "all", "requested_by": seeds.acme.admin.id, "started_at": at},
        "failed": {"scope": "recent", "state": "failed", **ended},
        "nothing differs": {"scope": "rolling", "state": "completed", **ended,
            "counts": {seeds.acme.id: {"invoice": 9}}},
    }.items():  # fmt: skip
        run = a_run(**fields)
        await store(seeds.built.database, run)
        seeds.show(f"reconciliation: {name}", f"/console/reconciliations/{run.id}")


async def all_links(seeds: "Seeds") -> None:
    """An invoice whose links came to every end, and which its customer isn't reminded of."""
    at = seeds.at
    invoice = an_invoice(
        seeds.customer, id="in_links", number="ACME-1060", created_at=at - 40 * DAY, synced_at=at,
        finalized_at=at - 40 * DAY, due_date=at - 10 * DAY, total=90_000, amount_paid=30_000,
    )  # fmt: skip
    links = [
        _link(invoice, at, 30, end_reason="replaced", ended_at=at - 20 * DAY, opens=1),
        _link(invoice, at, 20, end_reason="revoked", ended_at=at - 9 * DAY),
        _link(invoice, at, 9, opens=12, last_opened_at=at - DAY),
    ]
    paused = ReminderPause(
        invoice_id=invoice.id, organization_id=seeds.acme.id, until=(at + 9 * DAY).date(), paused_at=at,
        reason="They wait for a corrected order.", paused_by=seeds.acme.admin.id,
    )  # fmt: skip
    await store(seeds.built.database, invoice, *links, paused)
    seeds.show("invoice: links, partly paid and paused", f"/console/invoices/{invoice.id}")
    expired = an_invoice(seeds.customer, id="in_expired", number="ACME-1061", created_at=at - 40 * DAY)
    await store(seeds.built.database, expired, _link(expired, at, 40, expires_at=at - DAY, opens=2))
    seeds.show("invoice: its link has expired", f"/console/invoices/{expired.id}")
    seeds.show("access: expired", f"/console/invoices/{expired.id}/access")
    seeds.show("access: opened", f"/console/invoices/{invoice.id}/access")


def _link(invoice: Invoice, at: datetime, days: int, **fields: Any) -> PortalLink:
    times = {"created_at": at - days * DAY, "expires_at": at - days * DAY + 30 * DAY}
    return a_link(invoice, **times | fields)
