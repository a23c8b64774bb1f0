"""What a mail to a customer tells, read when it is about to be sent."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.customers import Correspondent, Whereabouts, correspondent

from .tables import Customer, CustomerMail, CustomerSettings, Invoice, MailTemplate, Organization, PortalLink


class Content(NamedTuple):
    """The invoice as the mirror has it now, to whom it goes, and the link that was issued for it, if one was.

    `templates` are the organization's own for this kind of mail, in all languages.
    """

    seller: str
    invoice: Invoice
    to: Correspondent
    settings: CustomerSettings | None
    link: PortalLink | None
    templates: Sequence[MailTemplate]


async def read(session: AsyncSession, mail: CustomerMail) -> Content:
    """Raises LookupError when the mirror has no such invoice or customer."""
    found = (
        await session.exec(
            select(Organization, Invoice, Customer, CustomerSettings, PortalLink)  # type: ignore[call-overload]
            .join(Invoice, col(Invoice.organization_id) == col(Organization.id))
            .join(Customer, col(Customer.id) == Invoice.customer_id)
            .outerjoin(CustomerSettings, col(CustomerSettings.customer_id) == col(Customer.id))
            .outerjoin(PortalLink, col(PortalLink.id) == mail.link_id)
            .where(Invoice.id == mail.invoice_id, Organization.id == mail.organization_id)
        )
    ).first()
    if found is None:
        raise LookupError(f"no invoice {mail.invoice_id}")
    home, invoice, customer, settings, link = found
    own = settings or CustomerSettings(customer_id=customer.id, organization_id=home.id, updated_by="")
    to = correspondent(
        customer=customer.id,
        name=customer.name,
        email=None if customer.deleted else customer.email,
        settings=Whereabouts(own.language, own.zone, own.country, own.subdivision),
        stripe=Whereabouts(customer.language, None, customer.country),
        organization=Whereabouts(None, home.zone, home.country, home.subdivision),
    )
    templates = await session.exec(
        select(MailTemplate).where(
            MailTemplate.organization_id == mail.organization_id, MailTemplate.name == mail.template
        )
    )
    return Content(home.name, invoice, to, settings, link, templates.all())
