"""Figures about the API for Prometheus."""

from collections.abc import Collection

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from billing.incidents.states import Component

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

    def exposition(self) -> bytes:
        """All figures in Prometheus' text format."""
        return generate_latest(self._registry)
