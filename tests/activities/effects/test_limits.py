"""What Stripe's limits of one object would refuse is postponed before anything is sent, and told once."""

from datetime import UTC, datetime, timedelta

from db.operations import intents

from ...support.builders import an_operation, store
from .effecting import Job


async def changed_before(job: Job, times: int, ago: timedelta) -> None:
    """So many changes of the same organization's subscription were begun."""
    earlier = an_operation(job.tenant, kind="refund")
    await store(job.database, earlier)
    async with job.database.transaction() as session:
        for number in range(times):
            intent = intents.new(
                organization_id=job.tenant.id,
                operation_id=earlier.id,
                step=f"apply:{number}",
                version=1,
                effect="subscription.update",
                target="sub_1",
                params={},
                at=datetime.now(UTC) - ago,
            )
            await intents.begin(session, intent)


async def test_the_eleventh_change_within_a_minute_is_postponed_until_there_is_room(job: Job) -> None:
    await changed_before(job, 10, timedelta(seconds=20))
    effect = await job.upgrade()
    for _ in range(2):
        failed = await job.fails(effect)
        assert failed.type == "object_limit"
        assert failed.next_retry_delay is not None
        assert 30 < failed.next_retry_delay.total_seconds() <= 50
    assert job.sent(effect) == []
    assert [event.code for event in await job.events()] == ["postponed"]
    await job.check_untouched()


async def test_what_was_begun_is_finished_and_others_do_not_count(job: Job) -> None:
    await changed_before(job, 10, timedelta(minutes=2))
    effect = await job.upgrade()
    await job.attempt(effect)
    await changed_before(job, 20, timedelta(seconds=1))
    assert (await job.attempt(effect)).outcome == "done"
    await job.check_upgraded_once(effect)
