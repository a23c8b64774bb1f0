"""What a quote says that is outdated, and how a request names one."""

import pytest

from billing.core.money import Money
from billing.core.operations import Kind
from billing.money.credit import CreditSubject
from billing.quotes.quote import outdated_problem
from billing.quotes.token import QuoteToken


def credit(amount: int, **more: object) -> CreditSubject:
    nothing, all_ = (Money(amount_minor=minor, currency="usd") for minor in (0, amount))
    return CreditSubject.model_validate(
        {
            "customer": "cus_1",
            "instrument": "credit_note",
            "invoice": "in_1",
            "invoice_number": "A-1",
            "amount": all_,
            "reduces_due": all_,
            "to_balance": nothing,
            "reason": "duplicate",
            "note": "Billed twice in May.",
        }
        | more
    )


def test_an_outdated_quote_says_what_is_and_what_was() -> None:
    problem = outdated_problem(Kind.CREDIT, credit(5_000), credit(4_000))
    assert problem.code == "quote_outdated"
    assert problem.message == (
        "It isn't as quoted any more. Amount: USD 40.00, was USD 50.00; "
        "Off the invoice: USD 40.00, was USD 50.00."
    )


def test_what_people_are_not_shown_is_named_all_the_same() -> None:
    problem = outdated_problem(Kind.CREDIT, credit(5_000), credit(5_000, invoice_number="A-2"))
    assert problem.message == "It isn't as quoted any more. Different in Stripe: invoice number."


def test_a_request_names_a_quote_by_its_id_and_what_it_has_shown() -> None:
    token = QuoteToken("qte_01JD0V7G8M3Q2Z6W5T4R9YXKBN", "5" * 64)
    assert QuoteToken.read(str(token)) == token


@pytest.mark.parametrize(
    "text",
    [
        "",
        "qte_01JD0V7G8M3Q2Z6W5T4R9YXKBN",
        f"op_01JD0V7G8M3Q2Z6W5T4R9YXKBN.{'5' * 64}",
        f"qte_81JD0V7G8M3Q2Z6W5T4R9YXKBN.{'5' * 64}",
        f"qte_01JD0V7G8M3Q2Z6W5T4R9YXKBN.{'5' * 64}\n",
    ],
)
def test_what_is_no_quote_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a quote"):
        QuoteToken.read(text)
