"""What is read of a plan change's invoice: whichever is its own, whole."""

from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.plan_changes.applied_lines import UPDATE
from activities.plan_changes.reads import StripeReads
from billing.plan_changes.subject import PreviewQuery, SubscriptionQuery, Terms
from billing.plan_changes.verification import ResultLines, ResultQuery

from ...billing.builders import a_subject, some_terms
from ...support.case_rules import case_rules
from ...support.shop import APRIL, DAY
from ..effects.effecting import Job

pytestmark = pytest.mark.parametrize("databases", ["sqlite"], indirect=True)


def reads(job: Job) -> StripeReads:
    return StripeReads(job.shop.client, job.database, case_rules())


async def found(job: Job, key: str, invoice: str | None, **otherwise: Any) -> ResultLines:
    of_the_job = {"subscription": job.tenant.organization.stripe_subscription, "proration_date": APRIL}
    subject = a_subject().model_copy(update=of_the_job | otherwise)
    query = ResultQuery(subject=subject, effect_key=key, invoice=invoice)
    return await ActivityEnvironment().run(reads(job).read_applied_lines, query)


async def wait_for_the_next_invoice(job: Job, amounts: list[int]) -> None:
    for amount in amounts:
        item: Any = {
            "customer": job.tenant.organization.stripe_customer,
            "subscription": job.tenant.organization.stripe_subscription,
            "amount": amount,
            "currency": "usd",
        }
        await job.shop.client.v1.invoice_items.create_async(item)


async def others(job: Job, number: int, **more: Any) -> None:
    """Somebody makes so many invoices of the same subscription in Stripe itself, where its mark stays."""
    subscription = job.tenant.organization.stripe_subscription
    item = (await job.item())["id"]
    for seats in range(number):
        change: Any = {
            "items": [{"id": item, "quantity": 7 + seats}],
            "proration_behavior": "always_invoice",
        } | more
        await job.shop.client.v1.subscriptions.update_async(subscription, change)


async def test_the_invoice_of_a_change_is_the_one_that_its_answer_names(job: Job) -> None:
    outcome = await job.attempt(await job.upgrade())
    named = outcome.detail["latest_invoice"]
    await others(job, 21)
    assert (await found(job, outcome.key, named)).invoice == named
    assert (await found(job, outcome.key, None)).invoice == named, "it is the first of those with its mark"


async def test_an_invoice_without_the_changes_mark_is_not_its_own_whatever_is_named(job: Job) -> None:
    outcome = await job.attempt(await job.upgrade())
    own = outcome.detail["latest_invoice"]
    await others(job, 1, metadata={"plixo_effect": ""})
    newest = (await job.shop.invoices(job.tenant))[0].id
    assert newest != own
    assert (await found(job, outcome.key, newest)).invoice == own
    assert await found(job, "another key", own) == ResultLines(lines=())


async def test_of_an_answer_that_was_lost_the_invoice_is_found_by_its_mark(job: Job) -> None:
    effect = await job.upgrade()
    path = f"/v1/subscriptions/{job.tenant.organization.stripe_subscription}$"
    job.shop.stand_in.fault("drop_after", method="POST", path=path, times=1)
    await job.fails(effect)
    await others(job, 1)
    outcome = await job.attempt(effect)
    assert outcome.detail["latest_invoice"] is None, "the newest one is another's by now"
    made = [one.id for one in await job.shop.invoices(job.tenant) if one.billing_reason == UPDATE]
    assert (await found(job, outcome.key, None)).invoice == made[-1]


async def test_an_invoice_that_lacks_the_new_period_is_read_all_the_same(job: Job) -> None:
    outcome = await job.attempt(await job.upgrade())
    # The invoice that follows is not that of the period in which this was asked.
    asked = {"to": some_terms(interval="year"), "period_end": APRIL + DAY}
    read = await found(job, outcome.key, outcome.detail["latest_invoice"], **asked)
    assert {line.kind for line in read.lines} == {"credit", "debit"}
    assert read.following is None


async def test_an_invoice_of_more_lines_than_it_embeds_is_read_whole(job: Job) -> None:
    await wait_for_the_next_invoice(job, [100 + n for n in range(11)])
    outcome = await job.attempt(await job.upgrade())
    read = await found(job, outcome.key, outcome.detail["latest_invoice"])
    assert len(read.lines) == 13
    assert read.amounts is not None
    assert read.amounts.gross == read.amounts.total == sum(range(100, 111)) + 6000


async def test_a_preview_of_more_lines_than_stripe_gives_is_refused_for_good(job: Job) -> None:
    job.shop.stand_in.control("switches", {"preview_lines": "ten"})
    await wait_for_the_next_invoice(job, [100 + n for n in range(11)])
    subscription = SubscriptionQuery(
        organization=job.tenant.id, subscription=job.tenant.organization.stripe_subscription
    )
    facts = await ActivityEnvironment().run(reads(job).read_subscription, subscription)
    to = Terms(plan="growth", price=job.shop.price["growth", "month"], seats=6, interval="month")
    query = PreviewQuery(facts=facts, to=to, effective="now", invoicing="immediately")
    with pytest.raises(ApplicationError) as refused:
        await ActivityEnvironment().run(reads(job).read_preview, query)
    assert (refused.value.type, refused.value.non_retryable) == ("preview_too_long", True)
