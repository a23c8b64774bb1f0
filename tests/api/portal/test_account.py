"""A customer's account: who may see it, what it shows, and that each invoice is paid by its own button."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from httpx import Response
from sqlmodel import col, select

from api.http.site import Site
from billing.portal.links import InvoiceFetch, InvoiceFetched
from db.core.clock import utc_now
from db.core.session import Database
from db.portal import links as portal_links
from db.tables import Customer, CustomerMail, CustomerSettings, Invoice, PortalAccess, new_id

from ...support.builders import NOW, Tenant, a_customer, an_invoice, store
from ..conftest import ON_ONE_DATABASE, Api
from ..portal_customer import BROWSER, Visitor, a_visitor

AT_STRIPE = "https://invoice.stripe.com/i/"


async def mailed(visitor: Visitor, *, address: str | None = None, state: str = "sent") -> str:
    """A token as it stands in a mail to the customer."""
    link, _ = await visitor.link()
    at = utc_now()
    mail = CustomerMail(
        id=new_id("cml"),
        organization_id=link.organization_id,
        customer_id=link.customer_id,
        invoice_id=link.invoice_id,
        step=f"link:{link.id}",
        template="portal_link",
        state=state,
        reason=state,
        amount_minor=1,
        currency="usd",
        decided_at=at,
        due_at=at,
        link_id=link.id,
        address=address or visitor.customer.email,
    )
    await store(visitor.database, mail)
    async with visitor.database.transaction() as session:
        [token] = await portal_links.add_tokens(session, [(link.id, mail.id)], at=at)
    return token


@pytest.fixture
async def visitor(api: Api, database: Database, acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> Visitor:
    """Who has another open invoice, a paid one, a draft and a void one; and a colleague has one, too."""
    api.app.state.context = replace(api.context, site=Site(public_url="http://plixo.test", floor=0.0))

    async def at_stripe(context: object, wanted: InvoiceFetch) -> InvoiceFetched:
        return InvoiceFetched(state="ready", read_at=NOW, url=AT_STRIPE + wanted.invoice)

    monkeypatch.setattr("api.portal.routes.fetch", at_stripe)
    visitor = await a_visitor(api, database, acme)
    at, colleague = utc_now(), a_customer(acme.id)
    await store(
        database,
        colleague,
        an_invoice(visitor.customer, id="in_open", number="AC-2", total=25_000, currency="eur"),
        *(
            an_invoice(visitor.customer, id=f"in_{state}", number=f"AC-{state}", status=state, created_at=at)
            for state in ("paid", "draft", "void")
        ),
        an_invoice(
            visitor.customer,
            id="in_old",
            number="AC-old",
            status="paid",
            created_at=at - timedelta(days=91),
        ),
        an_invoice(colleague, id="in_colleague", number="AC-colleague"),
    )
    return visitor


async def at_account(visitor: Visitor, token: str) -> Response:
    await visitor.enter(token)
    return await visitor.api.http.get(f"{visitor.page}account", headers=BROWSER)


async def test_a_link_from_the_customers_own_mail_opens_all_their_invoices(visitor: Visitor) -> None:
    page = await at_account(visitor, await mailed(visitor))
    assert page.status_code == 200
    for words in ("Pay USD 100.00", "Pay EUR 250.00", "AC-paid"):
        assert words in page.text
    for hidden in ("AC-draft", "AC-void", "AC-old", "AC-colleague"):
        assert hidden not in page.text
    assert page.headers["referrer-policy"] == "no-referrer"
    assert await visitor.outcomes() == ["opened", "account"]
    invoice = await visitor.look()
    assert 'href="account"' in invoice.text
    assert "can see all your invoices" in invoice.text


@pytest.mark.both_databases
@pytest.mark.parametrize("how", ["passed on", "another address", "bounced", "deleted"])
async def test_a_link_for_one_invoice_opens_no_other(visitor: Visitor, how: str) -> None:
    match how:
        case "passed on":
            _, token = await visitor.link()
        case "another address":
            token = await mailed(visitor, address="formerly@customer.example")
        case "bounced":
            token = await mailed(visitor, state="bounced")
        case _:
            token = await mailed(visitor)
            async with visitor.database.transaction() as session:
                customer = await session.get(Customer, visitor.customer.id)
                assert customer is not None
                customer.deleted = True
                session.add(customer)
    led_away = await at_account(visitor, token)
    assert (led_away.status_code, led_away.headers["location"]) == (303, visitor.page)
    invoice = await visitor.look()
    assert invoice.status_code == 200
    assert 'href="account"' not in invoice.text
    for path in ("pdf?invoice=in_open", "promise?invoice=in_open"):
        assert (await visitor.api.http.get(visitor.page + path, headers=BROWSER)).status_code == 404
    assert (await visitor.post("pay", invoice="in_open")).status_code == 404
    assert await visitor.outcomes() == ["opened"]


@pytest.mark.parametrize("invoice", ["in_colleague", "in_draft", "in_none", "../x", "in_\x00"])
async def test_nobody_elses_invoice_is_there(visitor: Visitor, invoice: str) -> None:
    await at_account(visitor, await mailed(visitor))
    for action in ("pay", "promise"):
        assert (await visitor.post(action, invoice=invoice)).status_code == 404
    for path in ("pdf", "promise"):
        answer = await visitor.api.http.get(visitor.page + path, params={"invoice": invoice}, headers=BROWSER)
        assert answer.status_code == 404


@ON_ONE_DATABASE
async def test_who_has_no_live_link_sees_the_neutral_page(visitor: Visitor) -> None:
    token = await mailed(visitor)
    await at_account(visitor, token)
    await visitor.link()
    for path in ("account", "promise"):
        answer = await visitor.api.http.get(visitor.page + path, headers=BROWSER)
        assert (answer.status_code, "Mail me a new link" in answer.text) == (404, True)
    visitor.api.http.cookies.clear()
    answer = await visitor.api.http.get(f"{visitor.page}account", headers=BROWSER)
    assert answer.status_code == 404


async def test_each_button_pays_its_own_invoice_or_nothing(visitor: Visitor, database: Database) -> None:
    page = await at_account(visitor, await mailed(visitor))
    field = r'name="{}" value="(\w+)">\s*'
    forms = dict(re.findall(field.format("invoice") + "<input[^>]* " + field.format("shown"), page.text))
    assert set(forms) == {visitor.invoice.id, "in_open"}
    for invoice, shown in forms.items():
        paying = await visitor.post("pay", invoice=invoice, shown=shown)
        assert (paying.status_code, paying.headers["location"]) == (303, AT_STRIPE + invoice)
    mixed = await visitor.post("pay", invoice="in_open", shown=forms[visitor.invoice.id])
    assert mixed.headers["location"] == f"{visitor.page}account?changed"
    again = await visitor.api.http.get(mixed.headers["location"], headers=BROWSER)
    assert "has changed since you opened the page" in again.text
    async with database.reading() as session:
        rows = await session.exec(
            select(PortalAccess.invoice_id).where(col(PortalAccess.outcome) == "paying")
        )
        assert sorted(rows) == sorted(forms)


@ON_ONE_DATABASE
async def test_looking_at_the_account_leaves_few_rows(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.portal.visits.MAX_NOTED", 2)
    await at_account(visitor, await mailed(visitor))
    for _ in range(3):
        await visitor.api.http.get(f"{visitor.page}account", headers=BROWSER)
        await visitor.api.http.head(f"{visitor.page}account", headers=BROWSER)
    assert await visitor.outcomes() == ["opened", "account", "account"]


@ON_ONE_DATABASE
async def test_the_account_is_in_the_customers_language_and_by_their_clock(
    visitor: Visitor, acme: Tenant, database: Database
) -> None:
    settings = CustomerSettings(
        customer_id=visitor.customer.id,
        organization_id=acme.id,
        language="de",
        zone="Pacific/Kiritimati",
        updated_at=NOW,
        updated_by=acme.admin.id,
    )
    await store(database, settings)
    page = await at_account(visitor, await mailed(visitor))
    for words in ('<html lang="de">', "Ihre Rechnungen von", "EUR 250,00 bezahlen", "fällig in 3 Tagen"):
        assert words in page.text


@ON_ONE_DATABASE
async def test_an_account_without_debts_says_so(visitor: Visitor, database: Database) -> None:
    async with database.transaction() as session:
        for row in await session.exec(select(Invoice).where(Invoice.status == "open")):
            row.status, row.amount_remaining = "paid", 0
            session.add(row)
    page = await at_account(visitor, await mailed(visitor))
    assert "There is nothing to pay." in page.text
    assert "<button" not in page.text
