"""Asking for a void or a write-off, and what people tell it while it lives. Temporal is down here."""

from typing import Any

import pytest

from billing.core.messages import AcceptAsInStripe, Cancel
from billing.core.operations import Role
from billing.money.waiver import ReviseWaiver, WaiverInput
from billing.policy.policy import Policy, policy_hash
from db.core import timeline
from db.core.session import Database
from db.operations import notes, operations
from db.tables import NoteRow, Outbox, TimelineEvent

from ...support.builders import Tenant, a_customer, an_invoice, member, store
from ..conftest import ON_ONE_DATABASE, Api, counted
from ..giving import BODIES, NO_TRACE, NOTE, TRACES, ask, given, sent

EVERY_ACTION = ["cancel", "revise", "accept"]
ACCEPT = {"action": "accept", "comment": "It was paid in between."}
ACTIONS = {"voids": "void", "write-offs": "write_off"}
BOTH = pytest.mark.parametrize("kind", ["voids", "write-offs"])


@BOTH
async def test_the_row_its_note_their_events_and_the_start_are_written_together(
    api: Api, acme: Tenant, database: Database, policy: Policy, kind: str
) -> None:
    answer = await ask(api, acme.controller, kind)
    asked = answer.json()
    assert (answer.status_code, answer.headers["Location"]) == (202, f"/v1/operations/{asked['id']}")
    assert (asked["kind"], asked["state"]) == (ACTIONS[kind], "accepted")
    assert asked["allowed_actions"] == ["cancel"]
    assert asked["request"] == BODIES[kind] | {"action": ACTIONS[kind]}
    await api.context.dispatcher.idle()
    async with database.reading() as session:
        operation = await operations.get_any(session, asked["id"])
        events = await timeline.read(session, asked["id"])
        [note] = await notes.of_operation(session, asked["id"])
    assert operation is not None
    hashed = {"policy_hash": policy_hash(policy.model_dump(mode="json"))}
    said = {"note": note.id, "seq": 1, "text": NOTE, "by": acme.controller.id}
    assert [(event.key, event.code, event.detail) for event in events] == [
        ("requested", f"{ACTIONS[kind]}_requested", operation.request | hashed),
        ("note:1", "note_added", said),
    ]
    [start] = await sent(database)
    assert (start.action, start.name) == ("start", "WaiverWorkflow")
    message = WaiverInput.model_validate(start.payload)
    assert (message.kind, message.wanted.invoice, message.note.text) == (ACTIONS[kind], "in_unknown", NOTE)


@BOTH
async def test_the_same_key_and_body_answer_with_the_same_operation(
    api: Api, acme: Tenant, database: Database, kind: str
) -> None:
    first = await ask(api, acme.admin, kind)
    again = await ask(api, acme.admin, kind)
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (202, "true")
    assert again.json() == first.json()
    other = await ask(api, acme.admin, kind, invoice="in_other")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert await counted(database, *TRACES) == [1, 2, 1, 1]


@BOTH
@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("changes", "code", "pointer"),
    [
        ({"invoice": "IN-42"}, "invoice_id_malformed", "/invoice"),
        ({"reason": "fraudulent"}, "unknown_reason", "/reason"),
        ({"note": ...}, "note_missing", "/note"),
        ({"note": "billed"}, "note_too_short", "/note"),
        ({"note": "x" * 441}, "note_too_long", "/note"),
        ({"note": "agreed \x1b[31mon the phone"}, "note_unreadable", "/note"),
        ({"invoice": ...}, "required", "/invoice"),
        ({"amount_minor": 100}, "unknown_field", "/amount_minor"),
    ],
)
async def test_bad_input_has_a_code_of_its_own_and_leaves_no_trace(
    api: Api, acme: Tenant, database: Database, kind: str, changes: dict[str, Any], code: str, pointer: str
) -> None:
    answer = await ask(api, acme.admin, kind, **changes)
    assert answer.status_code == 422
    assert [(one["pointer"], one["code"]) for one in answer.json()["errors"]] == [(pointer, code)]
    assert await counted(database, *TRACES) == NO_TRACE


@ON_ONE_DATABASE
async def test_each_has_reasons_of_its_own(api: Api, acme: Tenant) -> None:
    void = await ask(api, acme.admin, "voids", reason="insolvent")
    off = await ask(api, acme.admin, "write-offs", reason="billed_twice")
    assert [answer.json()["code"] for answer in (void, off)] == ["unknown_reason", "unknown_reason"]


@BOTH
@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("draft", None),
        ("open", None),
        ("paid", "invoice_paid"),
        ("void", "invoice_ended"),
        ("uncollectible", "invoice_ended"),
    ],
)
async def test_what_the_mirror_knows_to_stay_impossible_is_refused_at_once(
    api: Api, acme: Tenant, database: Database, kind: str, status: str, code: str | None
) -> None:
    customer = a_customer(acme.id, id="cus_known")
    await store(database, customer, an_invoice(customer, id="in_known", status=status))
    answer = await ask(api, acme.admin, kind, invoice="in_known")
    if code is None:
        assert answer.status_code == 202
        return
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/invoice"]
    assert await counted(database, *TRACES) == NO_TRACE


@BOTH
async def test_another_organizations_invoice_is_like_one_that_does_not_exist(
    api: Api, acme: Tenant, other: Tenant, database: Database, kind: str
) -> None:
    customer = a_customer(other.id, id="cus_theirs")
    await store(database, customer, an_invoice(customer, id="in_theirs", status="void"))
    assert (await ask(api, acme.admin, kind, invoice="in_theirs")).status_code == 202


@BOTH
@ON_ONE_DATABASE
@pytest.mark.parametrize("role", ["legal", "finance", "auditor"])
async def test_only_billing_admins_and_controllers_ask(
    api: Api, acme: Tenant, database: Database, policy: Policy, kind: str, role: str
) -> None:
    who = getattr(acme, role)
    for path in (f"/v1/{kind}", f"/v1/{kind}/quote"):
        answer = await api.post(path, who, BODIES[kind], key="key-1")
        assert (answer.status_code, answer.json()["code"]) == (403, "role_missing")
    operation = await given(database, acme, policy, kind, allowed_actions=EVERY_ACTION)
    for action, body in [("cancel", {}), ("revision", BODIES[kind]), ("notes", {"note": "Not mine to say."})]:
        refused = await api.post(f"/v1/{kind}/{operation.id}/{action}", who, body)
        assert (refused.status_code, refused.json()["code"]) == (403, "role_missing"), action
    assert await counted(database, Outbox, TimelineEvent) == [0, 0]


# --- What people tell it --------------------------------------------------------------------------------


@BOTH
async def test_a_cancellation_is_recorded_and_said_to_be_on_its_way(
    api: Api, acme: Tenant, database: Database, policy: Policy, kind: str
) -> None:
    operation = await given(database, acme, policy, kind)
    answer = await api.post(f"/v1/{kind}/{operation.id}/cancel", acme.controller)
    assert (answer.status_code, answer.json()["pending"]) == (202, True)
    [row] = await sent(database)
    assert (row.action, row.name, row.workflow_id) == ("update", "cancel", operation.workflow_id)
    assert Cancel.model_validate(row.payload) == Cancel(person=acme.controller.id)


@BOTH
async def test_a_revision_is_sent_whole_with_its_note(
    api: Api, acme: Tenant, database: Database, policy: Policy, kind: str
) -> None:
    operation = await given(database, acme, policy, kind, allowed_actions=["revise", "cancel"])
    body = BODIES[kind] | {"invoice": "in_2", "note": "It was the other invoice, sorry."}
    answer = await api.post(f"/v1/{kind}/{operation.id}/revision", acme.controller, body)
    assert answer.status_code == 202
    [row] = await sent(database)
    message = ReviseWaiver.model_validate(row.payload)
    assert (message.wanted.action, message.wanted.invoice) == (ACTIONS[kind], "in_2")
    assert (message.note.seq, message.note.author) == (2, acme.controller.id)
    assert await counted(database, NoteRow, TimelineEvent) == [2, 2]


@BOTH
async def test_notes_are_shown_with_the_invoice_that_they_are_about(
    api: Api, acme: Tenant, database: Database, policy: Policy, kind: str
) -> None:
    operation = await given(database, acme, policy, kind)
    added = await api.post(f"/v1/{kind}/{operation.id}/notes", acme.admin, {"note": "The bank called back."})
    assert added.status_code == 202
    listed = (await api.get(f"/v1/{kind}/{operation.id}/notes", acme.auditor)).json()["data"]
    assert [one["text"] for one in listed] == [
        f"{NOTE} (Stripe invoice in_unknown)",
        "The bank called back. (Stripe invoice in_unknown)",
    ]


@BOTH
@pytest.mark.parametrize("role", ["controller", "legal"])
async def test_who_approves_accepts_what_came_out_otherwise(
    api: Api, acme: Tenant, database: Database, policy: Policy, kind: str, role: str
) -> None:
    operation = await given(
        database, acme, policy, kind, state="mismatched", stage="mismatched", allowed_actions=["accept"]
    )
    who = getattr(acme, role)
    answer = await api.post(f"/v1/{kind}/{operation.id}/resolution", who, ACCEPT)
    assert (answer.status_code, answer.json()["pending"]) == (202, True)
    [row] = await sent(database)
    accepted = AcceptAsInStripe(person=who.id, comment=ACCEPT["comment"])
    assert (row.name, AcceptAsInStripe.model_validate(row.payload)) == ("resolve", accepted)


@BOTH
async def test_neither_the_requester_nor_an_admin_accepts_it(
    api: Api, acme: Tenant, database: Database, policy: Policy, kind: str
) -> None:
    both = await member(database, acme.organization, [Role.BILLING_ADMIN, Role.CONTROLLER])
    operation = await given(
        database, acme, policy, kind, state="mismatched", requested_by=both.id, allowed_actions=["accept"]
    )
    path = f"/v1/{kind}/{operation.id}/resolution"
    refusals = [(await api.post(path, who, ACCEPT)).json()["code"] for who in (both, acme.admin)]
    assert refusals == ["own_request", "role_missing"]


@BOTH
@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("action", "code"),
    [("cancel", "not_cancellable"), ("revision", "not_revisable"), ("resolution", "not_resolvable")],
)
async def test_what_is_not_possible_is_a_conflict(
    api: Api, acme: Tenant, database: Database, policy: Policy, kind: str, action: str, code: str
) -> None:
    done = await given(database, acme, policy, kind, state="completed", stage="done", allowed_actions=[])
    body = {"cancel": {}, "revision": BODIES[kind], "resolution": ACCEPT}[action]
    answer = await api.post(f"/v1/{kind}/{done.id}/{action}", acme.controller, body)
    assert (answer.status_code, answer.json()["code"]) == (409, code)


@BOTH
@pytest.mark.parametrize("action", ["cancel", "revision", "resolution", "notes"])
async def test_one_of_another_organization_or_kind_is_not_there(
    api: Api, acme: Tenant, other: Tenant, database: Database, policy: Policy, kind: str, action: str
) -> None:
    operation = await given(database, acme, policy, kind, allowed_actions=EVERY_ACTION)
    body = {
        "cancel": {},
        "revision": BODIES[kind],
        "resolution": ACCEPT,
        "notes": {"note": "Not ours to say."},
    }[action]
    theirs = await api.post(f"/v1/{kind}/{operation.id}/{action}", other.controller, body)
    wrong = "write-offs" if kind == "voids" else "voids"
    if action == "revision":
        body = body | {"reason": "other"}
    mixed_up = await api.post(f"/v1/{wrong}/{operation.id}/{action}", acme.controller, body)
    assert [(one.status_code, one.json()["code"]) for one in (theirs, mixed_up)] == [(404, "not_found")] * 2
    assert await counted(database, Outbox, TimelineEvent) == [0, 0]
