"""The examples of the success checks, as the API answers."""

from ...support import checked_rows as day
from ...support.builders import tenant
from ..conftest import ON_ONE_DATABASE
from ..recording import ExampleHouse, first

pytestmark = ON_ONE_DATABASE

PERIOD = "from=2026-03-02T15:00:00Z&to=2026-03-03T15:00:00Z"


async def test_the_figures_and_a_row_behind_them(house: ExampleHouse) -> None:
    database, acme = house.database, house.acme
    other = await tenant(database)
    await day.plan_changes(database, acme)
    await day.money_back(database, acme)
    await day.troubles(database, acme)
    await day.reconciliations(database, acme, other)
    await day.incidents(database, acme, other)
    await house.get("figures", f"/v1/success-checks?{PERIOD}")
    await house.get("series", f"/v1/success-checks/approved_to_visible/series?{PERIOD}")
    await house.get("row", f"/v1/success-checks/approved_to_visible/rows?{PERIOD}", part=first)
