"""Reconciliations: when our records were compared with Stripe, and what they had otherwise."""

from typing import Annotated

from fastapi import Depends, Response

from ...http.ids import Id
from ...mirror import differences, reconciliations
from ...mirror.schemas import DifferencesQuery, ReconciliationsQuery
from ..frame.forms import Form, form_of
from ..frame.page import see
from ..frame.queries import asked
from ..frame.serving import pages
from ..frame.visit import InVisit, PageVisit

router = pages("/reconciliations")


@router.get("")
async def list_runs(
    query: Annotated[ReconciliationsQuery, Depends(asked(ReconciliationsQuery))], visit: InVisit
) -> Response:
    """The newest first, and the button that begins another one."""
    return await _listed(query, visit, Form())


@router.post("")
async def compare(visit: InVisit) -> Response:
    """Begins one, or leads to the one that goes on."""
    form, started = await form_of(visit.request), None
    with form.submitted():
        started = await visit.send("/v1/reconciliations")
    if started:
        return see(f"/reconciliations/{started['id']}")
    return await _listed(ReconciliationsQuery(), visit, form)


@router.get("/{id}")
async def read_run(
    id: Id, query: Annotated[DifferencesQuery, Depends(asked(DifferencesQuery))], visit: InVisit
) -> Response:
    """What was compared, and each difference, field by field."""
    run = await reconciliations.read_run(id, visit.caller, visit.context)
    wanted = query.model_copy(update={"reconciliation": id})
    found = await differences.list_differences(wanted, visit.request, visit.caller, visit.context)
    names = await visit.names([{row.object_kind: row.object} for row in found.data])
    return visit.page("reconciliation", title="Reconciliation",
        run=run, rows=found.data, called={**names.numbers, **names.customers}, next_cursor=found.next_cursor,
    )  # fmt: skip


async def _listed(query: ReconciliationsQuery, visit: PageVisit, form: Form) -> Response:
    found = await reconciliations.list_runs(query, visit.request, visit.caller, visit.context)
    return visit.page("reconciliations", title="Reconciliations",
        rows=found.data, next_cursor=found.next_cursor, form=form,
    )  # fmt: skip
