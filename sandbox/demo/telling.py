"""How the demo is told: tables and a spinner on a terminal, plain lines anywhere else."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from babel.numbers import get_currency_precision
from rich.console import Console
from rich.table import Table

Json = dict[str, Any]

NUMBERS = ("in use", "allowed", "amount", "approved", "in Stripe")
NAMES = {"seats": "seats", "customers": "customers", "ar_balance": "unpaid invoices"}


def money(amount_minor: int, currency: str) -> str:
    """An amount in minor units with its code, such as USD 364.67."""
    digits = get_currency_precision(currency.upper())
    return f"{currency.upper()} {Decimal(amount_minor).scaleb(-digits):,.{digits}f}"


class Teller:
    """Writes to stdout."""

    def __init__(self) -> None:
        self._out = Console(highlight=False, soft_wrap=True)

    def chapter(self, title: str) -> None:
        self._out.print(f"\n[bold]{title}[/]" if self._out.is_terminal else f"\n== {title}")

    def say(self, text: str) -> None:
        self._out.print(text, markup=False)

    def aside(self, text: str) -> None:
        self._out.print(f"  {text}", style="dim", markup=False)

    def item(self, text: str) -> None:
        self._out.print(f"  {text}", markup=False)

    @contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """A spinner while something takes its time; nothing at all where no one watches."""
        if not self._out.is_terminal:
            yield
            return
        with self._out.status(text):
            yield

    def limits(self, limits: Iterable[Json], currency: str) -> None:
        """What is used of what is allowed; unpaid invoices in the minor units of `currency`."""
        rows = []
        for limit in limits:
            said = (lambda n: money(n, currency)) if limit["name"] == "ar_balance" else str
            allowed = "unlimited" if limit["allowed"] is None else said(limit["allowed"])
            rows.append((NAMES[limit["name"]], said(limit["used"]), allowed))
        self._table(("limit", "in use", "allowed"), rows)

    def lines(self, lines: Iterable[Json], currency: str) -> None:
        """The lines of a preview."""
        rows = [
            (line["kind"], line["description"], _from(line), money(line["amount_minor"], currency))
            for line in lines
        ]
        self._table(("kind", "what", "from (UTC)", "amount"), rows)

    def compared(self, approved: Iterable[Json], actual: Iterable[Json], currency: str) -> None:
        """Approved lines beside those of Stripe's invoice, matched by everything but their wording."""
        rest = {_key(line): line["description"] for line in actual}
        rows = []
        for line in approved:
            amount = money(line["amount_minor"], currency)
            found = rest.pop(_key(line), None) is not None
            rows.append((line["description"], amount, amount if found else "missing"))
        rows += [(said, "not approved", money(key[1], currency)) for key, said in rest.items()]
        self._table(("line", "approved", "in Stripe"), rows)

    def _table(self, head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
        if not self._out.is_terminal:
            for row in rows:
                self.item("  ".join(f"{name}: {cell}" for name, cell in zip(head, row, strict=True)))
            return
        table = Table(box=None, padding=(0, 2), show_edge=False)
        for name in head:
            table.add_column(name, justify="right" if name in NUMBERS else "left")
        for row in rows:
            table.add_row(*row)
        self._out.print(table)


def _from(line: Json) -> str:
    return f"{datetime.fromtimestamp(line['period']['start'], UTC):%d %b %Y %H:%M:%S}"


def _key(line: Json) -> tuple[Any, ...]:
    period = line["period"]
    return line["kind"], line["amount_minor"], period["start"], period["end"], line["price"], line["quantity"]
