"""Asking for a refund, and what people tell it while it lives. Temporal is down here."""

import re
from typing import Any

import pytest

from billing.core.messages import Cancel
from billing.core.operations import Role
from billing.money.refund import RefundInput, ResolveRefund, ReviseRefund
from billing.policy.policy import Policy, policy_hash
from db.core import timeline
from db.core.session import Database
from db.operations import notes, operations
from db.tables import NoteRow, Outbox, TimelineEvent

from ...support.builders import Tenant, a_customer, an_invoice, member, store
from ...support.money_rows import a_payment
from ..conftest import ON_ONE_DATABASE, Api, counted
from ..giving import NO_TRACE, NOTE, REFUND, TRACES, ask, given, sent

EVERY_ACTION = ["cancel", "revise", "retry", "close"]
RETRY = {"action": "retry", "comment": "They gave us another account."}


async def test_a_request_is_accepted_with_its_address_and_as_it_was_asked(api: Api, acme: Tenant) -> None:
    answer = await ask(api, acme.admin, "refunds", note=f"  {NOTE}  ", amount_minor=2500)
    operation = answer.json()
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/v1/operations/{operation['id']}"
    assert "Idempotent-Replayed" not in answer.headers
    assert {name: operation[name] for name in ("kind", "state", "stage", "allowed_actions")} == {
        "kind": "refund",
        "state": "accepted",
        "stage": "accepted",
        "allowed_actions": ["cancel"],
    }
    assert operation["request"] == {
        "payment_intent": "pi_unknown",
        "invoice": None,
        "amount_minor": 2500,
        "currency": None,
        "reason": "duplicate",
        "note": NOTE,
        "confirm_fraudulent": False,
    }
    assert operation["requested_by"] == acme.admin.id
    assert (await api.get(answer.headers["Location"], acme.controller)).json() == operation


async def test_the_row_its_note_their_events_and_the_start_are_written_together(
    api: Api, acme: Tenant, database: Database, policy: Policy
) -> None:
    id_ = (await ask(api, acme.controller, "refunds", invoice="in_9", payment_intent=...)).json()["id"]
    await api.context.dispatcher.idle()
    async with database.reading() as session:
        operation = await operations.get_any(session, id_)
        events = await timeline.read(session, id_)
        [note] = await notes.of_operation(session, id_)
    assert operation is not None
    hashed = {"policy_hash": policy_hash(policy.model_dump(mode="json"))}
    said = {"note": note.id, "seq": 1, "text": NOTE, "by": acme.controller.id}
    assert [(event.key, event.code, event.actor, event.detail) for event in events] == [
        ("requested", "refund_requested", acme.controller.id, operation.request | hashed),
        ("note:1", "note_added", acme.controller.id, said),
    ]
    assert (note.organization_id, note.text, note.author, note.at) == (
        acme.id,
        NOTE,
        acme.controller.id,
        operation.created_at,
    )
    [start] = await sent(database)
    assert (start.action, start.name, start.workflow_id) == ("start", "RefundWorkflow", f"operation-{id_}")
    message = RefundInput.model_validate(start.payload)
    assert message.model_dump() == {
        "operation": id_,
        "organization": acme.id,
        "requested_by": acme.controller.id,
        "wanted": operation.request,
        "quoted": None,
        "note": {"seq": 1, "text": NOTE, "author": acme.controller.id, "at": operation.created_at},
        "policy": policy.model_dump(),
    }


async def test_the_same_key_and_body_answer_with_the_same_operation(
    api: Api, acme: Tenant, database: Database
) -> None:
    first = await ask(api, acme.admin, "refunds")
    before = await counted(database, *TRACES)
    assert before == [1, 2, 1, 1]
    again = await ask(api, acme.admin, "refunds", confirm_fraudulent=False)
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (202, "true")
    assert again.json() == first.json()
    other_body = await ask(api, acme.admin, "refunds", note="Another reason altogether.")
    assert (other_body.status_code, other_body.json()["code"]) == (422, "idempotency_key_reused")
    other_kind = await ask(api, acme.admin, "credits")
    assert (other_kind.status_code, other_kind.json()["code"]) == (422, "idempotency_key_reused")
    assert await counted(database, *TRACES) == before


async def test_several_refunds_can_be_open_at_once(api: Api, acme: Tenant, database: Database) -> None:
    answers = [await ask(api, acme.admin, "refunds", f"key-{n}") for n in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 202]
    assert await counted(database, *TRACES) == [3, 6, 3, 3]


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("changes", "code", "pointer"),
    [
        ({"amount_minor": 0}, "amount_not_positive", "/amount_minor"),
        ({"amount_minor": -1}, "amount_not_positive", "/amount_minor"),
        ({"amount_minor": 10.5}, "amount_not_whole", "/amount_minor"),
        ({"amount_minor": 10.0}, "amount_not_whole", "/amount_minor"),
        ({"amount_minor": "1050"}, "amount_not_whole", "/amount_minor"),
        ({"amount_minor": True}, "amount_not_whole", "/amount_minor"),
        ({"amount_minor": 100_000_000}, "amount_too_large", "/amount_minor"),
        ({"amount_minor": 10**30}, "amount_too_large", "/amount_minor"),
        ({"amount_minor": 10**12, "currency": "idr"}, "amount_too_large", "/amount_minor"),
        ({"amount_minor": 1234, "currency": "kwd"}, "amount_not_in_steps", "/amount_minor"),
        ({"amount_minor": 12345, "currency": "isk"}, "amount_not_in_steps", "/amount_minor"),
        ({"currency": "btc"}, "unknown_currency", "/currency"),
        ({"currency": "xyz"}, "unknown_currency", "/currency"),
        ({"currency": "USD"}, "unknown_currency", "/currency"),
        ({"currency": "dollar"}, "unknown_currency", "/currency"),
        ({"currency": "us1"}, "unknown_currency", "/currency"),
        ({"currency": "usd\n"}, "unknown_currency", "/currency"),
        ({"reason": "because"}, "unknown_reason", "/reason"),
        ({"reason": None}, "unknown_reason", "/reason"),
        ({"reason": "goodwill"}, "unknown_reason", "/reason"),
        ({"note": ...}, "note_missing", "/note"),
        ({"note": ""}, "note_too_short", "/note"),
        ({"note": "too short"}, "note_too_short", "/note"),
        ({"note": f"  short{' ' * 20}"}, "note_too_short", "/note"),
        ({"note": "\u200b" * 20}, "note_too_short", "/note"),
        ({"note": "x" * 441}, "note_too_long", "/note"),
        ({"note": "paid twice \x07 by mistake"}, "note_unreadable", "/note"),
        ({"note": "paid twice \x00 by mistake"}, "note_unreadable", "/note"),
        ({"payment_intent": ...}, "payment_missing", "/payment_intent"),
        ({"payment_intent": None}, "payment_missing", "/payment_intent"),
        ({"invoice": "in_1"}, "payment_and_invoice", "/invoice"),
        ({"payment_intent": "ch_123"}, "payment_id_malformed", "/payment_intent"),
        ({"payment_intent": "pi_"}, "payment_id_malformed", "/payment_intent"),
        ({"payment_intent": "pi_1/../2"}, "payment_id_malformed", "/payment_intent"),
        ({"payment_intent": f"pi_{'1' * 121}"}, "payment_id_malformed", "/payment_intent"),
        ({"payment_intent": None, "invoice": "pi_1"}, "invoice_id_malformed", "/invoice"),
        ({"reason": "fraudulent"}, "fraud_confirmation_missing", "/confirm_fraudulent"),
        ({"reason": "fraudulent", "confirm_fraudulent": False}, "fraud_confirmation_missing", None),
    ],
)
async def test_bad_input_has_a_code_of_its_own_and_leaves_no_trace(
    api: Api, acme: Tenant, database: Database, changes: dict[str, Any], code: str, pointer: str | None
) -> None:
    answer = await ask(api, acme.admin, "refunds", **changes)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, code)
    assert problem["type"] == f"/docs#{code}"
    if pointer:
        assert [(e["where"], e["pointer"], e["code"]) for e in problem["errors"]] == [("body", pointer, code)]
        assert problem["errors"][0]["message"] == problem["detail"]
    assert await counted(database, *TRACES) == NO_TRACE


async def test_every_wrong_field_is_named_at_once(api: Api, acme: Tenant) -> None:
    problem = (await ask(api, acme.admin, "refunds", amount_minor=0, reason="because", note="no")).json()
    assert problem["code"] == "amount_not_positive"
    assert [(error["pointer"], error["code"]) for error in problem["errors"]] == [
        ("/amount_minor", "amount_not_positive"),
        ("/reason", "unknown_reason"),
        ("/note", "note_too_short"),
    ]
    assert problem["detail"].startswith(problem["errors"][0]["message"])


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    "changes",
    [
        {"amount_minor": 1},
        {"amount_minor": 99_999_999},
        {"amount_minor": 999_999_999_999, "currency": "idr"},
        {"note": "x" * 10},
        {"note": "x" * 440},
        {"note": "Payé deux fois:\n- 3 mars\n- 4 mars"},
        {"reason": "other"},
        {"reason": "fraudulent", "confirm_fraudulent": True},
    ],
)
async def test_what_is_just_right_is_taken(api: Api, acme: Tenant, changes: dict[str, Any]) -> None:
    answer = await ask(api, acme.admin, "refunds", **changes)
    assert answer.status_code == 202, answer.text


async def test_who_calls_something_fraud_is_told_what_stripe_does_then(api: Api, acme: Tenant) -> None:
    problem = (await ask(api, acme.admin, "refunds", reason="fraudulent")).json()
    assert problem["code"] == "fraud_confirmation_missing"
    assert {"blocks", "card", "email", "confirm_fraudulent"} <= set(re.findall(r"\w+", problem["detail"]))


async def test_the_steps_of_the_payments_own_currency_hold_where_none_is_named(
    api: Api, acme: Tenant, database: Database
) -> None:
    payment = a_payment(acme.id, currency="kwd", amount=12_340)
    await store(database, payment)
    answer = await ask(api, acme.admin, "refunds", payment_intent=payment.id, amount_minor=1_234)
    assert (answer.status_code, answer.json()["code"]) == (422, "amount_not_in_steps")
    assert all(amount in answer.json()["detail"] for amount in ("KWD 1.234", "KWD 1.230", "KWD 1.240"))


@pytest.mark.parametrize(
    ("changes", "code", "pointer", "says"),
    [
        (
            {"amount_minor": 10_001},
            "amount_above_refundable",
            "/amount_minor",
            ("USD 100.01", "USD 100.00", "payment"),
        ),
        ({"currency": "eur"}, "wrong_currency", "/currency", ("payment", "USD", "EUR")),
        (
            {"payment_intent": None, "invoice": "in_known", "currency": "eur"},
            "wrong_currency",
            "/currency",
            ("invoice", "USD", "EUR"),
        ),
    ],
)
async def test_what_the_mirror_knows_to_stay_impossible_is_refused_at_once(
    api: Api,
    acme: Tenant,
    database: Database,
    changes: dict[str, Any],
    code: str,
    pointer: str,
    says: tuple[str, ...],
) -> None:
    customer = a_customer(acme.id)
    await store(database, customer, an_invoice(customer, id="in_known"), a_payment(acme.id, id="pi_known"))
    answer = await ask(api, acme.admin, "refunds", **{"payment_intent": "pi_known"} | changes)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, code)
    assert all(what in problem["detail"] for what in says)
    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert await counted(database, *TRACES) == NO_TRACE


@pytest.mark.parametrize("known", [{"amount_refunded": 10_000}, {"disputed": True}, {"status": "canceled"}])
async def test_what_only_stripe_knows_for_certain_is_left_to_the_workflow(
    api: Api, acme: Tenant, database: Database, known: dict[str, Any]
) -> None:
    await store(database, a_payment(acme.id, id="pi_known", **known))
    answer = await ask(api, acme.admin, "refunds", payment_intent="pi_known", amount_minor=10_000)
    assert answer.status_code == 202


async def test_another_organizations_payment_is_like_one_that_does_not_exist(
    api: Api, acme: Tenant, other: Tenant, database: Database
) -> None:
    customer = a_customer(other.id)
    await store(database, customer, an_invoice(customer, id="in_theirs"), a_payment(other.id, id="pi_theirs"))
    asked = {"amount_minor": 99_999, "currency": "eur"}
    theirs = await ask(api, acme.admin, "refunds", "key-1", payment_intent="pi_theirs", **asked)
    unknown = await ask(api, acme.admin, "refunds", "key-2", payment_intent="pi_nobodys", **asked)
    invoice = await ask(
        api, acme.admin, "refunds", "key-3", payment_intent=None, invoice="in_theirs", **asked
    )
    assert [theirs.status_code, unknown.status_code, invoice.status_code] == [202, 202, 202]


@ON_ONE_DATABASE
@pytest.mark.parametrize("role", ["legal", "finance", "auditor"])
async def test_only_billing_admins_and_controllers_ask(
    api: Api, acme: Tenant, database: Database, policy: Policy, role: str
) -> None:
    who = getattr(acme, role)
    answer = await ask(api, who, "refunds")
    assert (answer.status_code, answer.json()["code"]) == (403, "role_missing")
    if role != "auditor":
        assert {"billing_admin", "controller"} <= set(re.findall(r"\w+", answer.json()["detail"]))
    assert await counted(database, *TRACES) == NO_TRACE
    operation = await given(database, acme, policy, "refunds", allowed_actions=EVERY_ACTION)
    for action, body in [
        ("cancel", {}),
        ("revision", REFUND),
        ("resolution", RETRY),
        ("notes", {"note": "Not mine to say."}),
    ]:
        refused = await api.post(f"/v1/refunds/{operation.id}/{action}", who, body)
        assert (refused.status_code, refused.json()["code"]) == (403, "role_missing"), action
    assert await counted(database, Outbox, TimelineEvent) == [0, 0]


@pytest.mark.parametrize("key", [None, "tab\there"])
async def test_a_request_without_a_usable_key_is_refused(
    api: Api, acme: Tenant, database: Database, key: str | None
) -> None:
    answer = await api.post("/v1/refunds", acme.admin, REFUND, key=key)
    assert answer.status_code == 400
    assert await counted(database, *TRACES) == NO_TRACE


# --- What people tell it --------------------------------------------------------------------------------


async def test_a_cancellation_is_recorded_and_said_to_be_on_its_way(
    api: Api, acme: Tenant, database: Database, policy: Policy
) -> None:
    operation = await given(database, acme, policy, "refunds")
    answer = await api.post(f"/v1/refunds/{operation.id}/cancel", acme.controller, {"comment": "Not now."})
    assert (answer.status_code, answer.json()["pending"]) == (202, True)
    [row] = await sent(database)
    assert (row.action, row.name, row.workflow_id) == ("update", "cancel", operation.workflow_id)
    assert Cancel.model_validate(row.payload) == Cancel(person=acme.controller.id, comment="Not now.")
    async with database.reading() as session:
        [event] = await timeline.read(session, operation.id)
    assert (event.code, event.actor) == ("cancellation_requested", acme.controller.id)


async def test_a_revision_with_the_same_note_is_sent_with_the_note_that_there_is(
    api: Api, acme: Tenant, database: Database, policy: Policy
) -> None:
    operation = await given(
        database, acme, policy, "refunds", stage="changes_requested", allowed_actions=["revise", "cancel"]
    )
    path = f"/v1/refunds/{operation.id}/revision"
    for _ in range(2):
        answer = await api.post(path, acme.controller, REFUND | {"amount_minor": 900})
        assert (answer.status_code, answer.json()["pending"]) == (202, True)
    [row] = await sent(database)
    message = ReviseRefund.model_validate(row.payload)
    assert (row.name, message.person, message.wanted.amount_minor) == ("revise", acme.controller.id, 900)
    assert (message.note.seq, message.note.text, message.note.author) == (1, NOTE, acme.admin.id)
    assert await counted(database, NoteRow, TimelineEvent) == [1, 1]


async def test_a_revision_that_says_why_in_other_words_adds_a_note(
    api: Api, acme: Tenant, database: Database, policy: Policy
) -> None:
    operation = await given(database, acme, policy, "refunds", allowed_actions=["revise", "cancel"])
    path, words = f"/v1/refunds/{operation.id}/revision", "Charged twice: invoices 41 and 42."
    for _ in range(2):
        assert (await api.post(path, acme.controller, REFUND | {"note": words})).status_code == 202
    [row] = await sent(database)
    message = ReviseRefund.model_validate(row.payload)
    assert (message.note.seq, message.note.text, message.note.author) == (2, words, acme.controller.id)
    assert message.wanted.note == words
    async with database.reading() as session:
        assert [note.text for note in await notes.of_operation(session, operation.id)] == [NOTE, words]
        events = [event.code for event in await timeline.read(session, operation.id)]
    assert events == ["note_added", "revision_requested"]


async def test_a_revision_is_checked_like_a_request(
    api: Api, acme: Tenant, database: Database, policy: Policy
) -> None:
    await store(database, a_payment(acme.id, id="pi_known"))
    operation = await given(database, acme, policy, "refunds", allowed_actions=["revise"])
    path = f"/v1/refunds/{operation.id}/revision"
    codes = []
    for changes in (
        {"note": "too short"},
        {"invoice": "in_1"},
        {"reason": "fraudulent"},
        {"payment_intent": "pi_known", "amount_minor": 10_001, "note": "Other words than before."},
    ):
        answer = await api.post(path, acme.admin, REFUND | changes)
        codes.append((answer.status_code, answer.json()["code"]))
    assert codes == [
        (422, "note_too_short"),
        (422, "payment_and_invoice"),
        (422, "fraud_confirmation_missing"),
        (422, "amount_above_refundable"),
    ]
    assert await counted(database, Outbox, TimelineEvent, NoteRow) == [0, 0, 1]


@pytest.mark.parametrize("action", ["retry", "close"])
async def test_what_failed_is_tried_again_or_left_at_that(
    api: Api, acme: Tenant, database: Database, policy: Policy, action: str
) -> None:
    operation = await given(
        database,
        acme,
        policy,
        "refunds",
        state="failed",
        stage="refund_failed",
        allowed_actions=["retry", "close"],
    )
    body = RETRY | {"action": action}
    answer = await api.post(f"/v1/refunds/{operation.id}/resolution", acme.admin, body)
    assert (answer.status_code, answer.json()["pending"]) == (202, True)
    [row] = await sent(database)
    assert row.name == "resolve"
    message = ResolveRefund.model_validate(row.payload)
    assert message.model_dump(exclude={"question"}) == body | {"person": acme.admin.id}


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("action", "body", "code", "word"),
    [
        ("cancel", {}, "not_cancellable", "cancelled"),
        ("revision", REFUND, "not_revisable", "revised"),
        ("resolution", RETRY, "not_resolvable", "retried"),
        ("resolution", RETRY | {"action": "close"}, "not_resolvable", "closed"),
    ],
)
async def test_what_is_not_possible_is_refused_in_words_that_fit_a_refund(
    api: Api, acme: Tenant, database: Database, policy: Policy, action: str, body: Any, code: str, word: str
) -> None:
    done = await given(database, acme, policy, "refunds", state="completed", stage="done", allowed_actions=[])
    answer = await api.post(f"/v1/refunds/{done.id}/{action}", acme.admin, body)
    assert (answer.status_code, answer.json()["code"]) == (409, code)
    assert {"refund", "completed", "done", word} <= set(re.findall(r"\w+", answer.json()["detail"]))
    assert await counted(database, Outbox, TimelineEvent) == [0, 0]


@ON_ONE_DATABASE
async def test_everybody_is_shown_what_they_may_ask_for(
    api: Api, acme: Tenant, database: Database, policy: Policy
) -> None:
    operation = await given(database, acme, policy, "refunds", allowed_actions=EVERY_ACTION)
    shown = {
        role: (await api.get(f"/v1/operations/{operation.id}", getattr(acme, role))).json()["allowed_actions"]
        for role in ("admin", "controller", "legal", "finance", "auditor")
    }
    nothing: list[str] = []
    assert shown == {
        "admin": EVERY_ACTION,
        "controller": EVERY_ACTION,
        "legal": nothing,
        "finance": nothing,
        "auditor": nothing,
    }


@pytest.mark.parametrize(
    ("action", "body"),
    [("cancel", {}), ("revision", REFUND), ("resolution", RETRY), ("notes", {"note": "Not ours to say."})],
)
async def test_another_organizations_refund_is_not_there(
    api: Api, acme: Tenant, other: Tenant, database: Database, policy: Policy, action: str, body: Any
) -> None:
    operation = await given(database, acme, policy, "refunds", allowed_actions=EVERY_ACTION)
    theirs = await api.post(f"/v1/refunds/{operation.id}/{action}", other.admin, body)
    unknown = await api.post(f"/v1/refunds/op_unknown/{action}", other.admin, body)
    assert (theirs.status_code, theirs.json()["code"]) == (404, "not_found")
    assert theirs.json() | {"request_id": ""} == unknown.json() | {"request_id": ""}
    assert await counted(database, Outbox, TimelineEvent) == [0, 0]


async def test_an_operation_of_another_kind_is_no_refund(
    api: Api, acme: Tenant, database: Database, policy: Policy
) -> None:
    credit = await given(database, acme, policy, "credits", allowed_actions=EVERY_ACTION)
    both = await member(database, acme.organization, [Role.BILLING_ADMIN, Role.CONTROLLER])
    for action, body in [("cancel", {}), ("revision", REFUND), ("resolution", RETRY)]:
        answer = await api.post(f"/v1/refunds/{credit.id}/{action}", both, body)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert (await api.get(f"/v1/refunds/{credit.id}/notes", both)).status_code == 404
