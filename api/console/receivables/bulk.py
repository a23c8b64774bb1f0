"""The same done to the invoices that were selected in the list: first shown, then done."""

import secrets
from collections.abc import Mapping
from typing import Any, NamedTuple

from fastapi import Response

from ...problems.problem import not_found
from ..frame.forms import Form, form_of
from ..frame.page import see
from ..frame.serving import pages
from ..frame.visit import InVisit, PageVisit

router = pages("/invoices/selected")


class BulkButton(NamedTuple):
    """A button of the list, by the API's action: what it says, what its page asks, what the button there says
    for one invoice and for several, and what was done with so many."""

    words: str
    question: str
    one: str
    several: str
    done: str

    def came(self, number: int) -> str:
        """The heading once it is done."""
        invoices = "1 invoice" if number == 1 else f"{number or 'no'} invoices"
        return self.done.format(invoices)


BUTTONS: Mapping[str, BulkButton] = {
    "resend_links": BulkButton(
        "Resend links", "Resend links?", "Mail the link", "Mail {} links", "New links mailed for {}"
    ),
    "remind": BulkButton(
        "Remind",
        "Remind these customers?",
        "Mail the reminder",
        "Mail {} reminders",
        "Reminders on their way for {}",
    ),
    "pause_reminders": BulkButton(
        "Pause reminders",
        "Pause reminders?",
        "Pause its reminders",
        "Pause the reminders of {} invoices",
        "Reminders paused for {}",
    ),
}


@router.post("")
async def show(visit: InVisit) -> Response:
    """What would be done with each, and what can't be and why; nothing is done yet."""
    form = await form_of(visit.request)
    action, chosen = form.value("action"), list(form.several.get("invoice", ()))
    if action not in BUTTONS:
        raise not_found()
    if not chosen:
        return see(f"/invoices?{form.value('back')}")
    return await _shown(visit, form, action, chosen)


@router.post("/do")
async def act(visit: InVisit) -> Response:
    """Does it with all of them; what came of each is shown this once. Sent again, nothing is done twice."""
    form = await form_of(visit.request)
    action, chosen = form.value("action"), list(form.several.get("invoice", ()))
    if action not in BUTTONS or not chosen:
        raise not_found()
    body = {"action": action, "invoices": chosen, **form.body("until", "reason")}
    answer: dict[str, Any] = {}
    with form.submitted():
        answer = await visit.send("/v1/invoices/bulk", body, key=form.value("key"))
    if form.refused:
        return await _shown(visit, form, action, chosen)
    done = [one for one in answer["data"] if one["done"]]
    return visit.page("bulk_done", title=BUTTONS[action].came(len(done)),
        done=done, refused=[one for one in answer["data"] if not one["done"]], back=form.value("back"),
    )  # fmt: skip


async def _shown(visit: PageVisit, form: Form, action: str, chosen: list[str]) -> Response:
    body = {"action": action, "invoices": chosen, "dry_run": True}
    key = secrets.token_urlsafe(16)
    answer = await visit.send("/v1/invoices/bulk", body, key=key)
    button = BUTTONS[action]
    possible = [one for one in answer["data"] if one["problem"] is None]
    words = button.one if len(possible) == 1 else button.several.format(len(possible))
    return visit.page("bulk", title=button.question,
        form=form, action=action, words=words, key=key, back=form.value("back"),
        possible=possible, refused=[one for one in answer["data"] if one["problem"]],
    )  # fmt: skip
