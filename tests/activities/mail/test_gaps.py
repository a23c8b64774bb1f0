"""Every template in every context that the workflows give, and in each of them with something missing."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from html import unescape
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from billing.cases.case import NOTICES, CaseFound, CaseObject, CaseResult, case_subject
from billing.core.money import Money
from billing.core.operations import State
from billing.mail.messages import MailContext
from billing.money.dispute import DisputeStatus

from ...billing.cancellations.made import OPEN, a_cancellation, done
from .contexts import (
    GROWTH,
    SCALE,
    TEXTS,
    a_downgrade,
    an_upgrade,
    ended,
    invoiced,
    notice,
    payment_due,
    render,
    reverted,
    review,
    shown,
    unpaid,
    unread_revert,
)
from .money_contexts import (
    DISPUTED,
    a_credit,
    a_credit_note,
    a_note_by_lines,
    a_refund,
    credited,
    refunded,
)

SUBJECTS: list[Any] = [
    an_upgrade(),
    a_refund(),
    a_refund(payments=2),
    a_credit(),
    a_credit_note(),
    a_note_by_lines(),
]
CANCELLATIONS = [
    a_cancellation("at_period_end"),
    a_cancellation(open_invoices=(OPEN,)),
    a_cancellation(unused_time="forfeit"),
    a_cancellation("take_back"),
]
HALF = refunded(a_refund(payments=2), "succeeded", "failed:declined")
FAILED = refunded(a_refund(), "failed:unknown")
MONEY_ENDS: list[tuple[Any, dict[str, Any] | None]] = [
    (a_refund(), None),
    (a_refund(), refunded(a_refund(), "succeeded")),
    (a_refund(), FAILED),
    (a_refund(payments=2), HALF),
    (a_refund(payments=2), refunded(a_refund(payments=2), "not_tried", "refused")),
    (a_credit(), None),
    (a_credit(), credited(a_credit())),
    (a_credit_note(), credited(a_credit_note(), voided=True)),
]
MONEY_STATES = [
    State.COMPLETED,
    State.REJECTED,
    State.CANCELLED,
    State.EXPIRED,
    State.BLOCKED,
    State.MISMATCHED,
    State.FAILED,
]


def trouble(**more: Any) -> dict[str, Any]:
    """A customer who can't get in, as its workflow tells of it."""
    about = {
        "about": "portal_access",
        "invoice": "in_1",
        "invoice_number": "A-0001",
        "customer": "cus_1",
        "cause": "reported",
        "description": "The link does not open at their office.",
        "noticed_at": "2026-04-13T15:00:00Z",
        "deadline": "2026-04-13T21:00:00Z",
        "found": ["expired"],
        "since": "2026-04-12T09:00:00Z",
        "words": "Their link has expired.",
        "action": {
            "where": "plixo",
            "method": "POST",
            "path": "/v1/invoices/in_1/portal-links/resend",
            "does": "Mails a link; any earlier one stops working.",
        },
        "new_link": False,
    }
    return {
        "subject": about | more,
        "result": None,
        "deadline": "2026-04-13T21:00:00Z",
        "number": 0,
        "requested_by": "per_bea",
        "person": None,
        "comment": None,
    }


def solved(how: str) -> dict[str, Any]:
    """How it ended."""
    result = {
        "about": "portal_access",
        "how": how,
        "solved_at": "2026-04-13T16:00:00Z",
        "within_same_business_day": True,
        "minutes": 60,
    }
    said = {"person": "per_cora", "comment": "They pay by bank transfer."}
    return trouble() | {"result": result} | said


TROUBLES = [
    trouble(),
    trouble(new_link=True, cause="asked"),
    trouble(new_link=True, cause="failures"),
    trouble(action=None, found=["void"], words="The invoice is void."),
]


PROMISES: list[dict[str, Any]] = [
    {
        "invoice": "in_1",
        "number": number,
        "customer": customer,
        "day": "2026-04-13",
        "unpaid": {"amount_minor": 12_500, "currency": "usd"},
    }
    for number, customer in (("A-0001", "Customer 01"), (None, None))
]
BILLS: list[dict[str, Any]] = [
    {
        "invoice": "in_2",
        "number": number,
        "unpaid": {"amount_minor": 40_000, "currency": "usd"},
        "is_renewal": number is not None,
        "charged": charged,
        "next_attempt_at": next_at,
        "given_up": given_up,
    }
    for number in ("PLX-0002", None)
    for charged, next_at, given_up in (
        (True, "2026-04-13T10:00:00Z", False),
        (True, None, False),
        (True, None, True),
        (False, None, False),
    )
]
DISPUTES: list[dict[str, Any]] = [
    {
        "dispute": "du_1",
        "status": status,
        "amount": {"amount_minor": 40_000, "currency": "usd"},
        "reason": "product_not_received",
        "customer": customer,
        "payment_intent": "pi_1",
        "invoice": "in_1" if number else None,
        "number": number,
        "due_by": due_by,
        "refundable": number is None,
    }
    for status in sorted({*get_args(DisputeStatus), "appealed"})
    for customer, number, due_by in (("Customer 01", "A-0001", "2026-04-13T10:00:00Z"), (None, None, None))
]
WORDS: list[dict[str, Any]] = [{"word": "After our pay run."}, {"word": None}]


def an_incident(component: str, recovered_at: str | None = None) -> dict[str, Any]:
    """A degraded component, as its workflow tells of it."""
    told = {
        "about": "incident",
        "incident": "inc_1",
        "component": component,
        "opened_at": "2026-04-13T15:00:00Z",
        "first_fault_at": "2026-04-13T14:59:30Z",
        "cause": "rate_limit",
        "recovered_at": recovered_at,
    }
    return {"subject": told, "comment": "The key was rolled.", "person": "per_cora"}


INCIDENTS = [
    an_incident(component, recovered_at)
    for component in ("stripe", "stripe_key", "portal", "mail", "database")
    for recovered_at in (None, "2026-04-13T16:00:00Z")
]
REFUND_FOUND = CaseFound(
    object_kind=CaseObject.REFUND,
    object="re_1",
    customer="cus_1",
    amount=Money(amount_minor=30_000, currency="usd"),
    payment_intent="pi_1",
    reason="duplicate",
    status="succeeded",
)
CREDIT_FOUND = CaseFound(
    object_kind=CaseObject.CREDIT_NOTE,
    object="cn_1",
    customer="cus_1",
    amount=Money(amount_minor=500, currency="usd"),
    invoice="in_1",
)
BALANCE_FOUND = CREDIT_FOUND.model_copy(
    update={"object_kind": CaseObject.BALANCE_TRANSACTION, "invoice": None}
)
CHANGE_FOUND = CaseFound(
    object_kind=CaseObject.SUBSCRIPTION, object="sub_1", from_=GROWTH, to=SCALE, status="active"
)
CANCELLED_FOUND = CHANGE_FOUND.model_copy(update={"to": GROWTH, "status": "canceled"})
VOID_FOUND = CREDIT_FOUND.model_copy(update={"object_kind": CaseObject.VOID, "object": "in_1"})
WRITE_OFF_FOUND = VOID_FOUND.model_copy(update={"object_kind": CaseObject.WRITE_OFF})
ITEM_FOUND = CREDIT_FOUND.model_copy(update={"object_kind": CaseObject.INVOICE_ITEM, "object": "ii_1"})
COUPON_FOUND = CaseFound(
    object_kind=CaseObject.DISCOUNT,
    object="di_1",
    customer="cus_1",
    amount=Money(amount_minor=7_200, currency="usd"),
    coupon="Spring (10% off), forever",
    given_on="subscription",
    bearer="sub_2",
)
DISPUTE_FOUND = REFUND_FOUND.model_copy(
    update={"object_kind": CaseObject.DISPUTE, "object": "du_1", "reason": "fraudulent", "status": "lost"}
)
ENDING_FOUND = CaseFound(
    object_kind=CaseObject.CANCELLATION,
    object="sub_1",
    ends_at=datetime(2026, 5, 1, tzinfo=UTC),
    status="active",
)
FOUND = (
    *(REFUND_FOUND, CREDIT_FOUND, BALANCE_FOUND, CHANGE_FOUND, CANCELLED_FOUND),
    *(VOID_FOUND, WRITE_OFF_FOUND, ITEM_FOUND, COUPON_FOUND, DISPUTE_FOUND, ENDING_FOUND),
)


def case(found: CaseFound, **more: Any) -> dict[str, Any]:
    """What was made in Stripe itself, as its workflow tells of it."""
    return {
        "subject": shown(case_subject(found)),
        "result": None,
        "noticed_at": "2026-04-13T15:00:00Z",
        "owner": None,
        "deadline": "2026-04-13T21:00:00Z",
        "number": 1,
        "person": None,
        "comment": None,
    } | more


def closed_case(found: CaseFound, beyond: bool) -> dict[str, Any]:
    """Its note is there."""
    why = "Beyond the maker's authority: USD 300.00 is more than USD 100.00 for one item."
    result = CaseResult(
        object=found.object,
        note="Paid twice, seen by Bea in the dashboard.",
        noted_in_stripe=not beyond,
        done_by="per_bea",
        beyond_authority=beyond,
        why_beyond=why if beyond else None,
        counted=True,
        in_time=not beyond,
        problem=None,
        told_the_maker_alone=False,
    )
    return case(found, result=shown(result), person="per_cora", comment=result.note)


SINCE = {
    "why": "revised",
    "changes": [
        {"what": "Amount", "before": "USD 300.00", "after": "USD 120.00"},
        {"what": "Customer", "before": "cus_2", "after": "cus_1", "names": "customer"},
        {"what": "New plan", "before": "starter", "after": "scale", "names": "plan"},
        {"what": "Invoice", "before": "none", "after": "in_1", "names": "invoice"},
    ],
    "asked_by": "per_cora",
    "comment": "Too much for one month.",
    "revised_by": "per_bea",
}


def over(subject: Any, state: State | None, decision: str | None = None) -> dict[str, Any]:
    """How what somebody was asked about has ended."""
    return {
        "subject": shown(subject),
        "state": state.value if state else None,
        "decision": decision,
        "requested_by": "per_bea",
        "person": "per_cora",
        "for_person": None,
        "comment": "So be it.",
        "problem": DISPUTED.model_dump(),
    }


REVERTS = [reverted(1316), reverted(0), unread_revert()]

FULL: dict[str, list[dict[str, Any]]] = {
    "review_requested": [review(s, reason="We grow.", comment="No.", person="per_cora") for s in SUBJECTS]
    + [review(s, since=SINCE, next_roles=["legal"]) for s in SUBJECTS]
    + [review(s, since=SINCE | {"why": "drifted", "asked_by": None, "comment": None}) for s in SUBJECTS],
    "review_reminder": [review(s, needs="all", rule="beyond their authority") for s in SUBJECTS],
    "review_escalated": [review(s, why="nobody holds controller") for s in SUBJECTS]
    + [review(a_downgrade(invoicing="next_invoice"))],
    "plan_change_ended": [ended(state) for state in State]
    + [ended(state, result=invoiced(an_upgrade(), 1316)) for state in State]
    + [ended(state, result=result) for state in (State.CANCELLED, State.MISMATCHED) for result in REVERTS]
    + [ended(State.MISMATCHED, result=unpaid(an_upgrade()))]
    + [{"state": state.value, "subject": None, "result": None, "problem": None} for state in State],
    "plan_change_payment_due": [
        payment_due("authentication"),
        payment_due("payment_method"),
        payment_due("payment_method", problem=DISPUTED.model_dump(), until=None),
    ],
    "plan_change_scheduled": [{"subject": shown(an_upgrade(effective="period_end"))}],
    "cancellation_planned": [
        {
            "subject": shown(a_cancellation("at_period_end")),
            "result": shown(done(a_cancellation("at_period_end"))),
        }
    ],
    "cancellation_ended": [
        ended(state, s, result=result, **more)
        for state in MONEY_STATES
        for s in CANCELLATIONS
        for result in (None, shown(done(s)))
        for more in ({}, {"person": "per_cora", "comment": "So be it.", "problem": DISPUTED.model_dump()})
    ],
    "money_ended": [
        ended(state, s, result=result, **more)
        for state in MONEY_STATES
        for s, result in MONEY_ENDS
        for more in ({}, {"person": "per_cora", "comment": "So be it.", "problem": DISPUTED.model_dump()})
    ],
    "refund_failed": [
        {"subject": shown(s), "result": result, "after_success": number == 2, "number": number}
        for s, result in MONEY_ENDS[:5]
        for number in (1, 2, 3)
    ],
    "delegated": [
        {
            "approval": "apr_1",
            "delegation": "dlg_1",
            "subject": shown(s),
            "person": "per_cora",
            "until": review()["deadline"],
        }
        for s in SUBJECTS
    ],
    "comment": [
        {"kind": s["about"], "subject": s, "requested_by": "per_ada", "person": "per_cora", "comment": "Why?"}
        for s in [*map(shown, SUBJECTS), trouble()["subject"]]
    ]
    + [{"kind": "reminder_run", "person": "per_cora", "comment": "Why?"}],
    "delegation_answered": [
        {
            "approval": "apr_1",
            "delegation": "dlg_1",
            "subject": shown(s),
            "person": "per_cora",
            "until": review()["deadline"],
            "accepted": accepted,
        }
        for s in SUBJECTS
        for accepted in (True, False)
    ],
    "changes_requested": [
        {"subject": shown(s), "person": "per_cora", "comment": "Seven seats will do."} | why
        for s in SUBJECTS
        for why in ({}, {"problem": DISPUTED.model_dump()})
    ],
    "notice": [notice(f"plan_change_{what}") for what in ("requested", "scheduled", "applied")]
    + [
        notice(f"cancellation_{what}", s, result=shown(done(s)))
        for what in ("requested", "applied", "differs")
        for s in CANCELLATIONS
    ]
    + [notice("plan_change_reverted", result=result) for result in REVERTS]
    + [
        notice(f"refund_{what}", s, result=result, problem=DISPUTED.model_dump())
        for what in ("failed", "incomplete")
        for s, result in MONEY_ENDS[:5]
    ]
    + [notice(NOTICES[found.object_kind].value, case_subject(found)) for found in FOUND],
    "incident_alert": INCIDENTS,
    "incident_recovered": INCIDENTS,
    "incident_cleared": INCIDENTS,
    "portal_trouble": TROUBLES,
    "promise_broken": [{"promise": promise | word} for promise in PROMISES for word in WORDS],
    "bill_unpaid": [{"bill": bill} for bill in BILLS],
    "limit_near": [
        {"limit": {"name": name, "percent": percent, "used": percent, "allowed": 100, "currency": "usd"}}
        for name in ("seats", "customers", "ar_balance")
        for percent in (80, 100)
    ],
    "dispute": [{"dispute": dispute} for dispute in DISPUTES],
    "chat_disabled": [{"why": "Slack answered 410."}],
    "customer_mail_bounced": [{"why": "Customer 01: the mail server refuses the address (550)."}],
    "portal_trouble_escalated": [told | {"number": number} for told in TROUBLES for number in (0, 1, 3)],
    "portal_trouble_solved": [solved(how) for how in ("got_in", "paid", "not_payable", "closed")],
    "notice_escalated": [notice("plan_change_applied"), notice("refund_failed", a_refund())],
    "case_opened": [case(found) for found in FOUND],
    "case_named": [case(found) | {"person": "per_cora", "comment": "It was she."} for found in FOUND],
    "case_denied": [case(found) | {"person": "per_cora", "comment": "It was not I."} for found in FOUND],
    **{
        f"case_{how}": [case(found, owner=owner) for found in FOUND for owner in (None, "per_bea")]
        for how in ("reminder", "escalated")
    },
    "case_closed": [closed_case(found, beyond) for found in FOUND for beyond in (True, False)],
    "review_over": [over(s, state) for s in SUBJECTS for state in MONEY_STATES if state.final]
    + [over(s, None, decision) for s in SUBJECTS for decision in ("approved", "changes_requested")],
    "notice_over": [
        over(an_upgrade(), state) | {"notice_kind": kind}
        for state in (State.CANCELLED, State.REJECTED, State.EXPIRED, State.FAILED)
        for kind in ("plan_change_requested", "plan_change_applied")
    ]
    + [over(a_refund(), State.COMPLETED) | {"notice_kind": "refund_failed"}],
    **{
        f"operation_{how}": [
            {"kind": kind, "subject": shown(s), "held_by": "stripe"}
            for kind, s in (("plan_change", an_upgrade()), ("refund", a_refund()), ("credit", a_credit()))
        ]
        for how in ("held", "resumed")
    },
    "sign_in": [{"sign_in": "sil_1", "until": review()["deadline"]}],
    "operation_over": [{"kind": kind, "person": "per_cora"} for kind in ("case", "portal_access")],
}


GAP = re.compile(r"None|: none$|Undefined|\{|\}|\bper_|  +$|[(:] *[).,]|\ba (?:of|to)\b| [.,;]", re.MULTILINE)
"""What a part that is missing leaves behind when a template forgot of it."""


@pytest.mark.parametrize("template", TEXTS.names)
def test_whatever_is_missing_no_mail_shows_a_gap_and_each_has_one_link(template: str) -> None:
    for context in FULL[template]:
        for told in (context, *without_one(context)):
            mail = render(template, told)
            for text in (mail.subject, mail.plain):
                assert not GAP.search(text.replace("-- \n", "")), (told, text)
            assert "\n\n\n" not in mail.plain
            assert len(re.findall("https?://", mail.plain)) == 1
            assert all(len(line) < 140 for line in mail.plain.splitlines())


FORBIDDEN = re.compile(
    r"\b(?:op|apr|ntc|in|re|pi|ch|cus|cn|cbtxn|sub|price|per|inc|dlg)_\w"  # ids
    r"|\bPOST\b|\bGET\b|/v1/|\bAPI\b"
    r"|\d\d:\d\d:\d\d|\d{4}-\d\d-\d\d|T\d\d:\d\d|\bUTC\b"  # times that a machine writes
    r"|\bgrowth\b|\bscale\b|\bstarter\b"  # short names of plans
    r"|\bladder\b|\brung\b|windows? of authority|\b[0-9a-f]{32,}\b"
)
ABOUT_MONEY = re.compile(
    r"^(review|plan_change|money|refund|delegat|changes|notice|operation_(held|resumed))"
)


@pytest.mark.parametrize("template", TEXTS.names)
def test_every_mail_is_written_as_a_colleague_would_and_says_the_same_as_html(template: str) -> None:
    for told in FULL[template]:
        mail = render(template, told)
        *rest, link, footer = re.split(r"\n(?=https?://)|\n-- \n", mail.plain)
        assert rest[-1].endswith(":"), "what the link is for"
        assert re.fullmatch(r"https://billing\.acme\.example/console/[a-z-]+(/[\w-]+){0,2}", link.strip()), (
            link
        )
        assert footer == "Plixo Billing for Acme\n"
        for text in (mail.subject, *rest, footer):
            assert not FORBIDDEN.search(text), (FORBIDDEN.search(text), text)
        assert mail.html is not None
        assert _words(_shown(mail.html)) == _words(mail.plain.replace(link, "\n").replace("-- \n", ""))
        assert mail.html.count("<a ") == 1
        assert f'href="{link.strip()}"' in mail.html
        subject = told.get("subject") or {}
        if ABOUT_MONEY.match(template) and (subject.get("amount") or subject.get("preview")):
            assert re.search(r"USD [\d,.]+\d", mail.subject), mail.subject


def _shown(html: str) -> str:
    """What a reader sees of it."""
    body = html[html.index("<body") :]
    return unescape(re.sub(r"<[^>]+>", " ", body))


def _words(text: str) -> list[str]:
    return re.findall(r"[^\s>:-]+", text)


def without_one(context: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The context with nothing, without each of its parts, and without each of those parts' that may be
    missing."""
    yield {}
    for less in _less(context):
        try:
            MailContext.model_validate(less)
        except ValidationError:
            continue
        yield less


def _less(context: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name, part in context.items():
        yield {key: value for key, value in context.items() if key != name}
        yield context | {name: None}
        if isinstance(part, dict):
            yield context | {name: {}}
            for inner in part:
                yield context | {name: {key: value for key, value in part.items() if key != inner}}
                yield context | {name: part | {inner: None}}


def test_every_template_has_contexts_here() -> None:
    assert set(FULL) == set(TEXTS.names)


def test_a_plan_that_was_cancelled_in_stripe_is_told_as_that_and_not_as_a_change() -> None:
    mail = render("case_opened", case(CANCELLED_FOUND))
    assert mail.subject.endswith("Growth cancelled")
    assert "Plan: Growth" in mail.plain
    assert not re.search("^(From|To|When):", mail.plain, re.MULTILINE)


def test_a_reversal_that_nobody_decides_on_leaves_nothing_changed() -> None:
    told = review() | {"subject": shown(a_cancellation("take_back"))}
    mail = render("review_requested", told)
    assert "nothing is changed" in mail.plain
    assert "reversal of the cancellation" in mail.subject
