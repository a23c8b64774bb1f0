"""What a workflow is, and what it asks for, in a line for whoever looks at it in Temporal.

The lines may change with any release: nothing goes by them, and a replay does not compare them. They hold ids
and plain words only, and are encrypted like everything else.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from billing.evidence.event_words import WORDS
from billing.mail.steps import Step
from billing.operations.found_by import FoundBy
from billing.stripe.effects import Effect

from ..core import ids

WORKFLOWS: Mapping[str, str] = {
    ids.NOTE: "Writes a note into Stripe",
    ids.EVENT_CATCH_UP: "Asks Stripe for events that its webhooks have not brought",
    ids.REMINDER_SWEEP: "Opens the runs that remind customers",
    ids.INVOICE_FETCH: "Fetches an invoice from Stripe for somebody",
    ids.RECONCILE: "Compares our records with Stripe",
    ids.INCIDENT: "Looks after a component until it works again and its note is written",
    ids.CUSTOMER_MAIL: "Sends a mail to a customer",
    **{name: f"Quotes {kind.a_noun}" for kind, name in ids.QUOTE_WORKFLOWS.items()},
    ids.WAIVER_QUOTE: "Quotes a void or a write-off",
}
"""What is no operation, by the workflow's name."""

ACTIVITIES: Mapping[str, str] = {
    "abandon_operation": "Ends the operation, if nothing was begun in Stripe",
    "add_note": "Records a note",
    "assign_case": "Records who sees to the case",
    "begin_reconciliation": "Records that a reconciliation begins",
    "cancel_reminders": "Calls off the reminders that were not sent",
    "catch_up_events": "Asks Stripe for a page of events",
    "check_authority": "Weighs it against the requester's authority",
    "check_events_known": "Looks whether events of Stripe's may be missing",
    "check_held": "Looks whether it is still held",
    "check_room": "Looks how much of the payment is free",
    "clear_incident": "Records that the incident is cleared",
    "climb_approval": "Asks the next rung of the ladder",
    "close_approval": "Closes the approval without a decision",
    "close_holds": "Records holds that are over",
    "close_open_round": "Supersedes the approval that an earlier run left open",
    "commit_money": "Sets the money aside and weighs it against the requester's authority",
    "count_case": "Counts the money into its giver's window",
    "decide_reminders": "Decides which invoices of a page are reminded of",
    "end_case": "Records the end of the case",
    "end_operation": "Records the end of the operation",
    "end_reconciliation": "Records the end of the reconciliation",
    "fetch_pay_link": "Reads an invoice's page in Stripe",
    "fetch_pdf": "Fetches an invoice's PDF from Stripe",
    "find_access_trouble": "Finds out why the customer can't open the invoice",
    "hold_for_permission": "Records that our key for Stripe lacks a permission",
    "hold_operation": "Records that it is held until Stripe can be used",
    "look_at_cancellation": "Reads in Stripe what the cancellation would do",
    "look_at_change": "Previews the plan change in Stripe",
    "look_at_revert": "Previews in Stripe how the plan change is taken back",
    "look_for_news": "Looks what is new in Stripe",
    "look_up_customers": "Reads customers in Stripe",
    "look_up_invoices": "Reads invoices in Stripe",
    "look_up_organization_invoices": "Reads the organization's own invoices in Stripe",
    "look_up_renewals": "Reads renewals in Stripe",
    "look_up_subscriptions": "Reads subscriptions in Stripe",
    "mail_from_memory": "Mails the controllers while the records are away",
    "mail_near_limits": "Tells who is near a limit of their plan",
    "mail_organizations": "Mails the organizations",
    "mail_trouble_link": "Mails the customer a new link",
    "mirror_balances": "Reads a page of balances in Stripe",
    "mirror_catalog": "Reads plans and prices in Stripe",
    "mirror_credit_notes": "Reads a page of credit notes in Stripe",
    "mirror_customers": "Reads a page of customers in Stripe",
    "mirror_disputes": "Reads a page of disputes in Stripe",
    "mirror_failed": "Reads anew in Stripe what could not be read",
    "mirror_invoice_payments": "Reads a page of invoices' payments in Stripe",
    "mirror_invoices": "Reads a page of invoices in Stripe",
    "mirror_payments": "Reads a page of payments in Stripe",
    "mirror_refunds": "Reads a page of refunds in Stripe",
    "mirror_subscriptions": "Reads a page of subscriptions in Stripe",
    "open_approval": "Asks for an approval",
    "open_case": "Reads where the case stands",
    "open_runs": "Opens runs of reminders",
    "perform_effect": "Changes something in Stripe, once",
    "post_alert": "Posts an alert",
    "preview_review": "Looks up who would be asked",
    "probe_component": "Looks whether the component works",
    "read_applied_lines": "Reads in Stripe what the change came to",
    "read_cancellable": "Reads the subscription in Stripe",
    "read_change_payment": "Reads in Stripe how the change and its payment stand",
    "read_credit": "Reads the credit in Stripe",
    "read_creditable": "Reads in Stripe what can be credited",
    "read_current_phase": "Reads the subscription's terms in Stripe",
    "read_invoice_ahead": "Reads the next invoice in Stripe",
    "read_last_invoice": "Reads the last invoice in Stripe",
    "read_next_holds": "Looks who waits next",
    "read_note_objects": "Looks what bears the note in Stripe",
    "read_notes": "Reads the notes in the records",
    "read_other_change": "Looks for another plan change",
    "read_outcome": "Reads what the approval came to",
    "read_refund": "Reads the refund in Stripe",
    "read_refundable": "Reads in Stripe what can be refunded",
    "read_run_summary": "Sums the run up",
    "read_schedule": "Reads the schedule in Stripe",
    "read_schedule_preview": "Previews the schedule in Stripe",
    "read_standing": "Reads where the records say that it stands",
    "read_subscription": "Reads the subscription in Stripe",
    "read_waivable": "Reads the invoice in Stripe",
    "read_waived": "Reads in Stripe what became of the invoice",
    "record_denial": "Records that somebody did not make it",
    "record_maker": "Records who is said to have made it",
    "record_progress": "Records a step",
    "record_reminder": "Reminds the approvers",
    "record_rolling": "Records how far the comparison has come",
    "record_stage": "Records how far the reconciliation has come",
    "record_trouble": "Records a step of the trouble",
    "record_windows": "Records what was compared",
    "release_holds": "Records who may go on",
    "remind_case": "Reminds of the note that is owed",
    "resume_operation": "Records that it goes on",
    "review_held_reminders": "Looks again at what was to be sent",
    "save_incident": "Records where the incident stands",
    ids.SEND_CUSTOMER_MAILS: "Sends mails to customers",
    "settle_effect": "Reads back what was begun in Stripe",
    "settle_promises": "Settles promises to pay that are due",
}


def of_start(name: str, found_by: FoundBy | None) -> str:
    """Of a workflow, as it is started."""
    if found_by is None:
        return WORKFLOWS.get(name, name)
    noun = found_by.kind.noun
    whom = f", customer {found_by.customer}" if found_by.customer else ""
    return f"{noun[0].upper()}{noun[1:]} of {found_by.organization}{whom}"


def details(payload: Mapping[str, Any], found_by: FoundBy) -> str:
    """Of an operation's workflow, in Markdown."""
    lines = (
        f"- Operation: `{payload.get('operation')}`",
        f"- In the console: `/console/operations/{payload.get('operation')}`",
        f"- Kind: {found_by.kind.noun}",
        f"- Organization: `{found_by.organization}`",
        *([f"- Customer in Stripe: `{found_by.customer}`"] if found_by.customer else []),
        *([f"- Requested by: `{payload['requested_by']}`"] if payload.get("requested_by") else []),
    )
    return "\n".join(lines)


def memo(payload: Mapping[str, Any]) -> dict[str, str]:
    """What stands beside an operation's workflow in lists."""
    return {name: payload[name] for name in ("operation", "requested_by") if payload.get(name)}


def of_activity(name: str, args: Sequence[Any]) -> str | None:
    """Of an activity, by what it is asked for."""
    asked = next(iter(args), None)
    said = ACTIVITIES.get(name)
    match asked:
        case Effect():
            return f"Once in Stripe: {asked.kind} of {asked.target}"
        case Step() if "{" not in WORDS[asked.event]:
            return f"{said}: {WORDS[asked.event]}"
    return said
