"""Workflow and queue names, built in one place. They are never encrypted: no personal data in them."""

from billing.cases.case import CASE as CASE
from billing.core.operations import Kind
from billing.incidents.states import Component
from billing.mail.customer_mails import CUSTOMER_MAIL as CUSTOMER_MAIL
from billing.mail.customer_mails import customer_mail_workflow as customer_mail_workflow

MAIN_QUEUE = "plixo"
STRIPE_QUEUE = "stripe"

SEND_CUSTOMER_MAILS = "send_customer_mails"
"""The activity by its name: its class's imports would be loaded anew in the sandbox of every workflow."""

PLAN_CHANGE = "PlanChangeWorkflow"
REFUND = "RefundWorkflow"
CREDIT = "CreditWorkflow"
WAIVER = "WaiverWorkflow"
CANCELLATION = "CancellationWorkflow"
NOTE = "NoteWorkflow"
EVENT_CATCH_UP = "StripeEventCatchUpWorkflow"
REMINDER_SWEEP = "ReminderSweepWorkflow"
PORTAL_ACCESS = "PortalAccessWorkflow"
INVOICE_FETCH = "InvoiceFetchWorkflow"
PLAN_CHANGE_QUOTE = "PlanChangeQuoteWorkflow"
REFUND_QUOTE = "RefundQuoteWorkflow"
CREDIT_QUOTE = "CreditQuoteWorkflow"
WAIVER_QUOTE = "WaiverQuoteWorkflow"
CANCELLATION_QUOTE = "CancellationQuoteWorkflow"
RECONCILE = "ReconcileWorkflow"
INCIDENT = "IncidentWorkflow"

OPERATION_WORKFLOWS = {
    Kind.PLAN_CHANGE: PLAN_CHANGE,
    Kind.REFUND: REFUND,
    Kind.CREDIT: CREDIT,
    Kind.VOID: WAIVER,
    Kind.WRITE_OFF: WAIVER,
    Kind.CANCELLATION: CANCELLATION,
    Kind.REMINDER_RUN: REMINDER_SWEEP,
    Kind.PORTAL_ACCESS: PORTAL_ACCESS,
    Kind.CASE: CASE,
}
"""The workflow of each kind of operation."""

QUOTE_WORKFLOWS = {
    Kind.PLAN_CHANGE: PLAN_CHANGE_QUOTE,
    Kind.REFUND: REFUND_QUOTE,
    Kind.CREDIT: CREDIT_QUOTE,
    Kind.VOID: WAIVER_QUOTE,
    Kind.WRITE_OFF: WAIVER_QUOTE,
    Kind.CANCELLATION: CANCELLATION_QUOTE,
}
"""The workflow of each kind of quote."""


def operation_workflow(operation: str) -> str:
    return f"operation-{operation}"


def operation_of(workflow: str | None) -> str | None:
    """Whose workflow it is; None where it is no operation's."""
    own = operation_workflow("")
    return workflow.removeprefix(own) if workflow and workflow.startswith(own) else None


def about_operation(workflow: str) -> str | None:
    """Whose workflow it is, or whose note it writes into Stripe."""
    if workflow.startswith(_NOTE):
        return workflow.removeprefix(_NOTE).rpartition("-")[0]
    return operation_of(workflow)


def approval_id(operation: str, round_: int) -> str:
    """The same for every attempt at opening one round, so that a retry opens nothing twice."""
    return f"apr_{operation.removeprefix('op_')}-{round_}"


_NOTE = "note-"


def note_workflow(operation: str, seq: int) -> str:
    return f"{_NOTE}{operation}-{seq}"


def invoice_fetch_workflow(invoice: str, fetch: str) -> str:
    """`fetch` tells apart those who ask: each gets what Stripe says now."""
    return f"invoice-fetch-{invoice}-{fetch}"


def quote_workflow(kind: Kind, organization: str, quote: str) -> str:
    """Another organization's quote, or one of another kind, has another name: nobody finds it by its id."""
    return f"quote-{kind}-{organization}-{quote}"


def is_quote_of(workflow: str, organization: str) -> bool:
    """Whether it is a quote that the organization has asked for. An organization's id may begin with another
    one's and a hyphen; a quote's has none."""
    begin = tuple(quote_workflow(kind, organization, "") for kind in QUOTE_WORKFLOWS)
    return workflow.startswith(begin) and workflow.rpartition("-")[0] + "-" in begin


def incident_workflow(incident: str, component: Component) -> str:
    """While the database is away no row can say who was first: there its workflow's id does."""
    return "incident-database" if component is Component.DATABASE else f"incident-{incident}"


def reconciliation_workflow(reconciliation: str) -> str:
    """Of a run that somebody asked for; those by schedule are called after it."""
    return f"reconciliation-{reconciliation}"
