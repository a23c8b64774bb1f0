"""Delegations: who may let somebody decide in their place, and for how long."""

from collections.abc import Collection
from datetime import datetime, timedelta

from ..core.errors import Conflict, Forbidden, InvalidRequest
from ..core.operations import Role
from .deciders import Deciders

MAX_PERIOD = timedelta(days=366)
CLOCK_TOLERANCE = timedelta(minutes=5)
"""What passes for now although it lies before it."""


def check_period(
    starts_at: datetime,
    ends_at: datetime,
    now: datetime,
    *,
    fields: tuple[str, str] = ("starts_at", "ends_at"),
) -> None:
    """Raises InvalidRequest `delegation_inverted`, `delegation_in_past` and `delegation_too_long`.

    `fields` are the names of both times, for the message.
    """
    first, last = fields
    if ends_at <= starts_at:
        raise InvalidRequest(
            "delegation_inverted", "a delegation can't end before it starts: choose a later end", field=last
        )
    if ends_at <= now:
        raise InvalidRequest("delegation_in_past", "the end is in the past: choose a later one", field=last)
    if starts_at < now - CLOCK_TOLERANCE:
        raise InvalidRequest(
            "delegation_in_past", "the start is in the past: leave it out to start now", field=first
        )
    if ends_at - starts_at > MAX_PERIOD:
        raise InvalidRequest(
            "delegation_too_long",
            f"a delegation can last at most {MAX_PERIOD.days} days: choose an earlier end",
            field=last,
        )


def check_delegate(delegator: str, to: str, active: bool | None, roles: Collection[str]) -> None:
    """Whether somebody can be a delegate; `active` of None is a person who is not there.

    Raises InvalidRequest `delegate_is_self`, `delegate_unknown`, `delegate_inactive`, `delegate_is_auditor`.
    """
    if to == delegator:
        raise InvalidRequest(
            "delegate_is_self", "choose another person: you can already decide yourself", field="to"
        )
    if active is None:
        raise InvalidRequest("delegate_unknown", "no person has this id", field="to")
    if not active:
        raise InvalidRequest(
            "delegate_inactive", "this person is no longer active: choose someone else", field="to"
        )
    if Role.AUDITOR in roles:
        raise InvalidRequest(
            "delegate_is_auditor",
            "auditors have read-only access and can't decide for others: choose someone else",
            field="to",
        )


def check_of_approval(to: str, deciders: Deciders) -> None:
    """Raises InvalidRequest `delegate_is_requester` for whoever may have no say in an approval."""
    refusal = deciders.refusal(to)
    if refusal is not None:
        raise InvalidRequest(
            "delegate_is_requester",
            f"this person can't decide on it: choose someone else. {refusal.message}",
            field="to",
        )


def not_held(what: str, *, lent: bool = False) -> Forbidden:
    """Nobody gives what they do not have, nor what is only lent to them."""
    more = "; a role that was delegated to you can't be delegated further" if lent else ""
    return Forbidden("role_not_held", f"you don't hold the role {what} yourself{more}")


def decided_already() -> Conflict:
    return Conflict("already_decided", "you have already approved it: there is nothing left to delegate")
