"""A mail to a customer, from what is known to what goes over the wire."""

import logging
from collections.abc import Sequence
from datetime import datetime
from email.message import Message
from email.utils import format_datetime
from typing import NamedTuple, cast

from billing.core.text import one_line
from billing.mail.customer_mail_text import (
    SPOILT,
    MailFacts,
    Name,
    Words,
    built_in,
    candidates,
    compiled,
    variables,
)
from billing.mail.languages import is_offered, spoken
from billing.mail.links import stray_link
from billing.mail.phrases import ENGLISH
from db.mail.customer_mail_content import Content
from db.tables import CustomerMail, MailTemplate

from .mailer import MailIdentity, body, written
from .render import MailText
from .smtp import MailRefused

log = logging.getLogger(__name__)


class Post(NamedTuple):
    """Everything but the time. The words hold the token: nothing of this is stored or logged."""

    mail: str
    template: str
    address: str
    recipient: str
    seller: str
    words: Words
    opt_out: str | None
    was_bounced: bool = False
    """Whether this address was refused before."""


class Sender:
    """Writes and composes mails in an organization's name, from our address."""

    def __init__(self, mail_from: str, public_url: str) -> None:
        """Raises ValueError for a sender that can't be one."""
        self.identity = MailIdentity(mail_from, public_url)
        self._base = public_url.rstrip("/")

    def write(
        self, mail: CustomerMail, content: Content, link_until: datetime, token: str, at: datetime
    ) -> Post:
        """In the organization's own words where it has some for the customer's language, else in ours."""
        name, to = cast(Name, mail.template), content.to
        link = f"{self._base}/portal/{token}"
        opt_out = f"{self._base}/portal/opt-out/{token}"
        facts = MailFacts(
            seller=content.seller,
            customer=to.name,
            number=content.invoice.number or content.invoice.id,
            amount_minor=content.invoice.amount_remaining,
            currency=content.invoice.currency,
            due_date=content.invoice.due_date,
            link_until=link_until,
            language=to.language,
            zone=to.zone,
        )
        own = _own(content.templates, to.language)
        words = None
        if own is not None:
            try:
                values = variables(name, facts, at, link, opt_out)
                words = compiled(Words(own.subject, own.text, own.html)).render(values)
                if stray_link(words, (link, opt_out)):
                    # The check of the template could not see what a name or a condition makes of it.
                    words = None
            except SPOILT:
                pass  # what could be rendered when it was saved
            if words is None:
                log.warning(
                    "%s: its own template %s in %s can't be used for this mail, which goes out in ours",
                    mail.organization_id,
                    name,
                    own.language,
                )
        if words is None:
            # Dates and amounts in the language of the words, whatever else the customer may speak.
            tag = to.language if is_offered(to.language) else ENGLISH
            values = variables(name, facts._replace(language=tag), at, link, opt_out)
            words = compiled(built_in(name, spoken(tag))).render(values)
        return Post(
            mail=mail.id,
            template=name,
            address=to.email or "",
            recipient=one_line(to.name or ""),
            seller=one_line(content.seller),
            words=words,
            opt_out=opt_out if name == "reminder" else None,
            was_bounced=content.settings is not None and content.settings.bounced_address == to.email,
        )

    def compose(self, post: Post, at: datetime) -> Message:
        """As it goes over the wire. Raises MailRefused for an address that can't be one."""
        try:
            recipient = written(post.recipient, post.address)
        except ValueError:
            raise MailRefused(None) from None
        message = body(MailText(post.words.subject, post.words.text, post.words.html))
        message["From"] = written(post.seller, self.identity.address)
        message["To"] = recipient
        message["Subject"] = post.words.subject
        message["Date"] = format_datetime(at)
        message["Message-ID"] = self.identity.message_id(post.mail)
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834
        message["X-Plixo-Mail"] = post.mail
        message["X-Plixo-Template"] = post.template
        if post.opt_out:
            message["List-Unsubscribe"] = f"<{post.opt_out}>"
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"  # RFC 8058
        return message


def _own(templates: Sequence[MailTemplate], language: str) -> MailTemplate | None:
    by_language = {one.language: one for one in templates}
    return next((by_language[tag] for tag in candidates(language) if tag in by_language), None)
