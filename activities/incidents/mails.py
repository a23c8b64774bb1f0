"""Who is told of an incident: the controllers and Finance of every organization, by mail."""

import asyncio
from dataclasses import replace

from sqlmodel import col, select
from temporalio import activity
from temporalio.exceptions import ApplicationError

from billing.core.operations import Role
from billing.incidents.messages import IncidentMail
from billing.mail.messages import MailContext, MailRequest
from db.core.session import Database
from db.incidents.mails import mail_key
from db.mail import chat_webhooks
from db.operations import outbox
from db.tables import Organization, Person

from ..mail.mailer import Mailer
from ..mail.records import Mailing
from ..mail.smtp import MailLater

TOLD = frozenset({Role.CONTROLLER.value, Role.FINANCE.value})
"""They hear of the beginning of an incident and of its end."""


class ControllersKnown:
    """The controllers and Finance of all organizations, as this process has last read them: for when it
    can't."""

    def __init__(self) -> None:
        self.mailings: dict[str, Mailing] = {}
        """By organization."""

    async def learn(self, database: Database) -> None:
        """Read them anew."""
        async with database.reading() as session:
            found = await session.exec(
                select(Person, Organization)
                .join(Organization, col(Organization.id) == col(Person.organization_id))
                .where(col(Person.active).is_(True))
                .order_by(col(Person.organization_id), col(Person.id))
            )
            rows = [(person, of) for person, of in found if not TOLD.isdisjoint(person.roles)]
        mailings: dict[str, Mailing] = {}
        for person, of in rows:
            known = mailings.get(of.id) or Mailing(of.name, of.zone, {}, (), frozenset())
            mailings[of.id] = replace(known, recipients=(*known.recipients, person))
        self.mailings = mailings


class IncidentMails:
    """Mails that belong to no operation; each is noted in the outbox, or sent at once from memory."""

    def __init__(self, database: Database, mailer: Mailer, known: ControllersKnown) -> None:
        self._database = database
        self._mailer = mailer
        self._known = known
        self._told: set[tuple[str, str, str]] = set()

    @activity.defn
    async def mail_organizations(self, mail: IncidentMail) -> int:
        """A mail is on its way to every organization, and a message to its chats; says to how many. Again
        changes nothing."""
        async with self._database.transaction() as session:
            organizations = list(await session.exec(select(Organization.id).order_by(Organization.id)))
            requests = {organization: _request(mail, organization) for organization in organizations}
            await chat_webhooks.tell(session, requests.values(), mail.at)
            for request in requests.values():
                await outbox.mail(session, request, at=mail.at)
        return len(organizations)

    @activity.defn
    async def mail_from_memory(self, mail: IncidentMail) -> int:
        """Mails those whom this process knows, without the records; says to how many it sent.

        Raises ApplicationError, to be tried again, when the mail server is away too: after the others.
        """
        due = {
            organization: mailing
            for organization, mailing in self._known.mailings.items()
            if (mail.incident, mail.key, organization) not in self._told
        }
        sent = await asyncio.gather(
            *(self._send(mail, organization, mailing) for organization, mailing in due.items()),
            return_exceptions=True,
        )
        for outcome in sent:
            if isinstance(outcome, MailLater):
                raise ApplicationError(
                    outcome.message, type=outcome.kind, next_retry_delay=outcome.retry_after
                )
            if isinstance(outcome, BaseException):
                raise outcome
        return sum(outcome for outcome in sent if isinstance(outcome, int))

    async def _send(self, mail: IncidentMail, organization: str, mailing: Mailing) -> int:
        told = await self._mailer.send_to(_request(mail, organization), mailing)
        self._told.add((mail.incident, mail.key, organization))
        return told.sent


def _request(mail: IncidentMail, organization: str) -> MailRequest:
    own = organization == mail.private_to
    return MailRequest(
        organization=organization,
        operation="",
        key=mail_key(mail.incident, mail.key),
        template=mail.template,
        roles=mail.roles,
        context=MailContext(
            subject=mail.subject, comment=mail.note if own else None, person=mail.person if own else None
        ),
    )
