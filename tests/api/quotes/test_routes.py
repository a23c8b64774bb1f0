"""Quotes where there is no Temporal: what is refused at once, and what can't be known."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlmodel import select
from temporalio.client import Client
from ulid import ULID

from api.limits.quotas import Limits
from api.problems.common import TEMPORARILY_UNAVAILABLE
from api.problems.problem import ApiProblem
from api.quotes import service
from billing.money.credit import CreditSubject
from billing.policy.policy import Policy
from billing.quotes.quote import CreditQuote
from db.core.clock import utc_now
from db.core.session import Database
from db.tables import NoteRow, Operation, Outbox, TimelineEvent

from ...support.builders import Tenant
from ..conftest import ON_ONE_DATABASE, WANTED, Api, counted, serving

pytestmark = ON_ONE_DATABASE

REFUND = {"payment_intent": "pi_1", "reason": "duplicate", "note": "Charged twice for the same month."}
CREDIT = {
    "customer": "cus_1",
    "amount_minor": 5_000,
    "currency": "usd",
    "instrument": "balance",
    "reason": "goodwill",
    "note": "Charged twice for the same month.",
}
BODIES: dict[str, dict[str, Any]] = {"plan-changes": WANTED, "refunds": REFUND, "credits": CREDIT}
HASH = "5" * 64

of_each_kind = pytest.mark.parametrize("kind", BODIES)


def token(asked_at: datetime) -> str:
    return f"qte_{ULID.from_datetime(asked_at)}.{HASH}"


async def written(database: Database) -> list[int]:
    return await counted(database, Operation, Outbox, TimelineEvent, NoteRow)


@of_each_kind
async def test_without_temporal_there_is_no_quote_and_it_says_when_to_ask_again(
    api: Api, acme: Tenant, database: Database, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "ANSWER_WITHIN", 0.5)
    answer = await api.post(f"/v1/{kind}/quote", acme.admin, BODIES[kind])
    assert (answer.status_code, answer.json()["code"]) == (503, "stripe_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert await written(database) == [0, 0, 0, 0]


@of_each_kind
async def test_only_those_who_may_ask_for_it_get_a_quote_of_it(api: Api, acme: Tenant, kind: str) -> None:
    for who in (acme.finance, acme.legal, acme.auditor):
        answer = await api.post(f"/v1/{kind}/quote", who, BODIES[kind])
        assert (answer.status_code, answer.json()["code"]) == (403, "role_missing")
    assert (await api.post(f"/v1/{kind}/quote", None, BODIES[kind])).status_code == 401


@of_each_kind
async def test_a_quote_takes_no_quote(api: Api, acme: Tenant, kind: str) -> None:
    answer = await api.post(f"/v1/{kind}/quote", acme.admin, BODIES[kind] | {"quote": token(utc_now())})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "unknown_field")


async def test_what_would_be_refused_at_once_is_an_obstacle_and_needs_no_stripe(
    api: Api, acme: Tenant
) -> None:
    asked = BODIES["plan-changes"] | {"plan": "starter", "seats": 10}
    quote = await api.post("/v1/plan-changes/quote", acme.admin, asked)
    refused = await api.ask(acme.admin, plan="starter", seats=10)
    assert quote.status_code == 200
    assert quote.json()["obstacles"] == [
        {"code": "same_plan", "message": refused.json()["detail"], "pointer": "/plan"}
    ]
    assert (quote.json()["quote"], quote.json()["review"], quote.json()["debits"]) == (None, None, [])
    malformed = await api.post("/v1/plan-changes/quote", acme.admin, asked | {"seats": "ten"})
    assert (malformed.status_code, malformed.json()["code"]) == (422, "invalid_request")


@of_each_kind
@pytest.mark.parametrize("quote", ["", "qte_1", f"qte_8{'Z' * 25}.{HASH}", f"qte_{'0' * 26}.{HASH[:-1]}"])
async def test_what_is_no_quote_is_not_looked_for(api: Api, acme: Tenant, kind: str, quote: str) -> None:
    answer = await api.post(f"/v1/{kind}", acme.admin, BODIES[kind] | {"quote": quote}, key="key")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/quote"


@of_each_kind
async def test_a_quote_that_is_too_old_is_refused_and_nothing_is_recorded(
    api: Api, acme: Tenant, database: Database, kind: str
) -> None:
    old = token(utc_now() - timedelta(minutes=31))
    answer = await api.post(f"/v1/{kind}", acme.admin, BODIES[kind] | {"quote": old}, key="key")
    assert (answer.status_code, answer.json()["code"]) == (409, "quote_outdated")
    assert await written(database) == [0, 0, 0, 0]


@of_each_kind
@pytest.mark.parametrize("quote", [None, f"qte_7{'Z' * 25}.{HASH}"], ids=["of now", "of the far future"])
async def test_a_quote_that_can_not_be_looked_up_is_asked_for_again(
    api: Api, acme: Tenant, database: Database, kind: str, quote: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    quote = quote or token(utc_now())
    monkeypatch.setattr(service, "LOOKED_UP_WITHIN", 0.5)
    answer = await api.post(f"/v1/{kind}", acme.admin, BODIES[kind] | {"quote": quote}, key="key")
    assert (answer.status_code, answer.json()["code"]) == (503, "temporarily_unavailable")
    assert "Retry-After" in answer.headers
    assert await written(database) == [0, 0, 0, 0]


async def test_the_same_request_again_is_answered_whatever_has_become_of_its_quote(
    api: Api, acme: Tenant, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = CreditSubject.model_validate(
        {
            "customer": "cus_1",
            "instrument": "balance",
            "invoice": None,
            "invoice_number": None,
            "amount": {"amount_minor": 5_000, "currency": "usd"},
            "reduces_due": {"amount_minor": 0, "currency": "usd"},
            "to_balance": {"amount_minor": 5_000, "currency": "usd"},
            "reason": "goodwill",
            "note": CREDIT["note"],
        }
    )

    async def there(*_: object) -> CreditQuote:
        return CreditQuote(subject=subject, subject_hash=HASH)

    async def forgotten(*_: object) -> CreditQuote:
        raise ApiProblem.of(TEMPORARILY_UNAVAILABLE)

    body = CREDIT | {"quote": token(utc_now())}
    monkeypatch.setattr(service, "_look_up", there)
    first = await api.post("/v1/credits", acme.admin, body, key="key")
    assert first.status_code == 202, first.text
    left_out = {"invoice": None, "lines": [], "tell_customer": False}
    assert first.json()["request"] == CREDIT | left_out | {"quote": body["quote"]}
    monkeypatch.setattr(service, "_look_up", forgotten)
    again = await api.post("/v1/credits", acme.admin, body, key="key")
    assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
    other = await api.post("/v1/credits", acme.admin, CREDIT, key="key")
    assert other.json()["code"] == "idempotency_key_reused"

    async with database.reading() as session:
        start = (await session.exec(select(Outbox))).one()
    assert CreditSubject.model_validate(start.payload["quoted"]) == subject


@pytest.fixture
async def limited(database: Database, policy: Policy, no_temporal: Client) -> AsyncIterator[Api]:
    limits = Limits(quotes_per_person=3, quotes_per_organization=5)
    async for api in serving(database, policy, no_temporal, limits=limits):
        yield api


async def test_a_person_and_an_organization_get_so_many_quotes_a_minute_and_operations_do_not_count(
    limited: Api, acme: Tenant, other: Tenant
) -> None:
    async def quoted(who: Any) -> int:
        body = {**REFUND, "invoice": "in_1"}  # refused before anybody is asked
        answer = await limited.post("/v1/refunds/quote", who, body)
        if answer.status_code == 429:
            assert (answer.json()["code"], answer.headers["Retry-After"]) in (
                ("too_many_quotes", "20"),
                ("too_many_quotes", "12"),
            )
        return answer.status_code

    assert [await quoted(acme.admin) for _ in range(4)] == [200, 200, 200, 429]
    assert [await quoted(acme.controller) for _ in range(3)] == [200, 200, 429]
    assert await quoted(other.admin) == 200
    asked = await limited.post("/v1/refunds", acme.admin, REFUND, key="key")
    assert asked.status_code == 202
