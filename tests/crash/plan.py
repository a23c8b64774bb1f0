"""What a crash scenario does: where worker and API die, and how Stripe behaves meanwhile."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal, get_args

from pydantic import Field

from billing.core.operations import Message

Point = Literal["before request", "during request", "after request", "before commit", "after commit"]
AT_REQUESTS: tuple[Point, ...] = ("before request", "during request", "after request")
AT_COMMITS: tuple[Point, ...] = ("before commit", "after commit")

FaultKind = Literal[
    "rate_limit",
    "lock_timeout",
    "key_in_use",
    "error_before",
    "error_after",
    "drop_before",
    "drop_after",
    "bad_gateway",
    "delay",
]
FAULT_KINDS: tuple[FaultKind, ...] = get_args(FaultKind)
"""Those that pass: each leaves it open, or says, whether the request was executed."""

PUBLIC_URL = "http://plixo.test"
"""Where people find the API of every lane, by its mails."""

TOO_LATE_MS = 6000
"""Milliseconds by which an answer comes after the worker's client has given up."""


class Kill(Message):
    """SIGKILL of the worker at the nth time that a point whose text matches is reached.

    Requests read `POST http://…/v1/subscriptions/sub_1`, commits are named by the keys of their timeline
    events, or `intent` for the opening of an intent, `claim` and `wake` around the following of an event.
    """

    point: Point
    match: str
    nth: int = 1


class ApiDeath(Message):
    """The API dies around the commit of the first request `METHOD path` that matches; its caller asks again.

    After the commit: neither is the caller answered nor Temporal told.
    """

    point: Literal["before commit", "after commit"]
    match: str


class Fault(Message):
    """A fault of the stand-in, for one request after so many that match."""

    fault: FaultKind
    path: str
    method: str = "POST"
    after: int = 0
    more: dict[str, Any] = Field(default_factory=dict)


class Scenario(Message):
    """Faults and kills over one workload; each kill is followed by a restart with the next one."""

    name: str
    kills: tuple[Kill, ...] = ()
    faults: tuple[Fault, ...] = ()
    api: tuple[ApiDeath, ...] = ()

    @property
    def length(self) -> int:
        """About how many seconds of waiting for timeouts it takes: the longest are best begun first."""
        swept = sum(death.point == "after commit" for death in self.api)
        return 7 * len(self.kills) + 25 * swept + sum(fault.fault == "delay" for fault in self.faults)


class Step(Message):
    """Something that a workload does, once or for the nth time: a request to Stripe, or a commit.

    `match` is that of a kill; `path` that of a fault, for requests.
    """

    name: str
    match: str
    nth: int = 1
    path: str = ""

    @property
    def method(self) -> str:
        return self.match.split()[0]


def request(name: str, method: str, path: str, nth: int = 1) -> Step:
    """`path` is a regular expression for the whole path; a query may follow it."""
    return Step(name=name, match=rf"{method} [a-z]+://[^/]+{path}(\?|$)", nth=nth, path=f"^{path}$")


def commit(name: str, key: str, nth: int = 1) -> Step:
    return Step(name=name, match=key, nth=nth)


def fault(kind: FaultKind, step: Step, **more: Any) -> Fault:
    """A fault of the step's request; a delay is longer than the client waits, unless said otherwise."""
    if kind == "delay":
        more = {"delay_ms": TOO_LATE_MS} | more
    return Fault(fault=kind, path=step.path, method=step.method, after=step.nth - 1, more=more)


def kills_at(step: Step) -> list[Kill]:
    points = AT_REQUESTS if step.path else AT_COMMITS
    return [Kill(point=point, match=step.match, nth=step.nth) for point in points]


def killed_everywhere(steps: Iterable[Step]) -> list[Scenario]:
    """One scenario for each point of each step."""
    return [
        Scenario(name=f"killed {kill.point} of {step.name}", kills=(kill,))
        for step in steps
        for kill in kills_at(step)
    ]


def every_fault(steps: Iterable[Step], kinds: Sequence[FaultKind] = FAULT_KINDS) -> list[Scenario]:
    """One scenario for each kind of fault of each step's request."""
    return [
        Scenario(name=f"{kind} answers {step.name}", faults=(fault(kind, step),))
        for step in steps
        for kind in kinds
    ]
