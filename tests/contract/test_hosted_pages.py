"""The hosted invoice page: a person without login sees the invoice, pays it once, and gets its PDF."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from .billing import APRIL, DAY, Business
from .hosted import browsing, due, final


@pytest.fixture
def browser() -> Iterator[httpx.Client]:
    with browsing() as client:
        yield client


def pay(browser: httpx.Client, invoice: Any, card: str = "visa") -> httpx.Response:
    return browser.post(invoice.hosted_invoice_url, data={"card": card})


def test_the_page_shows_seller_number_lines_and_what_remains(
    business: Business, browser: httpx.Client
) -> None:
    customer = business.customer(card=None, name="<b>Acme & Sons</b>").id
    invoice = due(business, 14, 123450, 50, customer=customer)

    page = browser.get(invoice.hosted_invoice_url)

    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    for shown in (
        invoice.account_name,
        invoice.number,
        "&lt;b&gt;Acme &amp; Sons&lt;/b&gt;",
        "Position 1",
        "1,234.50 USD",
        "Position 2",
        "0.50 USD",
        "<strong>1,235.00 USD</strong> due 15 April 2026",
        "<button>Pay 1,235.00 USD</button>",
        '<label for="card">',
        "Visa ending 9995 (insufficient funds)",
        "/pdf",
    ):
        assert shown in page.text
    assert "<script" not in page.text
    assert browser.head(invoice.hosted_invoice_url).content == b""


def test_paying_on_the_page_pays_the_invoice_and_leads_to_the_receipt(
    business: Business, browser: httpx.Client
) -> None:
    invoice = final(business, 1000)
    known = len(business.events())

    answer = pay(browser, invoice)

    assert (answer.status_code, answer.content) == (303, b"")
    assert answer.headers["location"] == httpx.URL(invoice.hosted_invoice_url).path
    after = business.invoice(invoice.id, "payments.data.payment.payment_intent")
    assert (after.status, after.amount_paid, after.amount_remaining) == ("paid", 1000, 0)
    assert after.payments.data[0].payment.payment_intent.status == "succeeded"
    assert business.events()[known:] == [
        "charge.succeeded",
        "payment_intent.succeeded",
        "invoice_payment.paid",
        "invoice.paid",
        "invoice.payment_succeeded",
    ]
    receipt = browser.get(invoice.hosted_invoice_url)
    assert f"Receipt for invoice {invoice.number}" in receipt.text
    assert "Paid on 1 April 2026" in receipt.text
    assert "<form" not in receipt.text


def test_paying_twice_pays_once(business: Business, browser: httpx.Client) -> None:
    invoice = final(business, 1000)

    answers = [pay(browser, invoice).status_code for _ in range(2)]

    assert answers == [303, 303]
    assert len(business.v1.charges.list({"customer": invoice.customer}).data) == 1
    assert business.events("invoice.paid") == ["invoice.paid"]


@pytest.mark.parametrize(
    ("card", "reason", "code"),
    [
        ("chargeDeclined", "Your card was declined.", "generic_decline"),
        ("chargeDeclinedInsufficientFunds", "Your card has insufficient funds.", "insufficient_funds"),
        ("chargeDeclinedExpiredCard", "Your card has expired.", "expired_card"),
    ],
)
def test_a_declined_card_tells_why_and_the_invoice_stays_open(
    business: Business, browser: httpx.Client, card: str, reason: str, code: str
) -> None:
    invoice = final(business, 1000)

    answer = pay(browser, invoice, card)

    assert answer.status_code == 402
    assert f'role="alert">{reason}' in answer.text
    assert f'<option value="{card}" selected>' in answer.text
    after = business.invoice(invoice.id, "payments.data.payment.payment_intent")
    assert (after.status, after.attempt_count, after.amount_remaining) == ("open", 1, 1000)
    error = after.payments.data[0].payment.payment_intent.last_payment_error
    assert error.decline_code == code
    assert business.events("invoice.payment_failed") == ["invoice.payment_failed"]
    assert pay(browser, invoice).status_code == 303
    assert business.invoice(invoice.id).status == "paid"


def test_a_card_whose_bank_asks_is_paid_once_the_customer_confirms(
    business: Business, browser: httpx.Client
) -> None:
    invoice = final(business, 1000)

    assert pay(browser, invoice, "authenticationRequired").status_code == 303
    assert business.invoice(invoice.id).status == "open"
    assert "Confirm the payment" in browser.get(invoice.hosted_invoice_url).text
    for _ in range(2):
        answer = browser.post(invoice.hosted_invoice_url, data={"confirmed": "true"})
        assert answer.status_code == 303
    assert business.invoice(invoice.id).status == "paid"
    assert len(business.v1.charges.list({"customer": invoice.customer}).data) == 1


def test_confirming_what_no_bank_asked_pays_nothing(business: Business, browser: httpx.Client) -> None:
    invoice = final(business, 1000)

    assert browser.post(invoice.hosted_invoice_url, data={"confirmed": "true"}).status_code == 303
    assert business.invoice(invoice.id).status == "open"


@pytest.mark.parametrize(
    "body", [b"", b"card=", b"card=nonsense", b"card=%FF", b"\xff\xfe", b"card=" + b"x" * 9]
)
def test_a_form_without_a_known_card_pays_nothing(
    business: Business, browser: httpx.Client, body: bytes
) -> None:
    invoice = final(business, 1000)

    assert browser.post(invoice.hosted_invoice_url, content=body).status_code == 400
    assert business.invoice(invoice.id).attempt_count == 0


def test_a_void_invoice_says_so_and_takes_no_money(business: Business, browser: httpx.Client) -> None:
    invoice = final(business, 1000)
    business.v1.invoices.void_invoice(invoice.id)

    page = browser.get(invoice.hosted_invoice_url)
    answer = pay(browser, invoice)

    assert page.status_code == 200
    assert "voided on 1 April 2026" in page.text
    assert "<form" not in page.text
    assert answer.status_code == 303
    assert business.invoice(invoice.id).status == "void"
    assert business.v1.charges.list({"customer": invoice.customer}).data == []


def test_what_was_paid_in_part_is_asked_for_no_more(business: Business, browser: httpx.Client) -> None:
    invoice = due(business, 14, 1000)
    intent = business.v1.payment_intents.create(
        {
            "amount": 400,
            "currency": "usd",
            "customer": invoice.customer,
            "payment_method": "pm_card_visa",
            "confirm": True,
        }
    )
    business.v1.invoices.attach_payment(invoice.id, {"payment_intent": intent.id})

    assert "<button>Pay 6.00 USD</button>" in browser.get(invoice.hosted_invoice_url).text
    assert pay(browser, invoice).status_code == 303
    after = business.invoice(invoice.id)
    assert (after.status, after.amount_paid, after.amount_remaining) == ("paid", 1000, 0)


def test_other_methods_are_refused(business: Business, browser: httpx.Client) -> None:
    invoice = final(business, 1000)

    refused = browser.delete(invoice.hosted_invoice_url)
    posted = browser.post(invoice.invoice_pdf, data={"card": "visa"})

    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, POST")
    assert (posted.status_code, posted.headers["allow"]) == (405, "GET, HEAD")
    assert business.invoice(invoice.id).status == "open"


def test_the_pdf_is_one_page_of_the_present_state(business: Business, browser: httpx.Client) -> None:
    invoice = due(business, 14, 1000, 250)

    first, again = (browser.get(invoice.invoice_pdf) for _ in range(2))
    pay(browser, invoice)
    paid = browser.get(invoice.invoice_pdf)

    assert first.headers["content-type"] == "application/pdf"
    assert first.headers["content-disposition"] == f'attachment; filename="Invoice-{invoice.number}.pdf"'
    assert first.content == again.content != paid.content
    for file in (first.content, paid.content):
        assert file.startswith(b"%PDF-")
        assert well_formed(file)
        assert b"/Count 1 " in file
        for shown in (invoice.number, "Billed to Acme", "Position 1", "10.00 USD", "2.50 USD", "12.50 USD"):
            assert f"({shown})".encode() in file or f"(Invoice {shown})".encode() in file
    assert b"(Open, due 15 April 2026)" in first.content
    assert b"(Paid on 1 April 2026)" in paid.content
    assert b"(0.00 USD)" in paid.content


def test_the_pdf_of_many_odd_lines_is_still_one_well_formed_page(
    business: Business, browser: httpx.Client
) -> None:
    customer = business.customer(card=None, name="(Odd\\ Łódź €)\n").id
    invoice = final(business, *range(1, 40), customer=customer)

    file = browser.get(invoice.invoice_pdf).content

    assert well_formed(file)
    assert "(Billed to \\(Odd\\\\ ?ód? €\\))".encode("cp1252") in file
    assert b"(Position 25)" in file
    assert b"(Position 26)" not in file
    assert b"(and 14 more lines, see the invoice's page)" in file


def test_faults_limits_and_the_request_log_are_of_the_api_alone(
    business: Business, browser: httpx.Client
) -> None:
    invoice = final(business, 1000)
    business.stand_in.fault("error_before", path=".*", times=9)
    business.stand_in.control("limits", {"per_second": 1})
    known = business.stand_in.last_request()

    visited = [browser.get(url).status_code for url in (invoice.hosted_invoice_url, invoice.invoice_pdf)]

    assert visited == [200, 200]
    assert pay(browser, invoice).status_code == 303
    assert business.stand_in.requests(known) == []
    business.stand_in.control("limits", {"per_second": None})
    business.stand_in.clear_faults()
    assert business.invoice(invoice.id).status == "paid"


def test_a_visit_does_first_what_fell_due_before_it(business: Business, browser: httpx.Client) -> None:
    invoice = due(business, 14, 1000)
    business.at(APRIL + 14 * DAY)

    browser.get(invoice.hosted_invoice_url)

    assert business.events("invoice.overdue") == ["invoice.overdue"]


def well_formed(file: bytes) -> bool:
    """Whether the cross-reference table points at the objects and the stream is as long as it says."""
    table = int(re.findall(rb"startxref\n(\d+)\n%%EOF\n\Z", file)[0])
    offsets = [int(offset) for offset in re.findall(rb"\n(\d{10}) 00000 n ", file[table:])]
    numbered = all(file[at:].startswith(b"%d 0 obj\n" % number) for number, at in enumerate(offsets, 1))
    [(length, stream)] = re.findall(rb"/Length (\d+) >>\nstream\n(.*)\nendstream", file, re.DOTALL)
    sized = f"/Size {len(offsets) + 1} ".encode() in file[table:]
    return file[table:].startswith(b"xref\n") and numbered and sized and int(length) == len(stream)
