"""The lines of an invoice in the form of a credit, carried from page to page in one field.

The field has a word for each line: `il_1=12.50` for an amount as it was typed, `il_1*2` for a quantity.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from billing.core.money import Money, is_code, minor_units

from ..frame.forms import Form

FIELD = "lines"
INPUT = "line:"
"""Begins the name of the input of one line."""
BOTH = "Amount must be empty where lines are credited."


def gather(form: Form) -> None:
    """Takes what was typed for each line into the one field, and out of it where a page has only that.

    A line that is credited by its quantity, as the API alone asks for, stays so unless an amount is typed."""
    typed = {name.removeprefix(INPUT): value.strip() for name, value in form.values.items() if _is_line(name)}
    if typed:
        words = [f"{line}={value.replace(' ', '')}" for line, value in typed.items() if value]
        quantities = [word for word in form.value(FIELD).split() if "*" in word]
        words += [word for word in quantities if not typed.get(word.partition("*")[0])]
        form.values = {**form.values, FIELD: " ".join(words)}
        if words and form.value("amount"):
            form.errors["amount"] = BOTH
    else:
        amounts = (word.partition("=") for word in form.value(FIELD).split() if "=" in word)
        form.values = {**form.values, **{f"{INPUT}{line}": value for line, _, value in amounts}}


def lines_of(form: Form) -> list[dict[str, Any]]:
    """The API's lines; amounts that are none are errors of the form."""
    return list(_lines(form, form.value("currency").lower()))


def words_of(lines: Iterable[Mapping[str, Any]], currency: str) -> str:
    """The field for lines that were asked for before."""
    return " ".join(
        f"{one['line']}*{one['quantity']}"
        if one.get("quantity") is not None
        else f"{one['line']}={Money(amount_minor=one['amount_minor'], currency=currency).decimal}"
        for one in lines
    )


def _lines(form: Form, currency: str) -> Iterator[dict[str, Any]]:
    for word in form.value(FIELD).split():
        line, quantified, quantity = word.partition("*")
        if quantified and quantity.isascii() and quantity.isdigit():
            yield {"line": line, "quantity": int(quantity)}
            continue
        line, _, value = word.partition("=")
        amount = minor_units(value, currency) if is_code(currency) else None
        if not amount or amount < 0:
            form.errors[f"{INPUT}{line}"] = "This must be a number such as 13.00."
        else:
            yield {"line": line, "amount_minor": amount}


def _is_line(name: str) -> bool:
    return name.startswith(INPUT)
