"""The shape that plan changes had on November 29, 2026, at commit 906d8e9, and their calls to Stripe.

Baselines are made from it, whatever the product does by now: one made from the product would become faster
with it, and no comparison would say so.
"""

from collections import Counter
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from .shape import Shape

FILE = Path(__file__).with_name("reference.json")

REVIEW = "ApprovalWorkflow"
"""The child that waits for the decision."""


class Reference(BaseModel):
    """`stripe` are the calls of one change, without ids."""

    model_config = ConfigDict(frozen=True)

    shape: Shape
    stripe: Counter[str]


@cache
def reference() -> Reference:
    """As it is kept beside this file."""
    return Reference.model_validate_json(FILE.read_bytes())
