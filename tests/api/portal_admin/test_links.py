"""Links by which a customer gets at an invoice, and what is read from Stripe on request."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlmodel import select

from db.core.session import Database
from db.portal import links as portal_links
from db.tables import CustomerMail, CustomerSettings, Invoice, InvoicePdf, Outbox, PortalToken

from ...support.builders import NOW, Tenant, a_customer, an_invoice, store
from ..conftest import ON_ONE_DATABASE, Api


async def invoiced(database: Database, acme: Tenant, status: str = "open", **customer: object) -> Invoice:
    whose = a_customer(acme.id, **{"email": "ap@customer.example", **customer})
    invoice = an_invoice(whose, status=status)
    await store(database, whose, invoice)
    return invoice


async def test_the_address_is_shown_once_and_only_its_hash_is_kept(
    api: Api, database: Database, acme: Tenant
) -> None:
    invoice = await invoiced(database, acme)
    answer = await api.post(f"/v1/invoices/{invoice.id}/portal-links", acme.admin)
    assert answer.status_code == 201
    issued = answer.json()
    token = issued.pop("url").removeprefix("http://127.0.0.1:8000/portal/")
    assert len(token) == 43
    async with database.reading() as session:
        [kept] = await session.exec(select(PortalToken))
        found = await portal_links.find(session, token)
    assert kept.token_hash == portal_links.hash_token(token)
    assert found is not None
    assert found.id == issued["id"]
    assert found.expires_at - found.created_at == timedelta(days=30)
    listed = (await api.get(f"/v1/invoices/{invoice.id}/portal-links", acme.auditor)).json()
    assert listed == {"data": [issued], "next_cursor": None}


async def test_another_link_replaces_the_one_before(api: Api, database: Database, acme: Tenant) -> None:
    invoice = await invoiced(database, acme)
    path = f"/v1/invoices/{invoice.id}/portal-links"
    first = (await api.post(path, acme.admin)).json()
    second = (await api.post(path, acme.controller)).json()
    listed = (await api.get(path, acme.admin)).json()["data"]
    assert [(link["id"], link["state"]) for link in listed] == [
        (second["id"], "live"),
        (first["id"], "replaced"),
    ]


@pytest.mark.parametrize(("days", "code"), [(-1, "link_expiry_past"), (181, "link_expiry_far"), (179, None)])
async def test_an_expiry_of_ones_own_is_later_than_now_and_not_too_far(
    api: Api, database: Database, acme: Tenant, days: int, code: str | None
) -> None:
    invoice = await invoiced(database, acme)
    until = datetime.now(UTC) + timedelta(days=days)
    path = f"/v1/invoices/{invoice.id}/portal-links"
    answer = await api.post(path, acme.admin, {"expires_at": until.isoformat()})
    if code:
        assert (answer.status_code, answer.json()["code"]) == (422, code)
        assert answer.json()["errors"][0]["pointer"] == "/expires_at"
    else:
        assert datetime.fromisoformat(answer.json()["expires_at"]) == until


@pytest.mark.parametrize("way", ["portal-links", "portal-links/resend"])
@pytest.mark.parametrize(
    ("status", "refused"),
    [("draft", True), ("void", True), ("open", False), ("paid", False), ("uncollectible", False)],
)
async def test_only_an_invoice_with_a_page_gets_a_link(
    api: Api, database: Database, acme: Tenant, way: str, status: str, refused: bool
) -> None:
    invoice = await invoiced(database, acme, status)
    answer = await api.post(f"/v1/invoices/{invoice.id}/{way}", acme.admin)
    assert (answer.status_code == 409) is refused
    if refused:
        assert answer.json()["code"] == "invoice_not_linkable"


async def test_a_link_is_mailed_at_most_once_a_minute(api: Api, database: Database, acme: Tenant) -> None:
    invoice = await invoiced(database, acme)
    path = f"/v1/invoices/{invoice.id}/portal-links/resend"
    answer = await api.post(path, acme.admin)
    assert answer.status_code == 202
    again = await api.post(path, acme.admin)
    assert (again.status_code, again.json()["code"]) == (429, "link_mailed_just_now")
    assert 1 <= int(again.headers["retry-after"]) <= 60
    async with database.reading() as session:
        [mail] = await session.exec(select(CustomerMail))
        [start] = await session.exec(select(Outbox))
        tokens = list(await session.exec(select(PortalToken)))
    assert answer.json() == {"mail": mail.id, "link": mail.link_id, "state": "due"}
    assert start.workflow_id == f"customer-mail-{mail.id}"
    assert tokens == [], "it is made when the mail is sent"


@pytest.mark.parametrize(
    ("email", "bounced", "code"),
    [
        (None, None, "customer_without_address"),
        ("ap@customer.example", "ap@customer.example", "customer_address_bounced"),
        ("ap@customer.example", "old@customer.example", None),
    ],
)
async def test_no_mail_goes_where_none_arrives(
    api: Api, database: Database, acme: Tenant, email: str | None, bounced: str | None, code: str | None
) -> None:
    invoice = await invoiced(database, acme, email=email)
    settings = CustomerSettings(
        customer_id=invoice.customer_id,
        organization_id=acme.id,
        bounced_address=bounced,
        updated_at=NOW,
        updated_by="system",
    )
    await store(database, settings)
    answer = await api.post(f"/v1/invoices/{invoice.id}/portal-links/resend", acme.admin)
    assert answer.json().get("code") == code
    assert answer.status_code == (409 if code else 202)


async def test_a_revoked_link_keeps_who_ended_it_and_why(api: Api, database: Database, acme: Tenant) -> None:
    invoice = await invoiced(database, acme)
    issued = (await api.post(f"/v1/invoices/{invoice.id}/portal-links", acme.admin)).json()
    path = f"/v1/portal-links/{issued['id']}/revoke"
    first = (await api.post(path, acme.controller, {"reason": "Sent to the wrong person."})).json()
    again = (await api.post(path, acme.admin, {"reason": "Once more."})).json()
    assert first == again
    assert (first["state"], first["ended_by"]) == ("revoked", acme.controller.id)
    assert first["end_note"] == "Sent to the wrong person."
    assert (await api.post(path, acme.admin, {"reason": "no"})).status_code == 422


async def test_another_organization_sees_and_changes_nothing(
    api: Api, database: Database, acme: Tenant, other: Tenant
) -> None:
    invoice = await invoiced(database, acme)
    path = f"/v1/invoices/{invoice.id}"
    issued = (await api.post(f"{path}/portal-links", acme.admin)).json()
    answers = [
        await api.get(f"{path}/portal-links", other.admin),
        await api.post(f"{path}/portal-links", other.admin),
        await api.post(f"{path}/portal-links/resend", other.admin),
        await api.post(f"/v1/portal-links/{issued['id']}/revoke", other.admin, {"reason": "Mine now."}),
        await api.post(f"{path}/pay-link", other.admin),
        await api.post(f"{path}/pdf", other.admin),
    ]
    assert [answer.status_code for answer in answers] == [404] * 6


@ON_ONE_DATABASE
async def test_only_those_who_give_money_back_issue_links(api: Api, database: Database, acme: Tenant) -> None:
    invoice = await invoiced(database, acme)
    for way in ("portal-links", "portal-links/resend", "pay-link", "pdf"):
        answer = await api.post(f"/v1/invoices/{invoice.id}/{way}", acme.auditor)
        assert (answer.status_code, answer.json()["code"]) == (403, "role_missing")


@ON_ONE_DATABASE
@pytest.mark.parametrize("way", ["pay-link", "pdf"])
async def test_without_temporal_one_is_asked_to_come_again(
    api: Api, database: Database, acme: Tenant, way: str
) -> None:
    invoice = await invoiced(database, acme)
    answer = await api.post(f"/v1/invoices/{invoice.id}/{way}", acme.admin)
    assert (answer.status_code, answer.json()["code"]) == (503, "stripe_unavailable")
    assert answer.headers["retry-after"] == "5"


async def test_a_pdf_is_served_as_it_was_kept(
    api: Api, database: Database, acme: Tenant, other: Tenant
) -> None:
    invoice = await invoiced(database, acme)
    pdf = InvoicePdf(
        id="pdf_1",
        organization_id=acme.id,
        invoice_id=invoice.id,
        sha256="a" * 64,
        size=8,
        content=b"%PDF-1.7",
        fetched_at=NOW,
        requested_by=acme.admin.id,
    )
    await store(database, pdf)
    path = f"/v1/invoices/{invoice.id}/pdf/pdf_1"
    answer = await api.get(path, acme.auditor)
    assert (answer.status_code, answer.content) == (200, b"%PDF-1.7")
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["etag"] == f'"{"a" * 64}"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"] == f'inline; filename="{invoice.id}.pdf"'
    assert (await api.get(path, other.admin)).status_code == 404
