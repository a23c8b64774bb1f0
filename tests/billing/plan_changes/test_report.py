from billing.core.money import Money
from billing.plan_changes.limits import LimitCheck
from billing.plan_changes.report import applied_report, blocked_problem, mismatch_problem, preview_detail
from billing.plan_changes.verification import ResultLines, verify

from ..builders import APRIL_END, MID_APRIL, a_line, a_subject, some_amounts

CREDIT = a_line(kind="credit", amount_minor=-500, price="price_starter_month")
DEBIT = a_line()


def test_the_report_shows_what_stripe_holds_and_what_differs() -> None:
    subject = a_subject(CREDIT, DEBIT)
    found = ResultLines(
        lines=(CREDIT,),
        invoice="in_1",
        invoice_status="paid",
        total=Money(amount_minor=-500, currency="usd"),
    )

    report = applied_report(subject, found, verify(subject, found)).document()

    credit, debit = (line.model_dump(mode="json") for line in (CREDIT, DEBIT))
    assert report == {
        "verified": False,
        "subscription": "sub_1",
        "invoice": "in_1",
        "invoice_status": "paid",
        "invoice_items": [],
        "total": {"amount_minor": -500, "currency": "usd"},
        "lines": [credit],
        "differences": [{"what": "missing", "line": debit}],
    }


def test_the_report_of_pending_items_has_no_invoice_and_no_total() -> None:
    subject = a_subject(CREDIT, DEBIT, invoicing="next_invoice", proration_date=MID_APRIL)
    found = ResultLines(lines=(CREDIT, DEBIT), invoice_items=("ii_1", "ii_2"))

    report = applied_report(subject, found, verify(subject, found)).document()

    assert (report["verified"], report["differences"]) == (True, [])
    assert (report["invoice"], report["total"], report["invoice_items"]) == (None, None, ["ii_1", "ii_2"])


def test_a_blocked_change_names_every_limit_that_is_exceeded() -> None:
    limits = (
        LimitCheck(name="seats", used=6, allowed=5, ok=False),
        LimitCheck(name="customers", used=12, allowed=50, ok=True),
        LimitCheck(name="ar_balance", used=600_000, allowed=500_000, ok=False),
    )
    subject = a_subject(DEBIT).model_copy(update={"limits": limits})

    problem = blocked_problem(subject)

    assert problem.code == "limits_exceeded"
    assert problem.message == (
        "Seats: 6 in use, 5 allowed after the change: 1 too many; "
        "AR balance: USD 6,000.00 in use, USD 5,000.00 allowed after the change: USD 1,000.00 too much."
    )


def test_a_mismatch_counts_what_is_missing_and_what_was_not_approved() -> None:
    subject = a_subject(CREDIT, DEBIT)
    other = DEBIT.model_copy(update={"amount_minor": 999})

    problem = mismatch_problem(verify(subject, ResultLines(lines=(CREDIT, CREDIT, other))))

    assert problem.code == "lines_mismatched"
    assert problem.message == (
        "Stripe holds something else than was approved: lines: 1 missing, 2 unexpected. "
        "Accept it as it is, revert to the previous plan, or have it read again."
    )


def test_a_preview_is_told_with_every_line_and_what_is_due_when() -> None:
    assert preview_detail(a_subject(CREDIT, DEBIT)) == {
        "proration_date": MID_APRIL,
        "lines": [line.model_dump(mode="json") for line in (CREDIT, DEBIT)],
        "amounts": some_amounts(500).model_dump(mode="json"),
        "due_now": {"amount_minor": 500, "currency": "usd"},
        "next_invoice": {"amount_minor": 10_000, "total": 10_000, "currency": "usd", "date": APRIL_END},
        "limits": [{"name": "customers", "used": 12, "allowed": 500, "ok": True}],
    }
