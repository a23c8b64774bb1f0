"""Hosted invoice addresses live as long as Stripe's: to the second, each address for itself.

https://docs.stripe.com/invoicing/hosted-invoice-page
"""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pydantic_core import from_json, to_json

from sandbox.stripe.server.inprocess import StandIn

from .billing import APRIL, DAY, Business
from .conftest import client_of
from .hosted import browsing, due, final


@pytest.fixture
def browser() -> Iterator[httpx.Client]:
    with browsing() as client:
        yield client


def lives_until(business: Business, browser: httpx.Client, url: str, last: int) -> bool:
    """Whether the address works in the second before `last` and has expired in `last` itself."""
    business.at(last - 1)
    before = browser.get(url)
    business.at(last)
    after = browser.get(url)
    return (before.status_code, after.status_code) == (200, 410) and "has expired" in after.text


@pytest.mark.parametrize(
    ("days_until_due", "last"),
    [
        (0, APRIL + 30 * DAY),
        (14, APRIL + 44 * DAY),
        (90, APRIL + 120 * DAY),
        (91, APRIL + 120 * DAY),
        (365, APRIL + 120 * DAY),
    ],
)
def test_an_address_expires_thirty_days_after_the_due_date_and_never_later_than_120_after_finalization(
    business: Business, browser: httpx.Client, days_until_due: int, last: int
) -> None:
    url = due(business, days_until_due, 1000).hosted_invoice_url

    assert lives_until(business, browser, url, last)


def test_without_a_due_date_an_address_expires_thirty_days_after_finalization(
    business: Business, browser: httpx.Client
) -> None:
    invoice = final(business, 1000)

    assert invoice.due_date is None
    assert lives_until(business, browser, invoice.hosted_invoice_url, APRIL + 30 * DAY)
    assert browser.get(invoice.invoice_pdf).status_code == 410
    assert browser.post(invoice.hosted_invoice_url, data={"card": "visa"}).status_code == 410
    assert business.invoice(invoice.id).status == "open"


@pytest.mark.parametrize("read_after", [25, 40, 115, 400])
def test_an_address_that_is_read_late_is_good_for_ten_more_days(
    business: Business, browser: httpx.Client, read_after: int
) -> None:
    invoice = final(business, 1000)
    read_at = APRIL + read_after * DAY
    business.at(read_at)

    fresh = business.invoice(invoice.id).hosted_invoice_url

    assert fresh != invoice.hosted_invoice_url
    assert lives_until(business, browser, fresh, read_at + 10 * DAY)


def test_a_fresh_address_does_not_revive_the_older_one(business: Business, browser: httpx.Client) -> None:
    old = final(business, 1000)
    business.at(APRIL + 31 * DAY)
    fresh = business.invoice(old.id)

    assert browser.get(fresh.hosted_invoice_url).status_code == 200
    assert browser.get(fresh.invoice_pdf).status_code == 200
    assert browser.get(old.hosted_invoice_url).status_code == 410


def test_an_address_read_early_stays_the_same(business: Business) -> None:
    invoice = final(business, 1000)
    business.at(APRIL + 20 * DAY)

    assert business.invoice(invoice.id).hosted_invoice_url == invoice.hosted_invoice_url


def test_lists_expansions_and_events_carry_addresses_of_their_own_time(
    business: Business, browser: httpx.Client
) -> None:
    customer = business.customer(card=None).id
    invoice = final(business, 1000, customer=customer)
    business.at(APRIL + 30 * DAY)

    [listed] = business.v1.invoices.list({"customer": customer}).data
    [payment] = business.v1.invoice_payments.list({"invoice": invoice.id, "expand": ["data.invoice"]}).data
    [event] = business.v1.events.list({"type": "invoice.finalized"}).data

    assert listed.hosted_invoice_url == payment.invoice.hosted_invoice_url
    assert browser.get(listed.hosted_invoice_url).status_code == 200
    assert event.data.object["hosted_invoice_url"] == invoice.hosted_invoice_url
    assert browser.get(event.data.object["hosted_invoice_url"]).status_code == 410
    previous = event.data.previous_attributes
    assert (previous["hosted_invoice_url"], previous["invoice_pdf"]) == (None, None)


def test_a_draft_and_a_preview_have_no_address(business: Business) -> None:
    subscription = business.subscribe(1000)
    draft = business.v1.invoices.create({"customer": subscription.customer})
    preview = business.preview(subscription)

    for unfinished in (draft, preview):
        given = (unfinished.number, unfinished.hosted_invoice_url, unfinished.invoice_pdf)
        assert given == (None, None, None)


def test_unknown_and_altered_addresses_are_not_found(business: Business, browser: httpx.Client) -> None:
    url = final(business, 1000).hosted_invoice_url
    start, _, token = url.rpartition("/")
    altered = [token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :] for at in range(len(token))]
    others = ["", "x", "test_", token[:-1], token + "A", token + "=", token.upper(), "test_" + "é" * 9]

    answers = {browser.get(f"{start}/{other}").status_code for other in [*altered, *others]}
    elsewhere = browser.get(url.replace("/acct_", "/acct_x"))

    assert answers == {404}
    assert elsewhere.status_code == 404
    assert "Page not found" in elsewhere.text
    assert browser.get(url).status_code == 200


def test_addresses_survive_a_restart_and_a_state_file_from_before_them(tmp_path: Path) -> None:
    data = tmp_path / "stripe.jsonl"
    with StandIn(data=data) as first, browsing() as browser:
        invoice = final(Business(first, client_of(first.url)), 1000)
        path = httpx.URL(invoice.hosted_invoice_url).path
    with StandIn(data=data) as second, browsing() as browser:
        assert browser.get(second.url + path).status_code == 200

    _as_before(data, invoice.id, "http://127.0.0.1:1/i/acct_1PlixoSandbox0001/test_0123")
    with StandIn(data=data) as third, browsing() as browser:
        business = Business(third, client_of(third.url))
        known = business.invoice(invoice.id)
        assert browser.get(known.hosted_invoice_url).status_code == 200
        assert browser.get(third.url + path).status_code == 404
        assert third.violations() == []


def _as_before(data: Path, invoice: str, url: str) -> None:
    """Make the state file one of the time when addresses were stored with the invoice, and no secret."""
    lines = []
    for line in data.read_bytes().splitlines():
        records = [record for record in from_json(line) if record[1] != "link_secret"]
        for section, key, body in records:
            if section == "object:invoice" and key == invoice:
                body.update(hosted_invoice_url=url, invoice_pdf=f"{url}/pdf")
        if records:
            lines.append(to_json(records))
    data.write_bytes(b"\n".join(lines) + b"\n")
