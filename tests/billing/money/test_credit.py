import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.core.money import Money
from billing.core.operations import Problem
from billing.money.credit import (
    CreditFound,
    CreditSubject,
    check_choice,
    credit_differences,
    credit_hash,
    credit_params,
    plan_credit,
)

from ..builders import a_correction, a_credit_wish, an_invoice_to_credit, creditable


def usd(amount_minor: int) -> Money:
    return Money(amount_minor=amount_minor, currency="usd")


def planned(wanted, facts) -> CreditSubject:
    subject = plan_credit(wanted, facts)
    assert isinstance(subject, CreditSubject), subject
    return subject


def corrected(amount: int = 5_000, **invoice: object) -> CreditSubject:
    return planned(a_correction(amount_minor=amount), creditable(an_invoice_to_credit(**invoice)))


def test_a_balance_credit_goes_to_the_balance_whole():
    assert planned(a_credit_wish(), creditable(currency=None)) == CreditSubject(
        customer="cus_1",
        instrument="balance",
        invoice=None,
        invoice_number=None,
        amount=usd(5_000),
        reduces_due=usd(0),
        to_balance=usd(5_000),
        reason="goodwill",
        note="For the outage in March.",
    )


def test_a_credit_note_on_an_open_invoice_reduces_what_is_due():
    assert corrected() == CreditSubject(
        customer="cus_1",
        instrument="credit_note",
        invoice="in_1",
        invoice_number="PLX-0001",
        amount=usd(5_000),
        reduces_due=usd(5_000),
        to_balance=usd(0),
        reason="order_change",
        note="For the outage in March.",
    )


@pytest.mark.parametrize(
    ("invoice", "reduces_due", "to_balance"),
    [
        ({"status": "paid", "remaining": 0}, 0, 5_000),
        ({"remaining": 4_000}, 4_000, 1_000),
        ({"remaining": 5_000, "credited": 5_000}, 5_000, 0),
    ],
    ids=["paid: to the balance", "partly paid: both", "credited before: what is left of it"],
)
def test_what_is_no_longer_due_goes_to_the_balance(invoice, reduces_due, to_balance):
    subject = corrected(**invoice)
    assert (subject.reduces_due, subject.to_balance) == (usd(reduces_due), usd(to_balance))


@pytest.mark.parametrize(
    ("wanted", "code", "words"),
    [
        (a_correction(invoice=None), "invoice_missing", "credit the balance"),
        (a_credit_wish(invoice="in_1"), "invoice_not_for_balance", "choose a credit note"),
        (a_correction(reason="goodwill"), "instrument_unfit", "Credit the balance"),
    ],
)
def test_a_wrong_choice_of_instrument_is_answered_with_the_one_that_fits(wanted, code, words):
    problem = check_choice(wanted)
    assert problem is not None
    assert problem.code == code
    assert words in problem.message
    assert plan_credit(wanted, creditable(problem=Problem(code="later", message="…"))) == problem


def test_a_right_choice_is_no_problem():
    assert check_choice(a_credit_wish()) is None
    assert check_choice(a_correction()) is None


def test_what_stripe_does_not_have_is_said():
    unknown = Problem(code="customer_unknown", message="There is no customer cus_1.")
    assert plan_credit(a_credit_wish(), creditable(problem=unknown)) == unknown


@pytest.mark.parametrize(
    ("invoice", "problem"),
    [
        (
            {"status": "draft"},
            "Invoice PLX-0001 is a draft: change the draft itself, or finalize it first. "
            "A credit note needs a finalized invoice.",
        ),
        (
            {"status": "void", "number": None},
            "Invoice in_1 is void: nothing is owed on it that a credit note could correct. "
            "For the customer's next bill credit the balance.",
        ),
        (
            {"status": "uncollectible"},
            "Invoice PLX-0001 is uncollectible: nothing is owed on it that a credit note could correct. "
            "For the customer's next bill credit the balance.",
        ),
    ],
)
def test_only_an_open_or_paid_invoice_can_be_corrected(invoice, problem):
    facts = creditable(an_invoice_to_credit(**invoice))
    assert plan_credit(a_correction(), facts) == Problem(code="invoice_not_creditable", message=problem)


def test_credit_notes_never_come_to_more_than_the_invoice():
    almost = an_invoice_to_credit(credited=5_001, remaining=4_999)
    assert plan_credit(a_correction(), creditable(almost)) == Problem(
        code="amount_above_creditable",
        message="USD 50.00 is more than the USD 49.99 of PLX-0001 that is not credited yet. "
        "Ask for less, or for a balance credit.",
    )


def test_a_credit_is_in_the_currency_of_its_invoice_or_of_the_balance():
    in_eur = creditable(currency="eur")
    assert plan_credit(a_credit_wish(), in_eur) == Problem(
        code="wrong_currency", message="The customer's balance is in EUR, not in USD."
    )
    assert plan_credit(a_correction(), creditable(an_invoice_to_credit(currency="eur"))) == Problem(
        code="wrong_currency", message="The invoice is in EUR, not in USD."
    )
    assert planned(a_credit_wish(currency="eur"), in_eur).to_balance.currency == "eur"


def test_a_balance_credit_is_a_negative_transaction():
    subject = planned(a_credit_wish(), creditable())
    assert credit_params(subject, {"plixo_note": "For the outage."}) == {
        "amount": -5_000,
        "currency": "usd",
        "metadata": {"plixo_note": "For the outage.", "plixo_reason": "goodwill"},
    }


def test_a_credit_note_says_how_much_of_it_goes_to_the_balance():
    assert credit_params(corrected(remaining=4_000), {}) == {
        "invoice": "in_1",
        "amount": 5_000,
        "credit_amount": 1_000,
        "email_type": "none",
        "reason": "order_change",
        "metadata": {"plixo_reason": "order_change"},
    }
    assert "credit_amount" not in credit_params(corrected(), {})


def test_a_reason_that_credit_notes_do_not_know_is_in_the_metadata_alone():
    subject = planned(a_correction(reason="other"), creditable(an_invoice_to_credit()))
    params = credit_params(subject, {})
    assert "reason" not in params
    assert params["metadata"] == {"plixo_reason": "other"}


def test_the_hash_binds_an_approval_to_the_split_too():
    assert credit_hash(corrected()) == credit_hash(corrected())
    assert credit_hash(corrected(remaining=4_000)) != credit_hash(corrected())


def found(**fields: object) -> CreditFound:
    given = {
        "object": "cn_1",
        "amount": 5_000,
        "currency": "usd",
        "reduces_due": 4_000,
        "to_balance": 1_000,
        "balance_after": -1_000,
        "metadata": {},
    }
    return CreditFound.model_validate(given | fields)


def test_what_stripe_made_of_it_is_compared_with_what_was_agreed():
    agreed = corrected(remaining=4_000)
    assert credit_differences(agreed, found()) == ()
    assert credit_differences(agreed, found(reduces_due=0, to_balance=5_000, voided=True)) == (
        "reduces_due is 0 instead of 4000",
        "to_balance is 5000 instead of 1000",
        "it was voided",
    )
    assert credit_differences(agreed, found(amount=1, currency="eur")) == (
        "amount is 1 instead of 5000",
        "currency is eur instead of usd",
    )


@given(
    total=st.integers(1, 10**9),
    remaining=st.integers(0, 10**9),
    credited=st.integers(0, 10**9),
    amount=st.integers(1, 10**9),
)
def test_the_two_shares_are_the_amount_and_neither_is_too_large(total, remaining, credited, amount):
    invoice = an_invoice_to_credit(
        total=total, remaining=min(remaining, total), credited=min(credited, total)
    )
    subject = plan_credit(a_correction(amount_minor=amount), creditable(invoice))
    if isinstance(subject, Problem):
        assert subject.code == "amount_above_creditable"
        assert amount > invoice.left
        return
    assert subject.reduces_due + subject.to_balance == subject.amount == usd(amount)
    assert 0 <= subject.reduces_due.amount_minor <= invoice.remaining
    assert subject.to_balance.amount_minor >= 0
    assert amount <= invoice.left
    # Nothing goes to the balance while something of it is still due.
    assert subject.to_balance.amount_minor == 0 or subject.reduces_due.amount_minor == invoice.remaining
