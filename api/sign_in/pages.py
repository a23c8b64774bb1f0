"""The pages of sign-in: nothing on them is somebody's but what they may see."""

import math
from collections.abc import Sequence

from fastapi import Request
from starlette.responses import Response

from ..console.frame.page import page
from ..http.context import Context
from .places import APPROVALS, HOME, SIGN_IN, sign_in_for

DEAD_LINK = "This link doesn’t work"
NOT_FINISHED = "You’re not signed in"
SIGNED_OUT = "You’re signed out"
SIGNED_OUT_MEANWHILE = "You’ve been signed out"
TOO_OFTEN = "Too many attempts"
FROM_ELSEWHERE = "This didn’t come from Plixo Billing"
"""Titles, by which one page that only says something is told from another."""


def sign_in(
    request: Request, context: Context, *, next: str | None, email: str = "", wrong: bool = False
) -> Response:
    """Where one signs in. `wrong`: what was typed as an address is none."""
    status = 422 if wrong else 200
    return page(
        request, None, "sign_in", title="Sign in", status=status,
        next=next, email=email, wrong=wrong, by_mail=context.by_mail,
        by_provider=context.provider is not None,
    )  # fmt: skip


def check_mail(request: Request, context: Context) -> Response:
    """For everybody who asks for a link."""
    minutes = context.policy.sign_in.link_minutes
    return page(request, None, "check_mail", title="Check your email", minutes=minutes)


def link(request: Request, person: str, email: str, organization: str) -> Response:
    """The one button by which a link is used."""
    return page(request, None, "link", title="Sign in", person=person, email=email, organization=organization)


def dead_link(request: Request) -> Response:
    """For every link that signs nobody in."""
    return _message(
        request,
        404,
        DEAD_LINK,
        "It may have expired, or it was used before: each link signs you in once. Ask for a new one.",
        "Go to sign-in",
    )


def dead_decision(request: Request, page: str) -> Response:
    """For every link by which nothing can be decided; `page` is where one sees why."""
    return _message(
        request,
        404,
        "This link doesn’t work",
        "It was used before, its time is over, or there is nothing left for you to decide: the request was "
        "decided, revised or withdrawn. Sign in to see how it stands.",
        "Sign in",
        sign_in_for(page),
    )


def somebody_elses(request: Request) -> Response:
    """To who is signed in as somebody other than the link is for."""
    return _message(
        request,
        403,
        "This link is for somebody else",
        "The mail with this link went to somebody else, and you are signed in as yourself. Only they can "
        "decide with it; what waits for you is under Approvals.",
        "Open Approvals",
        APPROVALS,
    )


def decided(request: Request, what: str, page: str) -> Response:
    """After an answer by the link in a mail, which takes no other."""
    text = "It is recorded, and whoever asked is told."
    return _message(
        request, 200, what, f"{text} You can close this page.", "Sign in to follow it", sign_in_for(page)
    )


def onward(request: Request, url: str) -> Response:
    """On to the provider. No redirect: browsers hold a form's to the Content-Security-Policy of the page that
    it was on, and no page of ours may send forms elsewhere."""
    answer = page(request, None, "onward", title="Continue to your identity provider", url=url)
    answer.headers["Refresh"] = f"0; url={url}"
    return answer


def choose(request: Request, people: Sequence[tuple[str, str, str]]) -> Response:
    """As whom to come in: each as the person's id, their name and that of their organization."""
    return page(request, None, "choose", title="Choose an organization", people=people)


def not_finished(request: Request, text: str, status: int = 400) -> Response:
    """Single sign-on that led to nothing."""
    return _message(request, status, NOT_FINISHED, text, "Go to sign-in")


def signed_out(request: Request) -> Response:
    return _message(request, 200, SIGNED_OUT, "See you next time.", "Sign in again")


def signed_out_meanwhile(request: Request) -> Response:
    """To a form that was sent after its session had ended."""
    return _message(
        request,
        401,
        SIGNED_OUT_MEANWHILE,
        "Your session ended before you sent this, so nothing was saved. Sign in in another tab, then go back "
        "to this one and send it again: what you typed is still there.",
        "Sign in",
        elsewhere=True,
    )


def from_elsewhere(request: Request) -> Response:
    return _message(
        request,
        403,
        FROM_ELSEWHERE,
        "Your browser says that another site sent this request, so nothing was done. Open Plixo Billing and "
        "try again from there.",
        "Open Plixo Billing",
        HOME,
    )


def too_often(request: Request, wait: int) -> Response:
    """To a network from which too many have tried; the same whoever is asked for, and whether they exist."""
    minutes = math.ceil(wait / 60)
    answer = _message(
        request,
        429,
        TOO_OFTEN,
        "Too many attempts to sign in came from your network. "
        f"Try again in {minutes} minute{'' if minutes == 1 else 's'}; links that you were mailed still work.",
        "Go to sign-in",
    )
    answer.headers["Retry-After"] = str(wait)
    return answer


def unavailable(request: Request) -> Response:
    answer = _message(
        request,
        503,
        "Plixo Billing is temporarily unavailable",
        "We can’t reach our records right now. Nothing is lost; try again in a minute.",
        "Try again",
        HOME,
    )
    answer.headers["Retry-After"] = "60"
    return answer


def _message(
    request: Request,
    status: int,
    title: str,
    text: str,
    label: str,
    href: str = SIGN_IN,
    *,
    elsewhere: bool = False,
) -> Response:
    """`elsewhere`: the link opens beside the page, which keeps what it has."""
    return page(
        request, None, "message", title=title, status=status,
        text=text, label=label, href=href, elsewhere=elsewhere,
    )  # fmt: skip
