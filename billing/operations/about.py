"""Whom and what an operation is about, by its request, subject or result as JSON."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ..core.money import Money

_STRIPE_ID = re.compile(r"(?:in|cus|pi|ch|py|re|pyr|cn|cbtxn|sub|sub_sched|si|ii)_[A-Za-z0-9_]{1,120}")
MOST_OBJECTS = 100
"""What one document is found by at most."""


class SubjectMatter(NamedTuple):
    """`customer` is the organization's own customer, none where its subscription is concerned; `objects` are
    the Stripe ids by which it is found, sorted."""

    customer: str | None
    amount: Money | None
    objects: tuple[str, ...]


def about(document: Mapping[str, Any] | None) -> SubjectMatter:
    """As far as the document says."""
    document = document or {}
    of_subscription = "subscription" in document or document.get("object_kind") == "subscription"
    customer = document.get("customer")
    objects = sorted(set(_ids(document)))[:MOST_OBJECTS]
    return SubjectMatter(
        customer if isinstance(customer, str) and not of_subscription else None,
        _amount(document),
        tuple(objects),
    )


def _amount(document: Mapping[str, Any]) -> Money | None:
    """Of a request two fields, of which none need be there; of a subject one."""
    amount = document.get("amount") or {name: document.get(name) for name in ("amount_minor", "currency")}
    if not isinstance(amount, Mapping) or not all(amount.values()):
        return None
    return Money(amount_minor=amount["amount_minor"], currency=amount["currency"])


def _ids(value: Any) -> Iterator[str]:
    match value:
        case str() if _STRIPE_ID.fullmatch(value):
            yield value
        case Mapping():
            for inner in value.values():
                yield from _ids(inner)
        case list() | tuple():
            for inner in value:
                yield from _ids(inner)
