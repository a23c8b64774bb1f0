"""An operation's evidence, as the API gives it: whole, of one moment, and of one's own organization."""

import asyncio
import json
from typing import Any

import pytest
from pydantic import BaseModel

from api.http.examples import read_example
from api.http.models import ApprovalAnswer, EventAnswer, NoticeAnswer, OperationAnswer
from billing.evidence.document import PARTS
from billing.evidence.records import ApprovalRecord, NoticeRecord, OperationRecord
from billing.evidence.timeline import Event
from billing.evidence.verify import NotWhole, verify
from billing.policy.policy import Policy, policy_hash
from db.core.session import Database
from db.operations import operations
from db.tables import Organization, Person

from ...support.builders import Tenant, a_notice, store
from ..conftest import Api
from ..giving import NOTE, ask


async def evidence(api: Api, tenant: Tenant, id_: str) -> dict[str, Any]:
    answer = await api.get(f"/v1/operations/{id_}/evidence", tenant.auditor)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    verify(answer.content)
    return document


async def test_a_new_request_is_there_whole_with_who_asked_and_under_which_policy(
    api: Api, acme: Tenant, policy: Policy
) -> None:
    asked = (await ask(api, acme.admin, "credits")).json()
    document = await evidence(api, acme, asked["id"])
    first = document["timeline"][0]
    assert document["operation"]["organization"] == acme.id
    assert first["names"] == {
        acme.id: {"name": acme.organization.name},
        acme.admin.id: {"name": acme.admin.person.name, "roles": ["billing_admin"]},
    }
    [note] = document["notes"]
    assert list(first["records"]) == [f"notes/{note['id']}", f"operation/{asked['id']}"]
    assert {name: document["operation"][name] for name in ("id", "kind", "state", "request")} == {
        "id": asked["id"],
        "kind": "credit",
        "state": "accepted",
        "request": asked["request"],
    }
    hashed = policy_hash(policy.model_dump(mode="json"))
    assert first["detail"]["policy_hash"] == hashed
    assert document["policy"]["stripe"] == {"requests_per_second": "20.0"}
    assert note["text"] == NOTE
    assert document["head"] == document["timeline"][-1]["hash"]
    assert {part for part in PARTS if document[part]} == {"notes"}


@pytest.mark.parametrize("kind", ["plan-changes", "refunds", "credits"])
async def test_every_kind_has_its_evidence(api: Api, acme: Tenant, kind: str) -> None:
    asked = await (api.ask(acme.admin) if kind == "plan-changes" else ask(api, acme.admin, kind))
    id_ = asked.json()["id"]
    await api.post(f"/v1/{kind}/{id_}/cancel", acme.admin, {"comment": "Not now."})
    document = await evidence(api, acme, id_)
    assert document["timeline"][-1]["code"] == "cancellation_requested"


@pytest.mark.parametrize("role", ["admin", "controller", "legal", "finance", "auditor"])
async def test_everybody_of_the_organization_may_read_it(api: Api, acme: Tenant, role: str) -> None:
    id_ = (await ask(api, acme.admin, "refunds")).json()["id"]
    answer = await api.get(f"/v1/operations/{id_}/evidence", getattr(acme, role))
    assert answer.status_code == 200


async def test_another_organizations_evidence_is_not_there(api: Api, acme: Tenant, other: Tenant) -> None:
    id_ = (await ask(api, acme.admin, "refunds")).json()["id"]
    theirs = await api.get(f"/v1/operations/{id_}/evidence", other.auditor)
    unknown = await api.get("/v1/operations/op_unknown/evidence", other.auditor)
    assert (theirs.status_code, theirs.json()["code"]) == (404, "not_found")
    assert theirs.json() | {"request_id": ""} == unknown.json() | {"request_id": ""}


async def test_who_somebody_was_stays_what_it_was(api: Api, acme: Tenant, database: Database) -> None:
    """A name or a role that changes later changes nothing of what is evidence, and breaks none."""
    id_ = (await ask(api, acme.admin, "credits")).json()["id"]
    before = await evidence(api, acme, id_)
    async with database.transaction() as session:
        person = await session.get_one(Person, acme.admin.id)
        person.name, person.roles = "Ada Married", ["finance"]
        organization = await session.get_one(Organization, acme.id)
        organization.name = "Acme Collections"
    assert await evidence(api, acme, id_) == before


async def test_a_row_that_no_event_tells_of_is_shown_and_found(
    api: Api, acme: Tenant, database: Database
) -> None:
    """The API shows what the records hold: that it does not add up is for the check to say."""
    asked = (await ask(api, acme.admin, "refunds")).json()
    async with database.reading() as session:
        operation = await operations.get_any(session, asked["id"])
    assert operation is not None
    await store(database, a_notice(operation, id="ntc_slipped_in"))
    answer = await api.get(f"/v1/operations/{asked['id']}/evidence", acme.auditor)
    with pytest.raises(
        NotWhole, match=r"^/notices/0: no event of the timeline recorded notices/ntc_slipped_in$"
    ):
        verify(answer.content)


async def test_it_is_of_one_moment_whatever_is_added_meanwhile(api: Api, acme: Tenant) -> None:
    id_ = (await ask(api, acme.admin, "refunds")).json()["id"]

    async def note(number: int) -> None:
        body = {"note": f"Note number {number} of ten."}
        assert (await api.post(f"/v1/refunds/{id_}/notes", acme.admin, body)).status_code == 202

    read: list[dict[str, Any]] = []

    async def look() -> None:
        for _ in range(8):
            read.append(await evidence(api, acme, id_))

    await asyncio.gather(look(), look(), *(note(number) for number in range(10)))
    assert {len(document["notes"]) for document in read} <= set(range(1, 12))
    assert len((await evidence(api, acme, id_))["notes"]) == 11


@pytest.mark.parametrize(
    ("answer", "record", "of_the_caller"),
    [
        (OperationAnswer, OperationRecord, {"pending", "customer", "amount"}),
        (
            ApprovalAnswer,
            ApprovalRecord,
            {
                *("operation", "kind", "can_decide", "can_reject", "why_not"),
                *("authority_left", "recent", "since", "comment"),
            },
        ),
        (NoticeAnswer, NoticeRecord, {"operation"}),
        (EventAnswer, Event, {"event"}),
    ],
)
def test_whatever_the_api_says_of_an_operation_is_bound_to_its_timeline(
    answer: type[BaseModel], record: type[BaseModel], of_the_caller: set[str]
) -> None:
    """But for what depends on who asks and when, and for what its operation, its decisions and earlier rounds
    say: whom and how much an operation is about stands in its request and subject."""
    assert answer.model_fields.keys() - record.model_fields.keys() == of_the_caller


def test_the_example_of_the_documentation_is_whole() -> None:
    evidence = read_example("evidence/evidence")
    assert verify(json.dumps(evidence)).events == len(evidence["timeline"])
