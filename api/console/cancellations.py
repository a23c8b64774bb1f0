"""Billing → Plans → End the plan: when it ends and what that bills, before anybody is asked."""

import secrets
from collections.abc import Mapping
from typing import Any

from fastapi import Response

from billing.policy.policy import REASONS
from billing.policy.reasons import reason_choices

from ..operations import organization_routes
from .frame.forms import Form, form_of
from .frame.page import see
from .frame.serving import pages
from .frame.visit import InVisit, PageVisit

router = pages("/plans/cancellation")


CHOICES = (
    ("at_period_end", "With its period", None),
    ("now", "Now, with a credit for the unused time", "credit"),
    ("now", "Now, without a credit", "forfeit"),
)
TITLE = "End the plan"


@router.get("")
async def new(visit: InVisit) -> Response:
    """The form."""
    return await _page(visit, Form())


@router.post("/quote")
async def quote(visit: InVisit) -> Response:
    """What would end when, what that bills, and who would be asked; tells nobody."""
    form, quoted = await form_of(visit.request), {}
    with form.submitted():
        quoted = await visit.send("/v1/cancellations/quote", body_of(form))
    if form.refused:
        return await _page(visit, form)
    return quote_page(visit, form, quoted, at="/console/plans/cancellation")


def quote_page(
    visit: PageVisit, form: Form, quoted: Mapping[str, Any], *, at: str, revises: str | None = None
) -> Response:
    """What was quoted, to be sent to this address, or changed."""
    return visit.page("cancellation_quote", title=title_of(form),
        form=form, quoted=quoted, key=secrets.token_urlsafe(16), fields=("choice", "reason", "note"),
        at=at, revises=revises,
    )  # fmt: skip


@router.post("")
async def ask(visit: InVisit) -> Response:
    """Asks for what was quoted."""
    form = await form_of(visit.request)
    with form.submitted():
        body = body_of(form) | form.body("quote")
        started = await visit.send("/v1/cancellations", body, key=form.value("key") or None)
    return await _page(visit, form) if form.refused else see(f"/operations/{started['id']}")


@router.post("/edit")
async def edit(visit: InVisit) -> Response:
    """The form again, as it was quoted."""
    return await _page(visit, await form_of(visit.request))


def body_of(form: Form) -> dict[str, Any]:
    """The API's body: a choice is when it ends, with what becomes of the unused time."""
    action, _, unused = form.value("choice").partition(":")
    body = {"action": action} | ({"unused_time": unused} if unused else {})
    return body | form.body("reason", "note")


def choices(ends: bool) -> list[tuple[str, str]]:
    """What can be chosen; of a plan that is set to end, `ends`, that it goes on."""
    back = [("take_back", "Not at all: take back the cancellation")] if ends else []
    return back + [(f"{action}:{unused}" if unused else action, words) for action, words, unused in CHOICES]


def reasons() -> list[tuple[str, str]]:
    """Why, in words."""
    return reason_choices(REASONS["cancellation"])


def title_of(form: Form) -> str:
    return "Take back the cancellation" if form.value("choice") == "take_back" else TITLE


async def _page(visit: PageVisit, form: Form) -> Response:
    async with visit.context.database.reading() as session:
        organization, _ = await organization_routes.organization_and_change(session, visit.caller)
    return visit.page("cancellation", title=TITLE,
        form=form, organization=organization, options=choices(organization.ends_at is not None),
        reasons=reasons(),
    )  # fmt: skip
