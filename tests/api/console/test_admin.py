"""Administration: keys made and revoked, people signed out, what the policy would say of a request."""

import re

import pytest

from billing.core.operations import Role
from db.core.session import Database

from ...support.builders import Tenant, a_customer, an_invoice, member, store
from ..conftest import ON_ONE_DATABASE, Api
from ..sign_in.visitors import Visitor
from .conftest import SignIn

pytestmark = ON_ONE_DATABASE

KEY = re.compile(r"pk_[0-9a-f]{12}_[0-9a-f]{64}")
SIMULATOR = "/console/admin/policy/simulation"


async def test_a_key_is_shown_once_and_works_until_it_is_revoked(
    web: Api, signed_in: SignIn, acme: Tenant
) -> None:
    visitor = await signed_in(acme.legal)
    shown = await visitor.post("/console/admin/keys", name="Contracts <b>", expires_at="2999-12-31")
    assert shown.status_code == 200
    [key] = KEY.findall(shown.text)
    assert "no-store" in shown.headers["cache-control"]
    assert "Contracts &lt;b&gt;" in shown.text
    again = await visitor.get("/console/admin/keys")
    assert key not in again.text
    assert not KEY.search(again.text)
    bearer = {"Authorization": f"Bearer {key}"}
    assert (await web.http.get("/v1/me", headers=bearer)).json()["id"] == acme.legal.id
    prefix = key.split("_")[1]
    assert (await visitor.post(f"/console/admin/keys/{prefix}/revoke")).status_code == 303
    assert (await web.http.get("/v1/me", headers=bearer)).json()["code"] == "credentials_revoked"


async def test_what_is_wrong_with_a_key_is_said_beside_the_field(
    web: Api, signed_in: SignIn, acme: Tenant
) -> None:
    visitor = await signed_in(acme.admin)
    past = await visitor.post("/console/admin/keys", name="Old", expires_at="2020-01-01")
    assert past.status_code == 422
    assert "must be in the future" in past.text
    assert 'value="Old"' in past.text
    nameless = await visitor.post("/console/admin/keys", name="")
    assert (nameless.status_code, "field-name" in nameless.text) == (422, True)


async def test_nobody_makes_or_revokes_a_key_that_is_not_theirs_to_make_or_revoke(
    web: Api, signed_in: SignIn, acme: Tenant, other: Tenant
) -> None:
    theirs = acme.controller.api_key.split("_")[1]
    auditor = await signed_in(acme.auditor)
    assert (await auditor.post("/console/admin/keys", name="Mine")).status_code == 403
    for who in (acme.legal, other.admin):
        visitor = await signed_in(who)
        assert (await visitor.post(f"/console/admin/keys/{theirs}/revoke")).status_code == 404
        assert theirs not in (await visitor.get("/console/admin/keys")).text
    assert theirs in (await auditor.get("/console/admin/keys")).text


async def test_all_other_browsers_are_signed_out(
    web: Api, signed_in: SignIn, acme: Tenant, database: Database
) -> None:
    here, there, admin = [await signed_in(who) for who in (acme.legal, acme.legal, acme.admin)]
    page = await here.get("/console/admin/sessions")
    assert page.text.count("Signed in</span>") >= 2
    assert "this one" in page.text
    assert (await here.post("/console/admin/sessions/others/revoke")).status_code == 303
    assert (await here.get("/console/")).status_code == 200
    assert (await there.get("/console/")).status_code == 303
    everybody = await admin.get("/console/admin/sessions?live=true")
    [session] = set(re.findall(r"/console/admin/sessions/(ses_\w+)/revoke", everybody.text))
    assert (await admin.post(f"/console/admin/sessions/{session}/revoke")).status_code == 303
    assert (await here.get("/console/")).status_code == 303


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("kind=refund&amount=500&currency=usd&reason=duplicate", 200, "may give a refund of"),
        ("kind=refund&amount=500.01&currency=USD&reason=duplicate", 200, "needs an approval for a refund of"),
        ("kind=credit&amount=10000.01&currency=usd&reason=goodwill", 200, "each of whom must approve"),
        ("kind=void&amount=250&currency=usd&reason=billed_twice", 200, "may give a void of"),
        (
            "kind=write_off&amount=250.01&currency=usd&reason=insolvent",
            200,
            "needs an approval for a write-off",
        ),
        ("kind=refund&amount=5&currency=eur&reason=duplicate", 200, "None in EUR"),
        ("kind=refund&amount=a lot&currency=usd&reason=duplicate", 422, "must be a number such as"),
        ("kind=refund&amount=5&currency=usd&reason=goodwill", 422, "Reason must be"),
        ("kind=refund&amount=5&currency=&reason=duplicate", 422, "currency"),
        ("kind=plan_change", 200, "needs an approval for a plan change"),
        ("kind=cancellation&amount=&currency=usd&reason=other", 200, "needs an approval for a cancellation."),
        (
            "kind=cancellation&amount=10000.01&currency=usd&reason=other",
            200,
            "needs an approval for a cancellation worth",
        ),
        ("kind=cancellation&amount=5&currency=usd&reason=goodwill", 422, "Reason must be"),
        ("kind=strange", 404, "<h1"),
    ],
)
async def test_an_outcome_has_an_address(
    web: Api, signed_in: SignIn, acme: Tenant, query: str, status: int, words: str
) -> None:
    visitor = await signed_in(acme.admin)
    answer = await visitor.get(f"{SIMULATOR}?{query}&person={acme.admin.id}")
    assert answer.status_code == status, answer.text
    assert words in answer.text


@pytest.mark.parametrize(
    ("typed", "status", "words"),
    [
        ("Blue Bottle", 200, "To this customer"),
        ("cus_blue", 200, "To this customer"),
        ("BLUE-7", 200, "To this customer"),
        ("Blue", 422, '<option value="cus_blue">Blue Bottle</option>'),
        ("Theirs", 422, "No customer is found by that name"),
        ("", 200, "To one customer"),
    ],
)
async def test_a_customer_is_simulated_by_what_one_knows_of_them(
    web: Api,
    signed_in: SignIn,
    acme: Tenant,
    other: Tenant,
    database: Database,
    typed: str,
    status: int,
    words: str,
) -> None:
    blue = a_customer(acme.id, id="cus_blue", name="Blue Bottle")
    moon = a_customer(acme.id, id="cus_blue_moon", name="Blue Moon")
    bill = an_invoice(blue, number="BLUE-7")
    await store(database, blue, moon, a_customer(other.id, name="Theirs"), bill)
    query = f"kind=refund&amount=5&currency=usd&reason=duplicate&customer={typed}"
    visitor = await signed_in(acme.admin)
    answer = await visitor.get(f"{SIMULATOR}?{query}&person={acme.admin.id}")
    if answer.status_code == 303:
        assert "customer=cus_blue" in answer.headers["location"].split("&")
        answer = await visitor.get(answer.headers["location"].removeprefix("http://plixo.test"))
    assert answer.status_code == status, answer.text
    assert words in answer.text


async def test_only_some_simulate_for_others(
    web: Api, signed_in: SignIn, acme: Tenant, other: Tenant, database: Database
) -> None:
    query = "kind=refund&amount=5&currency=usd&reason=duplicate"
    finance, controller = await signed_in(acme.finance), await signed_in(acme.controller)
    assert (await finance.get(f"{SIMULATOR}?{query}&person={acme.admin.id}")).status_code == 403
    assert acme.admin.id not in (await finance.get(SIMULATOR)).text
    assert (await controller.get(f"{SIMULATOR}?{query}&person={acme.admin.id}")).status_code == 200
    assert (await controller.get(f"{SIMULATOR}?{query}&person={other.admin.id}")).status_code == 404
    own = await finance.get(f"{SIMULATOR}?{query}&person={acme.finance.id}")
    assert "can't ask for it" in own.text


async def test_administration_begins_somewhere(web: Api, signed_in: SignIn, acme: Tenant) -> None:
    visitor = await signed_in(acme.admin)
    assert (await visitor.get("/console/admin")).headers["location"].startswith("/console/admin/")
    assert (await Visitor(web.app).get("/console/admin/keys")).status_code == 303


async def test_people_are_read_by_whom_it_concerns_and_signed_out_everywhere(
    web: Api, signed_in: SignIn, acme: Tenant, other: Tenant
) -> None:
    legal, admin, controller = [await signed_in(who) for who in (acme.legal, acme.admin, acme.controller)]
    page = f"/console/admin/people/{acme.legal.id}"
    for reader, may_end in ((admin, True), (controller, False)):
        answer = await reader.get(page)
        assert (answer.status_code, "Sign out everywhere" in answer.text) == (200, may_end)
    assert (await legal.get(f"/console/admin/people/{acme.admin.id}")).status_code == 403
    assert (await admin.get(f"/console/admin/people/{other.admin.id}")).status_code == 404
    assert (await controller.post(f"{page}/sign-out")).status_code == 404
    assert (await legal.post(f"{page}/sign-out")).status_code == 303
    assert (await legal.get(page)).status_code == 200, "their own page, in the browser that goes on"
    assert (await admin.post(f"{page}/sign-out")).status_code == 303
    assert (await legal.get(page)).status_code == 303


async def test_people_are_searched(web: Api, signed_in: SignIn, acme: Tenant, database: Database) -> None:
    await member(database, acme.organization, [Role.LEGAL], name="Jo <b>Long</b>", email="jo@x.example")
    visitor = await signed_in(acme.finance)
    found = (await visitor.get("/console/admin/people?q=jo+%3Cb&role=legal&active=")).text
    assert "Jo &lt;b&gt;Long&lt;/b&gt;" in found
    assert f"/console/admin/people/{acme.legal.id}" not in found
    assert "Nobody matches" in (await visitor.get("/console/admin/people?q=zzz")).text


async def test_a_key_is_made_for_reading_and_rotated_with_its_successor_shown_once(
    web: Api, signed_in: SignIn, acme: Tenant
) -> None:
    visitor = await signed_in(acme.legal)
    [key] = KEY.findall((await visitor.post("/console/admin/keys", name="Contracts", may="read")).text)
    me = await web.http.get("/v1/me", headers={"Authorization": f"Bearer {key}"})
    assert me.status_code == 200
    body = {"to": acme.finance.id}
    refused = await web.http.post("/v1/delegations", headers={"Authorization": f"Bearer {key}"}, json=body)
    assert refused.json()["code"] == "scope_missing"
    page = await visitor.get("/console/admin/keys")
    assert "Reads only" in page.text
    rotated = await visitor.post(f"/console/admin/keys/{key.split('_')[1]}/rotation")
    [successor] = KEY.findall(rotated.text)
    assert successor != key
    assert f'replaced by <span class="mono">pk_{successor.split("_")[1]}_' in rotated.text
    for one in (key, successor):
        assert (await web.http.get("/v1/me", headers={"Authorization": f"Bearer {one}"})).status_code == 200
    assert (await visitor.post(f"/console/admin/keys/{key.split('_')[1]}/rotation")).status_code == 409
