"""What is different about a request since the last round of its approval, in words for those who decide.

Subjects are compared as records and mails hold them: as JSON.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from ..core.money import Money
from ..core.operations import Kind, Message
from ..core.utc import utc_day
from ..plan_changes.items.others import OtherItem, in_words
from ..plan_changes.obstacles import OpenInvoice
from ..policy.reasons import REASON_WORDS
from ..stripe.invoice_amounts import InvoiceAmounts, compare_amounts

Names = Literal["text", "plan", "customer", "invoice"]

NONE = "none"


class SubjectChange(Message):
    """One thing that is not as it was. `names` says what the values are names of: a plan's short name, or
    the id of a customer or an invoice, which whoever shows it puts into words; else they are words already.
    """

    what: str
    before: str
    after: str
    names: Names = "text"


class SinceLastRound(Message):
    """Why there is another round, and what is new in it.

    `revised`: an approver (`asked_by`) wanted changes, with this comment, and `revised_by` made them.
    `drifted`: Stripe's figures changed after the approval, so it has to be given again.
    """

    why: Literal["revised", "drifted"]
    changes: tuple[SubjectChange, ...]
    asked_by: str | None = None
    comment: str | None = None
    revised_by: str | None = None


_INVOICES = {Kind.PLAN_CHANGE: "preview", Kind.CANCELLATION: "bill"}
"""Where the subjects of these have the invoice that they lead to."""

Subject = Mapping[str, Any]
Value = Callable[[Subject], str]

_INTERVALS = {"month": "monthly", "year": "yearly"}
_INSTRUMENTS = {"balance": "customer balance", "credit_note": "credit note"}
_EFFECTIVE = {"now": "at once", "period_end": "at the end of the period"}
_ACTIONS = {
    "at_period_end": "at the end of the period",
    "now": "at once",
    "take_back": "never: it renews",
}
_UNUSED = {"credit": "credited", "forfeit": "given up"}
_INVOICING = {"immediately": "at once", "next_invoice": "with the next invoice"}


def subject_changes(
    kind: Kind, before: Subject, after: Subject, reasons: tuple[str, str] | None = None
) -> tuple[SubjectChange, ...]:
    """What differs, in the order in which one reads a request; nothing for equal subjects.

    `reasons` are what was given before and is given now: a plan change's is no part of its subject.
    """
    changes = [
        SubjectChange(what=what, before=value(before), after=value(after), names=names)
        for what, names, value in COMPARED[kind]
        if value(before) != value(after)
    ]
    if (invoice := _INVOICES.get(kind)) is not None:
        old, new = before.get(invoice), after.get(invoice)
        changes += _lines(old, new)
        changes += _amounts(old, new)
    if kind is Kind.PLAN_CHANGE and reasons is not None and reasons[0] != reasons[1]:
        changes.append(SubjectChange(what="Reason", before=reasons[0], after=reasons[1]))
    return tuple(changes)


def _lines(before: Subject | None, after: Subject | None) -> list[SubjectChange]:
    """Lines of the previewed invoice whose amount is another one, or that only one of the two has."""
    old, new = _by_price(before), _by_price(after)
    return [
        SubjectChange(
            what=(new.get(key) or old[key])[0],
            before=old[key][1] if key in old else NONE,
            after=new[key][1] if key in new else NONE,
        )
        for key in dict.fromkeys([*old, *new])
        if (old.get(key) or ("", NONE))[1] != (new.get(key) or ("", NONE))[1]
    ]


def _amounts(before: Subject | None, after: Subject | None) -> list[SubjectChange]:
    """Discounts, taxes and the balance before: what is due follows from them, and is said itself. Of an
    invoice that only one of the two has, the lines say enough."""
    if before is None or after is None:
        return []
    old, new = (InvoiceAmounts.model_validate(invoice["amounts"]) for invoice in (before, after))
    return [
        SubjectChange(what=one.name, before=one.approved.format(), after=one.actual.format())
        for one in compare_amounts(old, new)
        if not one.is_sum
    ]


def _by_price(invoice: Subject | None) -> dict[tuple[str, str, int], tuple[str, str]]:
    """Description and amount of each line; those of one price and kind are told apart by their place."""
    found: dict[tuple[str, str, int], tuple[str, str]] = {}
    if invoice is None:
        return found
    for line in invoice["lines"]:
        place = sum(key[:2] == (line["kind"], line["price"]) for key in found)
        amount = Money(amount_minor=line["amount_minor"], currency=invoice["amounts"]["currency"])
        found[line["kind"], line["price"], place] = (line["description"], amount.format())
    return found


def _money(subject: Subject, *path: str) -> str:
    """An amount with its currency, wherever it stands."""
    found: Any = subject
    for name in path:
        found = (found or {}).get(name)
    if not found:
        return NONE
    return Money(amount_minor=found["amount_minor"], currency=found["currency"]).format()


def _text(name: str, words: Mapping[str, str] | None = None) -> Value:
    def value(subject: Subject) -> str:
        found = subject.get(name)
        return (words or {}).get(str(found), str(found)) if found else NONE

    return value


def _terms(name: str, words: Mapping[str, str] | None = None) -> Value:
    def value(subject: Subject) -> str:
        found = str(subject["to"][name])
        return (words or {}).get(found, found)

    return value


def _add_ons(side: str) -> Value:
    def value(subject: Subject) -> str:
        others = [OtherItem.model_validate(one) for one in subject[side]["others"]]
        return in_words(others) or NONE

    return value


def _day(at: int | None) -> str:
    return utc_day(at) if at is not None else NONE


def _due(subject: Subject) -> str:
    """What the last invoice, or the next one, asks for."""
    if subject["bill"] is None:
        return NONE
    amounts = InvoiceAmounts.model_validate(subject["bill"]["amounts"])
    return amounts.due.format()


def _owed(subject: Subject) -> str:
    """The invoices that stay open."""
    invoices = (OpenInvoice.model_validate(one) for one in subject["open_invoices"])
    return "; ".join(f"{one.remaining.format()} of {one.number or one.id}" for one in invoices) or NONE


def _replaced(subject: Subject) -> str:
    """The plan change that waits, and would not come."""
    replaced = subject.get("replaces")
    return str(replaced["operation"]) if replaced else NONE


def _taken_back(subject: Subject) -> str:
    """The day on which the subscription was set to end."""
    end = subject.get("takes_back")
    return utc_day(end["at"]) if end else NONE


def _payments(subject: Subject) -> str:
    """How many payments it is of. Which ones is in the records: their ids tell people nothing."""
    return str(len(subject.get("parts", ())))


def _credited_lines(subject: Subject) -> str:
    """How much of which lines a credit note is of."""
    lines = subject.get("lines") or ()
    said = (f"{line['description'] or line['line']}: {_money(line, 'amount')}" for line in lines)
    return "; ".join(said) or NONE


def _waiver(what: str) -> tuple[tuple[str, Names, Value], ...]:
    """Of a void or a write-off: `what` is what it comes to."""
    return (
        (what, "text", lambda subject: _money(subject, "amount")),
        ("Customer", "customer", _text("customer")),
        ("Invoice", "invoice", _text("invoice")),
        ("Unpaid", "text", lambda subject: _money(subject, "remaining")),
        ("Back to the balance", "text", lambda subject: _money(subject, "to_balance")),
        ("Paid", "text", lambda subject: _money(subject, "paid")),
        ("Reason", "text", _text("reason", REASON_WORDS)),
        ("Note", "text", _text("note")),
    )


COMPARED: Mapping[Kind, tuple[tuple[str, Names, Value], ...]] = {
    Kind.PLAN_CHANGE: (
        ("Current plan", "plan", lambda subject: str(subject["from"]["plan"])),
        ("Current seats", "text", lambda subject: str(subject["from"]["seats"])),
        ("Current add-ons", "text", _add_ons("from")),
        ("New plan", "plan", _terms("plan")),
        ("New seats", "text", _terms("seats")),
        ("Add-ons", "text", _add_ons("to")),
        ("Billed", "text", _terms("interval", _INTERVALS)),
        ("Takes effect", "text", _text("effective", _EFFECTIVE)),
        ("Charged", "text", _text("invoicing", _INVOICING)),
        ("Replaces", "text", _replaced),
        ("Takes back the planned end", "text", _taken_back),
        ("Due now", "text", lambda subject: _money(subject, "preview", "due_now")),
        ("Next invoice", "text", lambda subject: _money(subject, "preview", "next_invoice")),
    ),
    Kind.REFUND: (
        ("Amount", "text", lambda subject: _money(subject, "amount")),
        ("Customer", "customer", _text("customer")),
        ("Invoice", "invoice", _text("invoice")),
        ("Payments", "text", _payments),
        ("Paid", "text", lambda subject: _money(subject, "paid")),
        ("Refunded before", "text", lambda subject: _money(subject, "refunded_before")),
        ("Reason", "text", _text("reason", REASON_WORDS)),
        ("Note", "text", _text("note")),
    ),
    Kind.CREDIT: (
        ("Amount", "text", lambda subject: _money(subject, "amount")),
        ("Customer", "customer", _text("customer")),
        ("Credited as", "text", _text("instrument", _INSTRUMENTS)),
        ("Invoice", "invoice", _text("invoice")),
        ("Off the invoice", "text", lambda subject: _money(subject, "reduces_due")),
        ("To the balance", "text", lambda subject: _money(subject, "to_balance")),
        ("Lines", "text", _credited_lines),
        ("Mailed to the customer", "text", lambda subject: "yes" if subject.get("tell_customer") else "no"),
        ("Reason", "text", _text("reason", REASON_WORDS)),
        ("Note", "text", _text("note")),
    ),
    Kind.CANCELLATION: (
        ("Ends", "text", _text("action", _ACTIONS)),
        ("Plan", "plan", lambda subject: str(subject["terms"]["plan"])),
        ("Seats", "text", lambda subject: str(subject["terms"]["seats"])),
        ("Add-ons", "text", _add_ons("terms")),
        ("Billed", "text", lambda subject: _INTERVALS[subject["terms"]["interval"]]),
        ("Ends on", "text", lambda subject: _day(subject["ends_at"])),
        ("Was to end on", "text", lambda subject: _day(subject["cancel_at"])),
        ("Unused time", "text", _text("unused_time", _UNUSED)),
        ("Value of the unused time", "text", lambda subject: _money(subject, "amount")),
        ("Due", "text", _due),
        ("Stays owed", "text", _owed),
        ("Reason", "text", _text("reason", REASON_WORDS)),
        ("Note", "text", _text("note")),
    ),
    Kind.VOID: _waiver("Voided"),
    Kind.WRITE_OFF: _waiver("Written off"),
}
