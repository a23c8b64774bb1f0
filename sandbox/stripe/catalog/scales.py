"""What a quantity costs: per unit, per package of units, or by tiers.

https://docs.stripe.com/products-prices/pricing-models
"""

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Literal


@dataclass(frozen=True, slots=True)
class Tier:
    """The units up to and including `up_to` (None: all others), each at `unit`, and `flat` for the tier."""

    up_to: int | None
    unit: Decimal
    flat: Decimal


@dataclass(frozen=True, slots=True)
class Scale:
    """A price's model; amounts in minor units, unrounded."""

    unit: Decimal = Decimal(0)
    divide_by: int = 1
    round: Literal["up", "down"] = "up"
    """Whether a package that was begun counts."""
    tiers: tuple[Tier, ...] = ()
    mode: Literal["graduated", "volume"] | None = None
    """Each unit at the price of its own tier, or all of them at that of the last one's."""

    def cost(self, quantity: int) -> Decimal:
        """What so many units cost."""
        if self.mode == "graduated":
            return self._graduated(quantity)
        if self.mode == "volume":
            tier = next(tier for tier in self.tiers if tier.up_to is None or quantity <= tier.up_to)
            return tier.flat + tier.unit * quantity if quantity else Decimal(0)
        packages = Decimal(quantity) / self.divide_by
        rounding = ROUND_CEILING if self.round == "up" else ROUND_FLOOR
        return self.unit * packages.quantize(Decimal(1), rounding=rounding)

    def _graduated(self, quantity: int) -> Decimal:
        cost, below = Decimal(0), 0
        for tier in self.tiers:
            if quantity <= below:
                break
            upper = quantity if tier.up_to is None else min(quantity, tier.up_to)
            cost += tier.flat + tier.unit * (upper - below)
            below = upper
        return cost
