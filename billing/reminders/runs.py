"""What passes between a reminder run, its activities and the API. Amounts are in minor units, by currency."""

from typing import Literal

from pydantic import AwareDatetime, Field

from ..core.operations import Message, Payload
from ..policy.policy import Policy


class ReminderRunInput(Message):
    """One organization's run. What follows `dry_run` is where an earlier execution of it was."""

    organization: str
    operation: str
    dry_run: bool = False
    policy: Policy
    at: AwareDatetime | None = None
    """When the run began; None: it has not."""
    after: str | None = None
    """The invoice after which it goes on."""
    seen: int = 0
    decided: bool = False
    """Whether every invoice has been looked at."""
    later: int = 0
    """Mails that are due and could not be sent yet."""


class OpenRuns(Message):
    """Open runs for organizations with something to decide, in order of their ids from after this one."""

    at: AwareDatetime
    after: str | None = None


class OpenedRuns(Message):
    """Inputs of the runs that were opened; `after` is None when there are no more organizations."""

    runs: tuple[ReminderRunInput, ...]
    after: str | None


class SettlePromises(Message):
    """Which promises to pay were kept, and which were not, as of `at`?"""

    at: AwareDatetime


class DecidePage(Message):
    """Decide the reminder steps of the next invoices after `after` (by id), as of `at`."""

    operation: str
    at: AwareDatetime
    after: str | None = None
    seen: int = 0
    """How many were looked at before, for those who watch the run."""


class LookAgain(Message):
    """Some time has passed: is what the run has still to send still to be sent, and at this hour?"""

    operation: str
    at: AwareDatetime


class CallOff(Message):
    """A person ended the run: what it has not sent is not sent any more."""

    operation: str
    at: AwareDatetime


class PageDecided(Message):
    """`seen` invoices were looked at; `after` is None when those were the last."""

    seen: int
    after: str | None


class SendDue(Message):
    """Send mails that are due: an operation's, or one that is named; at most so many."""

    operation: str | None = None
    mail: str | None = None
    most: int = 200
    at: AwareDatetime | None = None
    """The workflow's now, by which mails are due; None: the clock's."""


class SentDue(Message):
    """`later` could not be sent now and stay due; `more`: there are others that could be sent now."""

    sent: int
    bounced: int
    skipped: int
    later: int
    more: bool


class RunPause(Message):
    """A person stops a run for now, lets it go on, or ends it."""

    person: str
    comment: str | None = None


class Count(Message):
    """How many mails came to this end, and what is unpaid on their invoices, by currency."""

    state: Literal["held", "due", "sent", "skipped", "bounced"]
    reason: str
    mails: int
    amounts: dict[str, int] = Field(default_factory=dict)


class RunSummary(Payload):
    """What a run has decided and sent; `seen` counts invoices."""

    about: Literal["reminder_run"] = "reminder_run"
    seen: int
    dry_run: bool
    counts: tuple[Count, ...]
