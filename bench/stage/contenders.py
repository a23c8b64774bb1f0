"""Who is measured: the product through its HTTP API, and the baselines through a Temporal client.

All of them are asked, reviewed and awaited in the same way; only who answers differs.
"""

import time
from collections import deque
from collections.abc import Container, Iterable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import httpx
from sqlmodel import select
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from billing.core.operations import Role
from db.core.session import Database
from db.tables import Approval
from workflows.core import ids

from ..bare import workflow as bare
from ..bare.workflow import Errand
from ..shapes.reference import REVIEW
from ..shapes.shape import Shape
from .in_process import BY_THE_DRIVER
from .organizations import PLAN, SEATS, Organization, Subscribed

NOT_YET = {RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION, RPCStatusCode.ABORTED}
"""A review that has not begun, or whose workflow task has just failed: a decision is sent again."""


class Unexpected(Exception):
    """The product answered otherwise than a benchmark needs, so there is nothing to measure."""


@dataclass(frozen=True)
class RequestedChange:
    """A change on its way: its workflow, and what tells that its review is open, by its id."""

    workflow: str
    review: str
    place: Any
    """What it changes; nothing else does so meanwhile."""


class Contender(Protocol):
    name: str

    async def open_reviews(self) -> Container[str]:
        """The ids of the reviews that can be decided. One look serves all who wait."""
        ...

    async def ask(self) -> RequestedChange:
        """Ask for one change."""
        ...

    async def decide(self, asked: RequestedChange) -> float | None:
        """Approve; gives the time at which that was sent, or None when the review can't be decided yet."""
        ...

    def done(self, asked: RequestedChange) -> None:
        """The change is complete; what it changed may be changed again."""
        ...


class Product:
    """Plixo, as people meet it."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        records: Database,
        organizations: Iterable[Organization],
        name: str = "Plixo",
    ) -> None:
        self.name = name
        self._http = http
        self._records = records
        self._free = deque(organizations)
        self._keys = count(1)

    async def open_reviews(self) -> Container[str]:
        async with self._records.reading() as session:
            wanted = select(Approval.id).where(Approval.state == "open")
            found = await session.exec(wanted.execution_options(**BY_THE_DRIVER))
        return set(found)

    async def ask(self) -> RequestedChange:
        """One seat more on the same plan, charged at once."""
        organization = self._free.popleft()
        organization.seats += 1
        answer = await self._http.post(
            "/v1/plan-changes",
            json={"plan": PLAN, "seats": organization.seats, "reason": "The team grows."},
            headers=organization.headers(Role.BILLING_ADMIN)
            | {"Idempotency-Key": f"{self.name}-{next(self._keys)}"},
        )
        operation = _expect(answer, 202).json()["id"]
        return RequestedChange(ids.operation_workflow(operation), ids.approval_id(operation, 1), organization)

    async def decide(self, asked: RequestedChange) -> float | None:
        """The controller looks at the review and approves what it shows."""
        controller = asked.place.headers(Role.CONTROLLER)
        path = f"/v1/approvals/{asked.review}"
        shown = await self._http.get(path, headers=controller)
        body = {"decision": "approve", "subject_hash": _expect(shown, 200).json()["subject_hash"]}
        sent_at = time.time()
        answer = await self._http.post(f"{path}/decision", json=body, headers=controller)
        _expect(answer, 200)
        return sent_at

    async def acknowledge(self, organization: Organization) -> None:
        """Finance reads what it is told, and says so."""
        finance = organization.headers(Role.FINANCE)
        listed = await self._http.get("/v1/notices", params={"state": "open"}, headers=finance)
        for notice in _expect(listed, 200).json()["data"]:
            path = f"/v1/notices/{notice['id']}/acknowledge"
            _expect(await self._http.post(path, headers=finance), 200)

    def done(self, asked: RequestedChange) -> None:
        self._free.append(asked.place)


class Baseline:
    """A bare workflow of a shape; with subscriptions it makes the calls to Stripe that the shape names."""

    def __init__(
        self,
        name: str,
        temporal: Client,
        opened: Path,
        shape: Shape,
        subscriptions: Iterable[Subscribed] = (),
    ) -> None:
        self.name = name
        self._temporal = temporal
        self._opened = opened.open()
        self._open: set[str] = set()
        self._shape = shape
        self._free = deque((subscribed, SEATS) for subscribed in subscriptions)
        self._numbers = count(1)
        self._review = _review_number(shape)

    async def open_reviews(self) -> Container[str]:
        self._open.update(self._opened.read().split())
        return self._open

    async def ask(self) -> RequestedChange:
        workflow = f"bare-{self.name}-{next(self._numbers)}".replace(" ", "-")
        facts: dict[str, Any] = {}
        place = None
        if self._free:
            subscribed, seats = self._free.popleft()
            place = (subscribed, seats + 1)
            facts = {
                "subscription": subscribed.subscription,
                "price": subscribed.price,
                "seats": seats + 1,
                "key": workflow,
            }
        await self._temporal.start_workflow(
            "Bare", Errand(shape=self._shape, facts=facts), id=workflow, task_queue=bare.MAIN_QUEUE
        )
        return RequestedChange(workflow, f"{workflow}-{self._review}", place)

    async def decide(self, asked: RequestedChange) -> float | None:
        sent_at = time.time()
        try:
            await self._temporal.get_workflow_handle(asked.review).execute_update("decide", id="decision")
        except RPCError as error:
            if error.status in NOT_YET:
                return None
            raise
        return sent_at

    def done(self, asked: RequestedChange) -> None:
        self._open.discard(asked.review)
        if asked.place is not None:
            self._free.append(asked.place)


def _review_number(shape: Shape) -> int:
    """Which of the shape's commands opens the review: the baseline names its children by that."""
    commands = [command for moment in shape.moments for command in moment.commands]
    return next(number for number, command in enumerate(commands) if command.name == REVIEW)


def _expect(answer: httpx.Response, *statuses: int) -> httpx.Response:
    if answer.status_code not in statuses:
        raise Unexpected(
            f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text}"
        )
    return answer
