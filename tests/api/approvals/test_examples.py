"""The examples of approvals, delegations and notices, as the API answers."""

from typing import Any

from db.tables import Approval

from ...support.builders import NOW, a_notice, an_approval, an_operation
from ..conftest import ON_ONE_DATABASE
from ..recording import ExampleHouse, first

pytestmark = ON_ONE_DATABASE

OPERATION = "op_01JD0V7G8M3Q2Z6W5T4R9YXKBN"


async def test_a_delegation_is_offered_accepted_and_revoked(house: ExampleHouse) -> None:
    acme, body = house.acme, house.body("delegation_body")
    offered = await house.request("delegation", "POST", "/v1/delegations", acme.controller, body)
    path = f"/v1/delegations/{offered['id']}"
    await house.request("accepted_delegation", "POST", f"{path}/accept", acme.finance)
    await house.request("revoked_delegation", "POST", f"{path}/revoke", acme.controller)
    declined = await house.request("delegation", "POST", "/v1/delegations", acme.controller, body)
    await house.request(
        "declined_delegation", "POST", f"/v1/delegations/{declined['id']}/decline", acme.finance
    )


async def test_one_approval_is_delegated(house: ExampleHouse) -> None:
    operation = an_operation(house.acme, id=OPERATION, state="awaiting_approval", stage="review")
    approval = an_approval(operation)
    await house.store(operation, approval)
    path = f"/v1/approvals/{approval.id}/delegate"
    body = house.body("delegate_body")
    await house.request("approval_delegation", "POST", path, house.acme.controller, body)


OPEN: dict[str, Any] = {"state": "open", "signatures": [], "decided_by": None, "closed_at": None}


async def reviewed(house: ExampleHouse, **changes: Any) -> Approval:
    """The approval of a plan change, as it ended but for the changes."""
    evidence = house.evidence("plan_change_now")
    operation = await house.add_operation(evidence)
    [record] = evidence["approvals"]
    columns = record.keys() & Approval.model_fields.keys()
    row = an_approval(operation).model_dump() | {name: record[name] for name in columns} | changes
    approval = Approval.model_validate(row)  # the times of evidence are texts
    await house.store(approval)
    return approval


async def test_an_approval_is_open(house: ExampleHouse) -> None:
    approval = await reviewed(house, **OPEN)
    await house.get("approval", f"/v1/approvals/{approval.id}", house.acme.controller)


async def test_an_approval_was_given(house: ExampleHouse) -> None:
    approval = await reviewed(house)
    await house.get("decided_approval", f"/v1/approvals/{approval.id}", house.acme.controller)


async def test_finance_is_told_and_acknowledges(house: ExampleHouse) -> None:
    evidence = house.evidence("plan_change_now")
    operation = await house.add_operation(evidence)
    notice = a_notice(operation, subject=evidence["operation"]["subject"])
    await house.store(notice)
    await house.get("notice", "/v1/notices", house.acme.finance, part=first)
    known = {"state": "acknowledged", "acknowledged_at": NOW, "acknowledged_by": house.acme.finance.id}
    await house.store(a_notice(operation, kind="plan_change_applied", subject=notice.subject, **known))
    path = "/v1/notices?state=acknowledged"
    await house.get("acknowledged_notice", path, house.acme.finance, part=first)
