"""Requests made from the OpenAPI document, right and wrong ones: no 5xx, and nothing that it does not say."""

import time
from typing import Any

import pytest
import schemathesis
from fastapi.routing import APIRoute
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from api.app import ROUTERS

from ...support.builders import Member
from ...support.drawn import MORE, number, patience
from ..processes import Served

FEW = 10
"""Requests that are drawn for each route."""

PATIENCE = 60.0
"""Seconds for an answer. The first one is the whole document, which the process makes then."""

pytestmark = [pytest.mark.slow, patience(FEW)]

QUOTED = (
    "/v1/plan-changes",
    "/v1/cancellations",
    "/v1/refunds",
    "/v1/credits",
    "/v1/voids",
    "/v1/write-offs",
)
ASKING = ("/pay-link", "/{id}/pdf", "/quote", *QUOTED)
"""Of what can be `QUOTED` what names a quote, which is looked up."""

OPERATIONS = [
    (method, route.path)
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute) and route.include_in_schema
    for method in sorted(route.methods or ())
]


@pytest.fixture(scope="module")
def document(process: Served) -> BaseSchema:
    return schemathesis.openapi.from_url(f"{process.address}/openapi.json", timeout=PATIENCE)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_answer_is_as_documented(document: BaseSchema, process: Served, method: str, path: str) -> None:
    acme = process.tenant
    resource = path.strip("/").partition("/")[2].partition("/")[0]
    who = {"approvals": acme.controller, "notices": acme.finance}.get(resource, acme.admin)

    # There Stripe is asked, and who would ask it is down: 503, which is documented.
    unchecked = [not_a_server_error] if path.endswith(ASKING) else []
    # A quote that nobody makes is waited for.
    phases = [Phase.explicit] if path.endswith("/quote") else [Phase.explicit, Phase.generate]

    @settings(
        max_examples=number(FEW),
        deadline=None,
        derandomize=MORE is None,
        database=None,
        phases=phases,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=document[path][method].as_strategy())
    def answered_as_documented(case: Case[Any]) -> None:
        # A schema can't say which plans there are or that a cursor is one of ours.
        _validated(case, who, [positive_data_acceptance, *unchecked])
        if "{id}" in path:
            case.path_parameters["id"] = process.ids[resource]
            _validated(case, who, [positive_data_acceptance, negative_data_rejection, *unchecked])

    answered_as_documented()


def _validated(case: Case[Any], who: Member, unchecked: list[Any]) -> None:
    """Calls it and checks the answer, which the limit of requests must not be: it would say nothing else."""
    while True:
        answer = case.call(headers=who.headers, timeout=PATIENCE)
        if answer.status_code != 429 or answer.json()["code"] != "rate_limited":
            break
        time.sleep(float(answer.headers["retry-after"][0]))
    case.validate_response(answer, excluded_checks=unchecked)
