"""What a subscription has beside its plan (add-ons, usage, anything else), and what a change makes of it."""

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import Field

from ...core.operations import Message
from ...core.text import Slug, one_line


class OtherItem(Message):
    """An item of a subscription beside that of its plan. A `quantity` of None: it is billed by its usage.

    Two are the same that are so many at the same price, whatever their product is called.
    """

    price: str
    quantity: int | None
    name: str
    """Of its product."""
    add_on: Slug | None = None
    """The short name that its product has as an add-on."""

    @property
    def identity(self) -> tuple[str, int | None]:
        return self.price, self.quantity

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OtherItem) and self.identity == other.identity

    def __hash__(self) -> int:
        return hash(self.identity)


class ItemFacts(OtherItem):
    """The same with what else Stripe says; `unit_amount` is in minor units, None where there is none."""

    item: str
    interval: str
    interval_count: int
    unit_amount: int | None
    keeps: dict[str, Any] = Field(default_factory=dict)
    """All that it has beside: `phase_fields.of_its_own`."""


class ItemChange(Message):
    """What becomes of one item: `item` of None is a new one, a `quantity` of 0 takes it away."""

    item: str | None = None
    was: str | None = None
    """The price that it has."""
    price: str
    quantity: int
    keeps: dict[str, Any] = Field(default_factory=dict)
    """All that one has beside which is taken away, or which comes back: `phase_fields.of_its_own`."""
    lost: tuple[str, ...] = ()
    """The coupons without which one comes back: nobody can redeem them any more."""


def in_words(items: Iterable[OtherItem]) -> str:
    """`2 × Priority support, Exports by usage`, or nothing."""
    return ", ".join(
        f"{one_line(one.name)} by usage" if one.quantity is None else f"{one.quantity} × {one_line(one.name)}"
        for one in items
    )


def in_order(items: Iterable[OtherItem]) -> tuple[OtherItem, ...]:
    """The same items always in the same order, without what only `ItemFacts` say."""
    bare = [OtherItem.model_validate(one.model_dump(include=set(OtherItem.model_fields))) for one in items]
    return tuple(sorted(bare, key=lambda one: (one.price, one.quantity or 0)))


def item_changes(
    now: Sequence[ItemFacts], to: Sequence[OtherItem], taken_back: Sequence[ItemChange] = ()
) -> tuple[ItemChange, ...]:
    """What leads from what is to what is to be; nothing of what stays the same.

    An add-on whose price changes keeps its item. A new one has what it had before a change that is
    `taken_back` has removed it.
    """
    left, differ = list(to), []
    for item in now:
        if item in left:
            left.remove(item)
        else:
            differ.append(item)
    changes = []
    for item in differ:
        later = _becomes(item, left)
        if later is not None:
            left.remove(later)
        changes.append(
            ItemChange(
                item=item.item,
                was=item.price,
                price=later.price if later else item.price,
                quantity=(later.quantity or 0) if later else 0,
                keeps={} if later else item.keeps,
            )
        )
    removed = {one.price: one for one in taken_back if not one.quantity}
    new = (_new(one, removed.get(one.price)) for one in left)
    return (*changes, *new)


def restored(
    now: Sequence[OtherItem], before: Sequence[OtherItem], changes: Sequence[ItemChange]
) -> tuple[OtherItem, ...]:
    """What is now, with what these changes made of other items taken back, and nothing else."""
    touched = {price for one in changes for price in (one.was, one.price)}
    return in_order(
        (
            *(one for one in now if one.price not in touched),
            *(one for one in before if one.price in touched),
        )
    )


def _new(item: OtherItem, removed: ItemChange | None) -> ItemChange:
    change = ItemChange(price=item.price, quantity=item.quantity or 0)
    return change.model_copy(update={"keeps": removed.keeps, "lost": removed.lost}) if removed else change


def _becomes(item: OtherItem, left: Sequence[OtherItem]) -> OtherItem | None:
    """What this item will be, among those that aren't there yet."""
    at_its_price = (one for one in left if one.price == item.price)
    of_its_kind = (one for one in left if one.add_on is not None and one.add_on == item.add_on)
    return next(at_its_price, None) or next(of_its_kind, None)
