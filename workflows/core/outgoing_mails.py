"""Mails of a workflow that nobody waits for before it is over."""

import asyncio
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.mail.mailer import Mailer
    from billing.mail.messages import MailRequest

from . import options


class OutgoingMails:
    """Each is tried for days; one that is given up does not change how the workflow ends."""

    def __init__(self, operation: str) -> None:
        self._operation = operation
        self._mails: list[workflow.ActivityHandle[Any]] = []

    def send(self, request: MailRequest) -> None:
        """On its way from now on."""
        self._mails.append(workflow.start_activity_method(Mailer.send_mail, request, **options.MAIL))

    async def sent(self) -> None:
        """Waits until every one was sent or given up."""
        for outcome in await asyncio.gather(*self._mails, return_exceptions=True):
            if isinstance(outcome, ActivityError):
                workflow.logger.warning("a mail of %s could not be sent", self._operation)
            elif isinstance(outcome, BaseException):
                raise outcome
