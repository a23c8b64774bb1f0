"""What a change has left otherwise than it was, field by field: of a subscription and of its customer."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from .builders import Tenant
from .shop import Shop


@dataclass(frozen=True)
class Terms:
    """A subscription and its customer as Stripe has them, each field by its path."""

    fields: dict[str, Any]

    def changed(self, after: "Terms", *approved: str) -> dict[str, tuple[Any, Any]]:
        """The fields that differ, with both values, but for those that `approved` patterns match."""
        names = self.fields.keys() | after.fields.keys()
        found = {name: (self.fields.get(name), after.fields.get(name)) for name in sorted(names)}
        return {
            name: values
            for name, values in found.items()
            if values[0] != values[1] and not any(fnmatchcase(name, pattern) for pattern in approved)
        }


async def terms(shop: Shop, tenant: Tenant) -> Terms:
    """As they are now."""
    subscription, customer = await asyncio.gather(
        shop.subscription(tenant),
        shop.client.v1.customers.retrieve_async(
            tenant.organization.stripe_customer, {"expand": ["discount"]}
        ),
    )
    found = {"subscription": subscription.to_dict(), "customer": customer.to_dict()}
    return Terms(dict(_leaves(json.loads(json.dumps(found, default=str)))))


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = ((str(index), element) for index, element in enumerate(value))
    else:
        yield path, value
        return
    for name, element in inner:
        yield from _leaves(element, f"{path}.{name}" if path else name)
