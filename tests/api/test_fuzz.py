"""Requests made from the OpenAPI document, right and wrong ones: no 5xx, and nothing that it does not say."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import schemathesis
from fastapi.routing import APIRoute
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import positive_data_acceptance

from api.app import ROUTERS
from db.session import Database

from ..builders import Tenant
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
async def tenant_and_address(
    sqlite_databases: SqliteDatabases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Tenant, str]]:
    """A running API, with an organization and Temporal down."""
    async with sqlite_databases.fresh() as url:
        database = Database(url)
        acme = await subscribed(database)
        await database.dispose()
        log: Path = tmp_path_factory.mktemp("api") / "log"
        with api_process(log, database_url=url, temporal_address="127.0.0.1:9") as (_, address):
            yield acme, address


@pytest.fixture(scope="module")
def document(tenant_and_address: tuple[Tenant, str]) -> BaseSchema:
    return schemathesis.openapi.from_url(f"{tenant_and_address[1]}/openapi.json")


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_answer_is_as_documented(
    document: BaseSchema, tenant_and_address: tuple[Tenant, str], method: str, path: str
) -> None:
    acme, _ = tenant_and_address

    @settings(
        max_examples=30,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=document[path][method].as_strategy())
    def answered_as_documented(case: Case) -> None:
        case.call_and_validate(headers=acme.admin.headers, excluded_checks=[positive_data_acceptance])

    answered_as_documented()
