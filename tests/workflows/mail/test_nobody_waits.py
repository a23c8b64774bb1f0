"""A mail server that is down keeps nobody from answering: mails go out when it can, and nobody waits."""

import pytest

from sandbox.stack.mail import Fault

from ...support import money
from ...support.builders import Tenant
from ...support.house import House, until

DOWN = Fault(code=451, times=10_000)
COMMENT = {"comment": "Looked at with the customer."}


@pytest.fixture
async def acme(home: House) -> Tenant:
    return await home.shop.tenant(home.database, "growth")


async def test_a_failed_refund_is_closed_while_mail_is_down_and_the_mail_goes_out_afterwards(
    home: House, acme: Tenant
) -> None:
    customer = await money.customer(home.shop, acme)
    payment = await money.pay(home.shop, customer, 1_000, "pm_card_refundFailAtOnce")
    home.mail.mailbox.fault = DOWN
    operation = await money.refund(home, acme, payment, 1_000)
    await home.wait(acme, operation, "failed", stage="refund_failed")
    answer = await home.post(
        acme.admin, f"/v1/refunds/{operation}/resolution", {"action": "close", **COMMENT}
    )
    assert answer.status_code == 200, answer.text
    await home.wait(acme, operation, "failed", stage="done")

    home.mail.mailbox.fault = Fault(code=451, times=0)
    await home.skip(hours=2)

    async def told() -> bool:
        return any(mail["to"] == [acme.admin.person.email] for mail in home.mail.mailbox.mails)

    await until(told, lambda: "the requester was not told")


async def test_a_plan_change_is_revised_while_mail_is_down(home: House, acme: Tenant) -> None:
    home.mail.mailbox.fault = DOWN
    operation = await home.ask(acme, plan="scale", seats=8)
    approval = await home.reviewed(acme, operation)
    answer = await home.post(
        acme.controller,
        f"/v1/approvals/{approval['id']}/decision",
        {"decision": "request_changes", "subject_hash": approval["subject_hash"], **COMMENT},
    )
    assert answer.status_code == 200, answer.text
    await home.wait(acme, operation, "awaiting_approval", stage="changes_requested")
    revised = {"plan": "scale", "seats": 7, "reason": "One fewer than we thought."}
    answer = await home.post(acme.admin, f"/v1/plan-changes/{operation}/revision", revised)
    assert answer.status_code == 200, answer.text
    await home.reviewed(acme, operation, 2)
