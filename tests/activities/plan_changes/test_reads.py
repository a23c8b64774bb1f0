"""Reads from Stripe: what is final and what is tried again."""

from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.mirror import pages as mirror_pages
from activities.plan_changes.reads import StripeReads
from billing.plan_changes.messages import TargetQuery
from billing.plan_changes.subject import SubscriptionFacts, SubscriptionQuery
from db.mirror import mirror

from ...support.case_rules import case_rules
from ..effects.effecting import Job

pytestmark = pytest.mark.parametrize("databases", ["sqlite"], indirect=True)


async def facts(job: Job) -> SubscriptionFacts:
    query = SubscriptionQuery(
        organization=job.tenant.id, subscription=job.tenant.organization.stripe_subscription
    )
    reads = StripeReads(job.shop.client, job.database, case_rules())
    return await ActivityEnvironment().run(reads.read_subscription, query)


async def test_a_subscription_that_is_no_plan_is_refused_for_good(job: Job) -> None:
    items: Any = {"items": [{"price": job.shop.price["scale", "month"], "quantity": 1}]}
    subscription = job.tenant.organization.stripe_subscription
    await job.shop.client.v1.subscriptions.update_async(subscription, items)

    with pytest.raises(ApplicationError, match="2 items of plans") as refused:
        await facts(job)

    assert (refused.value.type, refused.value.non_retryable) == ("several_plans", True)


@pytest.mark.parametrize("fault", ["drop_after", "error_before", "rate_limit"])
async def test_a_read_that_went_wrong_is_tried_again(job: Job, fault: str) -> None:
    job.shop.stand_in.fault(fault, path=f"{job.tenant.organization.stripe_subscription}$")
    with pytest.raises(ApplicationError) as failed:
        await facts(job)
    assert not failed.value.non_retryable

    assert (await facts(job)).terms.plan == "starter"


@pytest.mark.parametrize(
    ("key", "names", "code"),
    [
        ("plixo_add_on", ["priority-support", "gold-support"], "add_on_unavailable"),
        ("plixo_add_on", ["priority-support", ""], "add_on_unavailable"),
        ("plixo_plan", ["growth", "gold"], "plan_unavailable"),
        ("plixo_plan", ["growth", ""], "plan_misconfigured"),
    ],
    ids=["another add-on", "no add-on", "another plan", "no plan"],
)
async def test_what_is_another_product_than_the_mirror_says_is_refused_for_good(
    job: Job, key: str, names: list[str], code: str
) -> None:
    await job.shop.stock_add_ons()
    await mirror_pages.catalog(job.shop.access(job.database))
    price = await job.shop.client.v1.prices.retrieve_async(job.shop.price[names[0], "month"])
    offered = ("priority-support", "gold-support")
    add_ons = offered[:1] if key == "plixo_add_on" else ()
    async with job.database.reading() as session:
        plans = await mirror.plans(session)
    query = TargetQuery(plan="growth", interval="month", currency="usd", add_ons=add_ons, offered=offered)
    reads = StripeReads(job.shop.client, job.database, case_rules())

    await job.shop.client.v1.products.update_async(str(price.product), {"metadata": {key: names[1]}})
    try:
        with pytest.raises(ApplicationError) as refused:
            await ActivityEnvironment().run(reads.read_target_plan, query, plans)
    finally:  # other tests have the same shop
        await job.shop.client.v1.products.update_async(str(price.product), {"metadata": {key: names[0]}})

    assert (refused.value.type, refused.value.non_retryable) == (code, True)
