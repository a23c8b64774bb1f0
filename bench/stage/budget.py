"""A drain: hundreds of plan changes that Stripe's bad hour has held go on, within the account's budget.

The stand-in answers 502 until the product's own incident has held them all; then it recovers, and the
product releases them by itself. From then on Stripe's limit is the stand-in's, strict over any second, and
our pace is that limit. In the middle of the drain people ask for refunds, which go first.
"""

import asyncio
import re
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlmodel import func, select

from billing.core.operations import Kind, Role, State
from billing.incidents.states import Component
from db.incidents import holds
from db.stripe import budget
from db.tables import Approval, Operation

from ..options import Options
from ..reports import Report, Target, figure
from .contenders import Product, RequestedChange
from .organizations import Organization, payment_of, provision
from .stage import Stage, on_stage

LIMIT = 25
"""Requests in any second: a sandbox account's, and our pace."""
PREPARING = 500.0
"""Requests a second until everything is held; the stand-in has no limit then."""
AT_ONCE = 20
REFUNDS, FIRST_REFUND, BETWEEN = 5, 10.0, 8.0
"""So many, the first after so many seconds, the others so many apart."""
LOOK_EVERY = 0.02
WITHIN = 600.0
"""Seconds, for all workflows to come to the same point."""

_ID = re.compile(r"/[a-z]+_\w*\d\w*")


@dataclass
class Drained:
    seconds: float
    requests: list[dict[str, Any]]
    refunds: list[float] = field(default_factory=list)
    """Seconds from the request to the completed refund."""

    @property
    def rates(self) -> list[int]:
        """Requests of each whole second; the first and last ones, which are not, left out."""
        counted = Counter(line["at"] for line in self.requests)
        return [counted[second] for second in range(min(counted) + 1, max(counted))]

    @property
    def endpoints(self) -> dict[str, int]:
        """How many requests of each kind, the most frequent first."""
        counted = Counter(f"{line['method']} {_ID.sub('/{id}', line['path'])}" for line in self.requests)
        return dict(counted.most_common())

    @property
    def refused(self) -> float:
        """The share, in percent, that was answered 429."""
        refused = [line for line in self.requests if line["status"] == 429]
        return 100 * len(refused) / len(self.requests)


def run(options: Options) -> Report:
    """One drain."""

    async def work(stage: Stage) -> Report:
        return _report(stage, await _measure(stage, options.held), options.held)

    return on_stage(work, options, budget=float(LIMIT))


async def _measure(stage: Stage, changes: int) -> Drained:
    refunding, *changing = await provision(stage, changes + 1)
    payments = [await payment_of(stage, refunding) for _ in range(REFUNDS)]
    await _pace(stage, PREPARING)
    async with stage.product():
        await _hold_all(stage, changing)
        await _recover(stage)
        return await _drain(stage, changes, refunding, payments)


# --- Until everything is held -------------------------------------------------------------------------


async def _hold_all(stage: Stage, organizations: list[Organization]) -> None:
    """Every organization's change is reviewed; then Stripe has its bad hour, and all are approved."""
    async with stage.client() as http:
        plixo = Product(http, stage.records, organizations)
        asked = [await plixo.ask() for _ in organizations]

        async def reviewed() -> bool:
            return len(asked) == len(await _open_reviews(stage))

        await _until(reviewed)
        await stage.control("faults", {"fault": "bad_gateway", "times": None})
        await _until(lambda: _gate(stage, closed=True))
        room = asyncio.Semaphore(AT_ONCE)

        async def approve(one: RequestedChange) -> None:
            async with room:
                await plixo.decide(one)

        await asyncio.gather(*map(approve, asked))

    async def held() -> bool:
        async with stage.records.reading() as session:
            return await holds.count(session, Component.STRIPE) == len(organizations)

    await _until(held)


async def _recover(stage: Stage) -> None:
    """Until the product has seen that Stripe is well again, and its first workflow has gone through."""
    await _pace(stage, None)
    await stage.control("limits", {"per_second": LIMIT})
    (await stage.stand_in.delete("/_sandbox/faults")).raise_for_status()
    await _until(lambda: _gate(stage, closed=False))


async def _gate(stage: Stage, *, closed: bool) -> bool:
    async with stage.records.reading() as session:
        return await budget.is_closed(session) == closed


async def _open_reviews(stage: Stage) -> Sequence[str]:
    async with stage.records.reading() as session:
        return (await session.exec(select(Approval.id).where(Approval.state == "open"))).all()


async def _until(condition: Callable[[], Awaitable[bool]], every: float = 0.1) -> None:
    """Raises TimeoutError when it never comes true."""
    async with asyncio.timeout(WITHIN):
        while not await condition():  # noqa: ASYNC110 - other processes make it true
            await asyncio.sleep(every)


async def _pace(stage: Stage, rate: float | None) -> None:
    async with stage.records.transaction() as session:
        await budget.set_rate(session, rate, by="bench", at=datetime.now(UTC))


# --- The drain ----------------------------------------------------------------------------------------


async def _drain(stage: Stage, changes: int, refunding: Organization, payments: list[str]) -> Drained:
    """The gate is open again, and every workflow is released, the oldest hold first."""
    seen = await _last_request(stage)
    began = time.perf_counter()
    async with asyncio.TaskGroup() as both:
        refunds = both.create_task(_refunds(stage, refunding, payments))
        await _until(lambda: _changed(stage, changes))
        seconds = time.perf_counter() - began
        requests = await stage.control(f"requests?since={seen}")
    return Drained(seconds, requests, refunds.result())


async def _refunds(stage: Stage, organization: Organization, payments: list[str]) -> list[float]:
    await asyncio.sleep(FIRST_REFUND)
    took = []
    async with stage.client() as http:
        for number, payment in enumerate(payments):
            asked_at = time.perf_counter()
            answer = await http.post(
                "/v1/refunds",
                json={"payment_intent": payment, "reason": "duplicate", "note": "Charged twice."},
                headers=organization.headers(Role.BILLING_ADMIN) | {"Idempotency-Key": f"refund-{number}"},
            )
            operation = answer.raise_for_status().json()["id"]
            await _until(lambda operation=operation: _is_completed(stage, operation), LOOK_EVERY)  # type: ignore[misc]
            took.append(time.perf_counter() - asked_at)
            await asyncio.sleep(BETWEEN)
    return took


async def _is_completed(stage: Stage, operation: str) -> bool:
    async with stage.records.reading() as session:
        found = await session.exec(select(Operation.state).where(Operation.id == operation))
        return found.one() == State.COMPLETED


async def _changed(stage: Stage, changes: int) -> bool:
    """Whether every plan change is completed. Raises RuntimeError when one has ended otherwise."""
    async with stage.records.reading() as session:
        query = select(Operation.state, func.count()).where(Operation.kind == Kind.PLAN_CHANGE)
        states = dict((await session.exec(query.group_by(Operation.state))).all())
    others = {state for state in states if State(state).final} - {State.COMPLETED}
    if others:
        raise RuntimeError(f"plan changes ended as {', '.join(sorted(others))}")
    return states.get(State.COMPLETED) == changes


async def _last_request(stage: Stage) -> int:
    requests = await stage.control("requests")
    return int(requests[-1]["seq"]) if requests else 0


def _report(stage: Stage, drained: Drained, changes: int) -> Report:
    rate = statistics.mean(drained.rates)
    return Report(
        name="budget",
        title=f"{changes:,} held plan changes, drained (records on {stage.database})",
        columns=("", "measured"),
        rows=[
            ("until all were completed", f"{drained.seconds:.0f} s"),
            ("requests to Stripe", f"{len(drained.requests):,}"),
            ("requests a second", figure(rate)),
            ("answered 429", f"{drained.refused:.2f} %"),
            ("a refund meanwhile, median", f"{statistics.median(drained.refunds):.2f} s"),
        ],
        targets=[
            Target(
                what=f"of the limit of {LIMIT} a second used",
                measured=100 * rate / LIMIT,
                sense="≥",
                wanted=97,
                unit="%",
            ),
            Target(what="requests answered 429", measured=drained.refused, sense="≤", wanted=0, unit="%"),
            Target(
                what="the slowest refund meanwhile",
                measured=max(drained.refunds),
                sense="≤",
                wanted=2,
                unit="s",
            ),
        ],
        notes=[
            "Our pace is the limit. The stand-in counts requests, a second each; the first and last second "
            "are left out. It refuses what exceeds its limit within any second.",
            f"{REFUNDS} refunds, one after the other, from the request to the completed operation.",
        ],
        facts={
            "per_second": drained.rates,
            "refunds": drained.refunds,
            "limit": LIMIT,
            "endpoints": drained.endpoints,
        },
    )
