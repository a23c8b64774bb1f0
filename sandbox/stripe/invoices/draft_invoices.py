"""Items that join, change or leave an invoice while it is a draft."""

from ..core.kernel import Ctx, Obj, public
from ..core.updates import differences
from .invoice_lines import all_lines, item_line, set_lines
from .invoice_shapes import expect_balance
from .invoicing import save
from .pending_items import take


def add_items(ctx: Ctx, invoice: Obj, items: list[Obj]) -> None:
    """Put stored invoice items on a draft."""
    lines = all_lines(invoice)
    taken = {item["id"]: ctx.store.new_id("il") for item in items}
    lines += [item_line(ctx.store, item, invoice["id"], taken[item["id"]], taken) for item in items]
    for item in items:
        take(ctx, item, invoice["id"], taken[item["id"]])
    _redraw(ctx, invoice, lines)


def redraw_item(ctx: Ctx, item: Obj) -> None:
    """An item on a draft changed: so does its line."""
    invoice = ctx.store.get("invoice", item["invoice"])
    taken = {item["id"]: item["_line"]}
    line = item_line(ctx.store, item, invoice["id"], item["_line"], taken)
    _redraw(ctx, invoice, [line if old["id"] == line["id"] else old for old in all_lines(invoice)])


def drop_item(ctx: Ctx, item: Obj) -> None:
    """An item on a draft is deleted: so is its line."""
    invoice = ctx.store.get("invoice", item["invoice"])
    _redraw(ctx, invoice, [line for line in all_lines(invoice) if line["id"] != item["_line"]])


def reckon_again(ctx: Ctx, invoice: Obj) -> None:
    """What holds for a draft changed: so do its sums. The caller stores it and tells of it."""
    set_lines(ctx, invoice, all_lines(invoice))
    expect_balance(invoice, ctx.store.get("customer", invoice["customer"]))


def _redraw(ctx: Ctx, invoice: Obj, lines: list[Obj]) -> None:
    before = public(invoice)
    set_lines(ctx, invoice, lines)
    expect_balance(invoice, ctx.store.get("customer", invoice["customer"]))
    save(ctx, invoice)
    ctx.emit("invoice.updated", invoice, differences(before, invoice))
