"""What a mail to a customer tells, read when it is about to be sent."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import bindparam
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing.core.customers import Correspondent

from ..customers.addresses import written_to
from ..tables import Customer, CustomerMail, CustomerSettings, Invoice, MailTemplate, Organization, PortalLink
from . import templates as mail_templates


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


_CONTENT = (
    select(Organization, Invoice, Customer, CustomerSettings)
    .join(Invoice, col(Invoice.organization_id) == col(Organization.id))
    .join(Customer, col(Customer.id) == Invoice.customer_id)
    .outerjoin(CustomerSettings, col(CustomerSettings.customer_id) == col(Customer.id))
    .where(
        col(Organization.id) == bindparam("organization"),
        col(Invoice.id).in_(bindparam("invoices", expanding=True)),
    )
)


async def read(session: AsyncSession, mails: Sequence[CustomerMail]) -> dict[str, Content]:
    """By the mail's id; one whose invoice or customer the mirror does not have is left out.

    All of one organization and kind.
    """
    one = mails[0]
    values = {"organization": one.organization_id, "invoices": [mail.invoice_id for mail in mails]}
    rows = {row[1].id: row for row in (await session.exec(_CONTENT, params=values)).all()}
    links = await session.exec(
        select(PortalLink).where(col(PortalLink.id).in_([mail.link_id for mail in mails if mail.link_id]))
    )
    issued = {link.id: link for link in links}
    templates = await session.exec(
        select(MailTemplate).where(
            MailTemplate.organization_id == one.organization_id,
            MailTemplate.name == one.template,
            MailTemplate.state == mail_templates.APPROVED,
        )
    )
    own = templates.all()
    return {
        mail.id: _content(*rows[mail.invoice_id], issued.get(mail.link_id or ""), own)
        for mail in mails
        if mail.invoice_id in rows
    }


def _content(
    home: Organization,
    invoice: Invoice,
    customer: Customer,
    settings: CustomerSettings | None,
    link: PortalLink | None,
    templates: Sequence[MailTemplate],
) -> Content:
    return Content(home.name, invoice, written_to(home, customer, settings), settings, link, templates)
