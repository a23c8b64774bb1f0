"""What can be wrong with a request for money back."""

from ..notes.problems import NOTE_WRONG
from ..problems.catalogue import declare
from ..problems.common import CUSTOMER_UNKNOWN, INVOICE_ID_MALFORMED

AMOUNT_NOT_POSITIVE = declare(
    "amount_not_positive",
    422,
    "The amount is not positive",
    "amount_minor must be at least 1: minor units, so 1050 for USD 10.50.",
    "/amount_minor",
)

AMOUNT_NOT_WHOLE = declare(
    "amount_not_whole",
    422,
    "The amount is not a whole number",
    "amount_minor must be a whole number without quotes or decimals: minor units, so 1050 for USD 10.50.",
    "/amount_minor",
)

AMOUNT_TOO_LARGE = declare(
    "amount_too_large",
    422,
    "The amount is too large for Stripe",
    "amount_minor must be at most 99999999, Stripe's largest amount in this currency. "
    "Ask for less, or in several parts.",
    "/amount_minor",
)

AMOUNT_NOT_IN_STEPS = declare(
    "amount_not_in_steps",
    422,
    "Stripe takes no such amount in this currency",
    "KWD 1.234 can't be paid: Stripe takes KWD only in multiples of 10 minor units, such as 1230 "
    "(KWD 1.230) or 1240 (KWD 1.240). Ask for one of the amounts that the message names.",
    "/amount_minor",
)

UNKNOWN_CURRENCY = declare(
    "unknown_currency",
    422,
    "Unknown currency",
    "currency must be a currency that Stripe charges in, as a three-letter ISO 4217 code in lower case, "
    "such as usd.",
    "/currency",
)

WRONG_CURRENCY = declare(
    "wrong_currency",
    422,
    "Another currency",
    "The payment is in USD, not in EUR. Leave currency out, or give that of the payment, invoice or balance.",
    "/currency",
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
    "With the reason fraudulent Stripe also blocks the customer's card and mail address for every "
    "later payment. Send confirm_fraudulent: true if that is meant, or choose another reason.",
    "/confirm_fraudulent",
)

PAYMENT_MISSING = declare(
    "payment_missing",
    422,
    "No payment is named",
    "Name what to refund: a payment as payment_intent, or an invoice, whose payments are then refunded.",
    "/payment_intent",
)

PAYMENT_AND_INVOICE = declare(
    "payment_and_invoice",
    422,
    "A payment and an invoice are named",
    "Name either payment_intent or invoice, not both.",
    "/invoice",
)

PAYMENT_ID_MALFORMED = declare(
    "payment_id_malformed",
    422,
    "Not a payment's id",
    "payment_intent must be a payment's id as Stripe writes it, pi_ and letters and digits; "
    "see GET /v1/payments.",
    "/payment_intent",
)

CUSTOMER_ID_MALFORMED = declare(
    "customer_id_malformed",
    422,
    "Not a customer's id",
    "customer must be a customer's id as Stripe writes it, cus_ and letters and digits; "
    "see GET /v1/customers.",
    "/customer",
)

AMOUNT_ABOVE_REFUNDABLE = declare(
    "amount_above_refundable",
    422,
    "More than was paid",
    "USD 120.00 is more than the USD 100.00 of the whole payment. "
    "Ask for less, or leave amount_minor out for all that is left.",
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
    "Another instrument fits",
    "A credit note says that the invoice was wrong, which goodwill does not. "
    "Choose instrument balance, or the reason why the invoice is corrected.",
    "/instrument",
)

INVOICE_MISSING = declare(
    "invoice_missing",
    422,
    "A credit note needs an invoice",
    "A credit note corrects an invoice: name it as invoice. "
    "For goodwill, or for the customer's next bill, choose instrument balance.",
    "/invoice",
)

INVOICE_NOT_FOR_BALANCE = declare(
    "invoice_not_for_balance",
    422,
    "A balance credit has no invoice",
    "A balance credit goes against the customer's next bills, not against one invoice: leave invoice "
    "out. To correct that invoice choose instrument credit_note.",
    "/invoice",
)

INVOICE_UNKNOWN = declare(
    "invoice_unknown",
    422,
    "Another customer's invoice",
    "The invoice is not one of this customer's. Name an invoice of this customer, see GET /v1/invoices.",
    "/invoice",
)

INVOICE_NOT_CREDITABLE = declare(
    "invoice_not_creditable",
    422,
    "Nothing to credit on the invoice",
    "The invoice is void: nothing is owed on it that a credit note could correct. "
    "Choose another invoice, or instrument balance.",
    "/invoice",
)

AMOUNT_ABOVE_CREDITABLE = declare(
    "amount_above_creditable",
    422,
    "More than the invoice",
    "USD 1,300.00 is more than the USD 1,200.00 of the whole invoice. "
    "Ask for less, or choose instrument balance.",
    "/amount_minor",
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
