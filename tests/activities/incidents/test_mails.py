"""Mails about the database, from memory: each organization's once, and Temporal tries again what is left."""

import pytest
from temporalio.api.failure.v1 import Failure
from temporalio.converter import DataConverter, DefaultFailureConverter
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.incidents.mails import ControllersKnown, IncidentMails
from activities.mail.mailer import Mailer
from billing.core.operations import Role
from billing.incidents.messages import IncidentMail
from billing.incidents.states import Component
from billing.incidents.words import IncidentSubject
from db.core.session import Database
from sandbox.stack.mail import LOOPBACK

from ...support.builders import NOW, tenant
from ..mail.mailing import ScriptedMailbox, listening

SUBJECT = IncidentSubject(
    incident="inc_1",
    component=Component.DATABASE,
    opened_at=NOW,
    first_fault_at=NOW,
    recovered_at=None,
    cause="unreachable",
)
MAIL = IncidentMail(
    incident="inc_1",
    key="alert-1",
    template="incident_alert",
    roles=(Role.CONTROLLER,),
    subject=SUBJECT,
    at=NOW,
)


async def test_who_is_not_reached_keeps_nobody_waiting_and_temporal_is_told_no_address(
    database: Database,
) -> None:
    acme, other = await tenant(database), await tenant(database)
    known, mailbox = ControllersKnown(), ScriptedMailbox()
    await known.learn(database)
    everybody = [person.email for one in known.mailings.values() for person in one.recipients]
    greylisted = acme.controller.person.email
    mailbox.answers[greylisted] = f"450 {greylisted} is greylisted"
    async with listening(mailbox) as port:
        url = f"smtp://{LOOPBACK}:{port}"
        mailer = Mailer(database, url, "billing@plixo.example", "https://plixo.example")
        mails = IncidentMails(database, mailer, known)
        with pytest.raises(ApplicationError) as later:
            await ActivityEnvironment().run(mails.mail_from_memory, MAIL)
        before = [to for mail in mailbox.mails for to in mail["to"]]
        del mailbox.answers[greylisted]
        await ActivityEnvironment().run(mails.mail_from_memory, MAIL)
        await mailer.close()
    assert (later.value.type, later.value.non_retryable) == ("mail_server_busy", False)
    failure = Failure()
    DefaultFailureConverter().to_failure(later.value, DataConverter.default.payload_converter, failure)
    assert greylisted not in str(failure)
    assert "greylisted" not in str(failure)
    after = [to for mail in mailbox.mails for to in mail["to"]]
    assert greylisted not in before
    assert set(after) == set(everybody)
    assert after.count(other.controller.person.email) == 1
