"""What is told of a credit, and how it may differ from what was agreed."""

from billing.core.money import Money
from billing.money.credit import CreditFound, CreditSubject
from billing.money.credit_report import credit_problem, credit_report


def usd(amount: int) -> Money:
    return Money(amount_minor=amount, currency="usd")


SUBJECT = CreditSubject(
    customer="cus_1",
    instrument="credit_note",
    invoice="in_1",
    invoice_number="A-0001",
    amount=usd(5_000),
    reduces_due=usd(3_000),
    to_balance=usd(2_000),
    reason="duplicate",
    note="One hour was billed twice.",
)
FOUND = CreditFound(
    object="cn_1",
    amount=5_000,
    currency="usd",
    reduces_due=3_000,
    to_balance=2_000,
    balance_after=-2_000,
    invoice_remaining=0,
    metadata={},
)


def test_a_credit_that_is_as_agreed_is_told_as_verified():
    report = credit_report(SUBJECT, "cn_1", FOUND).document()
    assert (report["object"], report["verified"], report["differences"]) == ("cn_1", True, [])
    assert report["reduces_due"] == {"amount_minor": 3_000, "currency": "usd"}
    assert report["balance_after"] == {"amount_minor": -2_000, "currency": "usd"}
    assert report["invoice_remaining"] == {"amount_minor": 0, "currency": "usd"}
    assert credit_problem(SUBJECT, FOUND) is None


def test_what_was_not_read_back_is_not_called_verified():
    assert credit_report(SUBJECT, "cn_1", None).verified is False


def test_every_difference_is_named():
    other = FOUND.model_copy(update={"reduces_due": 5_000, "to_balance": 0, "voided": True})
    problem = credit_problem(SUBJECT, other)
    assert problem is not None
    assert problem.message == (
        "In Stripe, reduces_due is 5000 instead of 3000; to_balance is 0 instead of 2000; it was voided."
    )
    assert list(credit_report(SUBJECT, "cn_1", other).differences) == [
        "reduces_due is 5000 instead of 3000",
        "to_balance is 0 instead of 2000",
        "it was voided",
    ]
