"""What must hold of money back whatever happened, of everything that is there at rest."""

from collections import Counter
from typing import Any

from billing.core.notices import NoticeKind
from billing.core.operations import Kind, State
from billing.evidence.timeline import Event, verify_chain
from billing.evidence.verify import verify
from billing.money.refund import GONE
from billing.money.waiver import WAIVERS
from db.tables import (
    CreditNoteRow,
    Customer,
    Invoice,
    Notice,
    Operation,
    PaymentRow,
    RefundRow,
    TimelineEvent,
)

from .machine import Scene
from .machine_steps import Elsewhere, Scenario, Trouble, acts
from .machine_world import Document, World

FAILURES = (NoticeKind.REFUND_FAILED, NoticeKind.REFUND_INCOMPLETE)
CAME_TO_NOTHING = frozenset([State.REJECTED, State.CANCELLED, State.EXPIRED, State.BLOCKED])


async def check(scene: Scene, scenario: Scenario, world: World) -> None:
    """Everything but authority and approvals."""
    no_payment_gives_back_more_than_it_brought(world)
    each_operation_gave_once_what_it_was_to_give(world)
    what_is_set_aside_is_what_stripe_has(world)
    the_mirror_is_as_stripe(scene, world)
    what_was_made_elsewhere_has_one_case_each(world)
    for operation in world.operations.values():
        what_it_says_is_so(world, operation)
        nothing_was_promised_twice(scenario, world, operation)
        finance_knows_of_every_failure(world, operation)
        each_answer_is_to_what_was_asked(world, operation)
        nothing_hangs(world, operation)
        await what_is_recorded_is_whole(scene, world, operation)


def no_payment_gives_back_more_than_it_brought(world: World) -> None:
    for payment in world.stripe.payments.values():
        charge = payment["latest_charge"]
        given_back = sum(
            one["amount"]
            for one in world.stripe.refunds.values()
            if one["payment_intent"] == payment["id"] and one["status"] not in GONE
        )
        assert given_back == charge["amount_refunded"] <= charge["amount_captured"], payment["id"]


def each_operation_gave_once_what_it_was_to_give(world: World) -> None:
    for operation_id, made in world.stripe.marked():
        assert operation_id in world.operations, f"{made['id']} is of {operation_id}, which nobody asked for"
    for operation in world.operations.values():
        parts = {one["payment_intent"]: one["amount"] for one in _parts(operation)}
        live = world.stripe.live_refunds_of(operation.id)
        assert len({one["payment_intent"] for one in live}) == len(live), f"{operation.id} refunded twice"
        for one in world.stripe.refunds_of(operation.id):
            assert one["amount"] == parts[one["payment_intent"]], one["id"]
        given = world.stripe.credits_of(operation.id)
        assert len(given) <= 1, f"{operation.id} credited twice"
        for one in given:
            assert abs(one["amount"]) == (operation.subject or {})["amount"]["amount_minor"], one["id"]
        assert not (live and given), f"{operation.id} refunded and credited"
        for one in world.stripe.waived_by(operation.id):
            assert one["amount"] == (operation.subject or {})["amount"]["amount_minor"], one["id"]
            assert operation.kind in WAIVERS, f"{operation.id} gave up {one['id']}"
    given_up = [invoice for _, invoice in world.stripe.waivers]
    assert len(set(given_up)) == len(given_up), f"given up twice: {given_up}"


def what_was_made_elsewhere_has_one_case_each(world: World) -> None:
    """Of one that was seen only after it had come to nothing nobody has to give an account."""
    noticed = Counter(operation.request["object"] for operation in world.of_kind("case"))
    elsewhere = {one["id"]: one for one in world.stripe.refunds.values() if not one["metadata"]}
    assert noticed.keys() <= elsewhere.keys(), "a case of what we made ourselves"
    for id_, one in elsewhere.items():
        expected = {1} if one["status"] not in GONE else {0, 1}
        assert noticed[id_] in expected, f"{id_}, {one['status']}: {noticed[id_]} cases"


def _counted(world: World, operation: Operation) -> list[tuple[str, int]]:
    """What a case is about, as far as it still holds: nobody's authority, until somebody says whose."""
    made = world.stripe.refunds[operation.request["object"]]
    return [] if made["status"] in GONE else [(made["payment_intent"], made["amount"])]


def what_is_set_aside_is_what_stripe_has(world: World) -> None:
    for operation in world.operations.values():
        rows = [one for one in world.commitments[operation.id] if one.released_at is None]
        held = sorted((one.payment_intent or "", one.amount_minor) for one in rows)
        given = sorted(
            (one.get("payment_intent") or "", abs(one["amount"]))
            for one in world.stripe.made_by(operation.id)
        )
        decided = {one.decided_at is not None and one.authority_of is not None for one in rows}
        named = f"{operation.id}, {operation.state}/{operation.stage}"
        if operation.kind == Kind.CASE:
            assert held == _counted(world, operation), named
            assert {(one.decided_at is None, one.authority_of) for one in rows} <= {(False, None)}, named
        elif operation.stage == "done":
            assert held == given, named
            assert decided <= {True}, named
        elif operation.stage in ("review", "changes_requested"):
            # What was sent back because others hold too much holds nothing itself.
            freed = operation.stage == "changes_requested" and operation.error is not None and not held
            assert (held, given) == ([] if freed else _asked(operation), []), named
            assert decided == (set() if freed else {False}), named
        else:
            # A refund that failed keeps its room, in case that it is tried again.
            assert held == _asked(operation), named
            assert set(given) <= set(held), named
            assert decided == {True}, named


def _asked(operation: Operation) -> list[tuple[str, int]]:
    if operation.kind == "refund":
        return sorted((one["payment_intent"], one["amount"]) for one in _parts(operation))
    return [("", (operation.subject or {})["amount"]["amount_minor"])]


def _parts(operation: Operation) -> list[Document]:
    parts: list[Document] = (operation.subject or {}).get("parts", [])
    return parts


def what_it_says_is_so(world: World, operation: Operation) -> None:
    """No pending refund is shown as done, and what came to nothing has given nothing."""
    given = world.stripe.made_by(operation.id)
    named = f"{operation.id}, {operation.state}/{operation.stage}: {[one['id'] for one in given]}"
    if operation.state in CAME_TO_NOTHING or (operation.state, operation.stage) == (State.FAILED, "done"):
        assert given == [], named
    if operation.kind != "refund":
        assert operation.state != State.COMPLETED or len(given) == 1, named
        return
    through = sum(one["amount"] for one in given if one["status"] == "succeeded")
    whole = sum(one["amount"] for one in _parts(operation))
    if operation.state == State.COMPLETED:
        left_at_that = any(e.code == "partly_refunded" for e in world.timelines[operation.id])
        assert through == whole or (left_at_that and through > 0), named
        assert (operation.result or {})["refunded"]["amount_minor"] == through, named
    elif operation.stage == "refund_failed":
        assert through < whole, named
        assert operation.state == (State.MISMATCHED if through else State.FAILED), named
    elif operation.stage in ("pending", "requires_action"):
        assert operation.stage in {one["status"] for one in given}, named


def nothing_was_promised_twice(scenario: Scenario, world: World, operation: Operation) -> None:
    """Stripe refuses a refund only of itself, or if somebody has taken the room for it elsewhere."""
    elsewhere = any(isinstance(act, Elsewhere | Trouble) for act in acts(scenario.steps))
    refused = [
        event.detail
        for event in world.timelines[operation.id]
        if event.code == "refused_by_stripe" and event.detail.get("kind") == "refund.create"
    ]
    assert elsewhere or not refused, f"{operation.id}: {refused}"


def finance_knows_of_every_failure(world: World, operation: Operation) -> None:
    failed, told = failures_of(world, operation.id), told_of(world, operation.id)
    assert len(told) == len(failed), f"{operation.id} failed {len(failed)} times, {len(told)} notices"


def failures_of(world: World, operation: str) -> list[TimelineEvent]:
    """When a refund of its failed."""
    return [event for event in world.timelines[operation] if event.code.startswith("refund_failed")]


def told_of(world: World, operation: str) -> list[Notice]:
    """What Finance was told of its failures."""
    return [one for one in world.notices[operation] if one.kind in FAILURES]


def each_answer_is_to_what_was_asked(world: World, operation: Operation) -> None:
    """Nothing is tried again that nobody said so of since it failed, nor revised since that was asked for."""
    events = world.timelines[operation.id]
    for at, event in enumerate(events):
        if event.code not in ("refund_retried", "request_revised"):
            continue
        question, answer = {
            "refund_retried": ("failed:", "resolution_requested"),
            "request_revised": ("changes_requested:", "revision_requested"),
        }[event.code]
        asked = max(n for n, earlier in enumerate(events[:at]) if earlier.key.startswith(question))
        said = [earlier.code for earlier in events[asked:at]]
        assert answer in said, f"{operation.id}: {event.code} after {said}"


def nothing_hangs(world: World, operation: Operation) -> None:
    """It has ended, or a person can go on, or what Stripe does is followed."""
    given_up = [event.detail for event in world.timelines[operation.id] if event.code == "given_up"]
    assert not given_up, f"{operation.id} was given up: {given_up}"
    actions = set(operation.allowed_actions)
    ways: dict[str, set[str]] = {
        "done": set(),
        "review": {"cancel"},
        "changes_requested": {"revise", "cancel"},
        "refund_failed": {"retry", "close"},
        "mismatched": {"accept"},
        "requires_action": {"cancel"},
        "pending": set(),
        "note_owed": {"take", "close"},
    }
    assert actions == ways[operation.stage], f"{operation.id} at {operation.stage} allows {actions}"
    assert (operation.closed_at is not None) == (operation.stage == "done"), operation.id
    if operation.stage == "review":
        assert [one.state for one in world.approvals[operation.id]][-1] == "open", operation.id
    else:
        assert "open" not in [one.state for one in world.approvals[operation.id]], operation.id


async def what_is_recorded_is_whole(scene: Scene, world: World, operation: Operation) -> None:
    verify_chain(
        operation.id,
        [
            Event.model_validate(event.model_dump(exclude={"operation_id", "key"}))
            for event in world.timelines[operation.id]
        ],
    )
    path = f"/v1/operations/{operation.id}/evidence"
    answer = await scene.home.http.get(path, headers=scene.tenant.auditor.headers)
    assert answer.status_code == 200, answer.text
    assert verify(answer.content).operation == operation.id


def the_mirror_is_as_stripe(scene: Scene, world: World) -> None:
    """Of every object, as Stripe has it now, whichever events came, and in whatever order."""
    stripe = world.stripe
    billed = {one["customer"] for one in (*stripe.payments.values(), *stripe.invoices.values())}
    # Of a customer of whom nothing is known but the name, Stripe's events do not tell.
    known = billed | world.mirror[Customer].keys()
    customers = {id_: one for id_, one in stripe.customers.items() if id_ in known}
    _same(world, Customer, customers, {"balance": "balance", "currency": "currency"})
    invoice = ("status", "total", "amount_due", "amount_paid", "amount_remaining", "number")
    _same(world, Invoice, stripe.invoices, {name: name for name in invoice} | {"customer_id": "customer"})
    refund = ("amount", "currency", "status", "payment_intent", "reason")
    _same(
        world,
        RefundRow,
        {one["id"]: {"failure_reason": None} | one for one in stripe.refunds.values()},
        {name: name for name in refund} | {"failure_reason": "failure_reason", "customer_id": "customer"},
    )
    note = {name: name for name in ("amount", "currency", "status", "number")}
    _same(world, CreditNoteRow, stripe.credit_notes, note | {"invoice_id": "invoice"})
    paid = {
        one["id"]: one["latest_charge"] | {"charge": one["latest_charge"]["id"]}
        for one in stripe.payments.values()
    }
    payment = {name: name for name in ("amount", "amount_refunded", "disputed", "charge", "currency")}
    _same(world, PaymentRow, paid, payment | {"customer_id": "customer"})
    for table in (RefundRow, CreditNoteRow):
        owners = {row.id: row.operation_id for row in world.mirror[table].values()}
        marked = {made["id"]: operation for operation, made in stripe.marked() if made["id"] in owners}
        assert {id_: one for id_, one in owners.items() if one is not None} == marked


def _same(world: World, table: type[Any], objects: dict[str, Document], names: dict[str, str]) -> None:
    mirrored = {
        row.id: {column: getattr(row, column) for column in names} for row in world.mirror[table].values()
    }
    held = {one: {column: found[name] for column, name in names.items()} for one, found in objects.items()}
    assert mirrored == held, table.__tablename__
