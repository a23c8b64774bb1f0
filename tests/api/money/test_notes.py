"""The notes of refunds and credits: only ever added, each with its event, each on its way to Stripe."""

import asyncio

import pytest

from billing.money.notes import MAX_NOTES, NoteInput, with_objects
from billing.policy.policy import Policy
from db.core import timeline
from db.core.session import Database
from db.operations import notes
from db.tables import NoteRow, Operation, Outbox, TimelineEvent

from ...support.builders import Tenant, store
from ...support.money_rows import a_note
from ..conftest import ON_ONE_DATABASE, Api, counted
from ..giving import NOTE, given, sent

MORE = "The customer confirmed that the money arrived."
KINDS = pytest.mark.parametrize("kind", ["refunds", "credits"])


@KINDS
async def test_a_note_is_recorded_with_its_event_and_on_its_way_to_stripe(
    api: Api, acme: Tenant, database: Database, policy: Policy, kind: str
) -> None:
    operation = await given(database, acme, policy, kind)
    answer = await api.post(f"/v1/{kind}/{operation.id}/notes", acme.controller, {"note": f" {MORE}\n"})
    shown = answer.json()
    assert answer.status_code == 202
    assert (shown["operation"], shown["seq"], shown["author"]) == (operation.id, 2, acme.controller.id)
    assert shown["text"].startswith(MORE)
    async with database.reading() as session:
        [first, second] = await notes.of_operation(session, operation.id)
        [event] = await timeline.read(session, operation.id)
    assert (first.text, second.text, second.id) == (NOTE, MORE, shown["id"])
    assert (event.key, event.code, event.actor, event.at) == (
        "note:2",
        "note_added",
        acme.controller.id,
        second.at,
    )
    assert event.detail == {"note": second.id, "seq": 2, "text": MORE, "by": acme.controller.id}
    [row] = await sent(database)
    assert (row.action, row.name, row.workflow_id) == ("start", "NoteWorkflow", f"note-{operation.id}-2")
    message = NoteInput.model_validate(row.payload)
    assert message.model_dump() == {
        "organization": acme.id,
        "operation": operation.id,
        "note": {"seq": 2, "text": MORE, "author": acme.controller.id, "at": second.at},
    }


@pytest.mark.both_databases
@KINDS
async def test_the_same_words_by_the_same_person_are_the_same_note(
    api: Api, acme: Tenant, database: Database, policy: Policy, kind: str
) -> None:
    operation = await given(database, acme, policy, kind)
    path = f"/v1/{kind}/{operation.id}/notes"
    answers = await asyncio.gather(*(api.post(path, acme.admin, {"note": MORE}) for _ in range(4)))
    assert [answer.status_code for answer in answers] == [202] * 4
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert await counted(database, NoteRow, Outbox, TimelineEvent) == [2, 1, 1]
    by_another = await api.post(path, acme.controller, {"note": MORE})
    assert by_another.json()["seq"] == 3


async def test_notes_at_the_same_moment_are_all_kept_in_order(
    api: Api, acme: Tenant, database: Database, policy: Policy
) -> None:
    operation = await given(database, acme, policy, "refunds")
    path = f"/v1/refunds/{operation.id}/notes"
    words = [f"Note number {number} of five." for number in range(5)]
    answers = await asyncio.gather(*(api.post(path, acme.admin, {"note": text}) for text in words))
    assert sorted(answer.json()["seq"] for answer in answers) == [2, 3, 4, 5, 6]
    async with database.reading() as session:
        kept = await notes.of_operation(session, operation.id)
        events = await timeline.read(session, operation.id)
    assert [note.seq for note in kept] == [1, 2, 3, 4, 5, 6]
    assert [event.detail["text"] for event in events] == [note.text for note in kept[1:]]


async def test_an_operation_that_has_ended_can_still_be_noted_on(
    api: Api, acme: Tenant, database: Database, policy: Policy
) -> None:
    operation = await given(
        database, acme, policy, "refunds", state="completed", stage="done", allowed_actions=[]
    )
    answer = await api.post(f"/v1/refunds/{operation.id}/notes", acme.admin, {"note": MORE})
    assert answer.status_code == 202


async def test_there_are_at_most_as_many_as_stripe_can_hold(
    api: Api, acme: Tenant, database: Database, policy: Policy
) -> None:
    operation = await given(database, acme, policy, "refunds", allowed_actions=["revise"])
    others = [a_note(operation, seq=seq, text=f"Note number {seq}.") for seq in range(2, MAX_NOTES + 1)]
    await store(database, *others)
    full = await api.post(f"/v1/refunds/{operation.id}/notes", acme.admin, {"note": MORE})
    assert (full.status_code, full.json()["code"]) == (409, "notes_full")
    revision = {"payment_intent": "pi_1", "reason": "duplicate", "note": MORE}
    revised = await api.post(f"/v1/refunds/{operation.id}/revision", acme.admin, revision)
    assert (revised.status_code, revised.json()["code"]) == (409, "notes_full")
    again = await api.post(f"/v1/refunds/{operation.id}/notes", acme.admin, {"note": NOTE})
    assert (again.status_code, again.json()["seq"]) == (202, 1)
    assert await counted(database, NoteRow, Outbox, TimelineEvent) == [MAX_NOTES, 0, 0]


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "note_missing"),
        ({"note": "   short   "}, "note_too_short"),
        ({"note": "x" * 441}, "note_too_long"),
        ({"note": "money \x08 back it goes"}, "note_unreadable"),
        ({"note": MORE, "seq": 1}, "invalid_request"),
    ],
)
async def test_a_bad_note_is_named_and_leaves_no_trace(
    api: Api, acme: Tenant, database: Database, policy: Policy, body: dict[str, object], code: str
) -> None:
    operation = await given(database, acme, policy, "refunds")
    answer = await api.post(f"/v1/refunds/{operation.id}/notes", acme.admin, body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert await counted(database, NoteRow, Outbox, TimelineEvent) == [1, 0, 0]


async def listed(api: Api, acme: Tenant, operation: Operation, kind: str) -> list[str]:
    page = (await api.get(f"/v1/{kind}/{operation.id}/notes", acme.auditor)).json()
    return [note["text"] for note in page["data"]]


async def test_a_note_is_shown_with_the_payments_that_it_is_about(
    api: Api, acme: Tenant, database: Database, policy: Policy
) -> None:
    asked = {"reason": "duplicate", "note": NOTE}
    parts = [{"payment_intent": pi, "charge": "ch_1", "amount": 1} for pi in ("pi_1", "pi_2")]
    new = await given(database, acme, policy, "refunds", request=asked | {"payment_intent": "pi_1"})
    of_invoice = await given(database, acme, policy, "refunds", request=asked | {"invoice": "in_1"})
    laid_out = await given(
        database, acme, policy, "refunds", request=asked | {"invoice": "in_1"}, subject={"parts": parts}
    )
    credit = await given(database, acme, policy, "credits", subject={"customer": "cus_1"})
    assert await listed(api, acme, new, "refunds") == [with_objects(NOTE, ["pi_1"])]
    assert await listed(api, acme, of_invoice, "refunds") == [NOTE]
    assert await listed(api, acme, laid_out, "refunds") == [with_objects(NOTE, ["pi_1", "pi_2"])]
    assert await listed(api, acme, credit, "credits") == [NOTE]


async def test_notes_are_read_page_by_page(
    api: Api, acme: Tenant, database: Database, policy: Policy
) -> None:
    operation = await given(database, acme, policy, "credits")
    await store(database, *(a_note(operation, seq=seq, text=f"Note number {seq}.") for seq in (2, 3)))
    path = f"/v1/credits/{operation.id}/notes"
    first = (await api.get(path, acme.legal, limit=2)).json()
    second = (await api.get(path, acme.legal, limit=2, cursor=first["next_cursor"])).json()
    assert [note["seq"] for note in first["data"] + second["data"]] == [1, 2, 3]
    assert second["next_cursor"] is None


@KINDS
async def test_another_organizations_notes_are_not_there(
    api: Api, acme: Tenant, other: Tenant, database: Database, policy: Policy, kind: str
) -> None:
    operation = await given(database, acme, policy, kind)
    path = f"/v1/{kind}/{operation.id}/notes"
    answers = [await api.get(path, other.admin), await api.post(path, other.admin, {"note": MORE})]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(404, "not_found")] * 2
    assert await counted(database, NoteRow, Outbox) == [1, 0]
