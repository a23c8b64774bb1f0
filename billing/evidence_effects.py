"""The links of evidence about what was done: effects on Stripe, notes, notices and the result."""

import re
from collections.abc import Iterator
from typing import Any

from .events import CHANGED_IN_STRIPE, FINANCE_TOLD, NOTE_ADDED, REFUSED_BY_STRIPE, result_hash
from .evidence_document import Evidence, IntentRecord, Json
from .evidence_links import BrokenLink
from .operations import Kind
from .timeline import Event

MADE_BY_US = re.compile(r"(re|pyr|cn|cbtxn|sub_sched)_\w+")
"""Ids of what only our effects put into a result: refunds (of cards and others), credit notes, balance
transactions and schedules."""


def check_intents(evidence: Evidence) -> None:
    """Each effect on Stripe has the event that tells of its end, and the other way round."""
    # An operation that Stripe refused whole ends with an event of the same name, which is of no effect.
    told = {
        str(event.detail["idempotency_key"]): event
        for event in evidence.timeline
        if event.event in (CHANGED_IN_STRIPE, REFUSED_BY_STRIPE) and "idempotency_key" in event.detail
    }
    organization, operation = evidence.organization.id, evidence.operation.id
    closed = set()
    for intent in evidence.intents:
        key = intent.idempotency_key
        if key != f"{organization}:{operation}:{intent.step}:{intent.version}":
            raise BrokenLink(f"intent {key}", "its key is not that of its step and version")
        if intent.state == "open":
            continue
        if key not in told:
            raise BrokenLink(f"intent {key}", "the timeline has no event with its key")
        _check_told(intent, told[key])
        closed.add(key)
    for key, event in told.items():
        if key not in closed:
            raise BrokenLink(f"event {event.seq}", "the intent that it tells of is not there")


def _check_told(intent: IntentRecord, event: Event) -> None:
    named = f"intent {intent.idempotency_key}"
    expected: Json = {
        "step": intent.step,
        "kind": intent.effect,
        "stripe_request": intent.stripe_request,
        "read_back": intent.read_back,
    }
    if intent.state == "done":
        name = CHANGED_IN_STRIPE
        expected["object"] = intent.stripe_id
    else:
        name = REFUSED_BY_STRIPE
        error = intent.error or {}
        expected |= {"code": error.get("code"), "message": error.get("message")}
    if (event.event, event.at) != (name, intent.closed_at):
        raise BrokenLink(named, f"event {event.seq} says that it ended otherwise or at another time")
    for field, value in expected.items():
        if event.detail.get(field) != value:
            raise BrokenLink(named, f"event {event.seq} has another {field.replace('_', ' ')}")


def check_notes(evidence: Evidence) -> None:
    """Each note has its event with the same words, and the other way round."""
    told = [event for event in evidence.timeline if event.event == NOTE_ADDED]
    for place, note in enumerate(evidence.notes, start=1):
        if note.seq != place:
            raise BrokenLink(f"note {place}", f"note {note.seq} stands in its place")
        if len(told) < place:
            raise BrokenLink(f"note {place}", "the timeline has no event of it")
        event = told[place - 1]
        said = (event.detail.get("note"), event.detail.get("seq"), event.detail.get("text"), event.actor)
        if (note.id, note.seq, note.text, note.author) != said or note.at != event.at:
            raise BrokenLink(f"note {place}", f"event {event.seq} says something else")
    if len(told) > len(evidence.notes):
        event = told[len(evidence.notes)]
        raise BrokenLink(f"event {event.seq}", "the note that it tells of is not there")


def check_notices(evidence: Evidence) -> None:
    """Each notice to Finance has its event, and the other way round."""
    told = [event for event in evidence.timeline if event.event == FINANCE_TOLD]
    for notice in evidence.notices:
        events = [event for event in told if event.detail.get("notice") == notice.id]
        if [(event.detail.get("kind"), event.at) for event in events] != [(notice.kind, notice.created_at)]:
            raise BrokenLink(f"notice {notice.id}", "the timeline has no event of it, then and of this kind")
    known = [notice.id for notice in evidence.notices]
    for event in told:
        if event.detail.get("notice") not in known:
            raise BrokenLink(f"event {event.seq}", "the notice that it tells of is not there")


def check_result(evidence: Evidence) -> None:
    """What the result names in Stripe is what the operation's own effects made, or what a case was noticed
    by; the rest is as events say."""
    made = {intent.stripe_id for intent in evidence.intents if intent.state == "done"}
    if evidence.operation.kind is Kind.CASE:
        made.add(evidence.operation.request.get("object"))
    for found in _texts(evidence.operation.result):
        if MADE_BY_US.fullmatch(found) and found not in made:
            raise BrokenLink("result", f"no intent of this operation made {found}")
    moves = [event for event in evidence.timeline if "became" in event.detail]
    if not moves:
        return  # of an operation from before events said so, or which has not begun
    became, event = moves[-1].detail["became"], moves[-1]
    if became != {"state": evidence.operation.state, "result": result_hash(evidence.operation.result)}:
        raise BrokenLink("result", f"event {event.seq} says that it became another")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)
