"""Stripe's errors, translated once: refusal, try later, or unknown.

A *refusal* changed nothing and won't by trying again. *Later* means that Stripe did not execute the
request. *Unknown* means that it may have: read back before sending again.
Statuses and codes: Stripe, "Errors" and "Rate limits"; `e.code` is None for several classes, so the body's
own `error.code` and the HTTP status decide.
"""

import random
import re
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, TypeVar

import stripe
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from billing.core.operations import Problem
from billing.incidents.holds import UNPERMITTED as UNPERMITTED
from db.core import session as records

from .gate import NotSent, retry_after

LIMITED = "rate_limit"
UNREACHABLE = "stripe_unreachable"
"""It can't be reached, or answers with an error of its own."""
CREDENTIALS = "stripe_credentials"
"""Codes for what is wrong with Stripe or our access to it: in errors, counts and incidents alike."""

APPROVAL = "approval_required"
"""A rule of the account's at Stripe wants it approved there: sent again, it would only ask for that again."""

T = TypeVar("T")
Verdict = Literal["refusal", "later", "unknown"]

BUSY_OBJECT = timedelta(seconds=1)
RATE_LIMITED = timedelta(seconds=2)
BAD_CREDENTIALS = timedelta(seconds=30)

JITTER = 0.25
"""The share by which waits are longer at random, so that those who were refused together come back apart."""


@dataclass(frozen=True)
class Failure:
    """What a Stripe error means for the one who called."""

    verdict: Verdict
    problem: Problem
    declined: bool = False
    retry_after: timedelta | None = None
    request_id: str | None = None
    sent: bool = True
    """Whether Stripe has seen anything of it."""

    def as_retry(self) -> ApplicationError:
        """The error that makes Temporal try the activity again, when Stripe asks for it."""
        return ApplicationError(
            self.problem.message,
            type=self.problem.code,
            next_retry_delay=self.retry_after,
            # Waiting for one's turn is no failure: the log of a bad hour tells of Stripe.
            category=ApplicationErrorCategory.UNSPECIFIED if self.sent else ApplicationErrorCategory.BENIGN,
        )

    def as_refusal(self) -> ApplicationError:
        return ApplicationError(self.problem.message, type=self.problem.code, non_retryable=True)


def translate(error: stripe.StripeError) -> Failure:
    """What to do about a Stripe error; never raises."""
    if isinstance(error, NotSent):
        problem = Problem(code=error.not_sent, message=error.user_message or "Nothing was sent to Stripe.")
        return Failure("later", problem, retry_after=timedelta(seconds=error.wait), sent=False)
    status = error.http_status
    code = error.error.code if error.error is not None else None
    wait = _retry_after(error)
    if status is None or status == 409 or status >= 500:
        return _failure(error, "unknown", code or UNREACHABLE, retry_after=wait)
    if status == 429:
        wait = wait or _spread(BUSY_OBJECT if code == "lock_timeout" else RATE_LIMITED)
        return _failure(error, "later", code or LIMITED, retry_after=wait)
    # Nothing is wrong with the request, and an operator fixes it: the key is wrong, or lacks a permission.
    if status == 401:
        return _failure(error, "later", CREDENTIALS, retry_after=_spread(BAD_CREDENTIALS))
    if code == APPROVAL:
        message = (
            "A rule of Stripe's own approvals binds Plixo's key, so nothing was done. Somebody who runs "
            "Plixo has to take the key out of that rule; approved in Stripe, it would be done unseen."
        )
        return Failure("refusal", Problem(code=APPROVAL, message=message), request_id=error.request_id)
    if status == 403:
        lacks = permission_in(error) or "a permission"
        message = (
            f"Plixo's key at Stripe lacks {lacks}. Somebody who runs Plixo has to grant it in Stripe's "
            "Dashboard; then this goes on by itself."
        )
        problem = Problem(code=UNPERMITTED, message=message)
        return Failure("later", problem, retry_after=_spread(BAD_CREDENTIALS), request_id=error.request_id)
    declined = status == 402
    return _failure(error, "refusal", code or ("card_declined" if declined else "stripe_refused"), declined)


def concerns_everybody(error: Exception) -> bool:
    """Whether it says that Stripe or the records can't be used just now: nothing is wrong with the one object
    that was asked for."""
    if isinstance(error, stripe.StripeError):
        return translate(error).verdict != "refusal"
    return records.concerns_everybody(error)


def permission_in(error: stripe.StripeError) -> str | None:
    """The permission that Stripe says would be needed, by its own name; only to be shown."""
    found = re.search(r"\brak_[a-z_]+\b", error.user_message or "")
    return found[0] if found else None


def _failure(
    error: stripe.StripeError,
    verdict: Verdict,
    code: str,
    declined: bool = False,
    retry_after: timedelta | None = None,
) -> Failure:
    message = error.user_message or "Stripe could not be reached."
    return Failure(
        verdict, Problem(code=code, message=message), declined, retry_after, error.request_id or None
    )


def _retry_after(error: stripe.StripeError) -> timedelta | None:
    seconds = retry_after(dict(error.headers or {}))
    return None if seconds is None else _spread(timedelta(seconds=seconds))


def _spread(wait: timedelta) -> timedelta:
    return wait * random.uniform(1.0, 1.0 + JITTER)


async def ask(call: Awaitable[T]) -> T:
    """A read: unknown is the same as later, for nothing was changed."""
    try:
        return await call
    except stripe.StripeError as error:
        failure = translate(error)
        raise (failure.as_refusal() if failure.verdict == "refusal" else failure.as_retry()) from error


async def ask_for(call: Awaitable[T]) -> T | None:
    """A read of what may not be there: None when Stripe has no such thing."""
    try:
        return await ask(call)
    except ApplicationError as error:
        if error.type == "resource_missing":
            return None
        raise
