"""A mail to people of an organization that belongs to no operation."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.mail.mailer import Mailer
    from billing.mail.messages import MailRequest

from ..core import ids, options


@workflow.defn(name=ids.PERSON_MAIL)
class PersonMailWorkflow:
    """Tries for days, as every mail."""

    @workflow.run
    async def run(self, request: MailRequest) -> None:
        await workflow.execute_activity_method(Mailer.send_mail, request, **options.MAIL)
