"""The policy in words, and a simulator that says whom a request would go to."""

from typing import Any, get_args
from urllib.parse import urlencode

from fastapi import Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from billing.core.money import minor_units
from billing.core.operations import Kind
from billing.policy.policy import REASONS
from billing.policy.reasons import reason_choices

from ...customers import routes as receivables
from ...customers.schemas import CustomersQuery, InvoicesQuery
from ...http.auth import SEE_AUTHORITY
from ...policy import routes as policy
from ...policy.schemas import SimulatedKind, SimulationAnswer, SimulationQuery
from ..frame.forms import Form
from ..frame.page import see
from ..frame.serving import pages
from ..frame.visit import InVisit, PageVisit
from ..receivables.money import NO_AMOUNT

router = pages("/admin")

MOST_TYPED, MOST_MEANT = 100, 20
NOBODY = "No customer is found by that name, mail address or invoice number."
SEVERAL = "Customer could be any of these: choose one."


@router.get("")
async def begin(visit: InVisit) -> Response:
    """The first page of the administration."""
    return see("/admin/people")


@router.get("/policy")
async def read_policy(visit: InVisit) -> Response:
    """Every rule as a sentence."""
    found = await policy.read_policy(visit.caller, visit.context)
    return visit.page("policy", title="Policy", policy=found)


@router.get("/policy/simulation")
async def simulate(visit: InVisit, kind: SimulatedKind = "refund") -> Response:
    """The form, and what came of it where the address has a request in it: an outcome has an address.

    A customer who is named otherwise than by their id is looked up first.
    """
    form = Form(dict(visit.request.query_params))
    found: SimulationAnswer | None = None
    meant: list[tuple[str, str]] = []
    if (typed := form.value("customer").strip()) and not typed.startswith("cus_"):
        meant = await _meant(visit, typed)
        if len(meant) == 1:
            return see(f"/admin/policy/simulation?{urlencode({**form.values, 'customer': meant[0][0]})}")
        form.errors["customer"] = SEVERAL if meant else NOBODY
    elif form.value("person") or form.value("amount"):
        with form.submitted():
            found = await _simulated(visit, kind, form)
    sees_others = bool(visit.caller.roles & SEE_AUTHORITY)
    names = visit.shell.names.items()
    return visit.page("simulation", title="Simulator", form=form, found=found, kind=Kind(kind),
        kinds={one: Kind(one).label for one in get_args(SimulatedKind)},
        people=[(id_, name) for id_, name in names if sees_others or id_ == visit.caller.person],
        customers=meant,
        reasons=reason_choices(REASONS.get(kind, ())),
        currency=visit.context.policy.currency,
    )  # fmt: skip


async def _meant(visit: PageVisit, typed: str) -> list[tuple[str, str]]:
    """The customers of that name or mail address, or whose invoice has that number: ids and names."""
    query = CustomersQuery(q=typed[:MOST_TYPED], limit=MOST_MEANT)
    found = await receivables.list_customers(query, visit.request, visit.caller, visit.context)
    if found.data:
        return [(one.id, one.name or one.email or one.id) for one in found.data]
    numbered = InvoicesQuery(q=typed[:MOST_TYPED], limit=MOST_MEANT)
    bills = await receivables.list_invoices(numbered, visit.request, visit.caller, visit.context)
    return list({one.customer: one.customer_name or one.customer for one in bills.data}.items())


async def _simulated(visit: PageVisit, kind: str, form: Form) -> SimulationAnswer | None:
    """Raises what the API raises; None where the amount is none."""
    wanted: dict[str, Any] = {"kind": kind, **form.body("person")}
    if kind != "plan_change":
        wanted |= form.body("reason", "customer")
    if kind != "plan_change" and (kind != "cancellation" or form.value("amount").strip()):
        wanted["currency"] = form.value("currency").lower()
        wanted["amount_minor"] = minor_units(form.value("amount"), wanted["currency"])
        if wanted["amount_minor"] is None:
            form.errors["amount"] = NO_AMOUNT
            return None
    try:
        query = SimulationQuery.model_validate(wanted)
    except ValidationError as error:
        wrong = [{**one, "loc": ("query", *one["loc"])} for one in error.errors()]
        raise RequestValidationError(wrong) from None
    return await policy.read_simulation(query, visit.caller, visit.context)
