"""Alerts and the dashboard ask for figures that there are, by labels and values that they have."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any, NamedTuple

import promql_parser
import pytest
import yaml
from httpx import AsyncClient
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from api.app import create_app
from api.health.figures import figures
from billing.core.operations import Kind, State
from db.core.session import Database
from worker.watch.lateness import LATE, Lateness
from worker.watch.reaper import Reaper

from ..api.processes import free_port
from ..support.builders import an_approval, an_operation, store, tenant
from ..support.house import BIN, default_policy, until
from .compose import ROOT

RULES = [
    rule
    for group in yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
PANELS = json.loads((ROOT / "deploy/grafana/plixo.json").read_text())["panels"]
EXPRESSIONS = [rule["expr"] for rule in RULES] + [
    target["expr"] for panel in PANELS for target in panel["targets"]
]


class Asked(NamedTuple):
    """A figure that an expression asks for, and the labels that it has to have."""

    name: str
    labels: frozenset[str]
    values: tuple[tuple[str, str], ...]


def asked(expression: str) -> Iterator[Asked]:
    """Raises ValueError for what Prometheus would not take."""
    parsed = promql_parser.parse(expression)
    labels = {name for group in re.findall(r"by \(([^)]*)\)", expression) for name in group.split(", ")}
    for selector in _selectors(parsed):
        values = tuple((one.name, one.value) for one in selector.matchers.matchers)
        yield Asked(selector.name, frozenset(labels | {name for name, _ in values}), values)


def _selectors(expression: Any) -> Iterator[Any]:
    match expression:
        case promql_parser.VectorSelector():
            yield expression
        case promql_parser.MatrixSelector():
            yield expression.vector_selector
        case promql_parser.BinaryExpr():
            yield from _selectors(expression.lhs)
            yield from _selectors(expression.rhs)
        case promql_parser.Call():
            for one in expression.args:
                yield from _selectors(one)
        case promql_parser.AggregateExpr() | promql_parser.ParenExpr():
            yield from _selectors(expression.expr)
        case promql_parser.NumberLiteral():
            return
        case _:
            raise AssertionError(f"{type(expression).__name__} is not looked into")


@activity.defn
async def does_nothing() -> None: ...


@workflow.defn
class Breaks:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(does_nothing, start_to_close_timeout=timedelta(seconds=5))
        raise RuntimeError("a fault of ours")


@pytest.fixture(scope="module")
async def runtime() -> tuple[Runtime, int]:
    port = free_port()
    metrics = PrometheusConfig(bind_address=f"127.0.0.1:{port}")
    return Runtime(telemetry=TelemetryConfig(metrics=metrics)), port


@pytest.fixture
async def temporal(runtime: tuple[Runtime, int]) -> AsyncIterator[Client]:
    environment = await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(BIN / "temporal"), runtime=runtime[0], dev_server_log_level="never"
    )
    async with environment:
        yield environment.client


def told(text: str) -> dict[str, set[str]]:
    """The labels of each sample, by its name as it stands there: the client's own parser calls counters as
    OpenMetrics would."""
    found: dict[str, set[str]] = {}
    for name, labels in re.findall(r"^(\w+)(\{.*\})? ", text, re.M):
        found.setdefault(name, set()).update(re.findall(r'(\w+)="', labels))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_every_figure_that_is_asked_for_is_told_by_the_api_or_the_worker(
    database: Database, temporal: Client, runtime: tuple[Runtime, int]
) -> None:
    missing = set[Asked]()
    app = create_app(default_policy(), database, temporal)
    metrics = app.state.context.metrics
    metrics.request("GET", "/v1/me", 200, 0.1)
    metrics.webhook("taken")
    metrics.visit("shown")

    await Lateness(database, runtime=runtime[0]).look()
    await Reaper(database, temporal, runtime=runtime[0]).look()
    operation = an_operation(await tenant(database), state="held")
    await store(database, operation, an_approval(operation))
    async with (
        AsyncClient() as http,
        Worker(
            temporal,
            task_queue="any",
            workflows=[Breaks],
            activities=[does_nothing],
            workflow_runner=UnsandboxedWorkflowRunner(),
        ),
    ):
        await temporal.start_workflow(Breaks.run, id="breaks", task_queue="any")

        async def both() -> bool:
            worker = await http.get(f"http://127.0.0.1:{runtime[1]}/metrics")
            there = told((await figures(app.state.context)).decode()) | told(worker.text)
            missing.clear()
            missing.update(
                one
                for expression in EXPRESSIONS
                for one in asked(expression)
                if one.name not in there or not one.labels <= there[one.name]
            )
            return not missing

        await until(both, lambda: str(missing))


def test_expressions_ask_for_values_that_there_are() -> None:
    known = {"what": {*LATE, "mail|person_mail"}, "state": set(State), "kind": set(Kind)}
    for expression in EXPRESSIONS:
        for one in asked(expression):
            for label, value in one.values:
                assert label == "status" or value in known[label], (expression, label, value)


def test_what_is_late_is_so_after_the_same_time_as_in_the_worker_s_own_alert() -> None:
    limits = dict(re.findall(r'what="(\w+)"}\) > (\d+)', " ".join(rule["expr"] for rule in RULES)))
    limits |= dict.fromkeys(("mail", "person_mail"), "3600")
    assert limits == {what: f"{limit.total_seconds():.0f}" for what, (limit, _) in LATE.items()}


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_each_alert_says_how_bad_it_is_and_leads_to_what_is_to_be_done(rule: dict[str, Any]) -> None:
    assert rule["labels"] in ({"severity": "page"}, {"severity": "ticket"})
    assert rule["annotations"]["summary"].endswith(".")
    path, _, anchor = rule["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^#+ (.+)$", (ROOT / path).read_text(), re.M)
    slugs = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert not anchor or anchor in slugs
