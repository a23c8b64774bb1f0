"""Asking for a credit, and what people tell it while it lives. Temporal is down here."""

import re
from typing import Any

import pytest

from billing.core.messages import AcceptAsInStripe, Cancel
from billing.core.operations import Role
from billing.money.credit import CreditInput, ReviseCredit
from billing.policy.policy import Policy, policy_hash
from db.core import timeline
from db.core.session import Database
from db.operations import notes, operations
from db.tables import NoteRow, Outbox, TimelineEvent

from ...support.builders import Tenant, a_customer, an_invoice, member, store
from ..conftest import ON_ONE_DATABASE, Api, counted
from ..giving import CREDIT, NO_TRACE, NOTE, TRACES, ask, given, sent

EVERY_ACTION = ["cancel", "revise", "accept"]
ACCEPT = {"action": "accept", "comment": "The invoice was paid in between."}
AMOUNT = "/amount_minor"
ON_INVOICE = {"instrument": "credit_note", "invoice": "in_known", "reason": "order_change"}


async def test_a_request_is_accepted_with_its_address_and_as_it_was_asked(api: Api, acme: Tenant) -> None:
    answer = await ask(api, acme.admin, "credits")
    operation = answer.json()
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/v1/operations/{operation['id']}"
    assert (operation["kind"], operation["state"], operation["allowed_actions"]) == (
        "credit",
        "accepted",
        ["cancel"],
    )
    assert operation["request"] == CREDIT | {"invoice": None, "lines": [], "tell_customer": False}


async def test_the_row_its_note_their_events_and_the_start_are_written_together(
    api: Api, acme: Tenant, database: Database, policy: Policy
) -> None:
    id_ = (await ask(api, acme.controller, "credits")).json()["id"]
    await api.context.dispatcher.idle()
    async with database.reading() as session:
        operation = await operations.get_any(session, id_)
        events = await timeline.read(session, id_)
        [note] = await notes.of_operation(session, id_)
    assert operation is not None
    hashed = {"policy_hash": policy_hash(policy.model_dump(mode="json"))}
    said = {"note": note.id, "seq": 1, "text": NOTE, "by": acme.controller.id}
    assert [(event.key, event.code, event.actor, event.detail) for event in events] == [
        ("requested", "credit_requested", acme.controller.id, operation.request | hashed),
        ("note:1", "note_added", acme.controller.id, said),
    ]
    [start] = await sent(database)
    assert (start.action, start.name, start.workflow_id) == ("start", "CreditWorkflow", f"operation-{id_}")
    message = CreditInput.model_validate(start.payload)
    assert message.model_dump() == {
        "operation": id_,
        "organization": acme.id,
        "requested_by": acme.controller.id,
        "wanted": operation.request | {"lines": ()},
        "quoted": None,
        "note": {"seq": 1, "text": NOTE, "author": acme.controller.id, "at": operation.created_at},
        "policy": policy.model_dump(),
    }


async def test_the_same_key_and_body_answer_with_the_same_operation(
    api: Api, acme: Tenant, database: Database
) -> None:
    first = await ask(api, acme.admin, "credits")
    before = await counted(database, *TRACES)
    again = await ask(api, acme.admin, "credits")
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (202, "true")
    assert again.json() == first.json()
    other_body = await ask(api, acme.admin, "credits", amount_minor=2501)
    assert (other_body.status_code, other_body.json()["code"]) == (422, "idempotency_key_reused")
    assert await counted(database, *TRACES) == before == [1, 2, 1, 1]


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("changes", "code", "pointer"),
    [
        ({"amount_minor": 0}, "amount_not_positive", "/amount_minor"),
        ({"amount_minor": -2500}, "amount_not_positive", "/amount_minor"),
        ({"amount_minor": None}, "credit_amount_or_lines", "/amount_minor"),
        (
            ON_INVOICE | {"lines": [{"line": "il_1", "quantity": 1}]},
            "credit_amount_or_lines",
            AMOUNT,
        ),
        (
            ON_INVOICE | {"amount_minor": ..., "lines": [{"line": "il_1"}]},
            "credit_amount_or_lines",
            "/lines",
        ),
        (
            {"amount_minor": ..., "lines": [{"line": "il_1", "quantity": 1}]},
            "credit_note_only",
            "/instrument",
        ),
        ({"tell_customer": True}, "credit_note_only", "/instrument"),
        ({"amount_minor": "25"}, "amount_not_whole", "/amount_minor"),
        ({"amount_minor": 100_000_000}, "amount_too_large", "/amount_minor"),
        ({"amount_minor": 1234, "currency": "kwd"}, "amount_not_in_steps", "/amount_minor"),
        ({"amount_minor": 12345, "currency": "ugx"}, "amount_not_in_steps", "/amount_minor"),
        ({"currency": "btc"}, "unknown_currency", "/currency"),
        ({"currency": "Usd"}, "unknown_currency", "/currency"),
        ({"customer": "pi_1"}, "customer_id_malformed", "/customer"),
        ({"customer": ""}, "customer_id_malformed", "/customer"),
        ({"instrument": "coupon"}, "unknown_instrument", "/instrument"),
        ({"reason": "requested_by_customer"}, "unknown_reason", "/reason"),
        ({"note": ...}, "note_missing", "/note"),
        ({"note": "goodwill"}, "note_too_short", "/note"),
        ({"note": "x" * 441}, "note_too_long", "/note"),
        ({"note": "agreed \x1b[31mon the phone"}, "note_unreadable", "/note"),
        ({"invoice": "in_1"}, "invoice_not_for_balance", "/invoice"),
        ({"instrument": "credit_note", "reason": "duplicate"}, "invoice_missing", "/invoice"),
        ({"instrument": "credit_note", "invoice": "in_1"}, "instrument_unfit", "/instrument"),
        (ON_INVOICE | {"invoice": "IN-42"}, "invoice_id_malformed", "/invoice"),
    ],
)
async def test_bad_input_has_a_code_of_its_own_and_leaves_no_trace(
    api: Api, acme: Tenant, database: Database, changes: dict[str, Any], code: str, pointer: str
) -> None:
    answer = await ask(api, acme.admin, "credits", **changes)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, code)
    assert [(e["where"], e["pointer"], e["code"]) for e in problem["errors"]] == [("body", pointer, code)]
    assert await counted(database, *TRACES) == NO_TRACE


@ON_ONE_DATABASE
@pytest.mark.parametrize("field", ["customer", "currency", "instrument", "reason"])
async def test_what_is_required_is_asked_for(api: Api, acme: Tenant, database: Database, field: str) -> None:
    answer = await ask(api, acme.admin, "credits", **{field: ...})
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "invalid_request")
    assert [(error["pointer"], error["code"]) for error in problem["errors"]] == [(f"/{field}", "required")]
    assert await counted(database, *TRACES) == NO_TRACE


async def test_a_wrong_choice_is_answered_with_the_instrument_that_fits(api: Api, acme: Tenant) -> None:
    problem = (await ask(api, acme.admin, "credits", instrument="credit_note", invoice="in_1")).json()
    assert problem["code"] == "instrument_unfit"
    assert {"goodwill", "balance"} <= set(re.findall(r"\w+", problem["detail"]))


@pytest.mark.parametrize(
    ("changes", "code", "pointer", "says"),
    [
        (
            ON_INVOICE | {"amount_minor": 10_001},
            "amount_above_creditable",
            "/amount_minor",
            ("USD 100.01", "USD 100.00"),
        ),
        (ON_INVOICE | {"currency": "eur"}, "wrong_currency", "/currency", ("USD", "EUR")),
        (ON_INVOICE | {"customer": "cus_deleted"}, "customer_unknown", "/customer", ("deleted",)),
        (ON_INVOICE | {"customer": "cus_another"}, "invoice_unknown", "/invoice", ()),
        (ON_INVOICE | {"invoice": "in_void"}, "invoice_not_creditable", "/invoice", ("void",)),
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
    customer = a_customer(acme.id, id="cus_known")
    await store(
        database,
        customer,
        a_customer(acme.id, id="cus_another"),
        a_customer(acme.id, id="cus_deleted", deleted=True),
        an_invoice(customer, id="in_known"),
        an_invoice(customer, id="in_void", status="void"),
    )
    answer = await ask(api, acme.admin, "credits", **{"customer": "cus_known"} | changes)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, code)
    assert all(what in problem["detail"] for what in says)
    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert await counted(database, *TRACES) == NO_TRACE


@pytest.mark.parametrize("status", ["draft", "open", "paid", "uncollectible"])
async def test_what_can_still_change_is_left_to_the_workflow(
    api: Api, acme: Tenant, database: Database, status: str
) -> None:
    customer = a_customer(acme.id, id="cus_known", currency="eur")
    await store(database, customer, an_invoice(customer, id="in_known", status=status))
    answer = await ask(api, acme.admin, "credits", customer="cus_known", **ON_INVOICE)
    assert answer.status_code == 202
    in_usd = await ask(api, acme.admin, "credits", "key-2", customer="cus_known")
    assert in_usd.status_code == 202


async def test_another_organizations_customer_is_like_one_that_does_not_exist(
    api: Api, acme: Tenant, other: Tenant, database: Database
) -> None:
    customer = a_customer(other.id, id="cus_theirs", deleted=True)
    await store(database, customer, an_invoice(customer, id="in_theirs", status="void"))
    asked = ON_INVOICE | {"amount_minor": 99_999, "currency": "eur"}
    answers = [
        await ask(api, acme.admin, "credits", f"key-{number}", **asked | names)
        for number, names in enumerate(
            [
                {"customer": "cus_theirs", "invoice": "in_theirs"},
                {"customer": "cus_nobodys", "invoice": "in_theirs"},
                {"customer": "cus_nobodys", "invoice": "in_nobodys"},
            ]
        )
    ]
    assert [answer.status_code for answer in answers] == [202, 202, 202]


@ON_ONE_DATABASE
@pytest.mark.parametrize("role", ["legal", "finance", "auditor"])
async def test_only_billing_admins_and_controllers_ask(
    api: Api, acme: Tenant, database: Database, policy: Policy, role: str
) -> None:
    who = getattr(acme, role)
    answer = await ask(api, who, "credits")
    assert (answer.status_code, answer.json()["code"]) == (403, "role_missing")
    operation = await given(database, acme, policy, "credits", allowed_actions=EVERY_ACTION)
    for action, body in [("cancel", {}), ("revision", CREDIT), ("notes", {"note": "Not mine to say."})]:
        refused = await api.post(f"/v1/credits/{operation.id}/{action}", who, body)
        assert (refused.status_code, refused.json()["code"]) == (403, "role_missing"), action
    assert await counted(database, Outbox, TimelineEvent) == [0, 0]


# --- What people tell it --------------------------------------------------------------------------------


async def test_a_cancellation_is_recorded_and_said_to_be_on_its_way(
    api: Api, acme: Tenant, database: Database, policy: Policy
) -> None:
    operation = await given(database, acme, policy, "credits")
    answer = await api.post(f"/v1/credits/{operation.id}/cancel", acme.controller)
    assert (answer.status_code, answer.json()["pending"]) == (202, True)
    [row] = await sent(database)
    assert (row.action, row.name, row.workflow_id) == ("update", "cancel", operation.workflow_id)
    assert Cancel.model_validate(row.payload) == Cancel(person=acme.controller.id)


async def test_a_revision_is_sent_whole_with_its_note(
    api: Api, acme: Tenant, database: Database, policy: Policy
) -> None:
    words = "Half of it, as agreed on the phone."
    for body in (CREDIT | {"amount_minor": 1200}, CREDIT | {"amount_minor": 1200, "note": words}):
        operation = await given(database, acme, policy, "credits", allowed_actions=["revise", "cancel"])
        answer = await api.post(f"/v1/credits/{operation.id}/revision", acme.controller, body)
        assert answer.status_code == 202
    messages = [ReviseCredit.model_validate(row.payload) for row in await sent(database)]
    assert [(one.wanted.amount_minor, one.note.seq, one.note.author) for one in messages] == [
        (1200, 1, acme.admin.id),
        (1200, 2, acme.controller.id),
    ]
    assert await counted(database, NoteRow, TimelineEvent) == [3, 3]


async def test_a_revision_is_checked_like_a_request(
    api: Api, acme: Tenant, database: Database, policy: Policy
) -> None:
    await store(database, a_customer(acme.id, id="cus_deleted", deleted=True))
    operation = await given(database, acme, policy, "credits", allowed_actions=["revise"])
    path = f"/v1/credits/{operation.id}/revision"
    codes = [
        (await api.post(path, acme.admin, CREDIT | changes)).json()["code"]
        for changes in ({"invoice": "in_1"}, {"customer": "cus_deleted", "note": "Other words now."})
    ]
    assert codes == ["invoice_not_for_balance", "customer_unknown"]
    assert await counted(database, Outbox, TimelineEvent, NoteRow) == [0, 0, 1]


@pytest.mark.parametrize("role", ["controller", "legal"])
async def test_who_approves_credits_accepts_one_that_came_out_otherwise(
    api: Api, acme: Tenant, database: Database, policy: Policy, role: str
) -> None:
    operation = await given(
        database, acme, policy, "credits", state="mismatched", stage="mismatched", allowed_actions=["accept"]
    )
    who = getattr(acme, role)
    answer = await api.post(f"/v1/credits/{operation.id}/resolution", who, ACCEPT)
    assert (answer.status_code, answer.json()["pending"]) == (202, True)
    [row] = await sent(database)
    accepted = AcceptAsInStripe(person=who.id, comment=ACCEPT["comment"])
    assert (row.name, AcceptAsInStripe.model_validate(row.payload)) == ("resolve", accepted)


async def test_neither_the_requester_nor_an_admin_accepts_it(
    api: Api, acme: Tenant, database: Database, policy: Policy
) -> None:
    both = await member(database, acme.organization, [Role.BILLING_ADMIN, Role.CONTROLLER])
    operation = await given(
        database,
        acme,
        policy,
        "credits",
        state="mismatched",
        requested_by=both.id,
        allowed_actions=["accept"],
    )
    path = f"/v1/credits/{operation.id}/resolution"
    refusals = [(await api.post(path, who, ACCEPT)).json()["code"] for who in (both, acme.admin)]
    assert refusals == ["own_request", "role_missing"]
    assert await counted(database, Outbox, TimelineEvent) == [0, 0]


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("action", "body", "code", "word"),
    [
        ("cancel", {}, "not_cancellable", "cancelled"),
        ("revision", CREDIT, "not_revisable", "revised"),
        ("resolution", ACCEPT, "not_resolvable", "accepted"),
    ],
)
async def test_what_is_not_possible_is_refused_in_words_that_fit_a_credit(
    api: Api, acme: Tenant, database: Database, policy: Policy, action: str, body: Any, code: str, word: str
) -> None:
    done = await given(database, acme, policy, "credits", state="completed", stage="done", allowed_actions=[])
    answer = await api.post(f"/v1/credits/{done.id}/{action}", acme.controller, body)
    assert (answer.status_code, answer.json()["code"]) == (409, code)
    assert {"credit", "completed", "done", word} <= set(re.findall(r"\w+", answer.json()["detail"]))


@pytest.mark.parametrize(
    ("action", "body"),
    [("cancel", {}), ("revision", CREDIT), ("resolution", ACCEPT), ("notes", {"note": "Not ours to say."})],
)
async def test_another_organizations_credit_is_not_there(
    api: Api, acme: Tenant, other: Tenant, database: Database, policy: Policy, action: str, body: Any
) -> None:
    operation = await given(database, acme, policy, "credits", allowed_actions=EVERY_ACTION)
    theirs = await api.post(f"/v1/credits/{operation.id}/{action}", other.controller, body)
    assert (theirs.status_code, theirs.json()["code"]) == (404, "not_found")
    assert await counted(database, Outbox, TimelineEvent) == [0, 0]


async def test_an_operation_of_another_kind_is_no_credit(
    api: Api, acme: Tenant, database: Database, policy: Policy
) -> None:
    refund = await given(database, acme, policy, "refunds", allowed_actions=EVERY_ACTION)
    for action, body in [("cancel", {}), ("revision", CREDIT), ("resolution", ACCEPT)]:
        answer = await api.post(f"/v1/credits/{refund.id}/{action}", acme.controller, body)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
