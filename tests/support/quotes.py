"""What an admin is told of a request before it is made, in a running house, and what that left behind."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

from sqlmodel import SQLModel, select

from billing.core.operations import Kind
from billing.quotes.token import QuoteToken
from workflows.core import ids

from .builders import Member
from .house import House

OF_CALLS = {"stripe_budgets", "health_counts", "key_uses", "stripe_endpoints"}
"""Tables that count calls to Stripe and uses of API keys, whatever for."""

KINDS = {
    "/v1/plan-changes": Kind.PLAN_CHANGE,
    "/v1/cancellations": Kind.CANCELLATION,
    "/v1/refunds": Kind.REFUND,
    "/v1/credits": Kind.CREDIT,
    "/v1/voids": Kind.VOID,
    "/v1/write-offs": Kind.WRITE_OFF,
}

_keys = count(1)


async def quote(home: House, who: Member, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """The answer to `POST <path>/quote`. No time is skipped while it is waited for."""
    assert home.environment is not None
    with home.environment.auto_time_skipping_disabled():
        answer = await home.post(who, f"{path}/quote", body)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    if document["quote"] is not None:
        id_ = QuoteToken.read(document["quote"]).id
        home.ran.append(ids.quote_workflow(KINDS[path], who.person.organization_id, id_))
    return document


async def request(home: House, who: Member, path: str, body: dict[str, Any]) -> str:
    """Asks for it; gives its operation."""
    answer = await home.post(who, path, body, **{"Idempotency-Key": f"quoted-{next(_keys)}"})
    assert answer.status_code == 202, answer.text
    operation: str = answer.json()["id"]
    return operation


@asynccontextmanager
async def nothing_is_left_behind(home: House) -> AsyncIterator[None]:
    """Within, no row is written, no mail sent, and nothing changed at Stripe, nor begun in Temporal."""
    before, mails = await _rows(home), len(home.mail.mailbox.mails)
    since = home.stand_in.requests()[-1]["seq"]
    yield
    assert await _rows(home) == before
    assert len(home.mail.mailbox.mails) == mails
    asked = home.stand_in.requests(since)
    assert asked
    assert [line for line in asked if line["method"] != "GET" and "create_preview" not in line["path"]] == []


async def _rows(home: House) -> dict[str, str]:
    """A hash of all that each table holds."""
    found = {}
    async with home.database.reading() as session:
        for table in SQLModel.metadata.sorted_tables:
            if table.name not in OF_CALLS:
                rows = await session.exec(select(table))
                text = "\n".join(sorted(map(repr, rows.all())))
                found[table.name] = hashlib.sha256(text.encode()).hexdigest()
    return found
