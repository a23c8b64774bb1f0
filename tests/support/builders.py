"""Rows as tests need them, with sensible values for what a test does not care about.

The functions make rows; `store` writes them, in the order given.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count, groupby
from typing import Any

from sqlmodel import SQLModel

from billing.core.keys import UNPEPPERED
from billing.core.operations import Kind, Role, State
from db.core.session import Database
from db.people.people import NewKey, new_api_key
from db.tables import (
    ApiKey,
    Approval,
    Customer,
    Decision,
    Intent,
    Invoice,
    Notice,
    Operation,
    Organization,
    Person,
    new_id,
)

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
"""A Monday, 10:00 in New York."""
FAR = datetime(2126, 3, 4, 15, 0, tzinfo=UTC)
"""By any test's clock there is time until then."""

SUBJECT_HASH = "5" * 64

_numbers = count(1)


@dataclass(frozen=True)
class Member:
    """A person and the API key that they come with."""

    person: Person
    api_key: str

    @property
    def id(self) -> str:
        return self.person.id

    @property
    def headers(self) -> dict[str, str]:
        """What their requests carry."""
        return {"Authorization": f"Bearer {self.api_key}"}


@dataclass(frozen=True)
class Tenant:
    """An organization with one person of each role."""

    organization: Organization
    members: dict[Role, Member]

    @property
    def id(self) -> str:
        return self.organization.id

    @property
    def admin(self) -> Member:
        return self.members[Role.BILLING_ADMIN]

    @property
    def controller(self) -> Member:
        return self.members[Role.CONTROLLER]

    @property
    def legal(self) -> Member:
        return self.members[Role.LEGAL]

    @property
    def finance(self) -> Member:
        return self.members[Role.FINANCE]

    @property
    def auditor(self) -> Member:
        return self.members[Role.AUDITOR]


async def store(database: Database, *rows: SQLModel) -> None:
    """Write the rows in this order, in one transaction."""
    async with database.transaction() as session:
        for _, alike in groupby(rows, key=type):
            session.add_all(alike)
            await session.flush()


async def tenant(database: Database, **fields: Any) -> Tenant:
    """A stored organization with one person of each role, each with an API key."""
    organization = an_organization(**fields)
    keys = {role: new_api_key() for role in Role}
    people = {role: a_person(organization.id, roles=[role]) for role in Role}
    await store(
        database,
        organization,
        *people.values(),
        *(an_api_key(people[role], key) for role, key in keys.items()),
    )
    return Tenant(organization, {role: Member(people[role], keys[role].plaintext) for role in Role})


async def member(
    database: Database, organization: Organization, roles: Iterable[Role], **fields: Any
) -> Member:
    """A stored person of the organization with these roles and an API key."""
    person = a_person(organization.id, roles=list(roles), **fields)
    key = new_api_key()
    await store(database, person, an_api_key(person, key))
    return Member(person, key.plaintext)


def an_organization(**fields: Any) -> Organization:
    number = next(_numbers)
    defaults: dict[str, Any] = {
        "id": new_id("org"),
        "name": f"Acme Receivables {number}",
        "zone": "America/New_York",
        "country": "US",
        "stripe_customer": f"cus_org{number}",
        "stripe_subscription": f"sub_{number}",
        "created_at": NOW,
    }
    return Organization(**defaults | fields)


def a_person(organization_id: str, *, roles: Iterable[str] = (), **fields: Any) -> Person:
    number = next(_numbers)
    names = [str(Role(role)) for role in roles]
    defaults: dict[str, Any] = {
        "id": new_id("per"),
        "organization_id": organization_id,
        "name": f"{' and '.join(names) or 'nobody'} {number}",
        "email": f"{'.'.join(names) or 'nobody'}.{number}@plixo.example",
        "roles": names,
        "created_at": NOW,
    }
    return Person(**defaults | fields)


def an_api_key(person: Person, key: NewKey, **fields: Any) -> ApiKey:
    defaults: dict[str, Any] = {
        "prefix": key.prefix,
        "secret_hash": UNPEPPERED.hash(key.secret),
        "person_id": person.id,
        "organization_id": person.organization_id,
        "created_at": NOW,
        "scopes": ["read", "write", "decide"],
    }
    return ApiKey(**defaults | fields)


def an_operation(tenant: Tenant, **fields: Any) -> Operation:
    """A plan change that the billing admin has just asked for."""
    id_ = fields.get("id", new_id("op"))
    defaults: dict[str, Any] = {
        "id": id_,
        "organization_id": tenant.id,
        "kind": Kind.PLAN_CHANGE.value,
        "state": State.ACCEPTED.value,
        "stage": "accepted",
        "request": {"plan": "scale", "reason": "we grow"},
        "request_hash": "1" * 64,
        "idempotency_key": f"key-{next(_numbers)}",
        "policy": {},
        "requested_by": tenant.admin.id,
        "allowed_actions": ["cancel"],
        "workflow_id": f"operation-{id_}",
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Operation(**{"authors": authored(defaults | fields)} | defaults | fields)


def authored(row: dict[str, Any]) -> list[dict[str, Any]]:
    """As the API notes whoever asked for an operation."""
    at = row.get("created_at", NOW).isoformat().replace("+00:00", "Z")
    return [{"person": row["requested_by"], "at": at, "how": "asked"}]


def an_approval(operation: Operation, ends: datetime = FAR, **fields: Any) -> Approval:
    """An open review that asks the controller first, then Legal."""
    round_ = fields.get("round", 1)
    id_ = fields.get("id", f"apr_{operation.id.removeprefix('op_')}-{round_}")
    middle = NOW + timedelta(hours=8)
    defaults: dict[str, Any] = {
        "id": id_,
        "organization_id": operation.organization_id,
        "operation_id": operation.id,
        "kind": operation.kind,
        "round": round_,
        "subject": {"to": {"plan": "scale"}},
        "subject_hash": SUBJECT_HASH,
        "state": "open",
        "ladder": [_rung("controller", NOW, middle, "active"), _rung("legal", middle, ends, "waiting")],
        "deadline": middle,
        "requested_by": operation.requested_by,
        "opened_at": NOW,
    }
    asked = {"requested_by": (defaults | fields)["requested_by"], "created_at": operation.created_at}
    defaults["authors"] = operation.authors if "requested_by" not in fields else authored(asked)
    return Approval(**defaults | fields)


def _rung(role: str, opens_at: datetime, deadline: datetime, state: str) -> dict[str, Any]:
    return {
        "roles": [role],
        "opens_at": opens_at.isoformat(),
        "remind_at": [],
        "deadline": deadline.isoformat(),
        "state": state,
    }


def a_decision(approval: Approval, person: Person, **fields: Any) -> Decision:
    defaults: dict[str, Any] = {
        "id": new_id("dec"),
        "approval_id": approval.id,
        "organization_id": approval.organization_id,
        "person_id": person.id,
        "decision": "approve",
        "subject_hash": approval.subject_hash,
        "decided_at": NOW,
    }
    return Decision(**defaults | fields)


def a_notice(operation: Operation, **fields: Any) -> Notice:
    kind = fields.get("kind", "plan_change_requested")
    id_ = fields.get("id", f"ntc_{operation.id.removeprefix('op_')}-{kind}")
    defaults: dict[str, Any] = {
        "id": id_,
        "organization_id": operation.organization_id,
        "operation_id": operation.id,
        "kind": kind,
        "subject": {},
        "state": "open",
        "deadline": NOW + timedelta(hours=8),
        "created_at": NOW,
    }
    return Notice(**defaults | fields)


def an_intent(operation: Operation, **fields: Any) -> Intent:
    step, version = fields.get("step", "apply"), fields.get("version", 1)
    defaults: dict[str, Any] = {
        "idempotency_key": f"{operation.organization_id}:{operation.id}:{step}:{version}",
        "organization_id": operation.organization_id,
        "operation_id": operation.id,
        "step": step,
        "version": version,
        "effect": "subscription.update",
        "params_hash": "2" * 64,
        "state": "open",
        "attempts": 1,
        "created_at": NOW,
    }
    return Intent(**defaults | fields)


def a_customer(organization_id: str, **fields: Any) -> Customer:
    number = next(_numbers)
    defaults: dict[str, Any] = {
        "id": f"cus_{number}",
        "organization_id": organization_id,
        "name": f"Customer {number}",
        "email": f"customer.{number}@plixo.example",
        "currency": "usd",
        "created_at": NOW,
        "synced_at": NOW,
    }
    return Customer(**defaults | fields)


def an_invoice(customer: Customer, **fields: Any) -> Invoice:
    """An open invoice over USD 100.00, of which nothing is paid unless `amount_paid` says so."""
    total, paid = fields.get("total", 10_000), fields.get("amount_paid", 0)
    defaults: dict[str, Any] = {
        "id": f"in_{next(_numbers)}",
        "organization_id": customer.organization_id,
        "customer_id": customer.id,
        "status": "open",
        "currency": "usd",
        "total": total,
        "amount_due": total,
        "amount_paid": paid,
        "amount_remaining": total - paid,
        "created_at": NOW,
        "synced_at": NOW,
    }
    return Invoice(**defaults | fields)
