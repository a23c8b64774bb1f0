"""Approvals: the ladder of roles that are asked in turn, and what is kept of those who approved."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal, NamedTuple

from pydantic import AwareDatetime

from ..core.business_time import Calendar, add_business
from ..core.operations import Message, Role
from ..policy.policy import LadderStep


class ApprovalState(StrEnum):
    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    CHANGES_REQUESTED = "changes_requested"
    EXPIRED = "expired"
    DISMISSED = "dismissed"
    """The request ended, so nobody has to decide it."""
    SUPERSEDED = "superseded"
    """Another round has taken its place: the request was looked at anew."""


class Rung(Message):
    """Who is asked from when until when, and when they are reminded.

    One of the roles approves, or with `needs` of "all" somebody of each. On a `vacant` one nobody could be
    asked when it opened.
    """

    roles: tuple[Role, ...]
    opens_at: AwareDatetime
    remind_at: tuple[AwareDatetime, ...]
    deadline: AwareDatetime
    state: Literal["waiting", "active", "passed", "decided", "vacant"]
    needs: Literal["any", "all"] = "any"


class Signature(Message):
    """Somebody's yes: by which role, and for whom where they act for somebody else."""

    person: str
    role: Role
    at: AwareDatetime
    for_person: str | None = None


class Refusal(Message):
    """Why somebody may not decide."""

    code: str
    message: str


class Opening(NamedTuple):
    """The ladder after a rung was opened, the index of that rung, and why those passed over are vacant."""

    ladder: tuple[Rung, ...]
    rung: int
    vacant: dict[int, str]


def build_ladder(
    steps: Sequence[LadderStep],
    calendar: Calendar,
    opened_at: datetime,
    calendars: Mapping[str, Calendar] | None = None,
) -> tuple[Rung, ...]:
    """The ladder of an approval opened now: each rung opens when the one before it is late.

    Its times are in its own calendar's hours where it names one of `calendars`, else in those of `calendar`.
    """
    rungs: list[Rung] = []
    opens_at = opened_at
    for step in steps:
        hours = (calendars or {})[step.calendar] if step.calendar else calendar
        deadline = add_business(opens_at, timedelta(minutes=step.respond_within), hours)
        rungs.append(
            Rung(
                roles=step.roles,
                opens_at=opens_at,
                remind_at=_reminders(step, hours, opens_at),
                deadline=deadline,
                state="waiting" if rungs else "active",
                needs=step.needs,
            )
        )
        opens_at = deadline
    return tuple(rungs)


def open_rung(
    ladder: Sequence[Rung],
    number: int,
    at: datetime,
    *,
    rebuilt: Callable[[int], Sequence[Rung]],
    why_vacant: Callable[[Rung], str | None],
) -> Opening:
    """Opens a rung, or the first one after it that somebody can answer.

    One that nobody can answer is vacant and hands over to the next at once, whose times (`rebuilt` from
    that index on) count from now; the last one stays open until its deadline all the same.
    """
    rungs = [_passed(rung) for rung in ladder[:number]] + list(ladder[number:])
    vacant: dict[int, str] = {}
    while (why := why_vacant(rungs[number])) is not None:
        vacant[number] = why
        if number == len(rungs) - 1:
            rungs[number] = rungs[number].model_copy(update={"state": "vacant"})
            return Opening(tuple(rungs), number, vacant)
        over = {"state": "vacant", "opens_at": at, "deadline": at, "remind_at": ()}
        rungs[number] = rungs[number].model_copy(update=over)
        number += 1
        rungs[number:] = rebuilt(number)
    rungs[number] = rungs[number].model_copy(update={"state": "active"})
    return Opening(tuple(rungs), number, vacant)


def _passed(rung: Rung) -> Rung:
    return rung if rung.state == "vacant" else rung.model_copy(update={"state": "passed"})


def _reminders(step: LadderStep, calendar: Calendar, opens_at: datetime) -> tuple[datetime, ...]:
    every = step.remind_every
    if every is None:
        return ()
    return tuple(
        add_business(opens_at, timedelta(minutes=minutes), calendar)
        for minutes in range(every, step.respond_within, every)
    )
