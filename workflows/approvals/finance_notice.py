"""A notice to Finance: tell, wait for the acknowledgement, escalate when it is late."""

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.operations.notices import Notices
    from billing.approvals.notice_messages import (
        Acknowledge,
        NoticeInput,
        NoticeStep,
        OpenedNotice,
        OpenNotice,
    )
    from billing.core.operations import Problem, Role
    from billing.mail.messages import MailContext, MailRequest

from ..core import ids
from ..core.outgoing_mails import OutgoingMails
from ..core.recorded import recorded

LOOK = timedelta(days=1)
"""How long to wait between looks whether an escalated notice still waits."""


@workflow.defn(name=ids.FINANCE_NOTICE)
class FinanceNoticeWorkflow:
    """Open until somebody of Finance says that they have seen it, however long that takes, or until there is
    nothing to see any more: its operation came to nothing, or a newer notice replaces it."""

    @workflow.init
    def __init__(self, request: NoticeInput) -> None:
        self._request = request
        self._opened: OpenedNotice | None = None
        self._acknowledged: Acknowledge | None = None
        self._mails = OutgoingMails(request.operation)

    @workflow.run
    async def run(self, request: NoticeInput) -> None:
        opened = await self._open()
        if opened.closed:
            return
        self._mail("told", "notice", Role.FINANCE, opened)
        if not await self._acknowledged_within(opened.deadline - workflow.now()) and await self._escalate():
            self._mail("escalated", "notice_escalated", Role.CONTROLLER, opened)
            while not await self._acknowledged_within(LOOK) and await self._escalate():
                pass
        await workflow.wait_condition(workflow.all_handlers_finished)
        await self._mails.sent()

    @workflow.update
    async def acknowledge(self, acknowledge: Acknowledge) -> None:
        """Records who has seen it, unless it tells of their own doing; again changes nothing."""
        await workflow.wait_condition(lambda: self._opened is not None)
        problem: Problem | None = await recorded(Notices.acknowledge_notice, self._step(acknowledge.person))
        if problem is not None:
            raise ApplicationError(problem.message, type=problem.code, non_retryable=True)
        self._acknowledged = acknowledge

    @acknowledge.validator
    def _check(self, acknowledge: Acknowledge) -> None:
        if self._acknowledged is not None:
            raise ApplicationError("It has already been acknowledged.", type="already_acknowledged")

    async def _open(self) -> OpenedNotice:
        order = OpenNotice(request=self._request, workflow=workflow.info().workflow_id, at=workflow.now())
        opened: OpenedNotice = await recorded(Notices.open_notice, order)
        self._opened = opened
        return opened

    async def _escalate(self) -> bool:
        """False where it waits for nobody any more."""
        return await recorded(Notices.escalate_notice, self._step())

    async def _acknowledged_within(self, time: timedelta) -> bool:
        try:
            await workflow.wait_condition(
                lambda: self._acknowledged is not None, timeout=max(time.total_seconds(), 0)
            )
        except TimeoutError:
            return False
        return True

    def _step(self, person: str | None = None) -> NoticeStep:
        return NoticeStep(
            notice=self._request.notice,
            operation=self._request.operation,
            at=workflow.now(),
            person=person,
        )

    def _mail(self, key: str, template: str, role: Role, opened: OpenedNotice) -> None:
        request = MailRequest(
            organization=self._request.organization,
            operation=self._request.operation,
            key=f"{self._request.notice}:{key}",
            template=template,
            roles=(role,),
            about=self._request.notice,
            context=MailContext(
                replaces=opened.replaces,
                notice=self._request.notice,
                kind=self._request.kind,
                subject=self._request.subject,
                result=self._request.result,
                problem=self._request.problem,
                deadline=opened.deadline,
            ),
        )
        self._mails.send(request)
