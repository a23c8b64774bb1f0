"""Examples of the documentation, as the real app answers on a seeded house.

The tests hold the shape of each file against what is answered; with RECORD_EXAMPLES=1 they write it. Ids,
hashes and tokens that are new with each run come out the same, so that recording twice changes no byte.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from httpx import AsyncClient
from sqlmodel import SQLModel

from api.http import examples
from billing.core.operations import Role
from billing.operations.about import about
from billing.policy.policy import Policy
from db.core.session import Database
from db.people.people import new_api_key
from db.tables import Invoice, Operation

from ..support.builders import (
    NOW,
    Member,
    Tenant,
    a_customer,
    a_person,
    an_api_key,
    an_invoice,
    an_operation,
    an_organization,
    store,
)

API = Path(examples.__file__).parents[1]
EVIDENCE = Path(__file__).parents[1] / "billing" / "evidence"
SECRET = "whsec_example"
NAMES = {
    Role.BILLING_ADMIN: "Ada Lund",
    Role.CONTROLLER: "Cleo Marsh",
    Role.FINANCE: "Finn Ito",
    Role.LEGAL: "Liv Berg",
    Role.AUDITOR: "Abe Cole",
}
CUSTOMER, INVOICE, PAYMENT = "cus_R3t4Y5u6I7o8P9", "in_1R3t4Y5u6I7o8P9a", "pi_3SVxkP2eZvKYlo2C1aBcDeFg"

# A seeded id begins like one of November 2024, a new one like one of today.
_CHANGING = re.compile(
    r"(?P<id>\b[a-z]{2,5}_)(?!01JD)[0-9A-HJKMNP-TV-Z]{26}|(?P<hash>\b(?!0{64})[0-9a-f]{64}\b)|(?<=/portal/)[\w-]{43}"
    r'|(?<=")[\w-]{86}(?=")'  # a signature
)


@dataclass
class ExampleHouse:
    """A seeded organization with a customer and an invoice, and what its routes answer."""

    http: AsyncClient
    acme: Tenant
    invoice: Invoice
    database: Database
    policy: Policy
    room: str
    _stable: dict[str, str] = field(default_factory=dict)

    async def store(self, *rows: SQLModel) -> None:
        await store(self.database, *rows)

    def evidence(self, name: str) -> dict[str, Any]:
        """The evidence that the test of a workflow has kept, as if it had happened in this house."""
        text = (EVIDENCE / f"{name}.json").read_text(encoding="utf-8")
        document: dict[str, Any] = json.loads(text)
        for event in document["timeline"]:
            for id_, who in event["names"].items():
                role = Role(who["roles"][0]) if "roles" in who else None
                text = text.replace(id_, self.acme.members[role].id if role else self.acme.id)
        document = json.loads(text)
        return document

    async def add_operation(self, evidence: dict[str, Any], **changes: Any) -> Operation:
        """Store the operation of this evidence, as it ended but for the changes."""
        record = evidence["operation"] | changes
        kept = ("id", "kind", "state", "stage", "request", "subject", "result", "error", "allowed_actions")
        found = about(record["subject"])
        operation = an_operation(
            self.acme,
            **{name: record[name] for name in kept},
            **(found.amount.model_dump() if found.amount else {}),
            customer_id=found.customer,
            requested_by=record["requested_by"],
            approval_id=record["approval"],
            policy=self.policy.model_dump(mode="json"),
        )
        await self.store(operation)
        return operation

    def body(self, name: str) -> Any:
        """An example of a body, to be sent as it is."""
        return examples.read_example(f"{self.room}/{name}")

    async def request(
        self, name: str, method: str, path: str, who: Member | None = None, body: Any = None, **headers: str
    ) -> Any:
        """What is answered to the billing admin or somebody else; the example has its shape."""
        sent = {} if body is None else {"json": body}
        signed = (who or self.acme.admin).headers
        answer = await self.http.request(method, path, headers=signed | headers, **sent)
        assert answer.is_success, answer.text
        document = answer.json()
        self.record(name, document)
        return document

    async def get(
        self,
        name: str,
        path: str,
        who: Member | None = None,
        *,
        part: Callable[[Any], Any] = lambda whole: whole,
    ) -> None:
        """Like `request`, for reading: the example is a part of the answer."""
        answer = await self.http.get(path, headers=(who or self.acme.admin).headers)
        assert answer.is_success, answer.text
        self.record(name, part(answer.json()))

    def record(self, name: str, answer: Any) -> None:
        """Write the example, or compare its shape."""
        stable = json.loads(self._settled(json.dumps(answer, ensure_ascii=False)))
        if os.environ.get("RECORD_EXAMPLES"):
            path = API / self.room / "examples" / f"{name}.json"
            path.write_text(json.dumps(stable, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        assert _shape(stable) == _shape(self.body(name)), f"{name}: RECORD_EXAMPLES=1 records it anew"

    def _settled(self, text: str) -> str:
        return _CHANGING.sub(self._replaced, text)

    def _replaced(self, match: re.Match[str]) -> str:
        if match[0] not in self._stable:
            digest = hashlib.sha256(f"{self.room} {len(self._stable)}".encode()).hexdigest()
            settled = digest if match["hash"] else (digest * 2)[: len(match[0])]
            if match["id"]:
                settled = match["id"] + "01JD1" + digest[:21].upper()
            self._stable[match[0]] = settled
        return self._stable[match[0]]


def first(page: Any) -> Any:
    """The first row of a list."""
    return page["data"][0]


def _shape(value: Any) -> Any:
    """What a reader builds on: names, types, and the words that stand for one of several things."""
    match value:
        case dict():
            return {name: _shape(inner) for name, inner in value.items()}
        case list():
            return [_shape(inner) for inner in value]
        case str() if re.fullmatch(r"[a-z][a-z_]*", value):
            return value
        case str():
            prefix = re.match(r"[a-z]+_(?=\w{8})|\d{4}-\d\d-\d\d(T|$)", value)
            return re.sub(r"\d", "0", prefix[0]) if prefix else "text"
        case bool() | None:
            return value
        case _:
            return type(value).__name__


async def seeded(database: Database, subscription: dict[str, Any]) -> tuple[Tenant, Invoice]:
    """The organization of the examples, its people, their customer and an invoice of theirs."""
    organization = an_organization(
        id="org_01JD0V4M2B7P6Q5R4S3T2V1WXY",
        name="Acme Receivables",
        stripe_customer="cus_Q2w3E4r5T6y7U8",
        stripe_subscription="sub_1Q2w3E4r5T6y7U8i",
        subscription=subscription,
        synced_at=NOW,
    )
    await store(database, organization)
    members = {}
    for letter, (role, name) in zip("ABCDE", NAMES.items(), strict=True):
        id_ = f"per_01JD0V5N3C8Q7W2E4R6T9Y1XK{letter}"
        email = f"{name.partition(' ')[0].lower()}@acme.example"
        person = a_person(organization.id, id=id_, name=name, email=email, roles=[role])
        key = new_api_key()
        await store(database, person, an_api_key(person, key))
        members[role] = Member(person, key.plaintext)
    customer = a_customer(
        organization.id,
        id=CUSTOMER,
        name="Blue Bottle GmbH",
        email="ap@bluebottle.example",
        balance=-2_500,
        country="AT",
        language="de",
    )
    invoice = an_invoice(
        customer,
        id=INVOICE,
        number="BLUE-0042",
        total=120_000,
        amount_paid=20_000,
        due_date=NOW.replace(day=30),
        collection_method="send_invoice",
    )
    await store(database, customer, invoice)
    return Tenant(organization, members), invoice
