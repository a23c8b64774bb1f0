"""What an invoice says to the customer, on its hosted page and in its PDF, as it is now."""

from datetime import UTC, datetime

from ..core.amounts import with_code
from ..core.kernel import Account, Obj
from ..invoices.invoice_lines import all_lines
from .pdf import HEIGHT, WIDTH, Text, one_page

LEFT, RIGHT = 50, WIDTH - 50
STEP = 16
MAX_LINES = 26
"""So many lines fit on the page; the last says how many more there are."""
_WIDEST = 58


def day(second: int) -> str:
    """The day of a Unix second, in UTC: `3 April 2026`."""
    at = datetime.fromtimestamp(second, UTC)
    return f"{at.day} {at:%B %Y}"


def billed_to(invoice: Obj) -> str:
    """The customer as the invoice names it."""
    return str(invoice["customer_name"] or invoice["customer_email"] or invoice["customer"])


def standing(invoice: Obj) -> str:
    """In a few words, how things stand with the invoice."""
    moments = invoice["status_transitions"]
    if invoice["status"] == "paid":
        return f"Paid on {day(moments['paid_at'])}"
    if invoice["status"] == "void":
        return f"Void since {day(moments['voided_at'])}: nothing is to be paid"
    return f"Open, due {day(invoice['due_date'])}" if invoice["due_date"] else "Open"


def sums(invoice: Obj) -> list[tuple[str, int]]:
    """From the total to what remains to be paid, in minor units."""
    from_balance = invoice["starting_balance"] - (invoice["ending_balance"] or 0)
    between = [
        ("Customer balance", from_balance),
        ("Credit notes", -invoice["pre_payment_credit_notes_amount"]),
        ("Paid", -invoice["amount_paid"]),
    ]
    moved = [(label, amount) for label, amount in between if amount]
    return [("Total", invoice["total"]), *moved, ("Amount remaining", invoice["amount_remaining"])]


def pdf_of(account: Account, invoice: Obj) -> bytes:
    """The invoice as a PDF; the same state gives the same bytes."""
    title = f"Invoice {invoice['number']}"
    top = HEIGHT - 70
    head = [
        account.name,
        f"Billed to {billed_to(invoice)}",
        f"Issued on {day(invoice['status_transitions']['finalized_at'])}",
        standing(invoice),
    ]
    texts = [Text(LEFT, top, title, 18, "bold")]
    texts += [Text(LEFT, top - 30 - STEP * row, text, 11) for row, text in enumerate(head)]
    y = top - 30 - STEP * (len(head) + 1)
    for block in (_rows(invoice), sums(invoice)):
        for label, amount in block:
            texts.append(Text(LEFT, y, label if len(label) <= _WIDEST else f"{label[: _WIDEST - 1]}…"))
            if amount is not None:
                texts.append(Text(RIGHT, y, with_code(amount, invoice["currency"]), 10, "fixed", right=True))
            y -= STEP
        y -= STEP
    return one_page(title, texts)


def _rows(invoice: Obj) -> list[tuple[str, int | None]]:
    lines = all_lines(invoice)
    shown = lines if len(lines) <= MAX_LINES else lines[: MAX_LINES - 1]
    rows: list[tuple[str, int | None]] = [(line["description"] or "Charge", line["amount"]) for line in shown]
    more = len(lines) - len(shown)
    return [*rows, (f"and {more} more lines, see the invoice's page", None)] if more else rows
