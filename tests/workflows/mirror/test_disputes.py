"""Disputes are followed from an inquiry to the end, and told to Finance and the controllers."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlmodel import select

from db.tables import DisputeRow, PaymentRow

from ...support import money
from ...support.builders import Tenant
from ...support.house import House, until
from ..conftest import ON_BOTH_DATABASES

SENT = 61
"""Seconds after which evidence of the stand-in decides itself."""


@pytest.fixture(autouse=True)
async def _told(home: House) -> AsyncIterator[None]:
    async with home.told_by_stripe():
        yield


@pytest.fixture
async def acme(home: House) -> Tenant:
    return await home.shop.tenant(home.database)


async def paid(home: House, acme: Tenant, card: str) -> str:
    payment = await money.pay(home.shop, await money.customer(home.shop, acme), 40_000, card)
    await home.followed()
    return payment


async def answer(home: House, text: str) -> None:
    """In Stripe, with evidence that decides itself."""
    v1 = home.shop.client.v1
    [dispute] = (await v1.disputes.list_async()).data
    await v1.disputes.update_async(dispute.id, {"evidence": {"uncategorized_text": text}})
    home.stand_in.advance(SENT)
    await home.followed()


async def mirrored(home: House) -> tuple[DisputeRow, PaymentRow]:
    async with home.database.reading() as session:
        return (await session.exec(select(DisputeRow))).one(), (await session.exec(select(PaymentRow))).one()


async def mails(home: House, number: int) -> list[dict[str, Any]]:
    """What was mailed of disputes, once there is so much of it; each goes to two people."""

    def found() -> list[dict[str, Any]]:
        return [one for one in home.mail.mailbox.mails if "ispute" in one["text"]]

    async def there() -> bool:
        return len(found()) >= number

    await until(there, lambda: f"{len(found())} mails: {home.mail.names()}")
    return found()


@ON_BOTH_DATABASES
@pytest.mark.parametrize("mode", ["normal", "duplicate", "reorder"])
async def test_finance_and_the_controllers_hear_of_a_dispute_with_its_deadline_and_how_it_ended(
    home: House, acme: Tenant, mode: str
) -> None:
    home.stand_in.webhooks(mode=mode)
    payment = await paid(home, acme, "pm_card_createDispute")
    dispute, row = await mirrored(home)
    assert (dispute.status, dispute.amount, dispute.payment_intent) == ("needs_response", 40_000, payment)
    assert (row.disputed, row.refundable) == (True, 0)
    told = await mails(home, 2)
    assert {to for mail in told for to in mail["to"]} == {
        acme.finance.person.email,
        acme.controller.person.email,
    }
    for mail in told:
        assert mail["subject"].startswith("Dispute to answer: USD 400.00, Customer")
        assert "Answer it in Stripe by " in mail["text"]
        assert "after that it is lost" in mail["text"]
        assert "Payment:" not in mail["text"], "its id is nothing that people know"

    await answer(home, "winning_evidence")
    dispute, row = await mirrored(home)
    assert (dispute.status, dispute.answered, row.refundable) == ("won", True, 40_000)
    told = await mails(home, 4)
    assert [mail["subject"].partition(":")[0] for mail in told].count("Dispute won") == 2
    assert len(told) == 4
    await money.refund(home, acme, payment, 40_000)


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_an_inquiry_can_be_refunded_and_ends_with_that(home: House, acme: Tenant) -> None:
    payment = await paid(home, acme, "pm_card_createDisputeInquiry")
    dispute, row = await mirrored(home)
    assert (dispute.status, dispute.refundable, row.refundable) == ("warning_needs_response", True, 40_000)
    for mail in await mails(home, 2):
        assert mail["subject"].startswith("Bank inquiry to answer: USD 400.00")
        assert "The payment can still be refunded" in mail["text"].replace("\n", " ")
    operation = await money.refund(home, acme, payment, 40_000)
    await home.wait(acme, operation, "completed")
    await home.followed()
    dispute, row = await mirrored(home)
    assert (dispute.status, row.refundable) == ("warning_closed", 0)
    assert len(await mails(home, 4)) == 4


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_what_was_lost_stays_with_the_customer_and_is_refused_by_name(
    home: House, acme: Tenant
) -> None:
    payment = await paid(home, acme, "pm_card_createDispute")
    await answer(home, "losing_evidence")
    dispute, row = await mirrored(home)
    assert (dispute.status, row.refundable) == ("lost", 0)
    quoted = await home.post(
        acme.admin,
        "/v1/refunds/quote",
        {"payment_intent": payment, "reason": "duplicate", "note": "They were charged twice."},
    )
    assert [one["code"] for one in quoted.json()["obstacles"]] == ["charge_disputed"]
    listed = await home.get(acme.auditor, "/v1/disputes?unanswered=false")
    assert [(one["id"], one["status"], one["refundable"]) for one in listed["data"]] == [
        (dispute.id, "lost", False)
    ]
