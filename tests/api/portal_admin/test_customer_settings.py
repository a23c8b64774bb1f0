"""How a customer is written to, and who says so."""

import pytest
from httpx import Response

from db.core.session import Database
from db.customers import settings as customer_settings
from db.tables import Customer

from ...support.builders import NOW, Member, Tenant, a_customer, store
from ..conftest import Api


@pytest.fixture
async def customer(database: Database, acme: Tenant) -> Customer:
    whose = a_customer(acme.id, language="de", country="AT")
    await store(database, whose)
    return whose


async def change(api: Api, customer: Customer, who: Member, **wanted: object) -> Response:
    path = f"/v1/customers/{customer.id}/settings"
    return await api.http.patch(path, headers=who.headers, json=wanted)


async def test_without_settings_stripe_and_the_organization_are_asked(
    api: Api, acme: Tenant, customer: Customer
) -> None:
    found = (await api.get(f"/v1/customers/{customer.id}/settings", acme.auditor)).json()
    assert found == {
        "customer": customer.id,
        "language": {"value": "de", "source": "stripe"},
        "zone": {"value": "America/New_York", "source": "organization"},
        "country": {"value": "AT", "source": "stripe"},
        "subdivision": {"value": None, "source": None},
        "approval_cycle_days": None,
        "opted_out": False,
        "opted_out_at": None,
        "opted_out_by": None,
        "bounced": None,
        "bounce_lifted": None,
        "updated_at": None,
        "updated_by": None,
    }


async def test_what_is_set_here_holds_until_it_is_unset(api: Api, acme: Tenant, customer: Customer) -> None:
    wanted = {"language": "de-at", "zone": "Europe/Berlin", "country": "DE", "subdivision": "BY"}
    found = (await change(api, customer, acme.admin, **wanted, approval_cycle_days=60)).json()
    assert found["language"] == {"value": "de-AT", "source": "settings"}
    assert found["zone"] == {"value": "Europe/Berlin", "source": "settings"}
    assert found["subdivision"] == {"value": "BY", "source": "settings"}
    assert (found["approval_cycle_days"], found["updated_by"]) == (60, acme.admin.id)
    found = (await change(api, customer, acme.controller, language=None)).json()
    assert found["language"] == {"value": "de", "source": "stripe"}
    assert found["zone"]["value"] == "Europe/Berlin"


async def test_opting_out_keeps_who_did_it_first(api: Api, acme: Tenant, customer: Customer) -> None:
    first = (await change(api, customer, acme.admin, opted_out=True)).json()
    again = (await change(api, customer, acme.controller, opted_out=True)).json()
    assert (first["opted_out"], first["opted_out_by"]) == (True, acme.admin.id)
    assert (again["opted_out_at"], again["opted_out_by"]) == (first["opted_out_at"], acme.admin.id)
    back = (await change(api, customer, acme.admin, opted_out=None)).json()
    assert (back["opted_out"], back["opted_out_at"], back["opted_out_by"]) == (False, None, None)


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"language": "klingon!"}, "language_unknown"),
        ({"language": "fr"}, "language_not_offered"),
        ({"language": "pt-BR"}, "language_not_offered"),
        ({"zone": "Mars/Base"}, "zone_unknown"),
        ({"zone": "../etc/passwd"}, "zone_unknown"),
        ({"country": "at"}, "country_unknown"),
        ({"subdivision": "BY"}, "subdivision_unknown"),
        ({"approval_cycle_days": 0}, "invalid_request"),
        ({"approval_cycle_days": 367}, "invalid_request"),
    ],
)
async def test_what_is_not_known_is_refused_and_changes_nothing(
    api: Api, acme: Tenant, customer: Customer, wanted: dict[str, object], code: str
) -> None:
    answer = await change(api, customer, acme.admin, **wanted)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    [error] = answer.json()["errors"]
    assert error["pointer"] == "/" + next(iter(wanted))
    found = (await api.get(f"/v1/customers/{customer.id}/settings", acme.admin)).json()
    assert found["updated_at"] is None


async def test_it_is_not_for_everybody(api: Api, acme: Tenant, other: Tenant, customer: Customer) -> None:
    assert (await change(api, customer, acme.auditor, opted_out=True)).status_code == 403
    assert (await change(api, customer, other.admin, opted_out=True)).status_code == 404
    assert (await api.get(f"/v1/customers/{customer.id}/settings", other.admin)).status_code == 404


async def test_a_person_lifts_a_bounce_and_it_is_kept_who(
    api: Api, database: Database, acme: Tenant, customer: Customer
) -> None:
    async with database.transaction() as session:
        await customer_settings.note_bounce(
            session,
            customer_id=customer.id,
            organization_id=acme.id,
            address="ap@customer.example",
            code=550,
            at=NOW,
        )
    bounced = (await api.get(f"/v1/customers/{customer.id}/settings", acme.admin)).json()
    assert (bounced["bounced"]["address"], bounced["bounce_lifted"]) == ("ap@customer.example", None)
    assert (await change(api, customer, acme.admin, bounced=True)).status_code == 422
    found = (await change(api, customer, acme.controller, bounced=False)).json()
    assert found["bounced"] is None
    assert found["bounce_lifted"]["by"] == acme.controller.id
    assert found["bounce_lifted"]["why"] == "person"
    again = (await change(api, customer, acme.admin, bounced=False)).json()
    assert again["bounce_lifted"] == found["bounce_lifted"], "there was nothing to lift any more"
