"""Links by which a customer gets at an invoice: issued, listed, mailed anew, revoked."""

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.policy.portal import PortalPolicy
from billing.portal.links import link_expiry
from db.core.clock import utc_now
from db.customers import addresses, erasure
from db.mail import single_mails
from db.mirror import mirror
from db.portal import links as portal_links
from db.portal import links_mail
from db.tables import CustomerSettings, Invoice, Outbox, PortalLink

from ..dispatch.dispatcher import HEAD_START
from ..http.auth import AnyCaller, Caller, Giver
from ..http.context import Context, InContext
from ..http.csv_lists import answer_list, list_answers
from ..http.examples import example
from ..http.ids import Id
from ..http.models import ListOf
from ..http.openapi import WITH_BODY, answers, body_example
from ..operations import views
from ..problems.common import NOT_FOUND, ROLE_MISSING
from ..problems.problem import ApiProblem, existing
from .problems import (
    CUSTOMER_ADDRESS_BOUNCED,
    CUSTOMER_ERASED,
    CUSTOMER_WITHOUT_ADDRESS,
    INVOICE_NOT_LINKABLE,
    LINK_EXPIRY_FAR,
    LINK_EXPIRY_PAST,
    LINK_MAILED_JUST_NOW,
)
from .schemas import (
    IssuedLinkAnswer,
    LinkBody,
    LinkMailAnswer,
    PortalLinkAnswer,
    PortalLinksQuery,
    RevokeBody,
)

router = APIRouter(prefix="/v1", tags=["Portal"])

NO_PAGE = ("draft", "void")
MAIL_EVERY = timedelta(minutes=1)


@router.post(
    "/invoices/{id}/portal-links",
    status_code=201,
    summary="Issue a portal link",
    responses=answers(
        {201: example("portal_admin/issued_link")},
        *WITH_BODY,
        ROLE_MISSING,
        NOT_FOUND,
        INVOICE_NOT_LINKABLE,
        CUSTOMER_ERASED,
        LINK_EXPIRY_PAST,
        LINK_EXPIRY_FAR,
    ),
    openapi_extra=body_example(example("portal_admin/link_body")),
)
async def issue(id: Id, caller: Giver, context: InContext, body: LinkBody | None = None) -> IssuedLinkAnswer:
    """For you to pass on. The address is shown only once. The invoice's earlier link stops working."""
    at = utc_now()
    async with context.database.transaction() as session:
        invoice = existing(await mirror.invoice(session, caller.organization, id))
        _check_page(invoice)
        if await erasure.is_erased_for_now(session, invoice.customer_id):
            raise ApiProblem.of(CUSTOMER_ERASED)
        link = await portal_links.issue(
            session,
            organization_id=caller.organization,
            customer_id=invoice.customer_id,
            invoice_id=id,
            by=caller.person,
            reason="issued",
            at=at,
            expires_at=await _expiry(session, context.policy.portal, invoice, body, at),
        )
        token = await portal_links.add_token(session, link.id, at=at)
    return IssuedLinkAnswer(
        **link_answer(link, at).model_dump(), url=f"{context.site.public_url}/portal/{token}"
    )


@router.get(
    "/invoices/{id}/portal-links",
    summary="List an invoice's portal links",
    response_model=ListOf[PortalLinkAnswer],
    responses=list_answers("portal_admin/link", PortalLinkAnswer, NOT_FOUND),
)
async def list_links(
    id: Id,
    query: Annotated[PortalLinksQuery, Query()],
    request: Request,
    caller: AnyCaller,
    context: InContext,
) -> Any:
    """Newest first unless `sort` says otherwise, including links that have ended."""
    async with context.database.reading() as session:
        existing(await mirror.invoice(session, caller.organization, id))
    at = utc_now()
    listing = portal_links.paged(caller.organization, invoice_id=id, sort=query.sort)
    return await answer_list(
        request, context, query, listing, views.each(lambda link: link_answer(link, at)), PortalLinkAnswer
    )


@router.post(
    "/invoices/{id}/portal-links/resend",
    status_code=202,
    summary="Resend a portal link",
    responses=answers(
        {202: example("portal_admin/mailed_link")},
        ROLE_MISSING,
        NOT_FOUND,
        INVOICE_NOT_LINKABLE,
        CUSTOMER_WITHOUT_ADDRESS,
        CUSTOMER_ADDRESS_BOUNCED,
        LINK_MAILED_JUST_NOW,
    ),
)
async def resend(id: Id, caller: Giver, context: InContext) -> LinkMailAnswer:
    """The invoice's earlier link stops working. Limited to once a minute per invoice."""
    return await resend_link(context, caller, id)


async def resend_link(
    context: Context, caller: Caller, invoice_id: str, *, step: str | None = None
) -> LinkMailAnswer:
    """`step` names the mail: one that was asked for before is not mailed again, and answered the same."""
    at = utc_now()
    async with context.database.transaction() as session:
        invoice = existing(await mirror.invoice(session, caller.organization, invoice_id))
        await portal_links.lock(session, invoice_id)
        earlier = await single_mails.of_step(session, invoice_id, step) if step else None
        if earlier is not None and earlier.link_id is not None:
            return LinkMailAnswer(mail=earlier.id, link=earlier.link_id, state="due")
        await check_resend(session, invoice, at)
        start = await mail_link(
            session, context, invoice=invoice, by=caller.person, reason="resent", at=at, step=step
        )
        link = await portal_links.live(session, invoice_id)
    context.dispatcher.hand_over(start)
    assert link is not None
    return LinkMailAnswer(mail=start.payload["mail"], link=link.id, state="due")


@router.post(
    "/portal-links/{id}/revoke",
    summary="Revoke a portal link",
    responses=answers({200: example("portal_admin/revoked_link")}, *WITH_BODY, ROLE_MISSING, NOT_FOUND),
    openapi_extra=body_example(example("portal_admin/revoke_body")),
)
async def revoke(id: Id, body: RevokeBody, caller: Giver, context: InContext) -> PortalLinkAnswer:
    """The link stops working immediately. A link that has already ended does not change."""
    at = utc_now()
    async with context.database.transaction() as session:
        existing(await portal_links.get(session, caller.organization, id))
        await portal_links.revoke(session, id, by=caller.person, note=body.reason, at=at)
    async with context.database.reading() as session:
        link = await portal_links.get(session, caller.organization, id)
    assert link is not None
    return link_answer(link, at)


async def mail_link(
    session: AsyncSession,
    context: Context,
    *,
    invoice: Invoice,
    by: str,
    reason: str,
    at: datetime,
    keep_live: bool = False,
    step: str | None = None,
) -> Outbox:
    """Issue a link and have it mailed, with the caller's transaction; hand the row over after the commit."""
    return await links_mail.mail_link(
        session,
        context.policy.portal,
        invoice=invoice,
        by=by,
        reason=reason,
        at=at,
        keep_live=keep_live,
        head_start=HEAD_START,
        step=step,
    )


async def check_resend(session: AsyncSession, invoice: Invoice, at: datetime) -> None:
    """Raises ApiProblem for what keeps a new link from being mailed."""
    _check_page(invoice)
    await _check_address(session, invoice)
    await _check_pace(session, invoice.id, at)


def _check_page(invoice: Invoice) -> None:
    """Raises ApiProblem `invoice_not_linkable`."""
    if invoice.status in NO_PAGE:
        raise ApiProblem(
            INVOICE_NOT_LINKABLE,
            f"This invoice is {invoice.status}: it has no page for the customer to open. "
            "Choose one that is open, paid or uncollectible.",
        )


async def _expiry(
    session: AsyncSession, policy: PortalPolicy, invoice: Invoice, body: LinkBody | None, at: datetime
) -> datetime:
    """Raises ApiProblem `link_expiry_past` and `link_expiry_far`."""
    if body is None or body.expires_at is None:
        settings = await session.get(CustomerSettings, invoice.customer_id)
        return link_expiry(policy, at, settings.approval_cycle_days if settings else None)
    if body.expires_at <= at:
        raise ApiProblem.of(LINK_EXPIRY_PAST)
    if body.expires_at > at + timedelta(days=policy.most_link_days):
        raise ApiProblem.at(
            LINK_EXPIRY_FAR,
            f"The policy allows expires_at to be at most {policy.most_link_days} days from now; "
            "choose an earlier time.",
            "/expires_at",
        )
    return body.expires_at


async def _check_address(session: AsyncSession, invoice: Invoice) -> None:
    """Raises ApiProblem `customer_without_address` and `customer_address_bounced`."""
    match await addresses.usable(session, invoice.organization_id, invoice.customer_id):
        case "none":
            raise ApiProblem.of(CUSTOMER_WITHOUT_ADDRESS)
        case "bounced":
            raise ApiProblem.of(CUSTOMER_ADDRESS_BOUNCED)


async def _check_pace(session: AsyncSession, invoice: str, at: datetime) -> None:
    """Raises ApiProblem `link_mailed_just_now`. The invoice is locked."""
    last = await single_mails.last_decided(session, invoice, links_mail.TEMPLATE)
    if last is not None and at - last < MAIL_EVERY:
        seconds = (last + MAIL_EVERY - at) // timedelta(seconds=1) + 1
        raise ApiProblem.of(LINK_MAILED_JUST_NOW, headers={"Retry-After": str(seconds)})


def link_answer(link: PortalLink, at: datetime) -> PortalLinkAnswer:
    return PortalLinkAnswer(
        **link.model_dump(exclude={"organization_id"}),
        invoice=link.invoice_id,
        customer=link.customer_id,
        operation=link.operation_id,
        state=portal_links.state_of(link, at),
    )
