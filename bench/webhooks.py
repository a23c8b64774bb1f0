"""How fast Stripe's webhooks are taken, against the least that takes any; that none is lost."""

import asyncio
import gc
import json
import random
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import stripe
from sqlmodel import col, select

from db.tables import StripeEvent
from sandbox.stack.places import LOOPBACK, reserve_ports

from .bare import webhooks
from .options import Options
from .reports import Report, Target, figure, milliseconds, percentile, ratios
from .stage.organizations import provision
from .stage.stage import Stage, on_stage

TURNS = 5
DUPLICATES = 0.3
"""Of all deliveries."""
HANDS = 20
"""Deliveries at any time, each on a connection of its own."""
ORGANIZATIONS = 5
WARM_UP = 100
OURS = "evt_bench"
"""How the ids of the events begin."""
SETTLED_WITHIN = 1800.0
"""Seconds after the last delivery until an event that is not followed to its end is taken for lost."""
LOOK_EVERY = 0.5

Times = list[float]


def run(options: Options) -> Report:
    """In each turn the bare handler, then ours with the same events, then all of them are followed."""
    deliveries = options.webhooks // TURNS

    async def work(stage: Stage) -> Report:
        return await _measure(stage, deliveries)

    return on_stage(work, options)


async def _measure(stage: Stage, deliveries: int) -> Report:
    await stage.control("webhooks", {"mode": "drop"})  # the stand-in's own would come in between
    await provision(stage, ORGANIZATIONS)
    shapes = await _shapes(stage)
    rates: list[tuple[float, float]] = []
    answered: tuple[Times, Times] = ([], [])
    following = 0.0
    distinct: list[dict[str, Any]] = []
    port = reserve_ports({})["api"]
    bare = [sys.executable, "-m", "bench.bare.webhooks", str(port)]
    async with (
        stage.product(),
        stage.process("bare-webhooks", bare, f"http://{LOOPBACK}:{port}/readyz"),
    ):
        api_port = stage.stack.places.ports["api"]
        turns = [_events(shapes, turn, deliveries) for turn in range(TURNS)]
        warm_up = _events(shapes, TURNS, WARM_UP)
        for number, events in enumerate([warm_up, *turns]):
            times = [await _delivered(stage, to, events) for to in (port, api_port)]
            began = time.perf_counter()
            distinct += {event["id"]: event for event in events}.values()
            await _settled(stage)
            if number == 0:
                continue
            following += time.perf_counter() - began
            rates.append((len(events) / times[0][0], len(events) / times[1][0]))
            for all_, (_, each) in zip(answered, times, strict=True):
                all_.extend(each)
        lost = await _lost(stage, distinct)
    return _report(stage, rates, answered, following, lost, len(distinct))


# --- Events --------------------------------------------------------------------------------------------


async def _shapes(stage: Stage) -> list[dict[str, Any]]:
    """Events of the stand-in's: of customers, invoices, payments, refunds and credits that it really has."""
    v1 = stage.stripe.v1
    for number in range(ORGANIZATIONS):
        customer = await v1.customers.create_async(
            {"name": f"Payer {number}", "metadata": {"plixo_organization": f"org_bench_{number:05}"}}
        )
        payment = await v1.payment_intents.create_async(
            {
                "amount": 10_000,
                "currency": "usd",
                "customer": customer.id,
                "payment_method": "pm_card_visa",
                "confirm": True,
                "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            }
        )
        await v1.refunds.create_async({"payment_intent": payment.id, "amount": 1_000})
    key = stage.settings.stripe_api_key.get_secret_value()
    listed = await stage.stand_in.get(
        "/v1/events?limit=100", headers={"Authorization": f"Bearer {key}"}
    )  # as they are written, and not as the SDK reads them
    shapes: list[dict[str, Any]] = listed.raise_for_status().json()["data"]
    return shapes


def _events(shapes: Sequence[dict[str, Any]], turn: int, deliveries: int) -> list[dict[str, Any]]:
    """So many deliveries of events that each happened once, some of them twice or more, out of order."""
    order = random.Random(turn)
    distinct = round(deliveries * (1 - DUPLICATES))
    events = [
        order.choice(shapes) | {"id": f"{OURS}{turn:02}{number:06}", "created": int(time.time())}
        for number in range(distinct)
    ]
    events += order.choices(events, k=deliveries - distinct)
    order.shuffle(events)
    return events


# --- Delivering ----------------------------------------------------------------------------------------


async def _delivered(stage: Stage, port: int, events: Sequence[dict[str, Any]]) -> tuple[float, Times]:
    """Seconds for all, and for the answer to each. Raises RuntimeError for any answer but 200."""
    secret = stage.settings.webhook_secrets[0]
    requests = iter([_request(event, secret) for event in events])
    each: Times = []
    gc.disable()  # a halt of ours is nobody's answer that took long
    began = time.perf_counter()
    try:
        async with asyncio.TaskGroup() as hands:
            for _ in range(HANDS):
                hands.create_task(_hand(port, requests, each))
        return time.perf_counter() - began, each
    finally:
        gc.enable()


def _request(event: dict[str, Any], secret: str) -> bytes:
    body = json.dumps(event, indent=2)  # as Stripe writes it
    signature = stripe.WebhookSignature.generate_signature_header(body, secret)
    head = (
        f"POST {webhooks.PATH} HTTP/1.1\r\nHost: plixo.bench\r\n"
        "Content-Type: application/json; charset=utf-8\r\nUser-Agent: Stripe/1.0\r\n"
        f"Stripe-Signature: {signature}\r\nContent-Length: {len(body.encode())}\r\n\r\n"
    )
    return (head + body).encode()


async def _hand(port: int, requests: Iterator[bytes], each: Times) -> None:
    """One after another over a kept connection; without a library, which would use as much of the machine
    as the handlers that are measured."""
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    try:
        for request in requests:
            began = time.perf_counter()
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
            body = await reader.readexactly(length)
            each.append(time.perf_counter() - began)
            if not head.startswith(b"http/1.1 200"):
                raise RuntimeError(f"a webhook was answered with {head!r} {body!r}")
    finally:
        writer.close()


# --- Afterwards ----------------------------------------------------------------------------------------


async def _settled(stage: Stage) -> None:
    """Until every event that was kept is followed to its end, or nothing more is to be expected."""
    give_up = time.monotonic() + SETTLED_WITHIN
    while time.monotonic() < give_up:
        async with stage.records.reading() as session:
            pending = await session.exec(
                select(StripeEvent.id).where(StripeEvent.state == "pending").limit(1)
            )
            if pending.first() is None:
                return
        await asyncio.sleep(LOOK_EVERY)


async def _lost(stage: Stage, events: Sequence[dict[str, Any]]) -> int:
    """Events that are not kept, or not settled."""
    async with stage.records.reading() as session:
        found = await session.exec(select(StripeEvent.id).where(col(StripeEvent.settled_at).is_not(None)))
        settled = set(found)
    return sum(event["id"] not in settled for event in events)


def _report(
    stage: Stage,
    rates: list[tuple[float, float]],
    answered: tuple[Times, Times],
    following: float,
    lost: int,
    distinct: int,
) -> Report:
    bare, ours = [one for one, _ in rates], [one for _, one in rates]
    p50, p99 = ([percentile(times, percent) for times in answered] for percent in (50, 99))
    return Report(
        name="webhooks",
        title=f"webhooks of Stripe (records on {stage.database})",
        columns=("", "bare", "ours"),
        rows=[
            ("events a second", *(figure(statistics.median(one)) for one in (bare, ours))),
            ("p50 of the answer", *map(milliseconds, p50)),
            ("p99 of the answer", *map(milliseconds, p99)),
        ],
        targets=[
            Target(what="events lost, of all that were answered", measured=lost, sense="≤", wanted=0),
            Target(what="p99 of the answer, × its p50", measured=p99[1] / p50[1], sense="≤", wanted=3),
            Target(
                what="events a second against a bare handler",
                measured=ratios(ours, bare),
                sense="≥",
                wanted=0.6,
            ),
        ],
        notes=[
            f"{len(answered[1]):,} deliveries in {len(rates)} turns, {HANDS} at any time; {DUPLICATES:.0%} "
            f"come again, all out of order; {distinct:,} events with those to warm up. In each turn first "
            f"the bare handler, then ours; then all are followed to their end ({following:.0f} s in all).",
            "The bare handler verifies the signature with the SDK's helper and inserts the event's row, on "
            "the same server and database. Ours runs beside the worker, which follows events meanwhile.",
        ],
        facts={"rates": rates, "p50": p50, "p99": p99, "following_seconds": following},
    )
