"""`stripe trigger` of Stripe's own command line, event by event, against the stand-in."""

import os
import re
import subprocess
from pathlib import Path

VERSION = "1.52.0"
ACCOUNT_VERSION = "2025-02-24.acacia"
"""The command line sends no version, and its templates were made for accounts of older ones."""
KEY = "sk_test_strangersstrangers"

_EVENTS = """
    charge.captured charge.dispute.closed charge.dispute.created charge.dispute.updated charge.failed
    charge.refund.updated charge.refunded charge.succeeded coupon.created coupon.deleted coupon.updated
    credit_note.created credit_note.updated credit_note.voided customer.created customer.deleted
    customer.discount.created customer.discount.deleted customer.discount.updated
    customer.subscription.created customer.subscription.deleted customer.subscription.paused
    customer.subscription.trial_will_end customer.subscription.updated customer.updated invoice.created
    invoice.deleted invoice.finalized invoice.marked_uncollectible invoice.paid
    invoice.payment_action_required invoice.payment_failed invoice.payment_succeeded invoice.sent
    invoice.updated invoice.voided invoiceitem.created invoiceitem.deleted
    payment_intent.amount_capturable_updated payment_intent.canceled payment_intent.created
    payment_intent.partially_funded payment_intent.payment_failed payment_intent.processing
    payment_intent.requires_action payment_intent.succeeded payment_method.attached payment_method.detached
    payment_method.updated price.created price.updated product.created product.deleted product.updated
    promotion_code.created promotion_code.updated setup_intent.canceled setup_intent.created
    setup_intent.requires_action setup_intent.setup_failed setup_intent.succeeded
    subscription.payment_failed subscription.payment_succeeded subscription_schedule.aborted
    subscription_schedule.canceled subscription_schedule.completed subscription_schedule.created
    subscription_schedule.expiring subscription_schedule.released subscription_schedule.updated
    tax_rate.created tax_rate.updated test_helpers.test_clock.advancing test_helpers.test_clock.created
    test_helpers.test_clock.deleted test_helpers.test_clock.ready
"""
EVENTS: tuple[str, ...] = tuple(_EVENTS.split())
"""All that it supports of what the stand-in is about: no quotes, plans, payouts, issuing and so on."""


def trigger(command: Path, event: str, address: str, home: Path) -> str | None:
    """Why an event could not be triggered; None: it was."""
    arguments = [str(command), "trigger", event, "--api-base", address, "--api-key", KEY]
    ended = subprocess.run(
        arguments,
        env={**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if ended.returncode == 0:
        return None
    said = ended.stdout + ended.stderr
    found = re.search(r'"message":\s*"((?:[^"\\]|\\.)*)"', said)
    return found[1] if found else " ".join(said.split())[-300:]
