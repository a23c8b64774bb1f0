"""What can be wrong with a request or with what we were given.

    BillingError
    ├── InvalidRequest          the caller's input; the field is named
    │   └── CurrencyMismatch    two amounts of different currencies met
    ├── Conflict                the input is fine, the present state forbids it
    ├── Forbidden               the person may not do this
    └── ConfigurationError      somebody who runs Plixo has to correct something
        ├── InvalidPolicy       policy.toml, every error at once
        ├── PlanMisconfigured   a Stripe product or price lacks what a plan needs
        ├── PreviewDoesNotAddUp Stripe's lines and totals disagree
        ├── LinesLeftOut        an invoice has more lines than Stripe gave
        └── BrokenChain         a timeline was altered

Every error has a stable `code`, a message for people and, where one is to blame, a `field`.
"""

from collections.abc import Sequence
from enum import StrEnum


class Code(StrEnum):
    """The codes that this package raises itself; `REMEDIES` says what to do about each."""

    UNKNOWN_PLAN = "unknown_plan"
    PLAN_UNAVAILABLE = "plan_unavailable"
    UNKNOWN_ADD_ON = "unknown_add_on"
    ADD_ON_UNAVAILABLE = "add_on_unavailable"
    ADD_ON_TWICE = "add_on_twice"
    SAME_PLAN = "same_plan"
    SEATS_BELOW_USAGE = "seats_below_usage"
    SEATS_ABOVE_PLAN = "seats_above_plan"
    CURRENCY_UNAVAILABLE = "currency_unavailable"
    INTERVAL_UNAVAILABLE = "interval_unavailable"
    INTERVAL_BILLS_NOW = "interval_bills_now"
    UNKNOWN_CURRENCY = "unknown_currency"
    CURRENCY_MISMATCH = "currency_mismatch"
    AMOUNT_NOT_IN_STEPS = "amount_not_in_steps"
    OWN_REQUEST = "own_request"
    REQUESTERS_DELEGATE = "requesters_delegate"
    OWN_APPROVAL = "own_approval"
    OTHERS_AUTHORITY = "others_authority"
    OWN_DOING = "own_doing"
    WRONG_ROLE = "wrong_role"
    AUTHORITY_TOO_SMALL = "authority_too_small"
    PAYMENT_UNKNOWN = "payment_unknown"
    NOTHING_PAID = "nothing_paid"
    WRONG_CURRENCY = "wrong_currency"
    ALREADY_REFUNDED = "already_refunded"
    ALREADY_GIVEN_BACK = "already_given_back"
    CHARGE_DISPUTED = "charge_disputed"
    AMOUNT_ABOVE_REFUNDABLE = "amount_above_refundable"
    CUSTOMER_UNKNOWN = "customer_unknown"
    INVOICE_UNKNOWN = "invoice_unknown"
    INVOICE_MISSING = "invoice_missing"
    INVOICE_NOT_FOR_BALANCE = "invoice_not_for_balance"
    INSTRUMENT_UNFIT = "instrument_unfit"
    CREDIT_NOTE_ONLY = "credit_note_only"
    CREDIT_AMOUNT_OR_LINES = "credit_amount_or_lines"
    CREDIT_LINE_UNKNOWN = "credit_line_unknown"
    CREDIT_LINE_TOO_LARGE = "credit_line_too_large"
    CREDIT_LINES_REFUSED = "credit_lines_refused"
    INVOICE_NOT_CREDITABLE = "invoice_not_creditable"
    AMOUNT_ABOVE_CREDITABLE = "amount_above_creditable"
    INVOICE_DRAFT = "invoice_draft"
    INVOICE_PAID = "invoice_paid"
    INVOICE_ENDED = "invoice_ended"
    INVOICE_PART_PAID = "invoice_part_paid"
    INVOICE_CLAIMED = "invoice_claimed"
    PAYMENT_IN_FLIGHT = "payment_in_flight"
    FIRST_INVOICE = "first_invoice"
    UNUSED_TIME_UNFIT = "unused_time_unfit"
    ALREADY_CANCELLING = "already_cancelling"
    NOT_CANCELLING = "not_cancelling"
    ENDS_WITHIN_PERIOD = "ends_within_period"
    CHARGES_UNATTACHED = "charges_unattached"
    PRORATIONS_WAIT = "prorations_wait"
    QUOTE_OUTDATED = "quote_outdated"
    INVALID_POLICY = "invalid_policy"
    PLAN_MISCONFIGURED = "plan_misconfigured"
    PREVIEW_DOES_NOT_ADD_UP = "preview_does_not_add_up"
    PREVIEW_TOO_LONG = "preview_too_long"
    BROKEN_CHAIN = "broken_chain"


REMEDIES: dict[str, str] = {
    Code.UNKNOWN_PLAN: "Choose one of the plans that are offered.",
    Code.PLAN_UNAVAILABLE: "Choose another plan, or ask Plixo to correct this one in Stripe.",
    Code.UNKNOWN_ADD_ON: "Choose one of the add-ons that are offered.",
    Code.ADD_ON_UNAVAILABLE: "Leave it out, or take it away with a quantity of 0, or ask Plixo for a price.",
    Code.ADD_ON_TWICE: "Name each add-on once; one that the subscription has twice Plixo has to correct.",
    Code.SAME_PLAN: "Choose another plan, number of seats, interval or quantity of an add-on.",
    Code.SEATS_BELOW_USAGE: "Deactivate people first, or request at least as many seats as are in use.",
    Code.SEATS_ABOVE_PLAN: "Request fewer seats or a larger plan.",
    Code.CURRENCY_UNAVAILABLE: "Choose a plan that is sold in your currency, or ask Plixo for a price in it.",
    Code.INTERVAL_UNAVAILABLE: "Choose an interval the plan is sold for.",
    Code.INTERVAL_BILLS_NOW: "Have it charged now, or make the change at renewal.",
    Code.UNKNOWN_CURRENCY: "Use a currency that Stripe supports, as a lowercase three-letter code.",
    Code.CURRENCY_MISMATCH: "Give both amounts in the same currency.",
    Code.AMOUNT_NOT_IN_STEPS: "Use one of these amounts.",
    Code.OWN_REQUEST: "Someone else must decide.",
    Code.REQUESTERS_DELEGATE: "Someone who isn't a delegate of its authors must decide.",
    Code.OWN_APPROVAL: "Someone who neither approved it nor acts for you must retry it.",
    Code.OTHERS_AUTHORITY: "Ask them to retry it, or close it and request a refund of your own.",
    Code.OWN_DOING: "Another member of Finance must acknowledge it, or a controller once it is escalated.",
    Code.WRONG_ROLE: "Someone with a role on the current rung of the ladder, or an earlier one, must decide.",
    Code.AUTHORITY_TOO_SMALL: "Someone with more authority must decide.",
    Code.PAYMENT_UNKNOWN: "Check the id: it must be a payment of one of your customers in Stripe.",
    Code.NOTHING_PAID: "Refund only what was paid; to take off what is still owed, ask for a credit note.",
    Code.WRONG_CURRENCY: "Use the currency of the payment, invoice or balance.",
    Code.ALREADY_REFUNDED: "Look at the payment's refunds; there is nothing left to return.",
    Code.ALREADY_GIVEN_BACK: "Look at the invoice's refunds and credit notes; nothing is left to return.",
    Code.CHARGE_DISPUTED: "Answer the dispute in Stripe; the bank moves the money.",
    Code.AMOUNT_ABOVE_REFUNDABLE: "Request less, or name no amount to refund all that is left.",
    Code.CUSTOMER_UNKNOWN: "Choose one of your customers.",
    Code.INVOICE_UNKNOWN: "Choose one of this customer's invoices.",
    Code.INVOICE_MISSING: "Specify the invoice, or credit the balance.",
    Code.INVOICE_NOT_FOR_BALANCE: "Leave the invoice out, or choose a credit note.",
    Code.INSTRUMENT_UNFIT: "Choose the instrument that the message names.",
    Code.CREDIT_NOTE_ONLY: "Leave lines and the mail out, or choose a credit note.",
    Code.CREDIT_AMOUNT_OR_LINES: "Specify an amount, or lines with an amount or a quantity each.",
    Code.CREDIT_LINE_UNKNOWN: "Look at the invoice's lines, and name one of these.",
    Code.CREDIT_LINE_TOO_LARGE: "Credit no more of a line than is not credited yet.",
    Code.CREDIT_LINES_REFUSED: "Credit other lines, or an amount.",
    Code.INVOICE_NOT_CREDITABLE: "Choose another invoice, or credit the balance.",
    Code.AMOUNT_ABOVE_CREDITABLE: "Request less, or credit the balance.",
    Code.INVOICE_DRAFT: "Delete the draft in Stripe, or finalize it first.",
    Code.INVOICE_PAID: "Refund the payment, or credit the customer.",
    Code.INVOICE_ENDED: "Nothing is left to do: nobody asks the customer for it.",
    Code.INVOICE_PART_PAID: "Write the rest off, or take it off with a credit note.",
    Code.INVOICE_CLAIMED: "Wait until the other request has ended, or cancel it first.",
    Code.PAYMENT_IN_FLIGHT: "Wait until the payment has succeeded or failed.",
    Code.FIRST_INVOICE: "Cancel the subscription in Stripe instead: its invoice is then voided with it.",
    Code.UNUSED_TIME_UNFIT: "Say what becomes of it with the action now, and only then.",
    Code.ALREADY_CANCELLING: "Take that back first if it should end on another day.",
    Code.NOT_CANCELLING: "Nothing is left to do: it goes on.",
    Code.ENDS_WITHIN_PERIOD: "Ask Plixo to move the end, or to take it back.",
    Code.CHARGES_UNATTACHED: "Ask Plixo to invoice it or to delete it first.",
    Code.PRORATIONS_WAIT: "End the plan with its period, or without a credit.",
    Code.QUOTE_OUTDATED: "Get a new quote and look at it, then send the request with that.",
    Code.INVALID_POLICY: "Correct the policy file and start again.",
    Code.PLAN_MISCONFIGURED: "Correct the product's or price's metadata in Stripe.",
    Code.PREVIEW_DOES_NOT_ADD_UP: "Preview again; if it persists, look at the invoice in Stripe.",
    Code.PREVIEW_TOO_LONG: "Invoice what waits for the next invoice in Stripe first, then ask again.",
    Code.BROKEN_CHAIN: "Treat the timeline as altered and compare it with a backup.",
}
"""What to do about each code, in one sentence."""


class BillingError(Exception):
    """The base of all; `field` is the dotted path of the input to blame, if there is one."""

    def __init__(self, code: str, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.code = str(code)
        self.message = message
        self.field = field

    @property
    def remedy(self) -> str | None:
        """What to do about it, where the code has a standing answer."""
        return REMEDIES.get(self.code)


class InvalidRequest(BillingError):
    """The input is wrong."""


class CurrencyMismatch(InvalidRequest):
    """Two amounts of different currencies were added, subtracted or compared."""

    def __init__(self, left: str, right: str) -> None:
        super().__init__(Code.CURRENCY_MISMATCH, f"{left.upper()} and {right.upper()} cannot be combined")
        self.left, self.right = left, right


class Conflict(BillingError):
    """The present state forbids it."""


class Forbidden(BillingError):
    """The person may not do this."""


class ConfigurationError(BillingError):
    """Something that Plixo was given by those who run it is wrong."""


class InvalidPolicy(ConfigurationError):
    """The policy has errors: all of them, each beginning with its dotted path."""

    def __init__(self, errors: Sequence[str]) -> None:
        self.errors = list(errors)
        super().__init__(Code.INVALID_POLICY, "The policy is wrong:\n" + "\n".join(f"- {e}" for e in errors))


class PlanMisconfigured(ConfigurationError):
    """A Stripe product or price does not describe a plan; names the object, the key and the remedy."""

    def __init__(self, object_id: str, key: str, problem: str, remedy: str) -> None:
        super().__init__(Code.PLAN_MISCONFIGURED, f"{object_id}: {key} {problem}. {remedy}", field=key)
        self.object_id, self.key = object_id, key


class PreviewDoesNotAddUp(ConfigurationError):
    """An invoice's lines do not sum to what the invoice says."""

    def __init__(self, message: str) -> None:
        super().__init__(Code.PREVIEW_DOES_NOT_ADD_UP, message)


class LinesLeftOut(ConfigurationError):
    """An invoice has more lines than Stripe has given: nobody can approve less than all of them."""

    def __init__(self, message: str) -> None:
        super().__init__(Code.PREVIEW_TOO_LONG, message)


class BrokenChain(ConfigurationError):
    """A timeline was altered: names the first event that does not fit, and why."""

    def __init__(self, operation: str, seq: int, why: str) -> None:
        super().__init__(Code.BROKEN_CHAIN, f"{operation}: the timeline breaks at event {seq}: {why}")
        self.operation, self.seq, self.why = operation, seq, why
