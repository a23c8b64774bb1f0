"""Every change between versions; importing this module declares them."""

from . import (  # noqa: F401
    basil_bank_transfers,
    basil_coupons,
    basil_item_periods,
    basil_parents,
    basil_payments,
    basil_taxes,
    basil_upcoming,
    clover_billing_mode,
    clover_coupons,
    clover_iterations,
    dahlia_lines,
    endive_anchors,
    endive_payment_method_types,
)
