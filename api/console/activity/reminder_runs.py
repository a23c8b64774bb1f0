"""Runs that remind customers: what each did, and why it left out whom; starting one, or a dry run."""

import secrets
from typing import Annotated, Any

from fastapi import Depends, Response

from billing.policy.operating_sentences import when_sent

from ...http.ids import Id
from ...reminders import runs
from ...reminders.schemas import DecisionsQuery, RunsQuery
from ..frame.calls import wanting_csv
from ..frame.forms import Form, form_of
from ..frame.page import see
from ..frame.queries import asked
from ..frame.serving import pages
from ..frame.visit import InVisit, PageVisit

router = pages("/reminder-runs")

InDecisionsQuery = Annotated[DecisionsQuery, Depends(asked(DecisionsQuery))]


@router.get("")
async def list_runs(query: Annotated[RunsQuery, Depends(asked(RunsQuery))], visit: InVisit) -> Response:
    """The newest first, and the form that starts one."""
    return await _listed(query, visit, Form())


@router.post("")
async def start(visit: InVisit) -> Response:
    """A run, or a dry one, which leads to its page."""
    form, started = await form_of(visit.request), None
    with form.submitted():
        body = {"dry_run": form.value("dry_run") == "true"}
        started = await visit.send("/v1/reminder-runs", body, key=form.value("key"))
    return see(f"/reminder-runs/{started['id']}") if started else await _listed(RunsQuery(), visit, form)


@router.get("/{id}")
async def read_run(id: Id, query: InDecisionsQuery, visit: InVisit) -> Response:
    """How many were reminded, held and left out, each with the reason, and one by one."""
    run = await runs.read_run(id, visit.caller, visit.context)
    found = await runs.list_decisions(id, query, visit.request, visit.caller, visit.context)
    names = await visit.names([row.model_dump(include={"customer", "invoice"}) for row in found.data])
    return visit.page("reminder_run", title="Dry run" if run.request["dry_run"] else "Reminder run",
        run=run, rows=found.data, next_cursor=found.next_cursor, names=names,
        steps={step.name: when_sent(step) for step in visit.context.policy.reminders.steps},
    )  # fmt: skip


@router.get("/{id}/decisions/csv")
async def download(id: Id, query: InDecisionsQuery, visit: InVisit) -> Any:
    """All that the filters find, as a file."""
    return await runs.list_decisions(id, query, wanting_csv(visit.request), visit.caller, visit.context)


async def _listed(query: RunsQuery, visit: PageVisit, form: Form) -> Response:
    found = await runs.list_runs(query, visit.request, visit.caller, visit.context)
    return visit.page("reminder_runs", title="Reminder runs",
        rows=found.data, next_cursor=found.next_cursor, form=form, key=secrets.token_urlsafe(16),
    )  # fmt: skip
