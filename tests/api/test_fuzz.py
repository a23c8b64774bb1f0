"""Requests made from the OpenAPI document, right and wrong ones: no 5xx, and nothing that it does not say."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
import schemathesis
from fastapi.routing import APIRoute
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from api.app import ROUTERS
from billing.policy import Policy
from db.session import Database

from ..builders import Tenant, a_customer, a_notice, an_approval, an_invoice, an_operation, store
from ..databases import SqliteDatabases
from .conftest import subscribed
from .processes import api_process

pytestmark = pytest.mark.slow

OPERATIONS = [
    (method, route.path)
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute) and route.include_in_schema
    for method in sorted(route.methods or ())
]


@pytest.fixture(scope="module")
async def served(
    sqlite_databases: SqliteDatabases, tmp_path_factory: pytest.TempPathFactory, policy: Policy
) -> AsyncIterator[tuple[str, Tenant, Mapping[str, str]]]:
    """A running API with Temporal down, an organization, and an id of each of its resources."""
    async with sqlite_databases.fresh() as url:
        database = Database(url)
        acme = await subscribed(database)
        ids = await existing(database, acme, policy)
        await database.dispose()
        log: Path = tmp_path_factory.mktemp("api") / "log"
        with api_process(log, database_url=url, temporal_address="127.0.0.1:9") as (_, address):
            yield address, acme, ids


async def existing(database: Database, acme: Tenant, policy: Policy) -> Mapping[str, str]:
    operation = an_operation(
        acme,
        policy=policy.model_dump(mode="json"),
        requested_by=acme.admin.id,
        allowed_actions=["cancel", "revise", "accept", "revert"],
    )
    customer = a_customer(acme.id)
    invoice = an_invoice(customer)
    approval, notice = an_approval(operation), a_notice(operation)
    await store(database, operation, approval, notice, customer, invoice)
    return {
        "plan-changes": operation.id,
        "operations": operation.id,
        "approvals": approval.id,
        "notices": notice.id,
        "invoices": invoice.id,
    }


@pytest.fixture(scope="module")
def document(served: tuple[str, Tenant, Mapping[str, str]]) -> BaseSchema:
    return schemathesis.openapi.from_url(f"{served[0]}/openapi.json")


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_answer_is_as_documented(
    document: BaseSchema, served: tuple[str, Tenant, Mapping[str, str]], method: str, path: str
) -> None:
    _, acme, ids = served
    resource = path.strip("/").partition("/")[2].partition("/")[0]
    who = {"approvals": acme.controller, "notices": acme.finance}.get(resource, acme.admin)

    @settings(
        max_examples=25,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=document[path][method].as_strategy())
    def answered_as_documented(case: Case) -> None:
        # A schema can't say which plans there are or that a cursor is one of ours.
        case.call_and_validate(headers=who.headers, excluded_checks=[positive_data_acceptance])
        if "{id}" in path:
            case.path_parameters["id"] = ids[resource]
            case.call_and_validate(
                headers=who.headers, excluded_checks=[positive_data_acceptance, negative_data_rejection]
            )

    answered_as_documented()
