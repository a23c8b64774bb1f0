"""The examples of people and of who calls, as the API answers."""

from ...support.money_rows import a_delegation
from ..conftest import ON_ONE_DATABASE
from ..recording import ExampleHouse, first

pytestmark = ON_ONE_DATABASE

REQUEST = "req_01JD1C5T8H4N7Q2S5V9X3Z6YWA"


async def test_people_are_listed(house: ExampleHouse) -> None:
    await house.get("person", "/v1/people?role=controller", part=first)


async def test_a_person_is_read(house: ExampleHouse) -> None:
    await house.get("person_detail", f"/v1/people/{house.acme.controller.id}")


async def test_somebody_reads_who_they_are(house: ExampleHouse) -> None:
    cleo, liv = house.acme.controller.person, house.acme.legal.person
    await house.store(
        a_delegation(cleo, liv, id="dlg_01JD1B2K9F4S7N6V5C3X8Z0RQA", reason="On leave in March")
    )
    await house.get("me", "/v1/me", house.acme.controller)


async def test_a_key_is_made_listed_and_revoked(house: ExampleHouse) -> None:
    """As if it came out the same each time, without a secret that anybody has had."""
    answer = await house.http.post(
        "/v1/api-keys", headers=house.acme.admin.headers, json=house.body("key_body")
    )
    assert answer.status_code == 201, answer.text
    made = answer.json()
    made_with = {"made_with": "5d0c8e2b71fa"}
    settled = {"id": "3f8a61c09d24"} | made_with
    secret = "".join(f"{number:02x}" for number in range(32))
    house.record("new_key", made | settled | {"api_key": f"pk_3f8a61c09d24_{secret}"})
    listed = (await house.http.get("/v1/api-keys", headers=house.acme.admin.headers)).json()
    [row] = [row for row in listed["data"] if row["id"] == made["id"]]
    house.record("key", row | settled)
    answer = await house.http.post(
        f"/v1/api-keys/{made['id']}/rotation",
        headers=house.acme.admin.headers,
        json=house.body("rotation_body"),
    )
    assert answer.status_code == 201, answer.text
    house.record(
        "successor",
        answer.json() | made_with | {"id": "a07c3be15d92", "api_key": f"pk_a07c3be15d92_{secret[::-1]}"},
    )
    revoked = await house.http.post(f"/v1/api-keys/{made['id']}/revoke", headers=house.acme.admin.headers)
    house.record("revoked_key", revoked.json() | settled | {"replaced_by": "a07c3be15d92"})


async def test_who_took_a_list_is_listed(house: ExampleHouse) -> None:
    headers = house.acme.finance.headers | {"Accept": "text/csv", "X-Request-Id": REQUEST}
    taken = await house.http.get("/v1/notices?state=open", headers=headers)
    assert taken.status_code == 200, taken.text
    listed = (await house.http.get("/v1/reads", headers=house.acme.admin.headers)).json()
    [row] = listed["data"]
    house.record("read", row | {"id": "rdr_01JD1C5T8K2M6P9R3W7Y4Z1XVB", "key": "3f8a61c09d24"})
