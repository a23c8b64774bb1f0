"""Reads from Stripe: what is final and what is tried again."""

from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.plan_changes.reads import StripeReads
from billing.plan_changes.subject import SubscriptionFacts, SubscriptionQuery

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
