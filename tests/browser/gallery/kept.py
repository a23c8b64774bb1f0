"""Operations as rows, from the evidence that tests keep: whole, or cut after one of their events, and then
perhaps otherwise."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import SQLModel

from billing.core.events import EventCode
from billing.core.operations import SYSTEM, Kind, Role, State
from db.core.clock import utc_now
from db.tables import Approval, Customer, Decision, Invoice, NoteRow, Operation, TimelineEvent, new_id

from ...support.builders import Tenant, a_customer, an_invoice
from ...support.evidence_kept import DIRECTORY

CUSTOMERS = ("Blue Bottle Coffee", "Northwind Traders", "Ludwig & Söhne GmbH", "Harbor Freight Partners")

DECIDING = frozenset({"approved", "rejected", "changes_requested", "review_expired", "review_dismissed"})
OF_CUSTOMERS = frozenset(set(Kind) - {Kind.PLAN_CHANGE, Kind.CANCELLATION})
"""What is about a customer; the others are about the organization, which is a customer of Plixo's."""

READ = frozenset({"previewed", "checked", "diagnosed", "case_noticed"})
"""From then on it is known what the operation is about."""

Json = dict[str, Any]
After = tuple[str, Role | None, Json]
"""A code, who it is of (None: Plixo), and its detail."""


class KeptOperation:
    """The rows of an operation that a test did, now of this tenant's people.

    `upto` is the code of the last event that is on its timeline, before those that came `then`; its approvals
    are as they were at that time.
    """

    def __init__(self, name: str, acme: Tenant, upto: str | None = None, then: Sequence[After] = ()) -> None:
        self._acme, self._upto = acme, upto
        document = _renamed((DIRECTORY / f"{name}.json").read_text(encoding="utf-8"), acme)
        self._document = document
        self.id: str = document["operation"]["id"]
        self.kind: str = document["operation"]["kind"]
        self._events: list[Json] = list(_cut(document["timeline"], upto))
        for code, role, detail in then:
            actor = acme.members[role].id if role else SYSTEM
            detail = json.loads(json.dumps(detail).replace("per_1", acme.finance.id))
            last = self._events[-1]
            self._events.append(
                last | {"seq": last["seq"] + 1, "code": code, "actor": actor, "detail": detail, "names": {}}
            )
        asked = {one["detail"].get("approval") for one in self._events}
        self._rounds = [one for one in document["approvals"] if upto is None or one["id"] in asked]
        self._decided = {
            one["detail"].get("approval") for one in self._events if upto is None or one["code"] in DECIDING
        }

    @property
    def approval(self) -> str:
        """The id of the last round."""
        id_: str = self._rounds[-1]["id"]
        return id_

    @property
    def subject(self) -> Json:
        subject: Json = self._document["operation"]["subject"]
        return subject

    def customers(self) -> Iterator[Customer]:
        ids = {one.get("customer") for one in (self._document["operation"]["subject"] or {},)}
        ids |= {one["subject"].get("customer") for one in self._rounds}
        for number, id_ in enumerate(sorted(filter(None, ids if self.kind in OF_CUSTOMERS else ()))):
            name = CUSTOMERS[(number + int(id_[-2:], 36)) % len(CUSTOMERS)]
            yield a_customer(self._acme.id, id=id_, name=name)

    def invoices(self) -> Iterator[Invoice]:
        """Of a customer, with the number that the subject has, or one."""
        subject = self._document["operation"]["subject"] or {}
        if self.kind in OF_CUSTOMERS and subject.get("invoice") and subject.get("customer"):
            number = subject.get("invoice_number") or f"ACME-{2000 + int(self.id[-2:], 36)}"
            owner = a_customer(self._acme.id, id=subject["customer"])
            yield an_invoice(owner, id=subject["invoice"], number=number)

    def rows(self, *, approval: Json | None = None, **operation: Any) -> Iterator[SQLModel]:
        """With these fields of the operation and of its last round changed."""
        yield self._operation(operation)
        for one in self._rounds:
            yield self._approval(one, approval if one is self._rounds[-1] else None)
        for one in self._document["decisions"]:
            if one["approval"] in self._decided:
                yield Decision(**_times(one, "approval", "person", organization_id=self._acme.id))
        noted = [one for one in self._events if one["code"] == EventCode.NOTE_ADDED]
        for one in self._document["notes"][: len(noted)]:
            yield NoteRow(**_times(one, operation_id=self.id, organization_id=self._acme.id))
        for one in self._events:
            yield TimelineEvent(**_times(one, operation_id=self.id, key=f"{one['seq']}:{one['code']}"))

    def _operation(self, changed: Json) -> Operation:
        document = self._document["operation"]
        kept = {name: document[name] for name in Operation.model_fields if name in document}
        if self._upto is not None:
            kept |= {"closed_at": None}
            unsettled = changed.get("state") in (State.MISMATCHED, State.FAILED)
            kept |= {} if unsettled else {"result": None, "error": None}
            seen = {"previewed", "checked", "diagnosed", "case_noticed"} & {
                one["code"] for one in self._events
            }
            kept |= {} if seen else {"subject": None}
        fields = {
            "organization_id": self._acme.id,
            "request_hash": "1" * 64,
            "idempotency_key": self.id,
            "policy": self._document["policy"],
            "approval_id": self._rounds[-1]["id"] if self._rounds else None,
            "customer_id": (document["subject"] or {}).get("customer") if self.kind in OF_CUSTOMERS else None,
        } | ((document["subject"] or {}).get("amount") or {} if self.kind in OF_CUSTOMERS else {})
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
        if document["id"] not in self._decided:
            partly = any(one["code"] == EventCode.PARTLY_APPROVED for one in self._events)
            signatures = document["signatures"][:1] if partly else []
            *passed, last = document["ladder"]
            ladder = [*passed, last | {"deadline": (utc_now() + timedelta(days=2)).isoformat()}]
            cut = {
                "state": "open",
                "closed_at": None,
                "decided_by": None,
                "signatures": signatures,
                "ladder": ladder,
            }
        return Approval(**_times(kept) | amount | fields | cut | (changed or {}))


def _cut(timeline: Sequence[Json], upto: str | None) -> Iterator[Json]:
    """Until `approved`, or until the second of them: `approved:2`."""
    code, _, number = (upto or "").partition(":")
    left = int(number or 1)
    for one in timeline:
        yield one
        left -= one["code"] == code
        if not left:
            return


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
    subject = document["operation"]["subject"] or {}
    for terms in (subject.get(side) for side in ("from", "to")):
        if terms:  # as the studio sells it
            text = text.replace(terms["price"], f"price_{terms['plan']}_{terms['interval']}")
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
