"""Figures about the API for Prometheus."""

import math
from collections.abc import Collection, Sequence
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from billing.incidents.states import Component
from db.incidents.backlog import Backlog

MEDIA_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """A registry of its own, so that several apps can live in one process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "plixo_api_requests", "Requests answered", ["method", "route", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "plixo_api_request_seconds", "Time to the answer", ["method", "route"], registry=self._registry
        )
        self._deliveries = Counter(
            "plixo_api_deliveries",
            "Attempts of this process to tell Temporal",
            ["action", "outcome"],
            registry=self._registry,
        )
        self._webhooks = Counter(
            "plixo_api_webhooks",
            "Webhooks of Stripe by what became of them, refused ones by the reason",
            ["outcome"],
            registry=self._registry,
        )
        self._visits = Counter(
            "plixo_api_portal_visits",
            "Customers at the pages for them, by what became of it; unknown: no link of ours",
            ["outcome"],
            registry=self._registry,
        )

        self._incidents = Gauge(
            "plixo_incidents_open",
            "1 while an incident of the component is open, until its note is there",
            ["component"],
            registry=self._registry,
        )
        self._operations = self._gauge(
            "plixo_operations_open", "Operations that have not ended", ["kind", "state"]
        )
        self._operations_age = self._gauge(
            "plixo_operations_oldest_seconds",
            "Age of the oldest of them",
            ["kind", "state"],
        )
        self._approvals = self._gauge("plixo_approvals_open", "Approvals that wait for a decision")
        self._deadline = self._gauge(
            "plixo_approvals_deadline_seconds",
            "Until the next deadline at which silence escalates or expires one; negative: it is past",
        )
        self._waiting = self._gauge(
            "plixo_waiting",
            "What waits to be passed on: to Temporal, as a mail to people, of Stripe's events, to customers",
            ["what"],
        )
        self._pace = self._gauge(
            "plixo_stripe_requests_per_second", "The account's pace at Stripe, where it is not the policy's"
        )
        self._paused = self._gauge("plixo_stripe_paused_seconds", "Until Stripe may be asked again")
        self._held = self._gauge("plixo_stripe_held", "1 while an incident keeps everything from Stripe")

    def _gauge(self, name: str, text: str, labels: Sequence[str] = ()) -> Gauge:
        return Gauge(name, text, labels, registry=self._registry)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        known = method if method in _METHODS else "other"
        self._requests.labels(known, route, str(status)).inc()
        self._seconds.labels(known, route).observe(seconds)

    def delivery(self, action: str, outcome: str) -> None:
        self._deliveries.labels(action, outcome).inc()

    def webhook(self, outcome: str) -> None:
        self._webhooks.labels(outcome).inc()

    def visit(self, outcome: str) -> None:
        self._visits.labels(outcome).inc()

    def incidents(self, open_: Collection[str]) -> None:
        """Which components have an open incident."""
        for component in Component:
            self._incidents.labels(component.value).set(component.value in open_)

    def backlog(self, found: Backlog, at: datetime) -> None:
        """What waits, as of `at`. Kinds and states of which there is nothing any more are not told."""
        for gauge in (self._operations, self._operations_age):
            gauge.clear()
        for one in found.operations:
            self._operations.labels(one.kind, one.state).set(one.number)
            self._operations_age.labels(one.kind, one.state).set((at - one.since).total_seconds())
        self._approvals.set(found.approvals)
        left = (found.deadline - at).total_seconds() if found.deadline else math.nan
        self._deadline.set(left)
        for what, number in found.waiting.items():
            self._waiting.labels(what).set(number)
        self._pace.set(found.stripe.pace if found.stripe.pace is not None else math.nan)
        self._paused.set(found.stripe.paused)
        self._held.set(found.stripe.held)

    def exposition(self) -> bytes:
        """All figures in Prometheus' text format."""
        return generate_latest(self._registry)
