"""Invoices, customers and rules for tests of reminders."""

from datetime import UTC, datetime, time
from typing import Any

from billing.core.customers import Correspondent
from billing.policy.portal import ReminderPolicy, ReminderStep
from billing.reminders.rules import InvoiceFacts, LinkFacts, Rules, UnsentReminder, decide

DUE_7D = ReminderStep(name="due-7d", of="due_date", days=-7)
DUE_1D = ReminderStep(name="due-1d", of="due_date", days=-1)
OVERDUE_3D = ReminderStep(name="overdue-3d", of="due_date", days=3)
CYCLE_5D = ReminderStep(name="cycle-5d", of="approval_cycle", days=-5)
LINK_3D = ReminderStep(name="link-3d", of="link_expiry", days=-3)
POLICY = ReminderPolicy(
    days=(0, 1, 2, 3, 4),
    opens=time(9),
    closes=time(17),
    catch_up=4320,
    steps=(DUE_7D, DUE_1D, OVERDUE_3D, CYCLE_5D, LINK_3D),
)
ZONES = {"America/New_York": "US", "Europe/Berlin": "DE", "Asia/Kolkata": "IN", "Pacific/Auckland": "NZ"}


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def to(zone: str = "America/New_York", country: str | None = None, **fields: Any) -> Correspondent:
    known = Correspondent("cus_1", "Ann", "ann@customer.example", "en", zone, country, None)
    return known._replace(**fields)


def facts(**fields: Any) -> InvoiceFacts:
    """An open invoice, due on Wednesday, 22 April 2026: its first step is on the 15th, at 13:00 UTC."""
    base = InvoiceFacts(
        invoice="in_1",
        status="open",
        currency="usd",
        amount_minor=10_000,
        to=to(),
        due_date=utc("2026-04-22 12:00"),
        issued_at=utc("2026-03-23 12:00"),
    )
    return base._replace(**fields)


def at(text: str, *, policy: ReminderPolicy = POLICY, portal_incident: bool = False) -> Rules:
    return Rules(policy, utc(text), portal_incident=portal_incident)


def only(*steps: ReminderStep, **fields: Any) -> ReminderPolicy:
    return ReminderPolicy.model_validate(POLICY.model_dump() | {"steps": steps} | fields)


def told(found: InvoiceFacts, rules: Rules) -> list[tuple[str, str, str]]:
    return [(made.step, made.state, made.reason) for made in decide(found, rules)]


def a_link(
    id_: str = "plk_1", created: str = "2026-04-08 12:00", expires: str = "2026-05-08 12:00"
) -> LinkFacts:
    return LinkFacts(id_, utc(created), utc(expires))


def held(
    state: Any = "held", ours: bool = False, due_at: str = "2026-04-16 13:00", **fields: Any
) -> InvoiceFacts:
    """Wednesday's step, decided in the evening: it waits for Thursday at nine."""
    unsent = UnsentReminder("cml_1", "due-7d", state, utc(due_at), ours)
    return facts(decided=frozenset({"due-7d"}), unsent=(unsent,), **fields)
