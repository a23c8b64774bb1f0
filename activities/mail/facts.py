"""What a mail's context holds, as the stories give it.

Any part may be missing, and unknown parts are ignored: a mail is better short than not sent.
"""

from typing import Annotated

from pydantic import AwareDatetime, BeforeValidator

from billing.approvals.subject_changes import NONE, SinceLastRound
from billing.core.errors import MENDS
from billing.core.operations import Problem, State

from .incident_facts import IncidentTold
from .results import Credited, OneLine, Outcome, Refunded, Result, Shown
from .subjects import Change, Credit, Refund, Subject, Trouble

NOUNS = {"plan_change": Change.noun, "refund": Refund.noun, "credit": Credit.noun}


class CaseTold(Shown):
    """What was made in Stripe itself, and what became of its note."""

    object: OneLine
    object_kind: OneLine | None = None
    noticed_at: AwareDatetime | None = None
    cancelled: bool = False
    owner: str | None = None
    done_by: str | None = None
    beyond_authority: bool | None = None
    why_beyond: OneLine | None = None
    in_time: bool = True
    noted_in_stripe: bool = True


class Facts(Shown):
    """Everything that a template can say; None where the story did not tell."""

    approval: OneLine | None = None
    subject: Annotated[Subject | None, BeforeValidator(lambda told: told or None)] = None
    subject_hash: OneLine | None = None
    reason: str | None = None
    rule: OneLine | None = None
    """Why it is reviewed at all."""
    why: OneLine | None = None
    """Why it is this recipient who is asked, where that is not plain."""
    needs: OneLine | None = None
    """"all" where somebody of each role that is asked has to approve."""
    requested_by: str | None = None
    deadline: AwareDatetime | None = None
    delegation: OneLine | None = None
    until: AwareDatetime | None = None
    """When the delegation ends."""
    accepted: bool = False
    """What its delegate answered."""
    comment: str | None = None
    person: str | None = None
    """Who decided, commented or delegated."""
    for_person: str | None = None
    """In whose place they decided."""
    decision: OneLine | None = None
    """How an approval was decided; of an operation that has ended, its last one."""
    notice_kind: OneLine | None = None
    replaces: bool = False
    """Whether the notice takes the place of an earlier one."""
    next_roles: tuple[OneLine, ...] = ()
    """Who is asked next where nobody decides in time; nobody: it expires then."""
    since: SinceLastRound | None = None
    """What is new in this round of a review."""
    state: State | None = None
    result: Result | None = None
    problem: Problem | None = None
    after_success: bool = False
    """Whether a refund failed that Stripe had called succeeded."""
    number: int = 1
    """Counts the failures of a refund, and how often a deadline was said to be missed."""
    incident: IncidentTold | None = None
    """The degraded component that it is about."""
    case: CaseTold | None = None
    notice: OneLine | None = None
    kind: OneLine | None = None
    """Of the operation; in a notice, what the notice is."""

    @property
    def noun(self) -> str | None:
        """What kind of thing the mail is about, as far as can be told."""
        if self.subject is not None:
            return self.subject.noun
        kind = self.kind or ""
        return next((noun for start, noun in NOUNS.items() if kind.startswith(start)), None)

    @property
    def outcome(self) -> Outcome | None:
        """What became of a plan change."""
        return self.result if isinstance(self.result, Outcome) else None

    @property
    def refunded(self) -> Refunded | None:
        """What became of a refund; a notice has it within its subject."""
        if isinstance(self.result, Refunded):
            return self.result
        return self.subject.result if isinstance(self.subject, Refund) else None

    @property
    def credited(self) -> Credited | None:
        """What became of a credit; a notice has it within its subject."""
        if isinstance(self.result, Credited):
            return self.result
        return self.subject.result if isinstance(self.subject, Credit) else None

    @property
    def failed_after_success(self) -> bool:
        return self.after_success or (isinstance(self.subject, Refund) and self.subject.after_success)

    @property
    def trouble(self) -> Problem | None:
        """Why it ended other than well; a notice has it within its subject."""
        if self.problem is not None:
            return self.problem
        return self.subject.problem if isinstance(self.subject, Refund) else None

    @property
    def mend(self) -> str | None:
        """What to do about the problem, where its code has a standing answer."""
        return MENDS.get(self.trouble.code) if self.trouble else None

    @property
    def reason_given(self) -> str | None:
        """The reason, unless the subject says it."""
        told = self.subject
        if isinstance(told, Refund | Credit) and self.reason in (told.reason, told.note):
            return None
        return self.reason

    @property
    def customer(self) -> str | None:
        """The Stripe id of whoever gets money, or can't get in."""
        return self.subject.customer if isinstance(self.subject, Refund | Credit | Trouble) else None

    @property
    def invoice(self) -> str | None:
        """The Stripe id of the invoice that it is about."""
        return self.subject.invoice if isinstance(self.subject, Refund | Credit | Trouble) else None

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
        terms = (self.subject.from_, self.subject.to) if isinstance(self.subject, Change) else ()
        return self._named("plan", *(one.plan for one in terms))

    def _named(self, names: str, *ids: str | None) -> set[str]:
        changes = self.since.changes if self.since else ()
        also = {value for one in changes if one.names == names for value in (one.before, one.after)}
        return {*filter(None, ids), *also} - {NONE}

    @property
    def people(self) -> tuple[str, ...]:
        """Ids of the people who are named."""
        named: tuple[str | None, ...] = (self.requested_by, self.person, self.for_person)
        named += self.result.people if self.result else ()
        if self.since:
            named += (self.since.asked_by, self.since.revised_by)
        if self.case:
            named += (self.case.owner, self.case.done_by)
        return tuple(dict.fromkeys(person for person in named if person))
