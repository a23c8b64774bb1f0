"""The examples of reconciliation and of webhooks, as the API answers."""

import json
from datetime import timedelta

import stripe

from ...support.builders import NOW
from ...support.reconciliation_rows import a_difference, a_run
from ..conftest import ON_ONE_DATABASE
from ..recording import INVOICE, SECRET, ExampleHouse, first

pytestmark = ON_ONE_DATABASE


async def test_what_a_run_compared_and_found_to_differ(house: ExampleHouse) -> None:
    acme = house.acme
    counts = {acme.id: {"subscription": 1, "customer": 48, "invoice": 212}}
    ended = {"state": "completed", "stage": "missing_invoices", "ended_at": NOW + timedelta(seconds=4)}
    run = a_run(organization_id=acme.id, requested_by=acme.admin.id, counts=counts, **ended)
    fields = [
        {"name": "status", "ours": "open", "stripe": "paid"},
        {"name": "amount_paid", "ours": 20_000, "stripe": 120_000, "currency": "usd"},
        {"name": "amount_remaining", "ours": 100_000, "stripe": 0, "currency": "usd"},
    ]
    difference = a_difference(run, acme.id, object_kind="invoice", object_id=INVOICE, fields=fields)
    await house.store(run, difference)
    await house.get("reconciliation", f"/v1/reconciliations/{run.id}")
    await house.get("difference", "/v1/differences", part=first)


async def test_a_run_is_asked_for(house: ExampleHouse) -> None:
    await house.request("waiting_reconciliation", "POST", "/v1/reconciliations")


async def test_an_event_is_taken(house: ExampleHouse) -> None:
    body = json.dumps(house.body("stripe_event"))
    signature = stripe.WebhookSignature.generate_signature_header(body, SECRET)
    answer = await house.http.post(
        "/webhooks/stripe", content=body, headers={"Stripe-Signature": str(signature)}
    )
    house.record("received_webhook", answer.json())
