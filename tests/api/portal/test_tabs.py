"""Several invoices in one browser: each page is its own, pays what it shows, and ends by nothing but time."""

import re
from dataclasses import replace

import pytest
from sqlmodel import col, update

from api.app import ROUTERS
from api.http.site import Site
from api.portal.words import WORDS
from billing.mail.languages import preferred
from billing.mail.phrases import PHRASES
from billing.portal.links import InvoiceFetch, InvoiceFetched
from db.core.session import Database
from db.tables import Invoice, PortalAccess

from ...support.builders import NOW, Tenant
from ..conftest import ON_ONE_DATABASE, Api, counted
from ..portal_customer import BROWSER, Visitor, a_visitor

AT_STRIPE = "https://invoice.stripe.com/i/"


@pytest.fixture
async def tabs(
    api: Api, database: Database, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> tuple[Visitor, Visitor]:
    """Two invoices of two customers, open in one browser. Stripe has each invoice's own page to pay on."""
    api.app.state.context = replace(api.context, site=Site(public_url="http://plixo.test", floor=0.0))

    async def at_stripe(context: object, wanted: InvoiceFetch) -> InvoiceFetched:
        return InvoiceFetched(state="ready", read_at=NOW, url=AT_STRIPE + wanted.invoice)

    monkeypatch.setattr("api.portal.routes.fetch", at_stripe)
    one = await a_visitor(api, database, acme, amount_remaining=95_000, number="AC-950")
    other = await a_visitor(api, database, acme, amount_remaining=180_000, number="AC-1800")
    api.http.cookies.clear()
    for tab in (one, other):
        _, token = await tab.link()
        assert (await tab.open(token)).status_code == 200
    return one, other


async def test_each_tab_shows_and_pays_its_own_invoice(tabs: tuple[Visitor, Visitor]) -> None:
    one, other = tabs
    for tab, amount in ((one, "USD 950.00"), (other, "USD 1,800.00"), (one, "USD 950.00")):
        assert f"Pay {amount}" in (await tab.look()).text
        paying = await tab.post("pay")
        assert (paying.status_code, paying.headers["location"]) == (303, AT_STRIPE + tab.invoice.id)


@ON_ONE_DATABASE
async def test_a_page_pays_only_what_it_shows(tabs: tuple[Visitor, Visitor]) -> None:
    one, other = tabs
    one.shown, other.shown = other.shown, one.shown
    for tab in tabs:
        again = await tab.post("pay")
        assert (again.status_code, again.headers["location"]) == (303, f"{tab.page}?changed")
    one.shown = ""
    assert (await one.post("pay")).headers["location"] == f"{one.page}?changed"


async def test_an_invoice_that_has_changed_is_shown_again_instead_of_paid(
    tabs: tuple[Visitor, Visitor], database: Database
) -> None:
    tab, _ = tabs
    async with database.transaction() as session:
        await session.exec(
            update(Invoice).where(col(Invoice.id) == tab.invoice.id).values(amount_remaining=60_000)
        )
    again = await tab.post("pay")
    assert again.headers["location"] == f"{tab.page}?changed"
    page = await tab.api.http.get(again.headers["location"], headers=BROWSER)
    assert "has changed since you opened the page" in page.text
    assert "Pay USD 600.00" in page.text
    await tab.look()
    assert (await tab.post("pay")).headers["location"] == AT_STRIPE + tab.invoice.id


async def test_what_stripe_says_at_the_last_moment_counts_too(
    tabs: tuple[Visitor, Visitor], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    tab, _ = tabs

    async def changed_at_stripe(context: object, wanted: InvoiceFetch) -> InvoiceFetched:
        async with database.transaction() as session:
            await session.exec(
                update(Invoice).where(col(Invoice.id) == wanted.invoice).values(amount_remaining=1)
            )
        return InvoiceFetched(state="ready", read_at=NOW, url=AT_STRIPE + wanted.invoice)

    monkeypatch.setattr("api.portal.routes.fetch", changed_at_stripe)
    assert (await tab.post("pay")).headers["location"] == f"{tab.page}?changed"


NAMED = {"name": "reminder", "language": "de"}
NOT_A_PAGE = [
    "",
    "favicon.ico",
    "robots.txt",
    "pdf",
    "pdf/",
    "pay",
    "apple-touch-icon.png",
    "i/",
    "i/x/",
    "a/b",
]


@ON_ONE_DATABASE
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", NOT_A_PAGE)
async def test_an_address_that_is_none_ends_no_visit(
    tabs: tuple[Visitor, Visitor], method: str, path: str
) -> None:
    answer = await tabs[0].api.http.request(method, f"/portal/{path}", headers=BROWSER)
    assert answer.status_code == 404
    assert "set-cookie" not in answer.headers
    for tab in tabs:
        assert (await tab.look()).status_code == 200


@ON_ONE_DATABASE
@pytest.mark.parametrize("path", ["", "pdf", "pay", "new-link"])
async def test_a_head_uses_nothing_up(tabs: tuple[Visitor, Visitor], database: Database, path: str) -> None:
    tab, _ = tabs
    [before] = await counted(database, PortalAccess)
    answer = await tab.api.http.head(f"{tab.page}{path}", headers=BROWSER)
    assert answer.status_code in (200, 303)
    assert answer.content == b""
    assert await counted(database, PortalAccess) == [before]
    assert (await tab.look()).status_code == 200


async def test_looking_at_pdfs_keeps_nobody_from_paying(
    tabs: tuple[Visitor, Visitor], monkeypatch: pytest.MonkeyPatch
) -> None:
    tab, _ = tabs
    for _ in range(20):
        await tab.api.http.get(f"{tab.page}pdf", headers=BROWSER)
    assert (await tab.post("pay")).headers["location"] == AT_STRIPE + tab.invoice.id


@ON_ONE_DATABASE
async def test_every_get_has_its_head(api: Api, acme: Tenant) -> None:
    paths = sorted(
        {
            re.sub(r"\{(\w+)(:path)?\}", lambda name: NAMED.get(name[1], "x1"), route.path)
            for router in ROUTERS
            for route in router.routes
            if "GET" in getattr(route, "methods", ())
        }
    )
    assert len(paths) > 40
    for path in [*paths, "/openapi.json", "/healthz", "/nowhere"]:
        get = await api.http.get(path, headers=acme.admin.headers)
        head = await api.http.head(path, headers=acme.admin.headers)
        assert head.content == b"", path
        assert head.status_code == get.status_code, path
        assert head.headers.get("content-type") == get.headers.get("content-type"), path


# --- Languages ------------------------------------------------------------------------------------------


def test_every_language_has_every_word_on_pages_and_in_mails() -> None:
    assert set(WORDS) == set(PHRASES)
    assert all(set(words) == set(WORDS["en"]) for words in WORDS.values())
    assert all(set(words) == set(PHRASES["en"]) for words in PHRASES.values())


@pytest.mark.parametrize(
    ("header", "tag"),
    [
        ("de-DE,de;q=0.9,en;q=0.8", "de-DE"),
        ("de", "de"),
        ("fr-FR,fr;q=0.9,de;q=0.5,en;q=0.4", "de"),
        ("fr,en-GB;q=0.3,de;q=0.2", "en-GB"),
        ("de;q=0,en", "en"),
        ("fr", "en"),
        ("*", "en"),
        ("", "en"),
        (None, "en"),
        ("de;q=abc, ;;;,de-xxxxxxxxxxxx", "en"),
        ("DE_at", "en"),
    ],
)
def test_of_the_languages_there_are_the_browser_gets_what_it_likes_best(header: str | None, tag: str) -> None:
    assert preferred(header) == tag


@ON_ONE_DATABASE
async def test_every_page_is_in_the_browsers_language_where_nobody_knows_the_customers(
    tabs: tuple[Visitor, Visitor],
) -> None:
    tab, _ = tabs
    german = BROWSER | {"Accept-Language": "de-AT,de;q=0.9"}
    http = tab.api.http
    _, token = await tab.link()
    for page, words in (
        (await http.get(f"/portal/{'A' * 42}", headers=german), "Dieser Link funktioniert nicht"),
        (await http.get(tab.page, headers=german), "Dieser Link funktioniert nicht"),
        (await http.post(f"{tab.page}new-link", headers=german), "Bitte prüfen Sie Ihr Postfach"),
        (await http.get("/portal/opt-out/x", headers=german), "Keine Erinnerungen mehr?"),
        (await http.post("/portal/opt-out/x", headers=german), "Es wurde nichts geändert"),
        (
            await http.post(f"{tab.page}pay", headers=german | {"Origin": "https://x.example"}),
            "anderen Website",
        ),
        (await http.get(f"/portal/{token}", headers=german, follow_redirects=True), "Offener Betrag"),
    ):
        assert words in page.text
        assert '<html lang="de-AT">' in page.text
        assert "Testbetrieb" in page.text
        assert "Test mode" not in page.text
