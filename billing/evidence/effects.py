"""The links of evidence about what was done in Stripe: who asked it for what, and what came of it."""

import re
from collections.abc import Iterator
from typing import Any

from ..core.events import EventCode
from ..core.operations import Kind
from ..stripe.effects import EFFECT_MARK, OPERATION_MARK, effect_key, params_hash
from .document import Evidence
from .links import BrokenLink, as_object, pointer_to, pointer_to_event
from .records import IntentRecord, Json
from .timeline import Event

MADE_BY_US = re.compile(r"(re|pyr|cn|cbtxn|sub_sched)_\w+")
"""Ids of what only our effects put into a result: refunds (of cards and others), credit notes, balance
transactions and schedules."""

GIVES_MONEY = ("refund.create", "credit_note.create", "balance.create")
ENDS_INVOICE = {"invoice.void": "void", "invoice.mark_uncollectible": "uncollectible"}
"""What these make of the invoice that they are sent to. Stripe takes no marks with them."""

ENDS = {"done": EventCode.CHANGED_IN_STRIPE, "refused": EventCode.REFUSED_BY_STRIPE}

SAME_IN_ANSWER = {"refund.create": ("charge", "amount"), "balance.create": ("amount", "currency")}
"""What Stripe either does as it was asked or not at all."""


def check_intents(evidence: Evidence) -> Iterator[BrokenLink]:
    """Each effect on Stripe is one that the timeline tells of, was asked for as it is written here, and bears
    our marks in Stripe."""
    for place, intent in enumerate(evidence.intents):
        pointer = pointer_to("intents", place)
        for why in _faults(evidence, intent):
            yield BrokenLink(pointer, why)
    known = [intent.idempotency_key for intent in evidence.intents]  # a forged key need not be hashable
    for event in evidence.timeline:
        key = event.detail.get("idempotency_key")
        if key is not None and key not in known:
            yield BrokenLink(
                pointer_to_event(event), f"event {event.seq} tells of an effect that is not there"
            )


def _faults(evidence: Evidence, intent: IntentRecord) -> Iterator[str]:
    operation = evidence.operation
    if intent.idempotency_key != effect_key(
        operation.organization, operation.id, intent.step, intent.version
    ):
        yield "its key is not that of this operation, its step and version"
    if intent.params_hash != params_hash(intent.target, intent.params):
        yield "its target and parameters do not have its params_hash"
    told = {
        event.code: event
        for event in evidence.timeline
        if event.detail.get("idempotency_key") == intent.idempotency_key
    }
    ends = [ENDS[intent.state]] if intent.state in ENDS else []
    if sorted(told) != sorted([EventCode.ASKED_OF_STRIPE, *ends]):
        yield f"the timeline does not tell that it was asked for and is {intent.state}"
        return
    if told[EventCode.ASKED_OF_STRIPE].at != intent.created_at:
        yield f"event {told[EventCode.ASKED_OF_STRIPE].seq} asked for it at another time"
    for name in ends:
        yield from _unlike_its_end(intent, told[name])
    if intent.state == "done":
        yield from _unlike_what_was_asked(evidence, intent)


def _unlike_its_end(intent: IntentRecord, event: Event) -> Iterator[str]:
    expected: Json = {
        "step": intent.step,
        "kind": intent.effect,
        "stripe_request": intent.stripe_request,
        "read_back": intent.read_back,
    }
    if intent.state == "done":
        expected["object"] = intent.stripe_id
    else:
        error = intent.error or {}
        expected |= {"code": error.get("code"), "message": error.get("message")}
    if event.at != intent.closed_at:
        yield f"event {event.seq} says that it ended at another time"
    for field, value in expected.items():
        if event.detail.get(field) != value:
            yield f"event {event.seq} has another {field.replace('_', ' ')}"


def _unlike_what_was_asked(evidence: Evidence, intent: IntentRecord) -> Iterator[str]:
    """Of money: the object in Stripe bears the effect's marks, and is what the operation is about."""
    answer, subject = intent.result or {}, evidence.operation.subject or {}
    if intent.effect in ENDS_INVOICE:
        yield from _unlike_its_invoice(intent, answer, subject)
    if intent.effect not in GIVES_MONEY:
        return
    marks = {OPERATION_MARK: evidence.operation.id, EFFECT_MARK: intent.idempotency_key}
    asked = marks | as_object(intent.params.get("metadata"))
    borne = as_object(answer.get("metadata"))
    if any(borne.get(name) != value for name, value in asked.items()):
        yield f"{intent.stripe_id} does not bear the marks of this effect in Stripe"
    for field in SAME_IN_ANSWER.get(intent.effect, ()):
        if answer.get(field) != intent.params.get(field):
            yield f"Stripe answered with another {field} than it was asked for"
    if not _is_of_subject(subject, intent):
        yield "it was asked for another amount or of another object than the operation is about"


def _unlike_its_invoice(intent: IntentRecord, answer: Json, subject: Json) -> Iterator[str]:
    status = ENDS_INVOICE[intent.effect]
    if (intent.target, intent.stripe_id, status) != (
        subject.get("invoice"),
        subject.get("invoice"),
        subject.get("becomes"),
    ):
        yield "it was asked for of another invoice, or otherwise, than the operation is about"
    if answer.get("status") != status:
        yield f"Stripe answered that the invoice is {answer.get('status')}"


def _is_of_subject(subject: Json, intent: IntentRecord) -> bool:
    params = intent.params
    if intent.effect == "refund.create":
        asked: Json = {
            "payment_intent": intent.target,
            "charge": params.get("charge"),
            "amount": params.get("amount"),
        }
        parts = subject.get("parts")
        return isinstance(parts, list) and asked in parts
    amount = as_object(subject.get("amount"))
    if intent.effect == "balance.create":
        minor = amount.get("amount_minor")
        credit = -minor if isinstance(minor, int) else None  # below zero it is the customer's
        requested = (params.get("amount"), params.get("currency"), intent.target)
        return requested == (credit, amount.get("currency"), subject.get("customer"))
    if "lines" in params:
        return (params["lines"], params.get("invoice")) == (_lines_of(subject), subject.get("invoice"))
    return (params.get("amount"), params.get("invoice")) == (
        amount.get("amount_minor"),
        subject.get("invoice"),
    )


def _lines_of(subject: Json) -> list[Json]:
    """The lines that a credit note has to be asked for with, in Stripe's parameters."""
    lines = subject.get("lines")
    return [
        {"type": "invoice_line_item", "invoice_line_item": line.get("line")}
        | (
            {"quantity": line["quantity"]}
            if line.get("quantity") is not None
            else {"amount": as_object(line.get("amount")).get("amount_minor")}
        )
        for line in map(as_object, lines if isinstance(lines, list) else ())
    ]


def check_result(evidence: Evidence) -> Iterator[BrokenLink]:
    """What the result names in Stripe is what the operation's own effects made, or what a case was noticed
    by."""
    made: list[Any] = [intent.stripe_id for intent in evidence.intents if intent.state == "done"]
    if evidence.operation.kind is Kind.CASE:
        made.append(evidence.operation.request.get("object"))
    for found in _texts(evidence.operation.result):
        if MADE_BY_US.fullmatch(found) and found not in made:
            yield BrokenLink("/operation/result", f"no effect of this operation made {found}")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)
