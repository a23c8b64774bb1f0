"""Quotes as the worker would make them, for an API without Temporal: of a made-up Stripe and real records."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

from activities.approvals.previews import ReviewPreviews
from activities.money.commitments import Commitments
from billing.approvals.messages import PreviewReview
from billing.cancellations.cancellation import (
    CancellableFacts,
    CancellationInput,
    CancellationSubject,
    cancellation_hash,
    plan_cancellation,
)
from billing.cancellations.invoices import InvoiceAhead, InvoicesAhead
from billing.core.money import Money
from billing.core.operations import Kind
from billing.money.credit import (
    CreditableFacts,
    CreditableInvoice,
    CreditInput,
    CreditSubject,
    CreditWanted,
    credit_hash,
    plan_credit,
)
from billing.money.credit_lines import CreditedLine, CreditLine, NoteFigures
from billing.money.messages import AuthorityCheck, Commit, CommitPart
from billing.money.refund import (
    Payment,
    RefundableFacts,
    RefundInput,
    RefundSubject,
    plan_refund,
    refund_hash,
    refundable,
)
from billing.money.waiver import (
    WaivableFacts,
    WaivableInvoice,
    WaiverInput,
    WaiverSubject,
    plan_waiver,
    waiver_hash,
)
from billing.plan_changes.items.add_ons import others_after
from billing.plan_changes.limits import Usage, check_limits
from billing.plan_changes.proration import Line, LineKind, Period
from billing.plan_changes.report import blocked_problem
from billing.plan_changes.subject import (
    PlanChangeInput,
    PreviewFacts,
    PreviewQuery,
    SubscriptionFacts,
    Terms,
    build_subject,
    subject_hash,
)
from billing.policy.review_rules import ReviewRule
from billing.quotes.costs import MonthlyCost, cost_per_month, monthly_cost
from billing.quotes.quote import (
    AnyQuote,
    CancellationQuote,
    CreditQuote,
    PlanChangeQuote,
    QuotedReview,
    RefundQuote,
    WaiverQuote,
)
from billing.stripe.invoice_amounts import InvoiceTax
from db.core.session import Database
from workflows.approvals.review import Proposal, ReviewTerms, Round, approval_input

from ..billing.builders import some_amounts
from ..support.builders import NOW
from .conftest import ADD_ONS, HELD, PLANS
from .recording import CUSTOMER, PAYMENT


class Records(Protocol):
    """Where the people and what they have given are kept."""

    @property
    def database(self) -> Database: ...


SECOND = (HELD["period_start"] + HELD["period_end"]) // 2
"""Half of the period is over."""


async def made(house: Records, request: Any, at: datetime = NOW) -> AnyQuote:
    """What the worker would answer in this house, at this time."""
    match request:
        case PlanChangeInput():
            return await _plan_change(house, request, at)
        case CancellationInput():
            return await _cancellation(house, request, at)
        case RefundInput():
            return await _refund(house, request, at)
        case CreditInput():
            return await _credit(house, request, at)
        case WaiverInput():
            return await _waiver(house, request, at)
        case _:
            raise ValueError(request)


async def _plan_change(house: Records, request: PlanChangeInput, at: datetime) -> PlanChangeQuote:
    wanted, period = request.wanted, Period(start=SECOND, end=HELD["period_end"])
    plan = next(plan for plan in PLANS if plan.plan == wanted.plan)
    before = Terms.model_validate({name: HELD[name] for name in Terms.model_fields})
    price, seats = plan.price("month", "usd"), wanted.seats or 1
    sold = [one.priced(one.price("month", "usd")) for one in ADD_ONS]
    facts = SubscriptionFacts(
        subscription=request.subscription,
        customer="cus_Q2w3E4r5T6y7U8",
        item="si_Q2w3E4r5T6y7U8",
        terms=before,
        status="active",
        currency="usd",
        period_start=HELD["period_start"],
        period_end=HELD["period_end"],
        unit_amount=1000,
    )
    query = PreviewQuery(
        facts=facts,
        to=Terms(
            plan=plan.plan,
            price=price.id,
            seats=seats,
            interval="month",
            others=others_after(before.others, wanted.add_ons, sold),
        ),
        effective=wanted.effective,
        invoicing=wanted.invoicing,
    )

    def preview(*lines: tuple[LineKind, str, int, str, int]) -> PreviewFacts:
        read = tuple(
            Line(kind=kind, description=said, amount_minor=amount, period=period, price=at, quantity=of)
            for kind, said, amount, at, of in lines
        )
        totals = tuple(line.amount_minor for line in read)
        return PreviewFacts(
            lines=read,
            line_totals=totals,
            amounts=some_amounts(sum(totals)),
            date=None,
            proration_date=SECOND,
        )

    apiece = {one.price: one.unit_amount for one in sold}
    more = [(one.name, apiece[one.price], one.price, one.quantity or 0) for one in query.to.others]
    subject = build_subject(
        query,
        preview(
            ("credit", "Unused time on 10 × Starter after 16 Mar 2026", -5000, before.price, before.seats),
            ("debit", "Remaining time on 12 × Growth after 16 Mar 2026", seats * 1000, price.id, seats),
            *(
                ("debit", f"Remaining time on {of} × {name} after 16 Mar 2026", of * each // 2, id, of)
                for name, each, id, of in more
            ),
        ),
        preview(
            ("renewal", "12 × Growth (at $20.00 / month)", seats * 2000, price.id, seats),
            *(
                ("renewal", f"{of} × {name} (at ${each / 100:.2f} / month)", of * each, id, of)
                for name, each, id, of in more
            ),
        ),
        check_limits(plan, price, seats, Usage(seats=5, customers=41, ar_balance=1_270_000, currency="usd")),
    )
    if not subject.within_limits:
        return PlanChangeQuote(subject=subject, obstacles=(blocked_problem(subject),))
    return PlanChangeQuote(
        subject=subject,
        subject_hash=subject_hash(subject),
        cost=MonthlyCost(
            before=cost_per_month(1000, before.seats, "month", "usd"),
            after=monthly_cost(query.to, {price.id: price.unit_amount, **apiece}, "usd"),
        ),
        review=await _review(
            house,
            request,
            Kind.PLAN_CHANGE,
            subject,
            subject_hash(subject),
            ReviewRule(ladder="plan_change"),
            at,
        ),
    )


async def _cancellation(house: Records, request: CancellationInput, at: datetime) -> CancellationQuote:
    terms = Terms.model_validate({name: HELD[name] for name in Terms.model_fields})
    facts = CancellableFacts(
        status="active",
        subscription=request.subscription,
        customer="cus_Q2w3E4r5T6y7U8",
        currency="usd",
        period_end=HELD["period_end"],
        terms=terms,
    )
    credit = Line(
        kind="credit",
        description="Unused time on 10 × Starter after 16 Mar 2026",
        amount_minor=-5000,
        period=Period(start=SECOND, end=HELD["period_end"]),
        price=terms.price,
        quantity=terms.seats,
    )
    last = InvoiceAhead(lines=(credit,), line_totals=(-5000,), amounts=some_amounts(-5000))
    subject = plan_cancellation(request.wanted, facts, InvoicesAhead(invoice=last))
    assert isinstance(subject, CancellationSubject), subject
    rule = request.policy.cancellations.rule_for(subject.reason, subject.amount)
    hash_ = cancellation_hash(subject)
    proposed = (subject, hash_, rule, at, "", subject.amount)
    review = await _review(house, request, Kind.CANCELLATION, *proposed)
    return CancellationQuote(subject=subject, subject_hash=hash_, review=review)


async def _refund(house: Records, request: RefundInput, at: datetime) -> RefundQuote:
    payment = Payment(
        payment_intent=PAYMENT, charge="ch_3SVxkP2eZvKYlo2C", paid=150_000, refunded=0, disputed=False
    )
    facts = RefundableFacts(customer=CUSTOMER, currency="usd", payments=(payment,))
    subject = plan_refund(request.wanted, facts)
    assert isinstance(subject, RefundSubject), subject
    authority = await _authority(house, request, Kind.REFUND, subject.amount, at)
    rule = request.policy.refund.rule_for(subject.reason, subject.amount)
    return RefundQuote(
        subject=subject,
        subject_hash=refund_hash(subject),
        refundable=refundable(facts),
        authority=authority,
        review=None
        if authority.within
        else await _review(
            house,
            request,
            Kind.REFUND,
            subject,
            refund_hash(subject),
            rule,
            at,
            authority.why,
            subject.amount,
        ),
    )


async def _credit(house: Records, request: CreditInput, at: datetime) -> CreditQuote:
    subject = plan_credit(request.wanted, _creditable(request.wanted))
    assert isinstance(subject, CreditSubject), subject
    authority = await _authority(house, request, Kind.CREDIT, subject.amount, at)
    rule = request.policy.credit.rule_for(subject.reason, subject.amount)
    return CreditQuote(
        subject=subject,
        subject_hash=credit_hash(subject),
        authority=authority,
        review=None
        if authority.within
        else await _review(
            house,
            request,
            Kind.CREDIT,
            subject,
            credit_hash(subject),
            rule,
            at,
            authority.why,
            subject.amount,
        ),
    )


def _creditable(wanted: CreditWanted) -> CreditableFacts:
    """An open invoice, if one is named; of its lines each has a tax of 19 % on top."""
    facts = CreditableFacts(customer=CUSTOMER, currency="usd")
    if wanted.invoice is None:
        return facts
    invoice = CreditableInvoice(
        invoice=wanted.invoice,
        number="PLX-0042",
        status="open",
        currency="usd",
        total=1_000_000,
        remaining=1_000_000,
        credited=0,
    )
    facts = facts.model_copy(update={"invoice": invoice})
    return facts.model_copy(update={"note": _note(wanted.lines)}) if wanted.lines else facts


def _note(lines: Sequence[CreditLine]) -> NoteFigures:
    def usd(amount_minor: int) -> Money:
        return Money(amount_minor=amount_minor, currency="usd")

    credited = tuple(
        CreditedLine(
            line=line.line,
            description="Consulting in March",
            quantity=line.quantity,
            amount=usd(line.amount_minor or 10_000),
            discount=usd(0),
            tax=usd((line.amount_minor or 10_000) * 19 // 100),
        )
        for line in lines
    )
    tax = sum(line.tax.amount_minor for line in credited)
    total = sum(line.amount.amount_minor for line in credited) + tax
    vat = InvoiceTax(rate="txr_1", name="DE VAT", percentage="19", inclusive=False, amount_minor=tax)
    return NoteFigures(amount=total, reduces_due=total, to_balance=0, lines=credited, taxes=(vat,))


async def _waiver(house: Records, request: WaiverInput, at: datetime) -> WaiverQuote:
    invoice = WaivableInvoice(
        invoice=request.wanted.invoice,
        number="PLX-0042",
        customer=CUSTOMER,
        status="open",
        currency="usd",
        total=60_000,
        paid=0,
        credited=0,
        remaining=60_000,
    )
    subject = plan_waiver(request.wanted, WaivableFacts(invoice=invoice))
    assert isinstance(subject, WaiverSubject), subject
    authority = await _authority(house, request, request.kind, subject.amount, at)
    rule = request.policy.money_rules(request.kind).rule_for(subject.reason, subject.amount)
    hash_ = waiver_hash(subject)
    return WaiverQuote(
        subject=subject,
        subject_hash=hash_,
        authority=authority,
        review=None
        if authority.within
        else await _review(
            house, request, request.kind, subject, hash_, rule, at, authority.why, subject.amount
        ),
    )


async def _authority(
    house: Records, request: RefundInput | CreditInput | WaiverInput, kind: Kind, amount: Money, at: datetime
) -> AuthorityCheck:
    order = Commit(
        organization=request.organization,
        operation=request.operation,
        kind=kind,
        person=request.requested_by,
        customer=CUSTOMER,
        currency=amount.currency,
        parts=(CommitPart(amount=amount.amount_minor),),
        authority=request.policy.authority[kind],
        counted=request.policy.counted_with(kind),
        round=1,
        at=at,
    )
    return await Commitments(house.database).check_authority(order)


async def _review(
    house: Records,
    request: Any,
    kind: Kind,
    subject: Any,
    hash_: str,
    rule: ReviewRule,
    at: datetime,
    why: str = "",
    amount: Money | None = None,
) -> QuotedReview:
    proposal = Proposal[Any](subject, hash_, "", amount, CUSTOMER)
    asked = approval_input(request, kind, proposal, ReviewTerms(rule.ladder, "office", why), Round(1))
    order = PreviewReview(request=asked, at=at)
    preview = await ReviewPreviews(house.database).preview_review(order)
    return QuotedReview(rule=rule, why=why, calendars=("office",) * len(preview.rungs), preview=preview)
