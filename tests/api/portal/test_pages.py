"""An invoice's page: who sees it, what it says, what is noted of it, and what nobody learns from it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from httpx import Response
from sqlmodel import text

from api.http.site import Site
from api.portal.visits import COOKIE, COUNTED
from db.core.session import Database
from db.mirror import mirror
from db.portal import invoice_pdfs
from db.portal import links as portal_links
from db.tables import CustomerSettings, InvoiceLines, PortalTrouble

from ...support.builders import Tenant, store
from ..conftest import ON_ONE_DATABASE, Api, counted
from ..portal_customer import BROWSER, Visitor, a_visitor, private

UNKNOWN = "A" * 43


@pytest.fixture
async def visitor(api: Api, database: Database, acme: Tenant) -> Visitor:
    api.app.state.context = replace(api.context, site=Site(public_url="http://plixo.test", floor=0.0))
    return await a_visitor(api, database, acme)


async def test_a_link_brings_its_customer_to_the_invoice_and_is_counted_once(visitor: Visitor) -> None:
    link, token = await visitor.link()
    page = await visitor.enter(token)
    assert page.status_code == 200
    for words in ("AC-0042", "USD 100.00", "due in 3 days", "Pay USD 100.00", "Test mode"):
        assert words in page.text
    assert token not in page.text
    assert (await visitor.look()).status_code == 200
    found = await visitor.row(link)
    assert (found.opens, found.first_opened_at) == (1, found.last_opened_at)
    assert await visitor.outcomes() == ["opened"]


@ON_ONE_DATABASE
async def test_the_token_moves_into_a_cookie_that_only_our_pages_get(visitor: Visitor) -> None:
    _, token = await visitor.link()
    entered = await visitor.api.http.get(f"/portal/{token}")
    page = f"/portal/i/{portal_links.page_id(token)}"
    assert (entered.status_code, entered.headers["location"]) == (303, f"{page}/")
    assert entered.headers["set-cookie"] == (
        f"{COOKIE}={token}; HttpOnly; Max-Age=1800; Path={page}; SameSite=lax"
    )
    secure = Site(public_url="https://pay.example.com", floor=0.0)
    visitor.api.app.state.context = replace(visitor.api.context, site=secure)
    entered = await visitor.api.http.get(f"/portal/{token}")
    assert entered.headers["set-cookie"].endswith("; SameSite=lax; Secure")


@ON_ONE_DATABASE
@pytest.mark.parametrize("sent", ["", "x", "a/b", "A" * 42, "A" * 44, "A" * 42 + "+", "ä" * 43])
async def test_what_is_no_token_is_no_address_and_writes_nothing(visitor: Visitor, sent: str) -> None:
    answer = await visitor.api.http.get(f"/portal/{sent}")
    assert answer.status_code == 404
    assert "set-cookie" not in answer.headers


async def _no_links(visitor: Visitor, other: Tenant) -> dict[str, Response]:
    """The page of everything that opens nothing, by why."""
    pages: dict[str, Response] = {}
    _, replaced = await visitor.link()
    link, revoked = await visitor.link()
    async with visitor.database.transaction() as session:
        await portal_links.revoke(session, link.id, by="system", at=datetime.now(UTC))
    pages["replaced"], pages["revoked"] = await visitor.enter(replaced), await visitor.enter(revoked)
    _, expired = await visitor.link(days=-0.5)
    pages["expired"] = await visitor.enter(expired)
    pages["unknown"] = await visitor.enter(UNKNOWN)
    pages["truncated"] = await visitor.enter(revoked[:-1])
    pages["altered"] = await visitor.enter(("B" if revoked[0] == "A" else "A") + revoked[1:])
    pages["malformed"] = await visitor.enter("not a token")
    visitor.api.http.cookies.clear()
    pages["without a cookie"] = await visitor.look()
    theirs = await a_visitor(visitor.api, visitor.database, other)
    await theirs.block()
    _, blocked = await theirs.link()
    pages["blocked, and of another organization"] = await visitor.enter(blocked)
    return pages


async def test_nobody_learns_why_a_link_does_not_open(visitor: Visitor, other: Tenant) -> None:
    pages = await _no_links(visitor, other)
    unlike = {
        why
        for why, page in pages.items()
        if (page.status_code, page.content, private(page))
        != (404, pages["unknown"].content, private(pages["unknown"]))
    }
    assert unlike == set()
    assert "set-cookie" not in pages["unknown"].headers
    assert "Mail me a new link" in pages["unknown"].text
    assert await visitor.outcomes() == ["replaced", "revoked", "expired", "blocked"]


async def test_the_answers_that_must_not_differ_come_at_whole_multiples_of_the_floor(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []

    async def note(seconds: float) -> None:
        waited.append(seconds)

    visitor.api.app.state.context = replace(visitor.api.context, site=Site(floor=5.0))
    monkeypatch.setattr("api.http.forms._pause", note)
    _, expired = await visitor.link(days=-0.5)
    await visitor.enter(expired)
    await visitor.enter(UNKNOWN)
    await visitor.post("new-link")
    assert len(waited) == 3
    assert all(0 < seconds <= 5.0 for seconds in waited)


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    "headers",
    [
        {"User-Agent": ""},
        {"User-Agent": "Mozilla/5.0 (compatible; bingbot/2.0)"},
        {"User-Agent": "Mozilla/5.0 Slackbot-LinkExpanding 1.0"},
        {"User-Agent": "curl/8.5.0"},
        {"Accept": "*/*"},
        {"Sec-Purpose": "prefetch;prerender"},
        {"Purpose": "prefetch"},
        {"X-Moz": "prefetch"},
        {"Sec-Fetch-Mode": "no-cors"},
    ],
)
async def test_scanners_and_prefetches_leave_no_trace(visitor: Visitor, headers: dict[str, str]) -> None:
    link, token = await visitor.link()
    entered = await visitor.api.http.get(f"/portal/{token}", headers=headers)
    visitor.page = entered.headers["location"]
    seen = await visitor.look(**headers)
    assert seen.status_code == 200
    assert COUNTED not in seen.headers.get("set-cookie", "")
    assert (await visitor.row(link)).opens == 0
    assert await visitor.outcomes() == []


@ON_ONE_DATABASE
async def test_head_shows_that_there_is_a_page_and_leaves_no_trace(visitor: Visitor) -> None:
    link, token = await visitor.link()
    assert (await visitor.api.http.head(f"/portal/{token}", headers=BROWSER)).status_code == 303
    await visitor.enter(token)
    assert (await visitor.api.http.head(visitor.page, headers=BROWSER)).status_code == 200
    assert (await visitor.row(link)).opens == 1, "by the GET of the page alone"
    assert await visitor.outcomes() == ["opened"]


@ON_ONE_DATABASE
async def test_pages_say_what_browsers_may_do_with_them(visitor: Visitor) -> None:
    _, token = await visitor.link()
    for page in (await visitor.enter(token), await visitor.enter(UNKNOWN)):
        assert page.headers["content-security-policy"] == (
            "default-src 'none'; style-src 'self'; img-src 'self'; "
            "form-action 'self' https://*.stripe.com; base-uri 'none'; frame-ancestors 'none'"
        )
        assert page.headers["x-robots-tag"] == "noindex"
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["referrer-policy"] == "no-referrer"
        assert "<script" not in page.text


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("status", "words"), [("paid", "This invoice is paid"), ("void", "This invoice was cancelled")]
)
async def test_what_need_not_be_paid_has_no_button_to_pay(
    api: Api, database: Database, acme: Tenant, visitor: Visitor, status: str, words: str
) -> None:
    done = await a_visitor(api, database, acme, status=status, amount_remaining=0)
    _, token = await done.link()
    page = await done.enter(token)
    assert words in page.text
    assert "<form" not in page.text


async def test_the_page_is_in_the_customers_language_and_by_their_clock(
    visitor: Visitor, database: Database
) -> None:
    settings = CustomerSettings(
        customer_id=visitor.customer.id,
        organization_id=visitor.invoice.organization_id,
        language="de-AT",
        zone="Pacific/Auckland",
        updated_at=datetime.now(UTC),
        updated_by="system",
    )
    await store(database, settings)
    _, token = await visitor.link()
    page = await visitor.enter(token)
    assert '<html lang="de-AT">' in page.text
    assert "Offener Betrag" in page.text
    assert "USD 100,00" in page.text.replace("\xa0", " ")


async def test_the_first_lines_are_shown_and_the_rest_is_in_the_pdf(
    visitor: Visitor, database: Database
) -> None:
    lines = [{"description": f"<b>Seat {n}</b>", "quantity": n, "amount": 100 * n} for n in range(1, 31)]
    lines[1]["description"] = "2 × Desk (at $1.00 / month)"
    row = InvoiceLines(
        invoice_id=visitor.invoice.id,
        organization_id=visitor.invoice.organization_id,
        lines=lines,
        complete=True,
        synced_at=datetime.now(UTC),
    )
    async with database.transaction() as session:
        await mirror.store_invoice_lines(session, [row])
    _, token = await visitor.link()
    page = await visitor.enter(token)
    assert "&lt;b&gt;Seat 20&lt;/b&gt;" in page.text
    assert "Seat 21" not in page.text
    assert "the PDF has all of them" in page.text
    assert "× 1<" not in page.text
    assert "× 3<" in page.text
    assert "× 2<" not in page.text, "Stripe's own words say how many"


async def test_repeated_failures_open_a_trouble_and_end_in_no_more_rows(
    visitor: Visitor, database: Database
) -> None:
    _, token = await visitor.link(days=-0.5)
    for _ in range(2):
        await visitor.enter(token)
    assert await counted(database, PortalTrouble) == [0]
    await visitor.enter(token)
    assert await counted(database, PortalTrouble) == [1]
    for _ in range(50):
        await visitor.look()
    assert await visitor.outcomes() == ["expired"] * 50
    assert await counted(database, PortalTrouble) == [1]


async def test_a_stored_pdf_is_served_while_the_invoice_is_as_it_was(
    visitor: Visitor, database: Database
) -> None:
    async with database.transaction() as session:
        await invoice_pdfs.store(
            session,
            organization=visitor.invoice.organization_id,
            invoice=visitor.invoice.id,
            content=b"%PDF-1.7 drawn",
            requested_by="customer",
            fetched_at=visitor.invoice.synced_at + timedelta(minutes=1),
        )
    _, token = await visitor.link()
    await visitor.enter(token)
    answer = await visitor.api.http.get(f"{visitor.page}pdf", headers=BROWSER)
    assert (answer.status_code, answer.content) == (200, b"%PDF-1.7 drawn")
    assert answer.headers["content-disposition"] == 'inline; filename="AC-0042.pdf"'
    assert await visitor.outcomes() == ["opened", "pdf"]


async def test_without_temporal_paying_says_when_to_try_again_and_is_limited(visitor: Visitor) -> None:
    _, token = await visitor.link()
    await visitor.enter(token)
    answers = [await visitor.post("pay") for _ in range(12)]
    assert {answer.status_code for answer in answers} == {503}
    assert answers[0].headers["retry-after"] == "60"
    assert await visitor.outcomes() == ["opened"] + ["unavailable"] * 10


@ON_ONE_DATABASE
@pytest.mark.parametrize("form", ["pay", "new-link"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
    ],
)
async def test_other_sites_can_send_no_forms(visitor: Visitor, form: str, headers: dict[str, str]) -> None:
    _, token = await visitor.link()
    await visitor.enter(token)
    answer = await visitor.api.http.post(visitor.page + form, headers=BROWSER | headers)
    assert answer.status_code == 403
    assert await visitor.outcomes() == ["opened"]


@ON_ONE_DATABASE
@pytest.mark.parametrize("form", ["pay", "new-link", ""])
async def test_what_is_only_for_forms_leads_to_the_page_and_keeps_the_cookie(
    visitor: Visitor, form: str
) -> None:
    _, token = await visitor.link()
    await visitor.enter(token)
    answer = await visitor.api.http.get(visitor.page + form if form else visitor.page.rstrip("/"))
    assert (answer.status_code, answer.headers["location"]) == (303, visitor.page)
    assert "set-cookie" not in answer.headers


@ON_ONE_DATABASE
async def test_visits_are_counted_by_what_became_of_them(visitor: Visitor) -> None:
    _, token = await visitor.link()
    await visitor.enter(token)
    await visitor.enter(UNKNOWN)
    figures = visitor.api.context.metrics.exposition().decode()
    assert 'plixo_api_portal_visits_total{outcome="opened"} 1.0' in figures
    assert 'plixo_api_portal_visits_total{outcome="unknown"} 1.0' in figures


@ON_ONE_DATABASE
async def test_while_the_records_are_away_people_get_a_page_that_says_so(
    visitor: Visitor, database: Database
) -> None:
    _, token = await visitor.link()
    await visitor.enter(token)
    async with database.transaction() as session:
        await session.exec(text("ALTER TABLE portal_tokens RENAME TO elsewhere"))  # type: ignore[call-overload]
    page = await visitor.look()
    assert page.status_code == 503
    assert "Nothing is lost" in page.text
    assert page.headers["retry-after"] == "60"
