"""The examples of mail templates, as the API answers."""

from typing import Any

from ..conftest import ON_ONE_DATABASE
from ..recording import ExampleHouse

pytestmark = ON_ONE_DATABASE

PATH = "/v1/mail-templates"


async def test_a_template_is_written_approved_and_retired(house: ExampleHouse) -> None:
    admin, controller = house.acme.admin, house.acme.controller
    await house.request("draft", "PUT", f"{PATH}/reminder/en", admin, house.body("template_body"))
    approve = f"{PATH}/reminder/en/approve"
    await house.request("approved", "POST", approve, controller, house.body("approve_body"))
    await house.get("templates", PATH, part=a_built_in_one_and_the_own)
    await house.request("retired", "DELETE", f"{PATH}/reminder/en", admin)
    await house.request("preview", "POST", f"{PATH}/reminder/preview", admin, house.body("preview_body"))


def a_built_in_one_and_the_own(answer: dict[str, Any]) -> dict[str, Any]:
    return answer | {"data": [answer["data"][0], answer["data"][-1]]}
