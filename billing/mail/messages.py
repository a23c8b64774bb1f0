"""Mails to people of an organization: for whom, and what they say."""

from typing import Annotated

from pydantic import AwareDatetime, Field

from ..approvals.subject_changes import NONE, SinceLastRound
from ..cancellations.cancellation import CancellationSubject
from ..cancellations.report import CancellationResult
from ..cases.case import CaseResult, CaseSubject
from ..core.errors import REMEDIES
from ..core.operations import Message, Problem, Role, State
from ..incidents.states import Component
from ..incidents.words import NAMES, IncidentSubject
from ..mirror.bill import UnpaidBill
from ..money.credit import CreditSubject
from ..money.credit_report import CreditResult
from ..money.dispute import DisputeNews
from ..money.refund import RefundSubject
from ..money.refund_report import RefundResult
from ..money.waiver import WaiverSubject
from ..money.waiver_report import WaiverResult
from ..operations.payloads import OperationResult, OperationSubject
from ..plan_changes.limits import LimitReached
from ..plan_changes.payment import AwaitedPayment
from ..plan_changes.report import PlanChangeResult
from ..plan_changes.subject import PlanChangeSubject
from ..portal.promises import BrokenPromise
from ..portal.trouble import AccessTroubleResult, AccessTroubleSubject

MailSubject = Annotated[OperationSubject | IncidentSubject, Field(discriminator="about")]


class MailContext(Message):
    """Everything that a template can say; None where there is nothing to say of it."""

    subject: MailSubject | None = None
    result: OperationResult | None = None
    problem: Problem | None = None
    """Why it did not end as it was asked for."""
    state: State | None = None
    kind: str | None = None
    """Of the operation; in a notice, what the notice is."""
    comment: str | None = None
    person: str | None = None
    """Who decided, commented or delegated."""
    requested_by: str | None = None
    deadline: AwareDatetime | None = None
    number: int = 1
    """Counts the failures of a refund, and how often a deadline was said to be missed."""
    after_success: bool = False
    """Whether a refund failed that Stripe had called succeeded."""
    held_by: Component | None = None
    """The degraded component that the operation waits for, or waited for."""

    # Reviews
    approval: str | None = None
    subject_hash: str | None = None
    reason: str | None = None
    rule: str | None = None
    """Why it is reviewed at all."""
    why: str | None = None
    """Why it is this recipient who is asked, where that is not plain; or why a mail came back."""
    needs: str | None = None
    """"all" where somebody of each role that is asked has to approve."""
    next_roles: tuple[Role, ...] = ()
    """Who is asked next where nobody decides in time; nobody: it expires then."""
    since: SinceLastRound | None = None
    """What is new in this round."""
    decision: str | None = None
    """How an approval was decided; of an operation that has ended, its last one."""
    for_person: str | None = None
    """In whose place they decided."""
    delegation: str | None = None
    until: AwareDatetime | None = None
    """When the delegation ends."""
    accepted: bool = False
    """What its delegate answered."""

    # Notices to Finance
    notice: str | None = None
    notice_kind: str | None = None
    replaces: bool = False
    """Whether the notice takes the place of an earlier one."""

    # Sign-in
    sign_in: str | None = None
    """The link to the console that the mail carries. Its token is made when the mail is sent."""

    # Promises to pay
    promise: BrokenPromise | None = None

    # Invoices from Plixo
    bill: UnpaidBill | None = None

    # Limits of the plan
    limit: LimitReached | None = None

    # Disputes
    dispute: DisputeNews | None = None

    # Cases
    noticed_at: AwareDatetime | None = None
    owner: str | None = None

    @property
    def outcome(self) -> PlanChangeResult | None:
        """What became of a plan change."""
        return self.result if isinstance(self.result, PlanChangeResult) else None

    @property
    def cancelled(self) -> CancellationResult | None:
        """What became of a cancellation of the plan."""
        return self.result if isinstance(self.result, CancellationResult) else None

    @property
    def due(self) -> AwaitedPayment | None:
        """The payment that a plan change waits for."""
        return self.result if isinstance(self.result, AwaitedPayment) else None

    @property
    def refunded(self) -> RefundResult | None:
        """What became of a refund."""
        return self.result if isinstance(self.result, RefundResult) else None

    @property
    def credited(self) -> CreditResult | None:
        """What became of a credit."""
        return self.result if isinstance(self.result, CreditResult) else None

    @property
    def waived(self) -> WaiverResult | None:
        """What became of an invoice that was voided or written off."""
        return self.result if isinstance(self.result, WaiverResult) else None

    @property
    def explained(self) -> CaseResult | None:
        """How a case was closed."""
        return self.result if isinstance(self.result, CaseResult) else None

    @property
    def solved(self) -> AccessTroubleResult | None:
        """How a trouble with the portal ended."""
        return self.result if isinstance(self.result, AccessTroubleResult) else None

    @property
    def component(self) -> str | None:
        """The name of what the operation waits for."""
        return NAMES[self.held_by] if self.held_by else None

    @property
    def fix(self) -> str | None:
        """What to do about the problem, where its code has a standing answer."""
        return REMEDIES.get(self.problem.code) if self.problem else None

    @property
    def reason_given(self) -> str | None:
        """The reason, unless the subject says it."""
        told = self.subject
        if isinstance(told, CancellationSubject | RefundSubject | CreditSubject | WaiverSubject):
            return None if self.reason in (told.reason, told.note) else self.reason
        return self.reason

    @property
    def customer(self) -> str | None:
        """The Stripe id of whoever gets money, or can't get in."""
        about = self._about_a_customer
        return about.customer if about else None

    @property
    def invoice(self) -> str | None:
        """The Stripe id of the invoice that it is about."""
        about = self._about_a_customer
        return about.invoice if about else None

    @property
    def customers(self) -> set[str]:
        """The ids of those who are named."""
        return self._named("customer", self.customer)

    @property
    def invoices(self) -> set[str]:
        """The ids of those that are named."""
        return self._named("invoice", self.invoice, self.credited.invoice if self.credited else None)

    @property
    def plans(self) -> set[str]:
        """The short names of those that are named."""
        match self.subject:
            case PlanChangeSubject() | CaseSubject():
                terms = (self.subject.from_, self.subject.to)
            case CancellationSubject():
                terms = (self.subject.terms, None)
            case _:
                terms = (None, None)
        return self._named("plan", *(one.plan for one in terms if one is not None))

    @property
    def people(self) -> tuple[str, ...]:
        """Ids of the people who are named."""
        named: tuple[str | None, ...] = (self.requested_by, self.person, self.for_person, self.owner)
        if self.outcome:
            named += (self.outcome.accepted_by, self.outcome.reverted_by)
        if self.credited:
            named += (self.credited.accepted_by,)
        if self.cancelled:
            named += (self.cancelled.accepted_by,)
        if self.waived:
            named += (self.waived.accepted_by,)
        if self.since:
            named += (self.since.asked_by, self.since.revised_by)
        if self.explained:
            named += (self.explained.done_by,)
        return tuple(dict.fromkeys(person for person in named if person))

    @property
    def _about_a_customer(
        self,
    ) -> RefundSubject | CreditSubject | WaiverSubject | CaseSubject | AccessTroubleSubject | None:
        match self.subject:
            case RefundSubject() | CreditSubject() | WaiverSubject() | AccessTroubleSubject():
                return self.subject
            case CaseSubject() if self.subject.is_money:
                return self.subject
        return None

    def _named(self, names: str, *ids: str | None) -> set[str]:
        changes = self.since.changes if self.since else ()
        also = {value for one in changes if one.names == names for value in (one.before, one.after)}
        return {*filter(None, ids), *also} - {NONE}


class MailRequest(Message):
    """One mail to everybody with one of the roles, or to some people. `key` is part of its Message-ID.

    Who gets it by a role, or as somebody who is asked, hears how what it is `about` ended.
    """

    organization: str
    operation: str
    key: str
    template: str
    roles: tuple[Role, ...] = ()
    person: str | None = None
    people: tuple[str, ...] = ()
    """Others who get it too, such as those who act for somebody."""
    excluding: tuple[str, ...] = ()
    """Who does not get it all the same, such as whoever asked for what others decide."""
    about: str | None = None
    """The approval or notice that it asks them for: once that is closed it is not sent any more. None: it
    tells of the operation itself."""
    context: MailContext = MailContext()

    @property
    def id(self) -> str:
        """One mail has one, however often it is noted."""
        return f"mail-{self.operation or self.organization}-{self.key}"


class MailsSent(Message):
    """How a mail to several people went; those who had it from an earlier attempt are `skipped`."""

    sent: int
    skipped: int
    refused: tuple[str, ...] = ()
    """Ids of the people whose mail the server will never take."""
    settled: bool = False
    """Whether the row that it was sent of says so already."""
