"""The hourly run tells admins of limits that their plan comes near."""

from workflows.core import ids

from ...support.house import House, until


async def test_admins_hear_once_that_nearly_all_seats_are_in_use(home: House) -> None:
    acme = await home.shop.tenant(home.database, "growth", seats=6)
    for _ in range(3):
        await home.run(ids.RECONCILE)
        await home.swept()

    async def told() -> bool:
        return home.mail.names(to=acme.admin.person).count("limit_near") > 0

    await until(told, lambda: str(home.mail.names()), home.patience)
    await home.swept()
    assert home.mail.names().count("limit_near") == 1
    organization = await home.get(acme.admin, "/v1/organization")
    [seats] = [one for one in organization["limits"] if one["name"] == "seats"]
    assert (seats["used"], seats["allowed"]) == (5, 6)
