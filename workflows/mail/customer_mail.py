"""One mail that somebody asked for: sent as soon as the mail server takes it."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from billing.mail.customer_mails import CustomerMailInput
    from billing.reminders.runs import SendDue, SentDue

from ..core import ids, options
from ..core.waiting import pause


@workflow.defn(name=ids.CUSTOMER_MAIL)
class CustomerMailWorkflow:
    """Tries for days, ever less often; the mail's row says what became of it."""

    @workflow.run
    async def run(self, asked: CustomerMailInput) -> str:
        for wait in (timedelta(0), *options.MAIL_AGAIN):
            if wait:
                await pause("Waits to try the mail again.", wait)
            order = SendDue(mail=asked.mail, at=workflow.now(), most=1)
            sent: SentDue = await workflow.execute_activity(
                ids.SEND_CUSTOMER_MAILS, order, result_type=SentDue, **options.CUSTOMER_MAIL
            )
            if not sent.later:
                return "bounced" if sent.bounced else "sent" if sent.sent else "skipped"
        return "given_up"
