"""Deciding from the mail: its link shows one person one round of an approval, and takes one answer to it.

It signs nobody in: no other page opens by it. It dies with the round, with its use and its time, with its
person's say, and as soon as the policy wants people to sign in.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from fastapi import Request
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.responses import Response

from db.approvals import approvals as approval_rows
from db.core.clock import utc_now
from db.sign_in import links
from db.tables import Approval, PersonLink
from settings.logs import learned

from ..approvals.views import Viewer
from ..console.approvals import decision_values, read
from ..console.frame.forms import Form, form_of
from ..console.frame.serving import pages as pages_under
from ..console.frame.shell import shell
from ..console.frame.visit import PageVisit
from ..http.auth import Caller
from ..http.client_address import client_address
from ..http.context import Context, InContext
from . import pages
from .places import APPROVALS, sign_in_for
from .routes import TOKEN, see_other
from .sessions import caller_of

router = pages_under("/decide")

SAID: Mapping[str, str] = {
    "approve": "You approved it",
    "request_changes": "You asked for changes",
    "reject": "You rejected it",
}


class _Addressee(NamedTuple):
    """Whom a link asks, and on what."""

    link: PersonLink
    visit: PageVisit
    approval: Approval
    has_a_say: bool

    @property
    def page(self) -> str:
        """Where the same is decided by who is signed in."""
        return f"{APPROVALS}/{self.approval.id}"


@router.get("/{token}")
async def look(token: str, request: Request, context: InContext) -> Response:
    """Decides nothing and uses up nothing: mail scanners get here too."""
    asked = await _asked(request, context, token)
    if asked is None or not asked.has_a_say:
        return pages.dead_decision(request, asked.page if asked else APPROVALS)
    if context.policy.sign_in.decision_links(by_mail=context.by_mail) is None:
        return see_other(sign_in_for(asked.page))
    signed_in = caller_of(request)
    if signed_in is not None:
        mine = signed_in.person == asked.visit.caller.person
        return see_other(asked.page) if mine else pages.somebody_elses(request)
    return await _page(asked, Form())


@router.post("/{token}")
async def decide(token: str, request: Request, context: InContext) -> Response:
    """Takes the answer through the API's own route, which checks it as everybody's."""
    asked = await _asked(request, context, token)
    if asked is None or context.policy.sign_in.decision_links(by_mail=context.by_mail) is None:
        return pages.dead_decision(request, asked.page if asked else APPROVALS)
    signed_in = caller_of(request)
    if signed_in is not None and signed_in.person != asked.visit.caller.person:
        return pages.somebody_elses(request)
    form = await form_of(request)
    if not asked.has_a_say:
        return await _late(asked, form)
    # As them, for this one answer: no other route is asked in their name.
    request.state.caller = asked.visit.caller
    learned(organization=asked.visit.caller.organization, person=asked.visit.caller.person)
    with form.submitted():
        said = form.body("decision", "comment") | {"subject_hash": asked.approval.subject_hash}
        await asked.visit.send(f"/v1/approvals/{asked.approval.id}/decision", said)
    if form.refused:
        again = await _asked(request, context, token)
        if again is None or not again.has_a_say:
            return await _late(asked, form)
        return await _page(again, form)
    async with context.database.transaction() as session:
        await links.use_up(session, asked.link.id, at=utc_now())
    done = SAID[form.value("decision")]
    return pages.decided(request, done, asked.page)


async def _asked(request: Request, context: Context, token: str) -> _Addressee | None:
    """Whom this token asks, as long as it can be used and they are still here. Guesses are counted.

    Raises ApiProblem `too_many_wrong_keys`.
    """
    at = utc_now()
    async with context.database.reading() as session:
        known = TOKEN.fullmatch(token) is not None
        holder = await links.find_deciding(session, context.hashes, token) if known else None
        row = await _approval(session, holder.link) if holder else None
    about = holder.link.id if holder else "decision-link"
    await context.guard.check(about, client_address(request), holder is not None, at)
    if holder is None or row is None or not holder.person.active or not links.is_open(holder.link, at):
        return None
    caller = Caller.of(holder.person, None)
    if caller is None:
        return None
    caller = replace(caller, by_link=True)
    visit = PageVisit(request, caller, context, await shell(caller, context))
    may = Viewer(caller, visit.shell.pool, at).may_have_a_say(row)
    return _Addressee(holder.link, visit, row, may)


async def _approval(session: AsyncSession, link: PersonLink) -> Approval | None:
    """The round that the link is of, if it is still about the same."""
    row = await approval_rows.get(session, link.organization_id, link.approval_id or "")
    return row if row is not None and row.subject_hash == link.subject_hash else None


async def _page(asked: _Addressee, form: Form) -> Response:
    shown = await read(asked.visit, asked.approval.id)
    values = await decision_values(asked.visit, shown)
    return asked.visit.page("decide", form=form, elsewhere=sign_in_for(asked.page), **values)


async def _late(asked: _Addressee, form: Form) -> Response:
    """To who had the page open while somebody else decided: who, and what they had typed."""
    shown = await read(asked.visit, asked.approval.id)
    answer = asked.visit.page(
        "decided_before", title="There is nothing left to decide", approval=shown,
        typed=form.value("comment"), elsewhere=sign_in_for(asked.page),
    )  # fmt: skip
    answer.status_code = 409
    return answer
