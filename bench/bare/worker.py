"""`python -m bench.bare.worker FILE`: hosts the baselines as `python -m worker` hosts the product."""

import asyncio
import signal
import sys
from datetime import timedelta
from pathlib import Path

from temporalio.client import Client
from temporalio.worker import Worker

from activities.stripe.client import stripe_client
from settings import process
from settings.settings import Settings, load
from worker.interceptors import Heartbeats
from workflows.client.connection import connection

from . import workflow as bare
from .activities import Calls, Nothing


def build_workers(temporal: Client, settings: Settings, budget: float, opened: Path) -> tuple[Worker, Worker]:
    """The two workers that the product had when the reference was kept, on queues of their own; `opened` is
    told of reviews."""
    nothing = Nothing(opened).nothing
    calls = Calls(stripe_client(settings.stripe_api_key.get_secret_value(), settings.stripe_api_base))
    main = Worker(
        temporal,
        task_queue=bare.MAIN_QUEUE,
        workflows=[bare.Bare],
        activities=[nothing],
        interceptors=[Heartbeats()],
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=5),
    )
    stripe = Worker(
        temporal,
        task_queue=bare.STRIPE_QUEUE,
        activities=[nothing, calls.call],
        interceptors=[Heartbeats()],
        max_task_queue_activities_per_second=budget,
    )
    return main, stripe


async def run(opened: Path) -> None:
    """Until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    settings, policy = load()
    temporal = await connection(settings).client()
    main, stripe = build_workers(temporal, settings, policy.stripe.requests_per_second, opened)
    async with main, stripe:
        process.settle()
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1])))
