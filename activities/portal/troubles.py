"""What the workflow of a trouble with the portal asks of the records."""

from temporalio import activity

from billing.core.business_time import end_of_business_day
from billing.core.events import EventCode
from billing.core.operations import SYSTEM
from billing.mail.steps import TroubleRecord
from billing.operations.messages import Progress
from billing.operations.questions import last_number
from billing.portal.diagnosis import diagnose, fixed_by_link
from billing.portal.trouble import NewLink, TroubleFound, TroubleQuery, TroubleStands, settled
from db.core import timeline
from db.core.session import Database
from db.mirror import mirror
from db.portal import diagnosis_facts, troubles
from db.portal.links_mail import mail_link

from ..operations.records import tell, write

NEW_LINK = "new_link"


class PortalAccessRecords:
    """One transaction each, and each may be repeated."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @activity.defn
    async def find_access_trouble(self, query: TroubleQuery) -> TroubleFound:
        """What keeps the customer out, by the records and the mirror."""
        async with self._database.reading() as session:
            invoice = await mirror.invoice(session, query.organization, query.invoice)
            if invoice is None:
                gone = "This invoice no longer exists."
                return TroubleFound(
                    codes=(), since=None, words=gone, action=None, by_link=False, how="not_payable"
                )
            facts = await diagnosis_facts.read(session, invoice, query.at)
        diagnosis = diagnose(facts)
        return TroubleFound(
            codes=tuple(finding.code for finding in diagnosis.findings),
            since=diagnosis.cause.since,
            words=diagnosis.cause.words,
            action=diagnosis.cause.action,
            by_link=fixed_by_link(diagnosis, facts),
            how=settled(invoice.status),
            number=invoice.number,
        )

    @activity.defn
    async def mail_trouble_link(self, order: NewLink) -> None:
        """Issues a link and has it mailed, with the event that says so: once for each trouble."""
        async with self._database.transaction() as session:
            # The invoice before the timeline, as whoever notices the trouble again does.
            await troubles.lock(session, order.invoice)
            if await timeline.find(session, order.operation, NEW_LINK):
                return
            invoice = await mirror.invoice(session, order.organization, order.invoice)
            assert invoice is not None, "the diagnosis has seen it"
            await mail_link(
                session,
                order.policy,
                invoice=invoice,
                by=SYSTEM,
                reason="trouble",
                at=order.at,
                operation_id=order.operation,
                keep_live=True,
            )
            await write(
                session,
                Progress(
                    operation=order.operation, key=NEW_LINK, event=EventCode.NEW_LINK_MAILED, at=order.at
                ),
            )

    @activity.defn
    async def record_trouble(self, record: TroubleRecord) -> TroubleStands:
        """The operation's step and the trouble's row, together; says where the trouble stands then."""
        progress = record.progress
        async with self._database.transaction() as session:
            if record.escalated:
                await troubles.escalate(session, progress.operation, at=progress.at)
            if record.how is not None:
                await troubles.close(session, progress.operation, how=record.how, at=progress.at)
            await write(session, progress)
            await tell(session, progress)
            keys = [event.key for event in await timeline.read(session, progress.operation)]
        return TroubleStands(
            escalated="escalated" in keys,
            missed=last_number("missed", keys),
            day_ends=end_of_business_day(progress.at, record.calendar),
        )
