"""What can be wrong with a request for money back."""

from ..notes.problems import NOTE_WRONG
from ..problems.catalogue import declare
from ..problems.common import CUSTOMER_UNKNOWN, INVOICE_ID_MALFORMED

AMOUNT_NOT_POSITIVE = declare(
    "amount_not_positive",
    422,
    "The amount is not positive",
    "amount_minor must be at least 1. It is in minor units: 1050 for USD 10.50.",
    "/amount_minor",
)

AMOUNT_NOT_WHOLE = declare(
    "amount_not_whole",
    422,
    "The amount is not a whole number",
    "amount_minor must be a whole number without quotes or decimals. It is in minor units: 1050 "
    "for USD 10.50.",
    "/amount_minor",
)

AMOUNT_TOO_LARGE = declare(
    "amount_too_large",
    422,
    "The amount is too large for Stripe",
    "amount_minor must be at most 99999999, Stripe's maximum in this currency. Request less, or split it.",
    "/amount_minor",
)

AMOUNT_NOT_IN_STEPS = declare(
    "amount_not_in_steps",
    422,
    "Stripe doesn't accept this amount in this currency",
    "KWD 1.234 can't be paid: Stripe accepts KWD only in multiples of 10 minor units, such as "
    "1230 (KWD 1.230) or 1240 (KWD 1.240). Use one of these amounts.",
    "/amount_minor",
)

UNKNOWN_CURRENCY = declare(
    "unknown_currency",
    422,
    "Unknown currency",
    "currency must be a currency that Stripe supports, as a lowercase three-letter ISO 4217 code, "
    "such as usd.",
    "/currency",
)

WRONG_CURRENCY = declare(
    "wrong_currency",
    422,
    "Wrong currency",
    "The payment is in USD, not in EUR. Use the currency of the payment, invoice or balance.",
    "/currency",
    for_programs="Without a currency it is that one.",
)

UNKNOWN_REASON = declare(
    "unknown_reason",
    422,
    "Unknown reason",
    "reason must be 'duplicate', 'requested_by_customer', 'fraudulent' or 'other'.",
    "/reason",
)

FRAUD_CONFIRMATION_MISSING = declare(
    "fraud_confirmation_missing",
    422,
    "Fraud is not confirmed",
    "With the reason fraudulent, Stripe also blocks the customer's card and email address for "
    "future payments. Confirm that, or choose another reason.",
    "/confirm_fraudulent",
    for_programs="To confirm, send confirm_fraudulent: true.",
)

PAYMENT_MISSING = declare(
    "payment_missing",
    422,
    "No payment or invoice",
    "Specify what to refund: a payment as payment_intent, or an invoice, whose payments are then refunded.",
    "/payment_intent",
)

PAYMENT_AND_INVOICE = declare(
    "payment_and_invoice",
    422,
    "Both a payment and an invoice",
    "Specify either payment_intent or invoice, not both.",
    "/invoice",
)

PAYMENT_ID_MALFORMED = declare(
    "payment_id_malformed",
    422,
    "Malformed payment id",
    "payment_intent must be a Stripe payment id: pi_ followed by letters and digits.",
    "/payment_intent",
    for_programs="See GET /v1/payments.",
)

CUSTOMER_ID_MALFORMED = declare(
    "customer_id_malformed",
    422,
    "Malformed customer id",
    "customer must be a Stripe customer id: cus_ followed by letters and digits.",
    "/customer",
    for_programs="See GET /v1/customers.",
)

AMOUNT_ABOVE_REFUNDABLE = declare(
    "amount_above_refundable",
    422,
    "More than was paid",
    "USD 120.00 is more than the whole payment of USD 100.00. Request less, or name no amount "
    "to refund all that is left.",
    "/amount_minor",
)

UNKNOWN_INSTRUMENT = declare(
    "unknown_instrument",
    422,
    "Unknown instrument",
    "instrument must be 'balance' or 'credit_note'.",
    "/instrument",
)

INSTRUMENT_UNFIT = declare(
    "instrument_unfit",
    422,
    "The instrument doesn't fit the reason",
    "A credit note states that the invoice was wrong, which goodwill does not. Credit the "
    "balance, or choose the reason why the invoice is corrected.",
    "/instrument",
)

CREDIT_NOTE_ONLY = declare(
    "credit_note_only",
    422,
    "Only a credit note has lines",
    "A balance credit has no lines, and Stripe mails nothing of it: leave both out, or choose a credit note.",
    "/instrument",
)

CREDIT_AMOUNT_OR_LINES = declare(
    "credit_amount_or_lines",
    422,
    "Either an amount or lines",
    "Specify either an amount, or the lines of an invoice.",
    "/amount_minor",
)

INVOICE_MISSING = declare(
    "invoice_missing",
    422,
    "A credit note needs an invoice",
    "A credit note corrects an invoice: specify the invoice. For goodwill, or to credit future "
    "invoices, credit the balance.",
    "/invoice",
)

INVOICE_NOT_FOR_BALANCE = declare(
    "invoice_not_for_balance",
    422,
    "A balance credit has no invoice",
    "A balance credit applies to the customer's future invoices, not to a single one: leave the "
    "invoice out. To correct that invoice, choose a credit note.",
    "/invoice",
)

INVOICE_UNKNOWN = declare(
    "invoice_unknown",
    422,
    "The invoice belongs to another customer",
    "The invoice doesn't belong to this customer. Choose one of this customer's invoices.",
    "/invoice",
    for_programs="See GET /v1/invoices.",
)

INVOICE_NOT_CREDITABLE = declare(
    "invoice_not_creditable",
    422,
    "Nothing to credit on the invoice",
    "The invoice is void: nothing is owed on it that a credit note could correct. Choose another "
    "invoice, or credit the balance.",
    "/invoice",
)

AMOUNT_ABOVE_CREDITABLE = declare(
    "amount_above_creditable",
    422,
    "More than the invoice",
    "USD 1,300.00 is more than the whole invoice of USD 1,200.00. Request less, or credit the balance.",
    "/amount_minor",
)

INVOICE_PAID = declare(
    "invoice_paid",
    422,
    "The invoice is paid",
    "The invoice is paid: nothing is left of it. Refund the payment, or credit the customer.",
    "/invoice",
)

INVOICE_ENDED = declare(
    "invoice_ended",
    422,
    "The invoice is already given up",
    "The invoice is already written off. Nothing is left to do: nobody asks the customer for it.",
    "/invoice",
)

REFUND_PROBLEMS = (
    PAYMENT_MISSING,
    PAYMENT_AND_INVOICE,
    PAYMENT_ID_MALFORMED,
    INVOICE_ID_MALFORMED,
    AMOUNT_NOT_POSITIVE,
    AMOUNT_NOT_WHOLE,
    AMOUNT_TOO_LARGE,
    AMOUNT_NOT_IN_STEPS,
    AMOUNT_ABOVE_REFUNDABLE,
    UNKNOWN_CURRENCY,
    WRONG_CURRENCY,
    UNKNOWN_REASON,
    FRAUD_CONFIRMATION_MISSING,
    *NOTE_WRONG,
)
"""What can be wrong with a request for a refund."""

CREDIT_PROBLEMS = (
    CUSTOMER_ID_MALFORMED,
    CUSTOMER_UNKNOWN,
    INVOICE_ID_MALFORMED,
    INVOICE_UNKNOWN,
    INVOICE_MISSING,
    INVOICE_NOT_FOR_BALANCE,
    INVOICE_NOT_CREDITABLE,
    INSTRUMENT_UNFIT,
    CREDIT_NOTE_ONLY,
    CREDIT_AMOUNT_OR_LINES,
    UNKNOWN_INSTRUMENT,
    AMOUNT_NOT_POSITIVE,
    AMOUNT_NOT_WHOLE,
    AMOUNT_TOO_LARGE,
    AMOUNT_NOT_IN_STEPS,
    AMOUNT_ABOVE_CREDITABLE,
    UNKNOWN_CURRENCY,
    WRONG_CURRENCY,
    UNKNOWN_REASON,
    *NOTE_WRONG,
)
"""What can be wrong with a request for a credit."""

WAIVER_PROBLEMS = (INVOICE_ID_MALFORMED, INVOICE_PAID, INVOICE_ENDED, UNKNOWN_REASON, *NOTE_WRONG)
"""What can be wrong with a request for a void or a write-off."""
