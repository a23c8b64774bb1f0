"""Whether a change has come to a good end, by the test's own reading of Stripe, field by field.

It is verified, and then subscription, customer and invoices have what people approved, and nothing else has
changed; or it was refused by a code, and nothing has.
"""

from collections.abc import Iterator
from typing import Any

from billing.plan_changes.subject import PlanChangeSubject

from .cases import Case
from .market import Document, Seen
from .stories import Story

MARKS = ("metadata.plixo_operation", "metadata.plixo_effect")
PERIOD = tuple(
    f"items[{item}].{name}"
    for item in range(3)
    for name in ("current_period_start", "current_period_end", "billed_until")
)
PLAN = ("items[0].price", "items[0].plan")
"""Of the plan's item, which is the first, only the price may become another."""


def at_once(case: Case, story: Story, before: Seen, after: Seen) -> Iterator[str]:
    """What is wrong before time goes on."""
    new = after.invoices[: len(after.invoices) - len(before.invoices)]
    if story.subject is not None and (story.verified or story.stage == "payment_under_way"):
        yield from _changed(case, story.subject, before, after, new)
    elif story.subject is not None and story.stage == "payment_due":
        yield from _waits(story.subject, before, after, new)
    elif story.over:
        yield from _refused(story, before, after)
        yield from [f"an invoice of {one['total']} of what was refused" for one in new]
    elif story.stage == "scheduled":
        yield from _differences(before, after, "schedule", MARKS[0])
        yield from [f"an invoice of {one['total']} before its time" for one in new]


def afterwards(case: Case, story: Story, before: Seen, after: Seen, renewed: Seen) -> Iterator[str]:
    """What is wrong after the renewal."""
    if not story.over:
        yield f"has not ended: {story.state}, {story.stage}, {story.problem and story.problem.message}"
        return
    failing = case.payment != "ok"
    moves = [*PERIOD, "latest_invoice", *(["status"] if failing or case.trial == "yes" else [])]
    moves += ["pending_update"] if failing else []
    if not story.verified or story.subject is None:
        yield from _differences(after, renewed, *moves, failing=failing)
        return
    subject, since = story.subject, after
    if not story.at_once:
        since = before
        moves += [*PLAN, *MARKS, *(["billing_cycle_anchor"] if case.to == "interval" else [])]
    yield from _terms(subject, renewed)
    yield from _differences(since, renewed, *moves, failing=failing)
    new = renewed.invoices[: len(renewed.invoices) - len(since.invoices)]
    if subject.begins_new_period:
        yield from [f"an invoice of {one['total']} that nobody expected" for one in new]
    elif len(new) != 1:
        yield f"{len(new)} renewals"
    else:
        yield from _follows(subject, new[0])
        if not subject.charged_at_once:
            yield from _asks(subject, new[0])


def _refused(story: Story, before: Seen, after: Seen) -> Iterator[str]:
    """By a code, before anybody was asked, or by the bank; and Stripe is as it was."""
    if not (story.problem and story.problem.code):
        yield f"ended as {story.state} without a code"
    if story.subject is not None and story.state != "declined":
        yield f"ended as {story.state} after people were asked: {story.problem and story.problem.message}"
    yield from _differences(before, after)


def _waits(subject: PlanChangeSubject, before: Seen, after: Seen, new: list[Document]) -> Iterator[str]:
    """Nothing has changed but that an invoice of what was approved is open, which the change waits for."""
    yield from _differences(before, after, "pending_update", "latest_invoice", failing=True)
    if after.subscription["pending_update"] is None:
        yield "nothing waits in Stripe"
    if [one["status"] for one in new] != ["open"]:
        yield f"invoices: {[one['status'] for one in new]}"
        return
    yield from _asks(subject, new[0])


def _changed(
    case: Case, subject: PlanChangeSubject, before: Seen, after: Seen, new: list[Document]
) -> Iterator[str]:
    """What was to be now is, and is on one invoice if it was to be charged at once."""
    yield from _terms(subject, after)
    allowed = [*PLAN, *MARKS, "latest_invoice"]
    if subject.begins_new_period:
        allowed += ["billing_cycle_anchor", *PERIOD]
    yield from _differences(before, after, *allowed)
    if not subject.charged_at_once:
        yield from [f"an invoice of {one['total']} before its time" for one in new]
        return
    if not new and not subject.preview.lines and not subject.preview.due_now.amount_minor:
        return  # there is nothing to charge
    if len(new) != 1:
        yield f"{len(new)} invoices"
        return
    yield from _asks(subject, new[0])
    due, paid = subject.preview.due_now.amount_minor, new[0]["status"]
    if new[0]["amount_due"] != due:
        yield f"due: {due} approved, {new[0]['amount_due']} in Stripe"
    if paid != "paid" and not (paid == "open" and case.payment == "debit"):
        yield f"its invoice is {paid}"
    if after.customer["balance"] != new[0]["ending_balance"]:
        yield f"balance: {after.customer['balance']}, the invoice leaves {new[0]['ending_balance']}"


def _terms(subject: PlanChangeSubject, seen: Seen) -> Iterator[str]:
    """The plan's item is at the price and of the seats that were approved."""
    found = [
        (item["price"]["id"], item["quantity"])
        for item in seen.subscription["items"]["data"]
        if item["id"] == subject.subscription_item
    ]
    if found != [(subject.to.price, subject.to.seats)]:
        yield f"terms: {found}"


def _asks(subject: PlanChangeSubject, invoice: Document) -> Iterator[str]:
    """The invoice asks for what was approved of it, whole and in its parts."""
    shown, preview = subject.preview.amounts, subject.preview
    approved = {
        "lines": sorted(line.amount_minor for line in preview.lines),
        "discounts": sum(one.amount_minor for one in shown.discounts),
        "taxes": sorted(one.amount_minor for one in shown.taxes if one.amount_minor),
        "subtotal": shown.subtotal,
        "total": shown.total,
        "amount_due": shown.amount_due,
        "starting_balance": shown.starting_balance,
        "ending_balance": shown.ending_balance,
    }
    found = {
        "lines": sorted(line["amount"] for line in invoice["lines"]["data"]),
        "discounts": sum(one["amount"] for one in invoice["total_discount_amounts"]),
        "taxes": sorted(one["amount"] for one in invoice["total_taxes"] if one["amount"]),
        **{name: invoice[name] for name in list(approved)[3:]},
    }
    for name, amount in approved.items():
        if found[name] != amount:
            yield f"{name}: {amount} approved, {found[name]} in Stripe"


def _follows(subject: PlanChangeSubject, renewal: Document) -> Iterator[str]:
    """The next invoice is what was shown of it."""
    shown = subject.preview.next_invoice
    found = renewal["total"], renewal["amount_due"]
    if found != (shown.total, shown.amount_minor):
        yield f"next invoice: {(shown.total, shown.amount_minor)} approved, {found} in Stripe"
    if renewal["status"] not in ("paid", "open"):
        yield f"the renewal is {renewal['status']}"


def _differences(before: Seen, after: Seen, *allowed: str, failing: bool = False) -> Iterator[str]:
    """Fields of the subscription and its customer that are otherwise and may not be."""
    for name, (old, new) in _unlike(_flat(before.subscription), _flat(after.subscription)).items():
        if not name.startswith(allowed):
            yield f"{name}: {old} became {new}"
    of_customer = ("balance", "next_invoice_sequence", *(["delinquent"] if failing else []))
    for name, (old, new) in _unlike(_flat(before.customer), _flat(after.customer)).items():
        if name not in of_customer:
            yield f"customer's {name}: {old} became {new}"


def _unlike(old: dict[str, Any], new: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    names = [name for name in old | new if old.get(name) != new.get(name)]
    return {name: (old.get(name), new.get(name)) for name in names}


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    """Each value by its path; `items.data` by the items' order."""
    if isinstance(value, dict) and value:
        entries = [(f"{path}.{name}" if path else name, inner) for name, inner in value.items()]
    elif isinstance(value, list) and value:
        entries = [
            (f"{path}[{index}]".replace("items.data", "items"), one) for index, one in enumerate(value)
        ]
    else:
        return {path: value}
    flat: dict[str, Any] = {}
    for name, inner in entries:
        flat |= _flat(inner, name)
    return flat
