"""The mails of a review, to those whom it waits for."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from billing.approvals.ladder import Rung
    from billing.approvals.messages import ApprovalInput, Audience
    from billing.mail.messages import MailContext, MailRequest

from ..core.recorder import OperationRecorder


class ApprovalMails:
    """None is awaited: a mail server that is down must not keep anybody from deciding."""

    def __init__(self, recorder: OperationRecorder, request: ApprovalInput) -> None:
        self._recorder, self._request = recorder, request

    def ask(
        self,
        key: str,
        template: str,
        rung: Rung,
        audience: Audience,
        *,
        following: Rung | None,
        why: str | None = None,
    ) -> None:
        """To everybody whom the rung waits for; `why` says why it is they, `following` who is asked next."""
        asked = self._request
        context = MailContext(
            approval=asked.approval,
            kind=asked.kind,
            subject=asked.subject,
            subject_hash=asked.subject_hash,
            requested_by=asked.requested_by,
            reason=asked.reason,
            rule=asked.rule or None,
            since=asked.since,
            deadline=rung.deadline,
            needs=rung.needs,
            why=why,
            next_roles=following.roles if following else (),
        )
        request = MailRequest(
            organization=asked.organization,
            operation=asked.operation,
            key=f"{asked.approval}:{key}",
            template=template,
            roles=audience.roles,
            people=audience.people,
            excluding=audience.excluding,
            about=asked.approval,
            context=context,
        )
        self._recorder.send_mail(request)
