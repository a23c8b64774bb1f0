"""Approvals: the ladder of roles that are asked in turn, and who may decide."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Literal

from pydantic import AwareDatetime

from .authority import any_within
from .business_time import Calendar, add_business
from .errors import Code
from .money import Money
from .operations import Message, Role
from .policy import AuthorityLimit, LadderStep


class ApprovalState(StrEnum):
    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    CHANGES_REQUESTED = "changes_requested"
    EXPIRED = "expired"
    DISMISSED = "dismissed"


class Rung(Message):
    """Who is asked from when until when, and when they are reminded."""

    roles: tuple[Role, ...]
    opens_at: AwareDatetime
    remind_at: tuple[AwareDatetime, ...]
    deadline: AwareDatetime
    state: Literal["waiting", "active", "passed", "decided"]


class Refusal(Message):
    """Why somebody may not decide."""

    code: str
    message: str


def build_ladder(steps: Sequence[LadderStep], calendar: Calendar, opened_at: datetime) -> tuple[Rung, ...]:
    """The ladder of an approval opened now: each rung opens when the one before it is late."""
    rungs: list[Rung] = []
    opens_at = opened_at
    for step in steps:
        deadline = add_business(opens_at, timedelta(minutes=step.respond_within), calendar)
        rungs.append(
            Rung(
                roles=step.roles,
                opens_at=opens_at,
                remind_at=_reminders(step, calendar, opens_at),
                deadline=deadline,
                state="waiting" if rungs else "active",
            )
        )
        opens_at = deadline
    return tuple(rungs)


def may_decide(
    *,
    requester: str,
    requester_delegates: Collection[str],
    person: str,
    roles: Collection[Role],
    ladder: Sequence[Rung],
    rung: int,
    amount: Money | None = None,
    authority: Mapping[Role, Sequence[AuthorityLimit]] | None = None,
    used: Mapping[int, Money] | None = None,
) -> Refusal | None:
    """None if the person may decide now, otherwise why not.

    `rung` is the index of the active one: roles of it and of earlier rungs may decide, those of later ones
    not yet. With an `amount`, the person also needs an authority that covers it, by one of those roles;
    `used` is what they used per window of so many days (see `authority.any_within`).
    """
    if person == requester:
        return Refusal(code=Code.OWN_REQUEST, message="Nobody decides on their own request.")
    if person in requester_delegates:
        return Refusal(
            code=Code.REQUESTERS_DELEGATE, message="Nobody who acts for the requester decides on the request."
        )
    asked = {role for step in ladder[: rung + 1] for role in step.roles}
    acting = asked.intersection(roles)
    if not acting:
        return Refusal(code=Code.WRONG_ROLE, message=_wrong_role(roles, ladder, rung, asked))
    if amount is None:
        return None
    limits = [limit for role in acting for limit in (authority or {}).get(role, ())]
    if any_within(limits, amount, used or {}):
        return None
    return Refusal(
        code=Code.AUTHORITY_TOO_SMALL,
        message=f"{amount.format()} is beyond the authority of {_named(acting)}, "
        "for one item or for all of the window.",
    )


def _reminders(step: LadderStep, calendar: Calendar, opens_at: datetime) -> tuple[datetime, ...]:
    every = step.remind_every
    if every is None:
        return ()
    return tuple(
        add_business(opens_at, timedelta(minutes=minutes), calendar)
        for minutes in range(every, step.respond_within, every)
    )


def _wrong_role(roles: Collection[Role], ladder: Sequence[Rung], rung: int, asked: Collection[Role]) -> str:
    for later in ladder[rung + 1 :]:
        if early := set(later.roles).intersection(roles):
            opens_at = later.opens_at.astimezone(UTC)
            return f"{_named(early)} may decide from {opens_at:%Y-%m-%d %H:%M} UTC, {_named(asked)} now."
    return f"Only {_named(asked)} may decide."


def _named(roles: Collection[Role]) -> str:
    return " or ".join(sorted(roles))
