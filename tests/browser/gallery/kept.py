"""Operations as rows, from the evidence that tests keep: whole, or cut after one of their events."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlmodel import SQLModel

from billing.core.operations import Role, State
from db.tables import Approval, Customer, Decision, NoteRow, Operation, TimelineEvent, new_id

from ...support.builders import Tenant, a_customer
from ...support.evidence_kept import DIRECTORY

CUSTOMERS = ("Blue Bottle Coffee", "Northwind Traders", "Ludwig & Söhne GmbH", "Harbor Freight Partners")

Json = dict[str, Any]


class KeptOperation:
    """The rows of an operation that a test did, now of this tenant's people.

    `upto` is the code of the last event that is on its timeline; its approvals are open from then on.
    """

    def __init__(self, name: str, acme: Tenant, upto: str | None = None) -> None:
        self._acme, self._upto = acme, upto
        document = _renamed((DIRECTORY / f"{name}.json").read_text(encoding="utf-8"), acme)
        self._document = document
        self.id: str = document["operation"]["id"]

    @property
    def approval(self) -> str:
        """The id of the last round."""
        id_: str = self._document["approvals"][-1]["id"]
        return id_

    def customers(self) -> Iterator[Customer]:
        ids = {one.get("customer") for one in (self._document["operation"]["subject"] or {},)}
        ids |= {one["subject"].get("customer") for one in self._document["approvals"]}
        for number, id_ in enumerate(sorted(filter(None, ids))):
            name = CUSTOMERS[(number + int(id_[-2:], 36)) % len(CUSTOMERS)]
            yield a_customer(self._acme.id, id=id_, name=name)

    def rows(self, *, approval: Json | None = None, **operation: Any) -> Iterator[SQLModel]:
        """With these fields of the operation and of its last round changed."""
        yield self._operation(operation)
        rounds = self._document["approvals"]
        for number, one in enumerate(rounds):
            last = number == len(rounds) - 1
            yield self._approval(one, approval if last else None)
        if self._upto is None:
            for one in self._document["decisions"]:
                yield Decision(**_times(one, "approval", "person", organization_id=self._acme.id))
        for one in self._document["notes"]:
            yield NoteRow(**_times(one, operation_id=self.id, organization_id=self._acme.id))
        for one in self._document["timeline"]:
            yield TimelineEvent(**_times(one, operation_id=self.id, key=f"{one['seq']}:{one['code']}"))
            if one["code"] == self._upto:
                return

    def _operation(self, changed: Json) -> Operation:
        document = self._document["operation"]
        kept = {name: document[name] for name in Operation.model_fields if name in document}
        if self._upto is not None:
            kept |= {"error": None, "closed_at": None}
            kept |= {} if changed.get("state") == State.MISMATCHED else {"result": None}
        fields = {
            "organization_id": self._acme.id,
            "request_hash": "1" * 64,
            "idempotency_key": self.id,
            "policy": self._document["policy"],
            "approval_id": document["approval"],
            "customer_id": (document["subject"] or {}).get("customer"),
        } | ((document["subject"] or {}).get("amount") or {})
        return Operation(**_times(kept) | fields | changed)

    def _approval(self, document: Json, changed: Json | None) -> Approval:
        kept = {name: document[name] for name in Approval.model_fields if name in document}
        amount = document["amount"] or {"amount_minor": None, "currency": None}
        fields = {
            "organization_id": self._acme.id,
            "operation_id": self.id,
            "kind": self._document["operation"]["kind"],
            "workflow_id": f"approval-{document['id']}",
            "customer_id": document["customer"],
        }
        cut: Json = {}
        if self._upto is not None and changed is not None:
            cut = {"state": "open", "closed_at": None, "decided_by": None, "signatures": []}
        return Approval(**_times(kept) | amount | fields | cut | (changed or {}))


def _renamed(text: str, acme: Tenant) -> Json:
    """With an id of its own, and the tenant's people in place of those of the test."""
    document = json.loads(text)
    for event in document["timeline"]:
        for id_, named in event["names"].items():
            role = (named.get("roles") or [None])[0]
            if role is None:
                text = text.replace(id_, acme.id)
                continue
            person = acme.members[Role(role)].person
            text = text.replace(id_, person.id).replace(f'"{named["name"]}"', json.dumps(person.name))
    id_ = document["operation"]["id"]
    text = text.replace(id_.removeprefix("op_"), new_id("op").removeprefix("op_"))
    renamed: Json = json.loads(text)
    for one in (*renamed["decisions"], *renamed["notes"]):
        one["id"] = new_id("dec")
    return renamed


_REFERENCES = {"approval": "approval_id", "person": "person_id"}


def _times(document: Json, *references: str, **more: Any) -> Json:
    """A record as its row's fields."""
    fields = {_REFERENCES[name] if name in references else name: value for name, value in document.items()}
    for name, value in fields.items():
        if value is not None and (name == "at" or name.endswith("_at") or name == "deadline"):
            fields[name] = datetime.fromisoformat(value)
    return fields | more
