"""2026-03-25.dahlia: a line has its `subtotal` and its quantity as a decimal; recorded answers show it."""

from ..core.kernel import Ctx, Obj
from .registry import answers


@answers("2026-03-25.dahlia", "line_item")
def plain(ctx: Ctx, line: Obj) -> None:
    """Without them."""
    line.pop("subtotal", None)
    line.pop("quantity_decimal", None)
