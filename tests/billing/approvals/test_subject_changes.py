"""What is new in another round of an approval, in words."""

from hypothesis import given
from hypothesis import strategies as st

from billing.approvals.subject_changes import SubjectChange, subject_changes
from billing.core.operations import Kind
from billing.stripe.invoice_amounts import InvoiceDiscount, InvoiceTax

from ...activities.mail.contexts import SCALE, a_downgrade, a_line, a_subject, an_upgrade, shown
from ...activities.mail.money_contexts import a_credit, a_credit_note, a_refund
from ..cancellations.made import END, OPEN, a_cancellation, invoice
from ..cancellations.made import a_line as line


def said(changes: tuple[SubjectChange, ...]) -> list[str]:
    return [f"{one.what}: {one.before} -> {one.after}" for one in changes]


def test_equal_subjects_differ_in_nothing() -> None:
    assert subject_changes(Kind.PLAN_CHANGE, shown(an_upgrade()), shown(an_upgrade())) == ()
    assert subject_changes(Kind.REFUND, shown(a_refund()), shown(a_refund())) == ()
    assert subject_changes(Kind.CREDIT, shown(a_credit()), shown(a_credit()), ("Same.", "Same.")) == ()


def test_another_amount_and_customer_of_a_refund_are_both_named() -> None:
    before = shown(a_refund())
    after = shown(a_refund(amount_minor=9_000, note="Seats that nobody used in April.")) | {
        "customer": "cus_2"
    }
    changes = subject_changes(Kind.REFUND, before, after)
    assert said(changes) == [
        "Amount: USD 120.00 -> USD 90.00",
        "Customer: cus_1 -> cus_2",
        "Note: Seats that nobody used in March. -> Seats that nobody used in April.",
    ]
    assert [one.names for one in changes] == ["text", "customer", "text"]


def test_a_credit_that_is_given_in_another_way_says_so() -> None:
    changes = subject_changes(Kind.CREDIT, shown(a_credit()), shown(a_credit_note()))
    assert said(changes) == [
        "Credited as: customer balance -> credit note",
        "Invoice: none -> in_7",
        "Off the invoice: USD 0.00 -> USD 30.00",
        "To the balance: USD 80.00 -> USD 50.00",
        "Reason: goodwill -> the order was changed",
        "Note: For the outage on 3 March. -> Two seats too many on the bill.",
    ]


def test_another_last_invoice_of_a_plan_that_ends_is_said_line_by_line() -> None:
    before = a_cancellation()
    assert subject_changes(Kind.CANCELLATION, shown(before), shown(before)) == ()
    off = InvoiceDiscount(coupon="half", name="Half", on_items=False, amount_minor=500)
    bill = invoice(line("credit", -5_600), starting_balance=300, discounts=(off,))
    after = a_cancellation(open_invoices=(OPEN,)).model_copy(update={"bill": bill})
    changes = subject_changes(Kind.CANCELLATION, shown(before), shown(after))
    assert said(changes) == [
        "Stays owed: none -> USD 120.00 of PLX-0009",
        "Credit: USD -60.00 -> USD -56.00",
        "Renewal: USD 10.00 -> none",
        "Discount Half: USD 0.00 -> USD 5.00",
        "Balance before: USD 0.00 -> USD 3.00",
    ]


def test_another_day_and_no_invoice_of_a_plan_that_ends_are_said() -> None:
    before = a_cancellation("at_period_end")
    after = before.model_copy(update={"ends_at": END + 86_400, "bill": None})
    assert said(subject_changes(Kind.CANCELLATION, shown(before), shown(after))) == [
        "Ends on: May 1, 2026 -> May 2, 2026",
        "Due: USD 10.00 -> none",
        "Renewal: USD 10.00 -> none",
    ]


def test_another_plan_changes_its_terms_and_its_lines() -> None:
    changes = subject_changes(
        Kind.PLAN_CHANGE, shown(an_upgrade()), shown(a_downgrade()), ("We grow.", "We shrink.")
    )
    assert said(changes) == [
        "Current plan: growth -> scale",
        "New plan: scale -> growth",
        "Due now: USD 13.16 -> USD 0.00",
        "Next invoice: USD 249.95 -> USD 236.79",
        "Unused time on Growth after 11 Apr 2026: USD -19.72 -> none",
        "Remaining time on Scale after 11 Apr 2026: USD 32.88 -> none",
        "Unused time on Scale after 11 Apr 2026: none -> USD -32.88",
        "Remaining time on Growth after 11 Apr 2026: none -> USD 19.72",
        "Reason: We grow. -> We shrink.",
    ]
    assert [one.names for one in changes][:2] == ["plan", "plan"]


def test_more_seats_are_named_and_so_is_the_line_that_costs_more() -> None:
    lines = [
        a_line("credit", "Unused time on Growth after 11 Apr 2026", -1972, "price_growth"),
        a_line("debit", "Remaining time on Scale after 11 Apr 2026", 5261, "price_scale"),
    ]
    more = a_subject(lines, 3289, after=SCALE.model_copy(update={"seats": 8}))
    assert said(subject_changes(Kind.PLAN_CHANGE, shown(an_upgrade()), shown(more))) == [
        "New seats: 5 -> 8",
        "Due now: USD 13.16 -> USD 32.89",
        "Remaining time on Scale after 11 Apr 2026: USD 32.88 -> USD 52.61",
    ]


def test_a_tax_that_has_come_is_named_and_what_is_due_follows() -> None:
    before, after = an_upgrade(), an_upgrade()
    tax = InvoiceTax(rate="txr_1", name="DE VAT", percentage="19", inclusive=False, amount_minor=250)
    amounts = after.preview.amounts.model_copy(update={"taxes": (tax,), "total": 1566, "amount_due": 1566})
    preview = after.preview.model_copy(update={"amounts": amounts, "due_now": amounts.due})
    after = after.model_copy(update={"preview": preview})
    assert said(subject_changes(Kind.PLAN_CHANGE, shown(before), shown(after))) == [
        "Due now: USD 13.16 -> USD 15.66",
        "Tax 19% (DE VAT): USD 0.00 -> USD 2.50",
    ]


def test_when_it_happens_and_how_it_is_charged_are_terms_too() -> None:
    later = shown(an_upgrade(effective="period_end")) | {"preview": shown(an_upgrade())["preview"]}
    changed = shown(an_upgrade()) | {"invoicing": "next_invoice"}
    assert said(subject_changes(Kind.PLAN_CHANGE, shown(an_upgrade()), later)) == [
        "Takes effect: at once -> at the end of the period"
    ]
    assert said(subject_changes(Kind.PLAN_CHANGE, shown(an_upgrade()), changed)) == [
        "Charged: at once -> with the next invoice"
    ]


@given(st.integers(1, 30_000), st.integers(1, 30_000))
def test_an_amount_is_named_exactly_when_it_differs(one: int, other: int) -> None:
    before, after = shown(a_refund(amount_minor=one)), shown(a_refund(amount_minor=other))
    named = [change.what for change in subject_changes(Kind.REFUND, before, after)]
    assert named == ([] if one == other else ["Amount"])
