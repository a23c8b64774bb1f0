"""The examples of sessions, as the API answers."""

from datetime import timedelta

from billing.core.keys import UNPEPPERED
from db.sign_in import sessions

from ...support.builders import NOW
from ..conftest import ON_ONE_DATABASE
from ..recording import ExampleHouse, first

pytestmark = ON_ONE_DATABASE


async def test_sessions_are_listed_and_revoked_and_people_signed_out(house: ExampleHouse) -> None:
    async with house.database.transaction() as session:
        opened = await sessions.begin(
            session,
            UNPEPPERED,
            house.acme.controller.person,
            how="mail",
            address="192.0.2.7",
            user_agent="Mozilla/5.0 (X11; Linux x86_64)",
            at=NOW,
            expires_at=NOW + timedelta(days=7),
        )
    await house.get("session", "/v1/sessions?live=true", part=first)
    await house.request("revoked_session", "POST", f"/v1/sessions/{opened.row.id}/revoke")
    await house.request("signed_out", "POST", "/v1/sessions/revoke", body=house.body("sign_out_body"))
