"""What Stripe's pages leave open or contradict each other in: a switch for each, to try a program under both.

`POST /_sandbox/switches` sets some of them, `/_sandbox/reset` all of them back. The first value is the one
that a new stand-in has.
"""

from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict


class Switches(BaseModel):
    """How this Stripe behaves where sources are silent or disagree."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    tax_rounding: Literal["line", "invoice"] = "line"
    """Taxes of rates made by hand are rounded for each line, or for each rate of an invoice: an account can
    choose, and no page says what it has to begin with."""
    tax_rates_per_line: Literal[10, 5] = 10
    """So many tax rates apply to one line at most; older texts say 5."""
    negative_items: Literal["taxed", "refused"] = "taxed"
    """An invoice item below zero on what has automatic tax: taxed as real invoices are, or refused as the
    SDK's text says."""
    unplaced_renewals: Literal["untaxed", "draft"] = "untaxed"
    """A subscription's invoice whose customer's place is unknown to automatic tax: it is collected without
    tax, or stays a draft as an older page says."""
    amount_off_remainder: Literal["last", "largest"] = "last"
    """What rounding leaves of a fixed discount over several lines: the last line has it, or those that lost
    the largest fractions."""
    itemized_credits: Literal["negative", "positive"] = "negative"
    """The sign of the discounts that an itemized credit line names."""
    credit_discounts: Literal["debited", "modified"] = "debited"
    """The credit of an item whose discounts change in the same call, in flexible billing mode: of what was
    debited, or by the new discounts."""
    once_coupon: Literal["used", "kept"] = "used"
    """Whether an invoice of prorations alone, reckoned with a `once` coupon, uses it up."""
    same_price_twice: Literal["refused", "accepted"] = "refused"
    """Two items of one price in a subscription."""
    preview_lines: Literal["all", "ten"] = "all"
    """A preview has no endpoint for its further lines: it embeds all of them, or the first ten."""
    shorter_interval: Literal["aligned", "now"] = "aligned"
    """Where the period of an item begins whose new interval is over by now, in flexible billing mode while
    the anchor stays: with the anchor's cycle, or now."""
    anchor_reset: Literal["asked", "always"] = "asked"
    """When a reset of the anchor alone is billed, in flexible billing mode: at once only by
    `proration_behavior=always_invoice` and otherwise with the next invoice, or always at once."""
    resume_payment: Literal["at_once", "later"] = "at_once"
    """When the invoice of a resumed subscription is first charged: within the call, or an hour later."""
    unpaid_invoices: Literal["draft", "void"] = "draft"
    """What becomes of the new invoices of an unpaid subscription."""
    scheduled_invoice: Literal["draft", "open"] = "draft"
    """The first invoice of a subscription that a schedule started: a draft for an hour, or collected at
    once."""
    action_required: Literal["failed", "waits"] = "failed"
    """Whether `invoice.payment_failed` is told beside `invoice.payment_action_required`."""
    out_of_band: Literal["counted", "apart"] = "counted"
    """Whether `amount_paid` counts what was paid out of band."""
    started_phase: Literal["open", "closed"] = "open"
    """Whether other items may be sent for a phase that has begun."""
    phase_interval: Literal["refused", "kept", "reset"] = "refused"
    """What another interval in a phase does to the anchor in flexible billing mode, where the phase doesn't
    say `phase_start`. No page tells, so it is refused unless one chooses."""
    cancelling_scheduled: Literal["release", "cancel", "refused"] = "release"
    """What becomes of a subscription that is set to be canceled when a schedule is made of it: the schedule
    releases it, cancels it at its end, or is refused."""
    dispute_fee: Literal["kept", "returned"] = "kept"
    """Whether a dispute that is won brings back its fee, as it did until 2021."""
    key_refusal: Literal["coded", "bare"] = "coded"
    """Whether the 403 of a restricted key has a code and names the account, as newer captures do."""
    approval_refusal: Literal[403, 400] = 403
    """The status with which a request is refused that has to be approved in Stripe first; no page says it."""
    lock_timeout: Literal["without_id", "with_id"] = "without_id"
    """Whether the 429 of a locked object has `Request-Id` and `Original-Request`."""

    @classmethod
    def values(cls, name: str) -> tuple[str | int, ...]:
        """The values that a switch can have, the one to begin with first."""
        return get_args(cls.model_fields[name].annotation)
