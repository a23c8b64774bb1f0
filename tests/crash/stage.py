"""Where processes are killed: a Temporal dev server, and lanes on which one scenario follows another.

Each lane has a namespace, a database, a Stripe stand-in and a worker process of its own. The API runs in the
test's process. Lanes wait for timeouts most of the time, so that many of them go side by side.
"""

import asyncio
import shutil
import tomllib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from traceback import format_exception
from typing import Protocol

from httpx import AsyncClient
from pydantic import SecretStr
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from api.app import create_app
from api.http.context import Context, StripeAccount
from db.core.session import Database
from db.migrate import upgrade_async
from sandbox.stripe.server.inprocess import StandIn
from settings.settings import DEFAULT_POLICY, Settings

from ..support.house import BIN, House, MailSink, default_policy
from ..support.shop import APRIL, MID_APRIL, open_shop
from .mortal_api import MortalApi
from .plan import PUBLIC_URL, Scenario, Step
from .victim import Victim

LANE = "lane-"
"""What the lanes' namespaces begin with."""

PATIENCE = 120.0
"""Seconds: a killed worker's tasks are handed out again only after their timeouts."""

LANES = 24
"""Side by side, on two processors."""
SPARE = 12
"""Lanes in place of those on which something fails."""

ROOT = Path(__file__).parents[2]
FAST_DEV_SERVER = [
    "--dynamic-config-value", "history.transferProcessorMaxPollRPS=2000",
    "--dynamic-config-value", "history.timerProcessorMaxPollRPS=2000",
    "--dynamic-config-value", "matching.numTaskqueueReadPartitions=1",
    "--dynamic-config-value", "matching.numTaskqueueWritePartitions=1",
    # How long a killed worker's workflow tasks are waited for; ten seconds in production.
    "--dynamic-config-value", 'history.defaultWorkflowTaskTimeout="5s"',
]  # fmt: skip


class Workload(Protocol):
    """What happens under a scenario, once. It fails by AssertionError."""

    @property
    def steps(self) -> Sequence[Step]:
        """Where its worker can be killed, in order."""

    @property
    def calls(self) -> Sequence[str]:
        """Where its API can die: `METHOD path`, as regular expressions."""

    async def prepare(self, home: House) -> None:
        """What is there beforehand; nothing is killed meanwhile."""

    async def act(self, home: House) -> None:
        """What people do and wait for, through the API."""

    async def check(self, home: House) -> None:
        """What must be there afterwards."""


@dataclass(frozen=True)
class Struck:
    """How much of a scenario came to be."""

    kills: int
    api: int
    faults: int

    def __add__(self, other: "Struck") -> "Struck":
        return Struck(self.kills + other.kills, self.api + other.api, self.faults + other.faults)


@dataclass
class Lane:
    home: House
    victim: Victim
    api: MortalApi

    async def play(self, scenario: Scenario, workload: Workload, *, linger: float) -> Struck:
        """`linger`: seconds that the last kill may take beyond the workload's end."""
        await workload.prepare(self.home)
        stand_in = self.home.stand_in
        for fault in scenario.faults:
            stand_in.fault(
                fault.fault, method=fault.method, path=fault.path, after=fault.after, times=1, **fault.more
            )
        self.api.plan(scenario.api)
        await self.victim.plan(scenario.kills)
        await workload.act(self.home)
        await self.victim.spare(within=linger)
        hit = sum(armed["left"] == 0 for armed in stand_in.control("faults")["faults"])
        stand_in.clear_faults()
        await workload.check(self.home)
        assert self.victim.unplanned == [], f"the worker ended by itself: {self.victim.unplanned}"
        return Struck(self.victim.deaths, self.api.deaths, hit)


@dataclass
class Stage:
    """The shared server, and the lanes on it: one after the other does what is there to do."""

    address: str
    folder: Path
    namespaces: list[str]
    template: Path
    _idle: list[tuple[Lane, AsyncExitStack]] = field(default_factory=list)

    @asynccontextmanager
    async def lane(self) -> AsyncIterator[Lane]:
        """A lane that nobody else has meanwhile. One on which something broke is not used again."""
        lane, ending = self._idle.pop() if self._idle else await self._open()
        try:
            yield lane
        except BaseException:
            await ending.aclose()
            raise
        self._idle.append((lane, ending))

    async def close(self) -> None:
        """Ends every lane; what the stand-ins answered must have been as Stripe's API is."""
        violations = [wrong for lane, _ in self._idle for wrong in lane.home.stand_in.violations()]
        await asyncio.gather(*(ending.aclose() for _, ending in self._idle))
        assert violations == []

    async def _open(self) -> tuple[Lane, AsyncExitStack]:
        async with AsyncExitStack() as stack:
            lane = await self._built(stack)
            return lane, stack.pop_all()
        raise AssertionError("an exit stack swallows nothing here")

    async def _built(self, stack: AsyncExitStack) -> Lane:
        namespace = self.namespaces.pop()
        file = self.folder / f"{namespace}.db"
        shutil.copyfile(self.template, file)
        stand_in = StandIn()
        stack.push_async_callback(asyncio.to_thread, stand_in.stop)
        await asyncio.to_thread(stand_in.start)
        shop = await open_shop(stand_in, APRIL)
        stand_in.advance(MID_APRIL - APRIL)
        mail = await stack.enter_async_context(MailSink())
        database = Database(f"sqlite:///{file}")
        stack.push_async_callback(database.dispose)
        temporal = await Client.connect(
            self.address, namespace=namespace, data_converter=pydantic_data_converter
        )
        settings = Settings(
            database_url=f"sqlite:///{file}",
            temporal_address=self.address,
            temporal_namespace=namespace,
            stripe_api_key=SecretStr("sk_test_plixo"),
            stripe_api_base=stand_in.url,
            smtp_url=mail.url,
            public_url=PUBLIC_URL,
            policy_file=self.folder / "policy.toml",
        )
        policy = default_policy()
        account = StripeAccount(webhook_secrets=(stand_in.webhook_secret,))
        app = create_app(policy, database, temporal, rate=1e6, calm=1e6, stripe=account)
        api = MortalApi(app)
        http = await stack.enter_async_context(AsyncClient(transport=api, base_url=PUBLIC_URL, timeout=60))
        context: Context = app.state.context
        stack.push_async_callback(context.dispatcher.idle)
        home = House(temporal, None, database, shop, mail, http, settings, policy, PATIENCE)
        victim = Victim(_env(settings), self.folder / f"{namespace}.log")
        stack.push_async_callback(victim.stop)
        await victim.start()
        return Lane(home, victim, api)


def _env(settings: Settings) -> dict[str, str]:
    return {
        "PLIXO_DATABASE_URL": settings.database_url,
        "TEMPORAL_ADDRESS": settings.temporal_address,
        "TEMPORAL_NAMESPACE": settings.temporal_namespace,
        "PLIXO_STRIPE_API_KEY": settings.stripe_api_key.get_secret_value(),
        "PLIXO_STRIPE_API_BASE": settings.stripe_api_base,
        "PLIXO_SMTP_URL": settings.smtp_url,
        "PLIXO_PUBLIC_URL": settings.public_url,
        "PLIXO_POLICY_FILE": str(settings.policy_file),
    }


@asynccontextmanager
async def stage(folder: Path, lanes: int = LANES) -> AsyncIterator[Stage]:
    """A dev server for so many lanes, and some more in place of those on which something fails."""
    text = DEFAULT_POLICY.read_text(encoding="utf-8")
    pace = tomllib.loads(text)["stripe"]["requests_per_second"]
    (folder / "policy.toml").write_text(
        text.replace(f"requests_per_second = {pace}", "requests_per_second = 500.0"), encoding="utf-8"
    )
    template = folder / "template.db"
    await upgrade_async(f"sqlite:///{template}")
    namespaces = [f"{LANE}{number}" for number in range(lanes + SPARE)]
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(BIN / "temporal"),
        dev_server_extra_args=[
            *FAST_DEV_SERVER,
            *(part for name in namespaces for part in ("--namespace", name)),
        ],
        dev_server_log_level="never",
    )
    async with environment:
        address = environment.client.service_client.config.target_host
        built = Stage(address, folder, namespaces, template)
        try:
            yield built
        finally:
            await built.close()


Part = tuple[Scenario, Workload]


@dataclass
class Played:
    """What became of a scenario; `failure` says what was wrong, and where the worker's log is."""

    scenario: Scenario
    struck: Struck = Struck(0, 0, 0)
    failure: str | None = None


async def play(
    theatre: Stage,
    parts: Iterable[Part],
    *,
    lanes: int = LANES,
    linger: float = 0.3,
    tell: Callable[[Played], None] = lambda _: None,
) -> list[Played]:
    """Plays everything, in so many lanes side by side; tells of each as it ends.

    The parts are taken one by one, so that there may be very many of them.
    """
    waiting = iter(parts)
    played: list[Played] = []

    async def work() -> None:
        for scenario, workload in waiting:
            played.append(await _played(theatre, scenario, workload, linger))
            tell(played[-1])

    async with asyncio.TaskGroup() as group:
        for _ in range(lanes):
            group.create_task(work())
    return played


async def _played(theatre: Stage, scenario: Scenario, workload: Workload, linger: float) -> Played:
    where = "no lane"
    try:
        async with theatre.lane() as lane:
            where = str(lane.victim.log)
            return Played(scenario, await lane.play(scenario, workload, linger=linger))
    except Exception as failure:
        # Whatever broke is the scenario's failure; the others go on.
        why = str(failure) if isinstance(failure, AssertionError) else "".join(format_exception(failure))
        return Played(scenario, failure=f"{type(workload).__name__}, {scenario.name} ({where}): {why}")


async def play_all(theatre: Stage, parts: Iterable[Part]) -> None:
    """Every scenario is played, and all that it plans strikes; the failures are told together."""
    longest_first = sorted(parts, key=lambda part: -part[0].length)
    played = await play(theatre, longest_first, linger=PATIENCE / 4)
    failures = []
    for one in played:
        planned = Struck(len(one.scenario.kills), len(one.scenario.api), len(one.scenario.faults))
        if one.failure:
            failures.append(one.failure)
        elif one.struck != planned:
            failures.append(f"{one.scenario.name}: {one.struck} of {planned}")
    assert not failures, "\n".join([f"{len(failures)} of {len(played)}:", *failures])
